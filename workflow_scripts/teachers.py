"""Let teachers answer the corpus' questions anew: traces to be judged and labelled."""

import time
import uuid
from collections import Counter
from pathlib import Path

from valley.asking.questions import Question, questions, teacher_book
from valley.core.files import POOL, read_json, write_json, write_parquet
from valley.core.resume import stop_signals
from valley.core.traces import trace_row
from valley.lm.answering import keep
from valley.lm.book import Book, answered
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
        temperature, top_p: of the draws.
        max_tokens: longest answer.
        answers: per question.
        seed: of the draws.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
        unanswered: "stop", or "skip" questions that are not answered.
        words_code: digest of the code that joins reasoning and answer into one text.
        store: root of the store.
        chunk: answers that are saved together.
    """

    more_code = {"words_code": "valley.asking.questions:with_think_tags"}  # noqa: RUF012

    problems: Path = reads()
    out: Path = writes()
    temperature: float = param(f"{TEACHER}.temperature")
    top_p: float = param(f"{TEACHER}.top_p")
    max_tokens: int = param(f"{TEACHER}.max_tokens")
    answers: int = param(f"{TEACHER}.answers")
    seed: int = param(f"{TEACHER}.seed")
    prompt: list[str] | None = param()
    unanswered: str = param(f"{TEACHER}.unanswered")
    words_code: str = param()
    store: Path = option()
    chunk: int = option(f"{TEACHER}.chunk")

    def run(self, job: Job) -> dict:
        """Ask what the book lacks, and write the traces; return measurements.

        Raises:
            Unanswered: questions are left, and the study file says to stop.
        """
        name = job.wildcards["teacher"]
        wanted = questions(self.problems, answers=self.answers, seed=self.seed, prompt=self.prompt)
        book = teacher_book(self.store, self.settings())
        measured, reasons = ask(wanted, book, lambda: self.answering(job), chunk=self.chunk)
        measured |= {**costs(book, *self.prices()), "unanswered": reasons}
        job.measured |= measured  # also where it ends here
        tell(reasons, self.unanswered)
        write(wanted, book, self.out, teacher=name)
        job.restored = not measured["asked"]
        return measured

    def answering(self, job: Job):
        """Return what answers (see `ask`)."""
        raise TypeError(f"{type(self).__name__} does not say who answers")

    def prices(self) -> tuple[float | None, float | None]:
        """Return what a million tokens read and written cost; None is unknown."""
        return None, None


@task
class AskEndpoint(Asking):
    """A teacher behind an endpoint.

    Attributes:
        model: its name there.
        send_seed: whether the server takes a seed.
        extra: further fields of each request.
        handling: the endpoint's address, limits, patience and prices.
    """

    rules = ("ask_endpoint",)

    model: str = param(f"{TEACHER}.endpoint.model")
    send_seed: bool = param(f"{TEACHER}.endpoint.send_seed")
    extra: dict = param(f"{TEACHER}.endpoint.extra")
    handling: dict = option(f"{TEACHER}.endpoint")

    def answering(self, job: Job):
        from valley.asking.endpoint import Endpoint

        own = ("model", "send_seed", "extra", "price_in", "price_out")
        return Endpoint(
            model=self.model,
            send_seed=self.send_seed,
            extra=self.extra,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            **{name: value for name, value in self.handling.items() if name not in own},
        )

    def prices(self) -> tuple[float | None, float | None]:
        return self.handling["price_in"], self.handling["price_out"]


@task
class AskModel(Asking):
    """A teacher that is run here.

    Attributes:
        id, revision: the model's, on the hub.
        engine: "vllm" or "transformers".
        engine_code: digest of its code.
        precision: "fp32" or "bf16".
        batch_size: answers side by side, of the transformers engine.
        vllm: arguments of vLLM's engine.
    """

    rules = ("ask_model",)
    more_code = {  # noqa: RUF012
        **Asking.more_code,
        "engine_code": "valley.lm.engines.with_{engine}:Engine",
    }

    id: str = param(f"{TEACHER}.model.id")
    revision: str | None = param(f"{TEACHER}.model.revision")
    engine: str = param(f"{TEACHER}.model.engine")
    engine_code: str = param()
    precision: str = param(f"{TEACHER}.model.precision")
    batch_size: int = option(f"{TEACHER}.model.batch_size")
    vllm: dict = option(f"{TEACHER}.model.vllm")

    def answering(self, job: Job):
        from valley.asking.local import Local

        names = ("id", "revision", "engine", "precision", "temperature", "top_p", "max_tokens")
        names += ("batch_size", "vllm")
        return Local(stop=[], gpus=job.gpus, **{name: getattr(self, name) for name in names})


class Unanswered(RuntimeError):
    """Questions are left that nobody answered, and the study file does not let them go."""


def ask(asked: list[Question], book: Book, engine, *, chunk: int) -> tuple[dict, dict[str, int]]:
    """Ask what the book lacks, and add each answer to it.

    Args:
        asked: what is wanted.
        book: where answers are kept.
        engine: has `answers(questions, stopping)` and `measured`; or a function that makes it, only
            called when something is to be asked.
        chunk: answers that are saved together.

    Returns:
        Measurements, and how many questions were not answered, by reason.

    Raises:
        Stopped: the job was asked to stop; what had been answered is in the book.
    """
    known = book.known(question.key for question in asked)
    missing = [question for question in asked if question.key not in known]
    measured = {"answers": len(asked), "reused": len(known), "asked": len(missing)}
    reasons: Counter[str] = Counter()
    if not missing:
        return measured, {}
    begun, spent = time.monotonic(), Counter()

    def row_of(number: int, said) -> dict | None:
        spent.update(tokens_in=said.prompt_tokens, tokens_out=said.tokens)
        if said.text is None:
            reasons[said.finish_reason] += 1
            return None
        return answered(missing[number], said.text, said.finish_reason, said.tokens)

    def saved() -> None:
        if spent.total():
            write_json(book.folder / "spent" / f"{uuid.uuid4().hex}.json", dict(spent))
            spent.clear()

    with stop_signals() as stopping:
        engine = engine() if callable(engine) else engine
        batches = engine.answers(missing, stopping)
        counts = {"left": len(missing), "total": len(asked)}
        keep(batches, book, row_of, **counts, chunk=chunk, saved=saved)
    return {**measured, **engine.measured, "ask_seconds": time.monotonic() - begun}, reasons


def write(asked: list[Question], book: Book, out: Path, *, teacher: str) -> None:
    """Write a teacher's answers as pool rows, unlabelled, sorted by id; unanswered ones lack."""
    known = book.known(question.key for question in asked)
    rows = [
        trace_row(
            question.problem,
            known[question.key]["text"],
            id=f"{question.problem_id}/{teacher}/{question.sample}",
            teacher=teacher,
            tokens=known[question.key]["tokens"],
        )
        for question in asked
        if question.key in known
    ]
    write_parquet(out, sorted(rows, key=lambda row: row["id"]), POOL)


def costs(book: Book, price_in: float | None, price_out: float | None) -> dict:
    """Return tokens and money that a book's answers took, over all the jobs that wrote it.

    Args:
        book: the teacher's.
        price_in, price_out: per million tokens read and written; None is unknown.
    """
    spent: Counter[str] = Counter()
    for path in sorted((book.folder / "spent").glob("*.json")):
        spent.update(read_json(path))
    found = {name: spent[name] for name in ("tokens_in", "tokens_out")}
    if price_in is not None and price_out is not None:
        price = found["tokens_in"] * price_in + found["tokens_out"] * price_out
        found["cost"] = price / MILLION
    return found


def tell(reasons: dict[str, int], unanswered: str) -> None:
    """Say which questions were not answered; an error unless the study file lets them go."""
    if not reasons:
        return
    told = "; ".join(f"{number} times {reason}" for reason, number in sorted(reasons.items()))
    count = sum(reasons.values())
    if unanswered == "stop":
        raise Unanswered(
            f"{count} questions were not answered ({told}). All other answers are kept: run again "
            "to ask these once more, or put `unanswered: skip` into the study file to go on without"
        )
    print(f"{count} questions are left unanswered: {told}", flush=True)


if "snakemake" in globals():
    execute(snakemake, AskEndpoint, AskModel)
