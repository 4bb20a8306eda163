"""Let teachers answer the corpus' questions anew: traces to be judged and labelled."""

import time
import uuid
from collections import Counter
from pathlib import Path

from valley.asking.parts import groups_of, share_of_limits
from valley.asking.questions import Question, questions, teacher_cache
from valley.asking.settings import AskSettings, Endpoint, Model
from valley.core.files import POOL, read_json, write_json, write_parquet
from valley.core.parts import Part
from valley.core.resume import stop_signals
from valley.core.traces import trace_row
from valley.lm.answer_cache import AnswerCache, answer_row
from valley.lm.answering import save_answers
from valley.lm.shares import Groups, share
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

MILLION = 1_000_000
TEACHER = "corpus.teachers.{teacher}"  # where the study file has a teacher


@task
class Asking(Task):
    """Every question of the corpus answered by one teacher, as pool rows without labels.

    Attributes:
        problems: of the corpus.
        out: the traces.
        asked: how it is asked.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
        words_code: digest of the code that joins reasoning and answer into one text.
        store: root of the store.
    """

    more_code = {"words_code": "valley.asking.questions:with_think_tags"}  # noqa: RUF012

    problems: Path = reads()
    out: Path = writes()
    asked: AskSettings = param(TEACHER)
    prompt: list[str] | None = param()
    words_code: str = param()
    store: Path = option()

    def run(self, job: Job) -> dict:
        """Ask what the cache lacks, and write the traces; return measurements.

        Raises:
            Unanswered: questions are left, and the study file says to stop.
        """
        name = job.wildcards["teacher"]
        wanted = questions(self.problems, self.asked, self.prompt)
        cache = teacher_cache(self.store, self.settings(), self.content(job))
        measured, reasons = ask(wanted, cache, lambda: self.answering(job), chunk=self.asked.chunk)
        measured |= {**costs(cache, *self.prices()), "unanswered": reasons}
        job.measured |= measured  # also where it ends here
        report_unanswered(reasons, self.asked.unanswered)
        write(wanted, cache, self.out, teacher=name)
        job.restored = not measured["asked"]
        return measured

    def answering(self, job: Job):
        """Return what answers (see `ask`)."""
        raise TypeError(f"{type(self).__name__} does not say who answers")

    def content(self, job: Job) -> dict[str, str]:
        """Return the digests of the files that the teacher consists of, by name; none elsewhere."""
        return {}

    def prices(self) -> tuple[float | None, float | None]:
        """Return what a million tokens read and written cost; None is unknown."""
        return None, None


@task
class AskEndpoint(Asking):
    """A teacher behind an endpoint.

    Attributes:
        endpoint: its name there, and its address, limits, patience and prices.
    """

    rules = ("ask_endpoint",)

    endpoint: Endpoint = param(f"{TEACHER}.endpoint")

    def answering(self, job: Job):
        from valley.asking.endpoint import Client

        return Client(self.endpoint, self.asked)

    def prices(self) -> tuple[float | None, float | None]:
        return self.endpoint.price_in, self.endpoint.price_out


@task
class AskEndpointPart(AskEndpoint):
    """One job's part of the questions to a teacher behind an endpoint; answers go into the cache.

    Attributes:
        out: how many answers all parts have together; `ask_endpoint` cuts its file out of the
            cache.
    """

    rules = ("ask_endpoint_part",)

    def run(self, job: Job) -> dict:
        """Ask; return measurements. Raises `Unanswered` as one job alone does."""
        return ask_part(self, job, None)

    def answering(self, job: Job):
        from valley.asking.endpoint import Client

        return Client(share_of_limits(self.endpoint, _part(job)), self.asked)


@task
class AskModel(Asking):
    """A teacher that is run here.

    Attributes:
        weights: the model's files, where it is a folder here.
        model: the model, and what runs it.
        engine_code: digest of the engine's code.
    """

    rules = ("ask_model",)
    more_code = {  # noqa: RUF012
        **Asking.more_code,
        "engine_code": "valley.lm.engines.with_{engine}:Engine",
    }

    weights: list[Path] = reads(())
    model: Model = param(f"{TEACHER}.model")
    engine_code: str = param()

    def answering(self, job: Job):
        from valley.asking.local import Local

        return Local(self.model, self.asked, job.gpus)

    def content(self, job: Job) -> dict[str, str]:
        # A folder has no revision: its content tells whether it is still the same model.
        return {path.name: job.digest_of(path) for path in self.weights}


@task
class AskModelPart(AskModel):
    """One job's part of the questions to a teacher that is run here; answers go into the cache.

    Attributes:
        out: how many answers all parts have together; `ask_model` cuts its file out of the
            cache.
    """

    rules = ("ask_model_part",)

    def run(self, job: Job) -> dict:
        """Ask; return measurements. Raises `Unanswered` as one job alone does."""
        with groups_of(self.model, self.asked.max_tokens) as groups:
            return ask_part(self, job, groups)


class Unanswered(RuntimeError):
    """Questions are left that nobody answered, and the study file does not skip them."""


def ask_part(task: Asking, job: Job, groups: Groups | None) -> dict:
    """Ask what the cache lacks of one job's part of the questions; return measurements.

    What all parts took stands in the sidecar of the file that is cut out of the cache, once.

    Args:
        task: whose questions.
        job: of the part.
        groups: how answers are composed in groups; None where each is by itself.

    Raises:
        Unanswered: questions of this part are left, and the study file says to stop.
    """
    wanted = questions(task.problems, task.asked, task.prompt)
    cache = teacher_cache(task.store, task.settings(), task.content(job))
    own = [one for batch in share(cache, wanted, _part(job), groups) for one in batch]
    measured, reasons = ask(own, cache, lambda: task.answering(job), chunk=task.asked.chunk)
    job.measured |= {**measured, "unanswered": reasons}  # also where it ends here
    report_unanswered(reasons, task.asked.unanswered)
    job.restored = not measured["asked"]
    write_json(task.out, {"answers": len(wanted)})
    return measured


def _part(job: Job) -> Part:
    return Part.named(job.wildcards["part"])


def ask(
    questions: list[Question], cache: AnswerCache, engine, *, chunk: int
) -> tuple[dict, dict[str, int]]:
    """Ask what the cache lacks, and add each answer to it.

    Args:
        questions: what is wanted.
        cache: where answers are kept.
        engine: has `answers(questions, stopping)` and `measured`; or a function that makes it, only
            called when something is to be asked.
        chunk: answers that are saved together.

    Returns:
        Measurements, and how many questions were not answered, by reason.

    Raises:
        Stopped: the job was asked to stop; what had been answered is in the cache.
    """
    known = cache.known(question.key for question in questions)
    missing = [question for question in questions if question.key not in known]
    measured = {"answers": len(questions), "reused": len(known), "asked": len(missing)}
    reasons: Counter[str] = Counter()
    if not missing:
        return measured, {}
    begun, spent = time.monotonic(), Counter()

    def row_of(number: int, said) -> dict | None:
        spent.update(tokens_in=said.prompt_tokens, tokens_out=said.tokens)
        if said.text is None:
            reasons[said.finish_reason] += 1
            return None
        return answer_row(missing[number], said.text, said.finish_reason, said.tokens)

    def saved() -> None:
        if spent.total():
            write_json(cache.folder / "spent" / f"{uuid.uuid4().hex}.json", dict(spent))
            spent.clear()

    with stop_signals() as stopping:
        engine = engine() if callable(engine) else engine
        batches = engine.answers(missing, stopping)
        counts = {"left": len(missing), "total": len(questions)}
        save_answers(batches, cache, row_of, **counts, chunk=chunk, saved=saved)
    return {**measured, **engine.measured, "ask_seconds": time.monotonic() - begun}, reasons


def write(questions: list[Question], cache: AnswerCache, out: Path, *, teacher: str) -> None:
    """Write a teacher's answers as pool rows, unlabelled, sorted by id; unanswered ones lack."""
    known = cache.known(question.key for question in questions)
    rows = [
        trace_row(
            question.problem,
            known[question.key]["text"],
            id=f"{question.problem_id}/{teacher}/{question.sample}",
            teacher=teacher,
            tokens=known[question.key]["tokens"],
        )
        for question in questions
        if question.key in known
    ]
    write_parquet(out, sorted(rows, key=lambda row: row["id"]), POOL)


def costs(cache: AnswerCache, price_in: float | None, price_out: float | None) -> dict:
    """Return tokens and money that a cache's answers took, over all the jobs that wrote it.

    Args:
        cache: the teacher's.
        price_in, price_out: per million tokens read and written; None is unknown.
    """
    spent: Counter[str] = Counter()
    for path in sorted((cache.folder / "spent").glob("*.json")):
        spent.update(read_json(path))
    found = {name: spent[name] for name in ("tokens_in", "tokens_out")}
    if price_in is not None and price_out is not None:
        price = found["tokens_in"] * price_in + found["tokens_out"] * price_out
        found["cost"] = price / MILLION
    return found


def report_unanswered(reasons: dict[str, int], unanswered: str) -> None:
    """Say which questions were not answered; an error unless the study file skips them."""
    if not reasons:
        return
    why = "; ".join(f"{number} times {reason}" for reason, number in sorted(reasons.items()))
    count = sum(reasons.values())
    if unanswered == "stop":
        raise Unanswered(
            f"{count} questions were not answered ({why}). All other answers are kept: run again "
            "to ask these once more, or put `unanswered: skip` into the study file to go on without"
        )
    print(f"{count} questions are left unanswered: {why}", flush=True)


if "snakemake" in globals():
    execute(snakemake, AskEndpoint, AskEndpointPart, AskModel, AskModelPart)
