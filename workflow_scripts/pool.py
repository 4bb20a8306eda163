"""The pool that shards are cut from: traces joined with their labels, cleaned and counted."""

from pathlib import Path

from valley.core import prompts
from valley.core.files import (
    LABEL,
    POOL,
    merged_rows,
    parquet_stream,
    read_json,
    stream_rows,
    write_json,
    write_text,
)
from valley.core.sources import Cleaning
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job


@task
class GivenLabels(Task):
    """Each trace labelled as its source has it; no program is run.

    Attributes:
        traces: one file a teacher.
        out: labels: id, correct, verdict (none).
    """

    rules = ("given_labels",)

    traces: list[Path] = reads()
    out: Path = writes()

    def run(self, job: Job) -> None:
        with parquet_stream(self.out, LABEL) as stream:
            for row in merged_rows(self.traces, ["id", "correct"]):
                stream.write({**row, "verdict": None})


@task
class Pool(Task):
    """Traces joined with their labels and cleaned, and what was dropped.

    Attributes:
        problems: the corpus' problems.
        traces: one file a teacher.
        labels: id, correct; in the order of the traces.
        benchmarks: problems that no trace may answer.
        counts: what was counted when sources were read.
        pool: the pool, in the order of the traces.
        summary: counts, by step and by slice, as JSON.
        difficulties: the study's words, each with the corpus' labels that it stands for.
        ratings: largest Codeforces rating of each word, rising; None has no bound.
        cleaning: which traces are dropped; None drops what is malformed or repeated and nothing
            else.
        words: n of the n-grams by which statements are compared with the benchmarks'.
        overlap: share of n-grams in common from which on a problem is a benchmark's.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
        held_out: share of the problems that no shard will hold; slices are counted without them.
    """

    rules = ("pool",)

    problems: Path = reads()
    traces: list[Path] = reads()
    labels: Path = reads()
    benchmarks: list[Path] = reads()
    counts: list[Path] = reads(())
    pool: Path = writes()
    summary: Path = writes()
    difficulties: dict[str, list[str]] = param("corpus.difficulties")
    ratings: dict[str, float | None] | None = param("corpus.ratings", None)
    cleaning: Cleaning | None = param(default=None)
    words: int = param("corpus.decontamination.words", 10)
    overlap: float = param("corpus.decontamination.overlap", 0.5)
    prompt: list[str] | None = param(default=None)
    held_out: float = param("validation.share", 0.0)

    def run(self, job: Job) -> dict:
        """Make the pool; return what was measured."""
        from valley.corpora import pooling

        how = {"words": self.words, "overlap": self.overlap}
        shared, closest = benchmark_problems(self.problems, self.benchmarks, **how)
        faults = pooling.faults(self.traces, shared, self.cleaning)
        rows = stream_rows(self.problems, ["id", "starter_code"])
        starters = {row["id"]: row["starter_code"] for row in rows}

        def worded(row: dict) -> str:
            return prompts.compose(self.prompt, row["prompt"], starters.get(row["problem_id"]))

        word = pooling.Difficulty(self.difficulties, self.ratings or {})
        with parquet_stream(self.pool, POOL) as stream:
            made = (self.traces, self.labels, faults, word, worded, self.held_out)
            found = pooling.write(stream, *made)
        found["sources"] = {path.stem: read_json(path) for path in self.counts}
        found["closest_to_benchmarks"] = closest
        kept = {name: value for name, value in found.items() if value not in ({}, [])}
        write_json(self.summary, kept)
        return pooling.measured(faults)


@task
class CorpusPage(Task):
    """What became of the corpus, as a page for people.

    Attributes:
        summary: counts, as `Pool` writes them.
        slices: what is known of each slice that the study file declares, as `Slice` writes it.
        out: the page.
        declared: these slices, as the study file has them.
    """

    rules = ("corpus_page",)

    summary: Path = reads()
    slices: list[Path] = reads(())
    out: Path = writes()
    declared: dict = param(default=None)

    def run(self, job: Job) -> None:
        from valley.corpora.page import render
        from valley.slicing.shown import shown

        declared = self.declared or {}
        made = shown(declared, list(declared), self.slices)
        write_text(self.out, render(read_json(self.summary), made))


def benchmark_problems(
    problems: Path, benchmarks: list[Path], words: int, overlap: float
) -> tuple[set[str], list[dict]]:
    """Return the ids of problems that a benchmark has too, and the closest pairs by statement.

    Problems of the bank are compared with one another by statement and behaviour, all others by
    the n-grams of their statements.
    """
    from valley.bank.problems import overlap as bank_overlap
    from valley.corpora.decontaminate import contaminated

    def of_bank(path: Path) -> list[dict]:
        rows = stream_rows(path, ["id", "statement", "source"])
        return [row for row in rows if row["source"] == "bank"]

    benchmark_rows = [row for path in benchmarks for row in of_bank(path)]
    same = (
        {own for own, _, _ in bank_overlap(of_bank(problems), benchmark_rows)}
        if benchmark_rows
        else set()
    )
    alike, closest = contaminated(problems, benchmarks, words=words, overlap=overlap)
    return same | alike, closest


if "snakemake" in globals():
    execute(snakemake, GivenLabels, Pool, CorpusPage)
