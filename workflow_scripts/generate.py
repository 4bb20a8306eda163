"""Let a checkpoint answer benchmarks' problems.

Answers are kept in a cache as they come, and only what is missing there is sampled: a stopped job
goes on, and added samples or problems cost no more than themselves. Several jobs may share a
checkpoint's answers. A benchmark's file is then cut out of the cache.
"""

import dataclasses
import importlib
import time
from pathlib import Path

from valley.core import disk
from valley.core.files import GENERATION, read_json, read_parquet, write_json, write_parquet
from valley.core.parts import WHOLE, Part
from valley.core.prompts import compose
from valley.core.resume import stop_signals
from valley.core.sampling import Sampling
from valley.core.seeds import derive
from valley.judging.reasoning import opened_by
from valley.lm import devices, replicas
from valley.lm.answer_cache import AnswerCache, Question, answer_row, cache_of_checkpoint
from valley.lm.answering import save_answers
from valley.lm.requests import Finished, Request, Stopping, room
from valley.lm.shares import Groups, share
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

# What an engine takes of the sampling settings, see `valley.lm.engines`.
ENGINE = ("precision", "temperature", "top_p", "stop", "batch_size", "group", "vllm")


@task
class Answering(Task):
    """A checkpoint's answers in its cache; what is missing there is sampled.

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

    def questions(self) -> list[list[Question]]:
        """Return the answers that each benchmark needs, by problem and sample."""
        worded = zip(self.benchmarks, self.prompts, strict=True)
        return [benchmark_questions(path, self.sampling, prompt) for path, prompt in worded]

    def cache(self) -> AnswerCache:
        """Return the cache of this checkpoint, asked in this way."""
        return cache_of_checkpoint(self.checkpoint, self.store, self.settings())

    def sample(self, job: Job, part: Part = WHOLE) -> dict:
        """Sample what the cache lacks, or a part of it; return measurements."""
        questions = self.questions()
        cache, how = self.cache(), self.sampling
        return answer(self.checkpoint, questions, cache, how, job.gpus, part, job.threads)


@task
class Answer(Answering):
    """A checkpoint's answers that are drawn in one way, or one job's part of them.

    Attributes:
        out: how many answers all parts have together; the other rules cut their files out of the
            cache.
    """

    rules = ("answer",)

    def run(self, job: Job) -> dict:
        measured = self.sample(job, Part.named(job.wildcards["part"]))
        job.restored = not measured["sampled"]
        write_json(self.out, {"answers": sum(map(len, self.questions()))})
        return measured


@task
class Generate(Answering):
    """A benchmark's generations.

    Attributes:
        answered: where other jobs see to a checkpoint's answers: what they have written.
        out: the generations.
    """

    rules = ("generate",)

    answered: list[Path] = reads(())

    def run(self, job: Job) -> dict:
        measured = {} if self.answered else self.sample(job)
        job.restored = not measured.get("sampled")
        (questions,) = self.questions()
        write(questions, self.cache(), self.out, self.answered)
        return measured


def benchmark_questions(
    benchmark: Path, sampling: Sampling, prompt: list[str] | None = None
) -> list[Question]:
    """Return the answers that a benchmark needs, ordered by problem and sample.

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
    benchmarks: list[list[Question]],
    cache: AnswerCache,
    sampling: Sampling,
    gpus: int = 0,
    part: Part = WHOLE,
    threads: int = 1,
) -> dict:
    """Sample the answers that the cache lacks, or a part of them, and add them to it.

    Args:
        checkpoint: manifest of the model.
        benchmarks: answers wanted of each; one that is asked for twice is sampled once.
        cache: where answers are kept.
        sampling: how they are drawn.
        gpus: of the job.
        part: which of the jobs that share the answers this one is.
        threads: processor cores of the job.

    Returns:
        Measurements for the sidecar: `answers` of all parts together, `reused` those that were
        there, `sampled` those that were missing and are this part's.

    Raises:
        Stopped: the job was asked to stop; what had been answered is in the cache.
    """
    batches, by_key, groups = [], {}, groups_of(checkpoint, sampling)
    for questions in composed_apart(benchmarks, sampling):
        new = {question.key: question for question in questions if question.key not in by_key}
        batches += share(cache, list(new.values()), part, groups)
        by_key |= new
    known, missing = len(cache.known(by_key)), sum(map(len, batches))
    measured = {"answers": len(by_key), "reused": known, "sampled": missing}
    if part.of > 1:
        measured["part"] = f"{part.number} of {part.of}"
    if not missing:
        return measured
    engines = replicas.engines(gpus, sampling.tensor_parallel)
    with stop_signals() as stopping:
        if engines == 1:
            ran = sampled(checkpoint, batches, cache, sampling, gpus, stopping, known)
        else:
            shares = deal(batches, engines, groups)
            ran = sampled_side_by_side(checkpoint, shares, cache, sampling, threads, stopping)
    return {**measured, **ran}


def sampled_side_by_side(
    checkpoint: Path,
    shares: list[list[list[Question]]],
    cache: AnswerCache,
    sampling: Sampling,
    threads: int,
    stopping: Stopping,
) -> dict:
    """Sample batches of answers in a process for each share; return measurements of all."""
    each = sampling.tensor_parallel
    jobs = [
        {
            "checkpoint": str(checkpoint),
            "batches": [[dataclasses.astuple(question) for question in batch] for batch in share],
            "answer_cache": [str(cache.folder.parent.parent), cache.about],
            "sampling": dataclasses.asdict(sampling),
            "gpus": 0 if devices.rehearsed() else each,
        }
        for share in shares
    ]
    cores = max(1, threads // len(jobs))
    ran = replicas.run(jobs, each, cores, one_of_several.__name__, stopping)
    seconds, tokens = max(one["sample_seconds"] for one in ran), sum(one["tokens"] for one in ran)
    return {
        **ran[0],
        "engines": len(ran),
        "tokens": tokens,
        "start_seconds": max(one["start_seconds"] for one in ran),
        "sample_seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


def one_of_several(job: Path) -> None:
    """Sample one process' share of a job's answers; report to the process that started it."""
    description = read_json(job)
    batches = [[Question(*question) for question in batch] for batch in description["batches"]]
    store, about = description["answer_cache"]
    how, cache = Sampling(**description["sampling"]), AnswerCache(store, about)
    with disk.explained(store), stop_signals() as stopping:
        ran = sampled(
            description["checkpoint"], batches, cache, how, description["gpus"], stopping, 0
        )
    write_json(replicas.outcome_of(job), ran)


def deal(
    batches: list[list[Question]], engines: int, groups: Groups | None
) -> list[list[list[Question]]]:
    """Return the batches of each of several engines, none without any.

    Args:
        batches: what is to be answered, by what is composed together.
        engines: how many there are.
        groups: how answers are composed in groups, which stay together; None where each is by
            itself.
    """
    if groups is None:
        questions = [question for batch in batches for question in batch]
        shares = [[questions[number::engines]] for number in range(engines)]
    else:
        whole = [group for batch in batches for group in groups.composed(batch)]
        grouped = {question.key for group in whole for question in group}
        alone = [one for batch in batches for one in batch if one.key not in grouped]
        whole += [alone] if alone else []  # without room for an answer
        shares = [whole[number::engines] for number in range(engines)]
    return [share for share in shares if any(share)]


def composed_apart(benchmarks: list[list[Question]], sampling: Sampling) -> list[list[Question]]:
    """Return the questions that are composed together: vLLM takes all that there are."""
    if sampling.engine == "vllm":
        return [[question for questions in benchmarks for question in questions]]
    return benchmarks


def groups_of(checkpoint: Path, sampling: Sampling) -> Groups | None:
    """Return how an engine composes answers in groups; None where each is by itself."""
    if sampling.engine == "vllm":
        return None
    return Groups(checkpoint, max(sampling.group, sampling.batch_size), sampling.max_tokens)


def sampled(
    checkpoint: Path,
    batches: list[list[Question]],
    cache: AnswerCache,
    sampling: Sampling,
    gpus: int,
    stopping: Stopping,
    known: int,
) -> dict:
    """Sample batches of answers, one after another; return measurements.

    Args:
        checkpoint, cache, sampling, gpus: as of `answer`.
        batches: what is to be answered, by what is composed together.
        stopping: asked at every token whether to stop.
        known: answers that the cache has, for the message.
    """
    begun = time.monotonic()
    # The digest of its code is `engine_code`.
    chosen = importlib.import_module(f"valley.lm.engines.with_{sampling.engine}")
    settings = {name: getattr(sampling, name) for name in ENGINE}
    model = chosen.Engine(checkpoint, gpus=gpus, **settings)
    started = time.monotonic()
    missing = [question for batch in batches for question in batch]
    prompts = {text: model.encode(text) for text in {q.prompt: None for q in missing}}
    # What the chat template opened, `<think>` say, is a part of what is read.
    opened = {text: opened_by(model.decode(ids)) for text, ids in prompts.items()}
    most = sampling.max_tokens
    rooms = {text: room(ids, model.window, most) for text, ids in prompts.items()}
    _warn_of_short_windows([rooms[q.prompt] for q in missing], most, model.window)
    # Without room the model cannot begin: such an answer is as unfinished as one cut off.
    rows = [answer_row(q, "", "length", 0) for q in missing if not rooms[q.prompt]]
    batches = [[q for q in batch if rooms[q.prompt]] for batch in batches]
    to_sample = [question for batch in batches for question in batch]
    tokens = 0

    def finished() -> Finished:
        at = 0
        for batch in batches:
            requests = [Request(prompts[q.prompt], q.seed, rooms[q.prompt]) for q in batch]
            for found in model.answers(requests, stopping):
                yield [(at + number, said) for number, said in found]
            at += len(batch)

    def row_of(number: int, said) -> dict:
        nonlocal tokens
        question, count = to_sample[number], len(said.ids)
        tokens += count
        text = opened[question.prompt] + model.decode(said.ids)
        return answer_row(question, text, said.finish_reason, count)

    counts = {"left": len(to_sample), "total": known + len(missing)}
    save_answers(finished(), cache, row_of, **counts, chunk=sampling.chunk, rows=rows)
    seconds = time.monotonic() - started
    return {
        **model.measured,
        "tokens": tokens,
        "start_seconds": started - begun,
        "sample_seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


def write(questions: list[Question], cache: AnswerCache, out: Path, parts: list[Path] = ()) -> None:
    """Write a benchmark's generations, in the order of the questions.

    Args:
        questions: the answers wanted.
        cache: where they are.
        out: the generations.
        parts: what the jobs have written that sampled them, where these are others.

    Raises:
        LookupError: the cache lacks answers.
    """
    known = cache.known(question.key for question in questions)
    lacking = sum(question.key not in known for question in questions)
    if lacking:
        raise LookupError(
            f"{cache.folder} lacks {lacking} of {len(questions)} answers, which were there when "
            f"{', '.join(path.name for path in parts)} beside {out} were written; delete these "
            "to sample them again"
        )
    rows = [known[question.key] for question in questions]
    write_parquet(out, [{name: row[name] for name in GENERATION.names} for row in rows], GENERATION)


def _warn_of_short_windows(rooms: list[int], max_tokens: int, window: int | None) -> None:
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

if __name__ == "__main__" and "snakemake" not in globals():
    import argparse

    parser = argparse.ArgumentParser(description="One engine of a job (lm/replicas.py).")
    parser.add_argument("worker", choices=[one_of_several.__name__], help="what it does")
    parser.add_argument("--job", type=Path, required=True, help="JSON description of the work")
    globals()[parser.parse_args().worker](parser.parse_args().job)
