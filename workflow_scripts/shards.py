"""Cut data shards out of the pool: nested, and each independent of all other sizes."""

import hashlib
import heapq
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from valley.core import holdout, slices, tempfiles
from valley.core.declared import Cut
from valley.core.files import POOL, parquet_batches, parquet_stream, stream_rows, write_json
from valley.core.seeds import derive
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job

PORTION = 256  # examples that are held in memory at once


@task
class Shard(Task):
    """The shard of one slice, size and replicate, ordered by rank.

    Memory: some 200 bytes an example (a row of the slice, if it is paired or drawn by problem).

    Attributes:
        pool: the pool.
        out: the shard.
        slice: difficulty.correctness.
        size: number of examples.
        seed: the replicate; the subset's seed is derived from it.
        examples: "rows" draws among answers, "problems" among problems, one answer of each.
        held_out: share of the problems that no shard holds (`valley.core.holdout`).
    """

    rules = ("shard",)

    pool: Path = reads()
    out: Path = writes()
    slice: str = param()
    size: int = param()
    seed: int = param()
    examples: str = param("corpus.examples", "rows")
    held_out: float = param("validation.share", 0.0)

    def run(self, job: Job) -> dict:
        """Cut the shard; return how many examples and distinct problems it holds.

        Raises:
            ValueError: the slice holds fewer examples than asked for.
        """
        subset = derive("subset", self.seed)
        rows = _light(self.pool, self.held_out)
        indices, held = chosen(rows, self.slice, self.size, subset, self.examples)
        if len(indices) < self.size:
            kind = slices.COUNTED[self.examples]
            if slices.split(self.slice)[2]:
                by_rows = self.examples == "rows"
                kind = f"pairs of {kind}" if by_rows else "problems answered both ways"
            raise ValueError(
                f"slice {self.slice} holds {held} {kind}, but {self.size} were asked for; "
                f"ask for less in the study file, or enlarge its corpus"
            )
        problems = set()
        with parquet_stream(self.out, POOL) as stream:
            for row in in_order(self.pool, indices):
                problems.add(row["problem_id"])
                stream.write(row)
        return {"examples": self.size, "problems": len(problems)}


@task
class HeldOut(Task):
    """What loss is measured on: one trace of each held-out problem, ordered by rank.

    Attributes:
        pool: the pool.
        out: the traces.
        share: of the problems that is held out.
        problems: at most so many of them are measured.
    """

    rules = ("held_out",)

    pool: Path = reads()
    out: Path = writes()
    share: float = param("validation.share")
    problems: int = param("validation.problems")

    def run(self, job: Job) -> dict:
        """Write the traces; return how many problems are held out, and how many measured.

        Raises:
            ValueError: the pool has no problem that is held out.
        """
        lowest: dict[str, tuple[str, int]] = {}  # by problem: its traces' lowest id, and where
        for index, row in enumerate(stream_rows(self.pool, ["id", "problem_id"])):
            problem, trace = row["problem_id"], (row["id"], index)
            if holdout.is_held_out(problem, self.share):
                lowest[problem] = min(trace, lowest.get(problem, trace))
        if not lowest:
            raise ValueError(
                f"none of the pool's problems is held out by validation.share {self.share}; "
                "enlarge it"
            )
        measured = sorted(lowest, key=holdout.rank)[: self.problems]
        with parquet_stream(self.out, POOL) as stream:
            for row in in_order(self.pool, [lowest[problem][1] for problem in measured]):
                stream.write(row)
        return {"held_out": len(lowest), "measured": len(measured)}


@task
class Slice(Task):
    """A slice that the study file declares: its rows in the order of the pool, rewritten or not.

    Shards are cut from it as from a pool. Each row's chance is its own, so that no row depends on
    which others there are.

    Attributes:
        pool: the pool.
        of: the rows to begin with: the pool, or another slice's file.
        out: the slice's rows.
        about: how many there are, how long, and one of them before and after, as JSON.
        cut: which rows, and how they are rewritten.
        rewriting: the function of `valley.slicing.transforms` that rewrites them.
        held_out: share of the problems that no shard holds.
        transform_code: digest of that function.
        script_code: digest of the script in the study file; empty where there is none.
    """

    rules = ("slice",)
    more_code = {"transform_code": "valley.slicing.transforms:{rewriting}"}  # noqa: RUF012

    pool: Path = reads()
    of: Path = reads()
    out: Path = writes()
    about: Path = writes()
    cut: Cut = param(whole=True)
    rewriting: str = param()
    held_out: float = param("validation.share", 0.0)
    transform_code: str = param()
    script_code: str = param(default="")

    def run(self, job: Job) -> dict:
        """Write the slice; return how many rows it has, and how many the transform left out.

        Raises:
            ValueError: no row is left, or a row can't be rewritten.
        """
        from valley.slicing.rows import write_slice

        name = job.wildcards.get("slice", self.out.stem)
        how = (self.cut, self.rewriting, self.held_out)
        summary = write_slice(*how, self.of, self.pool, self.out, name, in_order)
        write_json(self.about, summary)
        return {key: summary[key] for key in ("rows", "left_out")}


@task
class DeclaredShard(Task):
    """The shard of a slice that the study file declares, or of a mix of slices.

    Slices take turns by their shares, so that any beginning of the shard has these. One slice alone
    gives what `Shard` would.

    Memory: some 300 bytes a row of the slices.

    Attributes:
        parts: the rows of each slice in the mix: the pool, or the slice's file.
        out: the shard.
        bases: which of these rows, by difficulty.correctness, for each part.
        shares: of each part, which sum to 1.
        size: number of examples.
        seed: the replicate.
        examples: "rows" or "problems", as of `Shard`.
        held_out: share of the problems that no shard holds.
    """

    rules = ("declared_shard",)

    parts: list[Path] = reads()
    out: Path = writes()
    bases: list[str] = param()
    shares: list[float] = param()
    size: int = param()
    seed: int = param()
    examples: str = param("corpus.examples", "rows")
    held_out: float = param("validation.share", 0.0)

    def run(self, job: Job) -> dict:
        """Cut the shard; return how many examples and problems it holds, and how many of each part.

        Raises:
            ValueError: a slice has too few examples that no other slice of the mix has taken.
        """
        from valley.slicing.mixing import mixed

        subset = derive("subset", self.seed)
        ranked = [self._ranked(*part, subset) for part in zip(self.parts, self.bases, strict=True)]
        names = [
            base if part.stem == "pool" else part.stem
            for part, base in zip(self.parts, self.bases, strict=True)
        ]
        drawn = mixed(ranked, self.shares, self.size, names, slices.COUNTED[self.examples])
        each = [[index for part, index in drawn if part == at] for at in range(len(self.parts))]
        rows = [
            in_order(part, indices) if indices else iter(())
            for part, indices in zip(self.parts, each, strict=True)
        ]
        problems = set()
        with parquet_stream(self.out, POOL) as stream:
            for part, _ in drawn:
                row = next(rows[part])
                problems.add(row["problem_id"])
                stream.write(row)
        counts = list(map(len, each))
        return {"examples": self.size, "problems": len(problems), "of_each": counts}

    def _ranked(self, part: Path, base: str, subset: int) -> list[tuple[str, int]]:
        """Return what is drawn from a slice in its order: each example's name and row index."""
        column = "id" if self.examples == "rows" else "problem_id"
        named: dict[int, str] = {}

        def noted() -> Iterator[tuple[int, dict]]:
            for index, row in _light(part, self.held_out):
                named[index] = row[column]
                yield index, row

        indices, _ = chosen(noted(), base, sys.maxsize, subset, self.examples)
        return [(named[index], index) for index in indices]


def rank(seed: int, identifier: str) -> bytes:
    """Return an example's rank: the N lowest in a slice make the shard of size N."""
    return hashlib.sha256(f"{seed}\x1f{identifier}".encode()).digest()


def chosen(
    rows: Iterator[tuple[int, dict]], slice: str, size: int, subset: int, examples: str
) -> tuple[list[int], int]:
    """Return the indices of a shard's rows, by rank, and how many examples there are."""
    held = 0
    if examples == "rows" and not slices.split(slice)[2]:

        def ranked() -> Iterator[tuple[bytes, int]]:
            nonlocal held
            for index, row in rows:
                if slices.holds(slice, row):
                    held += 1
                    yield rank(subset, row["id"]), index

        lowest = heapq.nsmallest(size, ranked())
        return [index for _, index in lowest], held
    ranked_pairs = sorted(_by_problem(rows, slice, subset, examples))
    return [index for _, index in ranked_pairs[:size]], len(ranked_pairs)


def _by_problem(
    rows: Iterator[tuple[int, dict]], slice: str, subset: int, examples: str
) -> Iterator[tuple[bytes, int]]:
    """Yield (rank, index) of a problem's answers: the n-th of each problem, whichever it is.

    The rank is that of the problem and n. So the two sides of a pair have the same ranks, and
    problems are drawn alike however many answers they have.
    """
    difficulty, correctness, paired = slices.split(slice)
    other = f"{difficulty}.{'incorrect' if correctness == 'correct' else 'correct'}"
    own_rows, other_rows = defaultdict(list), defaultdict(int)
    for index, row in rows:
        if slices.holds(slice, row):
            own_rows[row["problem_id"]].append((rank(subset, row["id"]), index))
        elif paired and slices.holds(other, row):
            other_rows[row["problem_id"]] += 1
    for problem, answers in own_rows.items():
        most = min(len(answers), other_rows[problem]) if paired else len(answers)
        if examples == "problems":
            most = min(most, 1)
        for number, (_, index) in enumerate(sorted(answers)[:most]):
            yield rank(subset, f"{problem}\x1f{number}"), index


def _light(pool: Path, held_out: float) -> Iterator[tuple[int, dict]]:
    """Yield the index and labels of each row whose problem is not held out."""
    for index, row in enumerate(stream_rows(pool, ["id", "problem_id", "difficulty", "correct"])):
        if not holdout.is_held_out(row["problem_id"], held_out):
            yield index, row


def in_order(pool: Path, indices: list[int]) -> Iterator[dict]:
    """Yield rows of the pool in the order of `indices`, which the pool need not have.

    The pool is read once; the rows wait on disk as Arrow, which `datasets` maps into memory. It is
    mapped anew for each portion of the order: what was read of a mapping counts as memory in use.
    """
    from datasets import Dataset

    ordered, before = np.sort(indices), 0
    with tempfiles.scratch() as folder:
        waiting = f"{folder}/rows.arrow"
        with pa.ipc.new_stream(waiting, POOL) as writer:
            for batch in parquet_batches(pool, rows=PORTION):
                first, last = np.searchsorted(ordered, [before, before + batch.num_rows])
                writer.write_batch(batch.take(pa.array(ordered[first:last] - before)))
                before += batch.num_rows
        wanted = np.searchsorted(ordered, indices)
        for begin in range(0, len(wanted), PORTION):
            rows = Dataset.from_file(waiting).select(wanted[begin : begin + PORTION])
            yield from rows.with_format("arrow")[:].to_pylist()


if "snakemake" in globals():
    execute(snakemake, Shard, HeldOut, Slice, DeclaredShard)
