"""Teachers behind an endpoint that speaks OpenAI's protocol (chat completions).

The key comes from the environment and stays in this process: it stands in no file, no log and no
message, not even where the server sends it back.
"""

import asyncio
import os
import time
from collections.abc import Sequence

import tenacity

from valley.asking.limits import Limiter
from valley.asking.questions import Answers, Question, Reply, Stopping, with_think_tags
from valley.asking.settings import AskSettings, Endpoint

_LOOK_UP_S = 0.2  # between looks at whether to stop
_GRACE_S = 20  # for answers under way when the job is asked to stop
_LONGEST_PAUSE_S = 60
_PATIENCE = 10  # questions in a row that nobody answers, however often they are asked
_REFUSED = {
    401: "the key is not accepted",
    402: "the account has no credit",
    403: "the key does not allow this",
    404: "there is no such model or address",
}


class EndpointError(RuntimeError):
    """Asking on is of no use; the message says what to fix."""


class _HalfAnswer(Exception):
    """An answer that broke off, or is no answer at all: asked again."""


class Client:
    """Who asks at an endpoint.

    Args:
        endpoint: the teacher's.
        options: how answers are drawn.

    Raises:
        EndpointError: the key's variable is not set.
    """

    def __init__(self, endpoint: Endpoint, options: AskSettings):
        import openai

        self._openai, self._key = openai, _key(endpoint.key_variable)
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=self._key or "none",
            timeout=endpoint.timeout_s,
            max_retries=0,  # here, where limits, stops and half answers are known of
        )
        self._request = {
            "model": endpoint.model,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "max_tokens": options.max_tokens,
            "extra_body": endpoint.extra,
        }
        self._endpoint = endpoint
        limits = (endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self._limiter = Limiter(*limits, options.max_tokens)
        self._stopping = False
        self.measured = {"requests": 0, "asked_again": {}}

    def answers(self, questions: Sequence[Question], stopping: Stopping) -> Answers:
        """Yield what is said as it comes, several questions being asked at a time.

        Raises:
            EndpointError: the server refuses, or answers nobody.
        """
        waiting, running, silent = list(enumerate(questions))[::-1], {}, 0
        with asyncio.Runner() as runner:
            try:
                while (waiting or running) and not stopping():
                    while waiting and len(running) < self._endpoint.concurrent:
                        number, question = waiting.pop()
                        running[runner.get_loop().create_task(self._ask(question))] = number
                    ended = runner.run(_ended(running, _LOOK_UP_S))
                    said = [(running.pop(t), t.result()) for t in ended if not t.exception()]
                    for _, answer in said:
                        silent = silent + 1 if _nobody(answer) else 0
                    if said:
                        yield said
                    for task in ended:
                        task.result()  # raises what stops it all, once the rest is handed on
                    if silent >= _PATIENCE:
                        raise EndpointError(
                            f"{silent} questions in a row were answered by nobody, the last for "
                            f"this reason: {said[-1][1].finish_reason}. What was answered before "
                            "is kept; try again later"
                        )
                self._stopping = True  # no more attempts; what is under way may end
                ended = runner.run(_ended(running, _GRACE_S, asyncio.ALL_COMPLETED))
                yield [
                    (running[task], task.result())
                    for task in ended
                    if not task.exception() and not _nobody(task.result())
                ]
            finally:
                runner.run(self._client.close())

    async def _ask(self, question: Question) -> Reply:
        """Ask until there is an answer, or no more use in asking."""
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._passes),
            stop=lambda state: self._stopping or state.attempt_number >= self._endpoint.attempts,
            wait=self._pause,
            sleep=self._nap,
            reraise=True,
        )
        try:
            return await retrying(self._ask_once, question)
        except self._openai.APIStatusError as error:
            text = self._clean(error)
            if error.status_code in _REFUSED or _no_credit(error):
                why = _REFUSED.get(error.status_code, _REFUSED[402])
                raise EndpointError(f"{self._client.base_url}: {why}: {text}") from None
            if error.status_code < 500 and error.status_code not in (408, 409, 429):
                return Reply(None, f"refused: {text}")
            return Reply(None, f"nobody: {text}")
        except (self._openai.APIError, _HalfAnswer, ValueError) as error:
            return Reply(None, f"nobody: {self._clean(error)}")

    async def _ask_once(self, question: Question) -> Reply:
        pause, entry = self._limiter.enter()
        while entry is None:
            await self._nap(pause)
            if self._stopping:
                raise _HalfAnswer("stopped before it was asked")
            pause, entry = self._limiter.enter()
        tokens = 0
        self.measured["requests"] += 1
        try:
            seeded = {"seed": question.seed} if self._endpoint.send_seed else {}
            turn = [{"role": "user", "content": question.prompt}]
            reply = await self._client.chat.completions.create(
                messages=turn, **self._request, **seeded
            )
            usage = getattr(reply, "usage", None)
            read = getattr(usage, "prompt_tokens", None) or 0
            wrote = getattr(usage, "completion_tokens", None) or 0
            tokens = read + wrote
            return _said(reply, read, wrote)
        finally:
            self._limiter.leave(entry, tokens)

    async def _nap(self, seconds: float) -> None:
        """Sleep, but not when the job is to stop."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _LOOK_UP_S))

    def _passes(self, error: BaseException) -> bool:
        """Whether it is worth asking again after an error; counts those that are."""
        openai = self._openai
        status = getattr(error, "status_code", None)
        if isinstance(error, openai.APIStatusError):
            passes = (status >= 500 or status in (408, 409, 429)) and not _no_credit(error)
        else:
            passes = isinstance(error, openai.APIError | _HalfAnswer | ValueError)
        if passes:
            name = str(status) if status else type(error).__name__.strip("_")
            again = self.measured["asked_again"]
            again[name] = again.get(name, 0) + 1
        return passes

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds before the next attempt: as told by the server, or ever longer."""
        error = state.outcome.exception()
        headers = getattr(getattr(error, "response", None), "headers", {})
        try:
            told = float(headers.get("retry-after", 0))
        except ValueError:
            told = 0.0
        first = self._endpoint.backoff_s
        grown = tenacity.wait_random_exponential(first, max=_LONGEST_PAUSE_S)(state)
        return min(max(told, grown), 10 * _LONGEST_PAUSE_S)

    def _clean(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if self._key:
            text = text.replace(self._key, "(key)")
        return text[:300] or type(error).__name__


def _said(reply, read: int, wrote: int) -> Reply:
    """Return what a reply says; a half one is an error."""
    choices = getattr(reply, "choices", None)
    if not choices:
        raise _HalfAnswer("a reply without an answer")
    choice = choices[0]
    if choice.finish_reason == "content_filter":
        return Reply(None, "refused: content_filter", wrote, read)
    if choice.finish_reason not in ("stop", "length"):
        raise _HalfAnswer(f"an answer that ended by {choice.finish_reason!r}")
    message = choice.message
    # DeepSeek and others send reasoning in a field of its own, under one of two names.
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    text = with_think_tags(reasoning, message.content)
    if not text.strip():
        raise _HalfAnswer("an empty answer")
    return Reply(text, choice.finish_reason, wrote, read)


async def _ended(tasks, seconds: float, when=asyncio.FIRST_COMPLETED) -> set[asyncio.Task]:
    """Wait for tasks for some seconds, and return those that have ended."""
    return (await asyncio.wait(tasks, timeout=seconds, return_when=when))[0] if tasks else set()


def _nobody(answer: Reply) -> bool:
    return answer.finish_reason.startswith("nobody")


def _no_credit(error: Exception) -> bool:
    return getattr(error, "code", None) == "insufficient_quota"


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise EndpointError(
            f"the environment variable {variable} is not set; it is to hold the endpoint's key "
            f"(export {variable}=… before snakemake; never write the key into the study file)"
        )
    return key
