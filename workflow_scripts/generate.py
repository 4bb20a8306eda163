"""Let a checkpoint answer benchmarks' problems.

Answers are kept in a book as they come, and only what is missing there is sampled: a stopped job
goes on, and added samples or problems cost no more than themselves. A benchmark's file is then cut
out of the book.
"""

import importlib
import time
from pathlib import Path

from valley.core.files import GENERATION, read_parquet, write_json, write_parquet
from valley.core.prompts import compose
from valley.core.resume import stop_signals
from valley.core.sampling import Sampling
from valley.core.seeds import derive
from valley.judging.reasoning import opened_by
from valley.lm.answering import keep
from valley.lm.book import Book, Question, answered, of_job
from valley.lm.requests import Request, room
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

# What an engine takes of the sampling settings, see `valley.lm.engines`.
ENGINE = ("precision", "temperature", "top_p", "stop", "batch_size", "group", "vllm")


@task
class Answering(Task):
    """A checkpoint's answers in its book; what is missing there is sampled.

    Attributes:
        checkpoint: manifest of the model.
        benchmarks: problems.
        out: what the rule makes of the answers.
        prompts: by benchmark: texts that statements are put in (`valley.core.prompts`), or None.
        sampling: how answers are drawn.
        engine_code: digest of the engine's code.
        store: root of the store.
    """

    costly = True
    more_code = {"engine_code": "valley.lm.engines.with_{engine}:Engine"}  # noqa: RUF012

    checkpoint: Path = reads()
    benchmarks: list[Path] = reads()
    out: Path = writes()
    prompts: list = param()
    sampling: Sampling = param("sampling")
    engine_code: str = param()
    store: Path = option()

    def questions(self) -> list[Question]:
        """Return the answers wanted, by benchmark, problem and sample."""
        worded = zip(self.benchmarks, self.prompts, strict=True)
        return [one for path, prompt in worded for one in wanted(path, self.sampling, prompt)]

    def book(self) -> Book:
        """Return the book of this checkpoint, asked in this way."""
        return of_job(self.checkpoint, self.store, self.settings())

    def sample(self, job: Job) -> dict:
        """Sample what the book lacks; return measurements."""
        return answer(self.checkpoint, self.questions(), self.book(), self.sampling, job.gpus)


@task
class Answer(Answering):
    """All benchmarks' answers of a checkpoint, for an engine that takes long to start.

    Attributes:
        out: how many there are; the other rules cut their files out of the book.
    """

    rules = ("answer",)

    def run(self, job: Job) -> dict:
        measured = self.sample(job)
        job.restored = not measured["sampled"]
        write_json(self.out, {"answers": len(self.questions())})
        return measured


@task
class Generate(Answering):
    """A benchmark's generations.

    Attributes:
        answers: where one job sees to all benchmarks' answers: what it has written.
        out: the generations.
    """

    rules = ("generate",)

    answers: Path | None = reads(None)

    def run(self, job: Job) -> dict:
        measured = {} if self.answers else self.sample(job)
        job.restored = not measured.get("sampled")
        write(self.questions(), self.book(), self.out)
        return measured


def wanted(benchmark: Path, sampling: Sampling, prompt: list[str] | None = None) -> list[Question]:
    """Return the answers that a benchmark wants, ordered by problem and sample.

    Their seeds are the same in all arms.

    Args:
        benchmark: problems.
        sampling: how many answers a problem wants, and their seed.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
    """
    columns = ["id", "statement", "starter_code"]
    problems = sorted(read_parquet(benchmark, columns=columns), key=lambda row: row["id"])
    return [
        Question(text, row["id"], number, derive("sample", sampling.seed, row["id"], number))
        for row in problems
        for text in [compose(prompt, row["statement"], row["starter_code"])]
        for number in range(sampling.samples)
    ]


def answer(
    checkpoint: Path,
    questions: list[Question],
    book: Book,
    sampling: Sampling,
    gpus: int = 0,
) -> dict:
    """Sample the answers that the book lacks, and add them to it.

    Args:
        checkpoint: manifest of the model.
        questions: answers wanted; one that is asked for twice is sampled once.
        book: where answers are kept.
        sampling: how they are drawn.
        gpus: of the job.

    Returns:
        Measurements for the sidecar.

    Raises:
        Stopped: the job was asked to stop; what had been answered is in the book.
    """
    by_key = {question.key: question for question in questions}
    known = book.known(by_key)
    missing = [question for key, question in by_key.items() if key not in known]
    measured = {"answers": len(by_key), "reused": len(known), "sampled": len(missing)}
    if not missing:
        return measured

    with stop_signals() as stopping:
        begun = time.monotonic()
        # The digest of its code is `engine_code`.
        chosen = importlib.import_module(f"valley.lm.engines.with_{sampling.engine}")
        settings = {name: getattr(sampling, name) for name in ENGINE}
        model = chosen.Engine(checkpoint, gpus=gpus, **settings)
        started = time.monotonic()
        prompts = {text: model.encode(text) for text in {q.prompt: None for q in missing}}
        # What the chat template opened, `<think>` say, is a part of what is read.
        opened = {text: opened_by(model.decode(ids)) for text, ids in prompts.items()}
        most = sampling.max_tokens
        rooms = {text: room(ids, model.window, most) for text, ids in prompts.items()}
        _tell_of_small_rooms([rooms[q.prompt] for q in missing], most, model.window)
        # Without room the model cannot begin: such an answer is as unfinished as one cut off.
        rows = [answered(q, "", "length", 0) for q in missing if not rooms[q.prompt]]
        asked = [q for q in missing if rooms[q.prompt]]
        requests = [Request(prompts[q.prompt], q.seed, rooms[q.prompt]) for q in asked]
        tokens = 0

        def row_of(number: int, said) -> dict:
            nonlocal tokens
            question, count = asked[number], len(said.ids)
            tokens += count
            text = opened[question.prompt] + model.decode(said.ids)
            return answered(question, text, said.finish_reason, count)

        batches = model.answers(requests, stopping)
        counts = {"left": len(asked), "total": len(by_key)}
        keep(batches, book, row_of, **counts, chunk=sampling.chunk, rows=rows)
    seconds = time.monotonic() - started
    return {
        **measured,
        **model.measured,
        "tokens": tokens,
        "start_seconds": started - begun,
        "sample_seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


def write(questions: list[Question], book: Book, out: Path) -> None:
    """Write a benchmark's generations, in the order of the questions.

    Raises:
        LookupError: the book lacks answers.
    """
    known = book.known(question.key for question in questions)
    lacking = sum(question.key not in known for question in questions)
    if lacking:
        raise LookupError(
            f"{book.folder} lacks {lacking} of {len(questions)} answers, which were there when its "
            "`answers.json` was written; delete that file to have them sampled again"
        )
    rows = [known[question.key] for question in questions]
    write_parquet(out, [{name: row[name] for name in GENERATION.names} for row in rows], GENERATION)


def _tell_of_small_rooms(rooms: list[int], max_tokens: int, window: int | None) -> None:
    small = sum(room < max_tokens for room in rooms)
    if small:
        print(
            f"{small} of {len(rooms)} answers have less room than {max_tokens} tokens (the least: "
            f"{min(rooms)}): the model's context window is {window} tokens, prompt included. They "
            "end by 'length' there",
            flush=True,
        )


if "snakemake" in globals():
    execute(snakemake, Answer, Generate)
