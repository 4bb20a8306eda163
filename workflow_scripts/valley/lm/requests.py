"""What engines are asked and what they answer: one contract for transformers and vLLM.

An engine is a class `Engine` in `valley.lm.engines.with_…`, made once per checkpoint:

    Engine(checkpoint, precision=…, temperature=…, top_p=…, stop=[…], **tuning)
    .encode(text) -> prompt ids        .decode(ids) -> text
    .window                            tokens of prompt and answer together, at most
    .answers(requests, stopping)       yields lists of (number of the request, answer)
    .measured                          what it ran on, for the sidecar

Answers come in whatever order they finish; what was yielded can be saved at once. When `stopping()`
turns true the engine leaves what is unfinished and ends.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Stopping = Callable[[], bool]


@dataclass(frozen=True)
class Request:
    """One answer to sample.

    Attributes:
        prompt: token ids.
        seed: of its draws.
        max_tokens: longest answer, 1 or more.
    """

    prompt: tuple[int, ...]
    seed: int
    max_tokens: int


@dataclass(frozen=True)
class Answer:
    """Token ids without the token that ended them, and why they ended: "stop" or "length"."""

    ids: list[int]
    finish_reason: str


Finished = Iterator[list[tuple[int, Answer]]]


def room(prompt: tuple[int, ...], window: int | None, max_tokens: int) -> int:
    """Return how many tokens an answer may have: the limit, or what the context window leaves."""
    return max_tokens if window is None else max(0, min(max_tokens, window - len(prompt)))


def end_ids(tokenizer, named: int | list[int] | None, stop: list[str]) -> list[int]:
    """Return the tokens that end an answer, in order.

    Args:
        tokenizer: the end of a turn by its template is one, and so is the end of a text.
        named: what the model's generation settings name; chat models often have several.
        stop: further tokens, as text.

    Raises:
        ValueError: a stop is not exactly one token of this vocabulary.
    """
    from valley.lm import chat

    found = {tokenizer.eos_token_id, chat.end_of_turn(tokenizer)}
    found |= set(named if isinstance(named, list) else [named])
    for text in stop:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise ValueError(
                f"sampling.stop: {text!r} is {len(ids)} tokens in this student's vocabulary; only "
                "a single token can end an answer (a chat marker, say)"
            )
        found.add(ids[0])
    return sorted(found - {None})
