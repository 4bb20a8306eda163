"""A declared slice's rows: chosen, rewritten one by one, written, and counted."""

import bisect
import hashlib
import importlib
import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from valley.core import holdout, slices
from valley.core.declared import DERIVED, TEXTS, Cut, matches
from valley.core.files import POOL, parquet_batches, parquet_stream, stream_rows
from valley.core.seeds import derive
from valley.core.text import tokens
from valley.slicing import script, steps

MODULE = "valley.slicing.transforms"  # the digest of what is taken from it is `transform_code`
SAME_PROBLEM = "same-problem"
NEEDS_DONOR = ("insert-steps", "wrong-program")
SHOWN = 4000  # characters of an example that are kept
InOrder = Callable[[Path, list[int]], Iterator[dict]]
Rewrite = Callable[[dict, random.Random, dict | None], dict | None]


def write_slice(
    cut: Cut,
    rewriting: str,
    held_out: float,
    of: Path,
    pool: Path,
    out: Path,
    name: str,
    in_order: InOrder,
) -> dict:
    """Write a slice and return its summary.

    Memory: some 150 bytes a row, and 100 more where rows take from other rows.

    Args:
        cut: which rows, and how they are rewritten.
        rewriting: the function that rewrites them.
        held_out: share of the problems that no slice holds.
        of: the rows to begin with.
        pool: the pool.
        out: the slice.
        name: of the slice, for people.
        in_order: yields rows of a file at indices in any order.

    Raises:
        ValueError: no row is left; a wanted value is in no row; a row can't be rewritten.
    """
    indices, labels = _chosen(cut, held_out, of, name)
    rewrite = _rewriter(cut, rewriting, name)
    donors = _donors(cut, indices, labels, of, pool, name, in_order)
    before, after, kinds = array("q"), array("q"), Counter()
    problems, example = set(), None
    with parquet_stream(out, POOL) as stream:
        for row, donor in zip(_at(of, indices), donors, strict=True):
            chance = random.Random(derive("transform", cut.seed, _named(cut), row["id"]))
            new = rewrite(row, chance, donor)
            if new is None:
                continue
            stream.write(new)
            before.append(row["tokens"] or 0)
            after.append(new["tokens"] or 0)
            problems.add(new["problem_id"])
            kinds[str(new["correct"])] += 1
            shown = (new["response"] == row["response"], _rank(0, row["id"]))
            if example is None or shown < example[0]:
                example = (shown, row, new)
    if example is None:
        raise ValueError(f"slice {name}: the transform left out all {len(indices)} rows")
    _, row, new = example
    return {
        "rows": len(after),
        "problems": len(problems),
        "left_out": len(indices) - len(after),
        "correct": {kind: kinds[kind] for kind in ("True", "False", "None") if kinds[kind]},
        "tokens": _lengths(after),
        "tokens_before": _lengths(before),
        "transform": cut.transform,
        "example": {
            "id": row["id"],
            "prompt": row["prompt"][:SHOWN],
            "before": row["response"][:SHOWN],
            "after": new["response"][:SHOWN],
        },
    }


def _lengths(found: array) -> dict[str, float]:
    """Return the lengths of responses in words and marks: mean, and quantiles."""
    values = np.frombuffer(found, np.int64)
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], method="lower").tolist()
    return {
        "mean": round(float(values.mean()), 1),
        "low": low,
        "median": middle,
        "high": high,
        "sum": int(values.sum()),
    }


def _named(cut: Cut) -> str:
    return cut.transform[0] if cut.transform else ""


def _rank(seed: int, identifier: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{identifier}".encode()).digest()[:16]


def _chosen(cut: Cut, held_out: float, of: Path, name: str) -> tuple[list[int], list[tuple]]:
    """Return the indices of a slice's rows in order, and the id and problem of each."""
    columns = ["id", "problem_id", "difficulty", "correct", "teacher", "tokens", "source"]
    derived = [column for column in DERIVED if column in cut.where]
    seen: dict[str, set] = {column: set() for column in cut.where if column in TEXTS[2:]}
    kept: list[tuple[int, str, str]] = []
    rows = stream_rows(of, [*columns, *(["response"] if derived else [])])
    for index, row in enumerate(rows):
        if holdout.is_held_out(row["problem_id"], held_out) or not slices.holds(cut.base, row):
            continue
        row |= {column: _derived(column, row["response"], cut) for column in derived}
        for column, values in seen.items():
            values.add(row[column])
        if all(matches(wanted, row[column], column) for column, wanted in cut.where.items()):
            kept.append((index, row["id"], row["problem_id"]))
    _all_known(cut, seen, name)
    if cut.answers_per_problem:
        kept = _capped(kept, cut.answers_per_problem, derive("answers", cut.seed))
    if not kept:
        raise ValueError(f"slice {name} holds no row: no row has all of {_said(cut)}")
    return [index for index, _, _ in kept], [(row, problem) for _, row, problem in kept]


def _derived(column: str, response: str, cut: Cut) -> object:
    from valley.corpora.cleaning import language

    return language(response) if column == "language" else steps.count(response, cut.separator)


def _all_known(cut: Cut, seen: dict[str, set], name: str) -> None:
    for column, values in seen.items():
        wanted = cut.where[column]
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if value not in values:
                there = ", ".join(sorted(map(str, values))) or "none"
                raise ValueError(f"slices.{name}.{column}: no row has {value!r}; there is: {there}")


def _said(cut: Cut) -> str:
    return ", ".join(f"{column}: {wanted}" for column, wanted in cut.where.items()) or cut.base


def _capped(kept: list[tuple[int, str, str]], most: int, seed: int) -> list[tuple[int, str, str]]:
    """Return at most so many rows of each problem: those of the lowest ranks, in order of index."""
    by_problem = defaultdict(list)
    for index, row, problem in kept:
        by_problem[problem].append((_rank(seed, row), index, row))
    return sorted(
        (index, row, problem)
        for problem, answers in by_problem.items()
        for _, index, row in sorted(answers)[:most]
    )


def _rewriter(cut: Cut, rewriting: str, name: str) -> Rewrite:
    """Return what makes a new row of a row, its own chance and, where it needs one, another row."""
    if cut.transform is None:
        return lambda row, _chance, _donor: row
    kind, option = cut.transform
    if kind == "script":
        own = script.load(option)
        return lambda row, chance, _donor: _counted(row, own(row, chance))
    transform = getattr(importlib.import_module(MODULE), rewriting)

    def rewrite(row: dict, chance: random.Random, donor: dict | None) -> dict | None:
        try:
            response = transform(row, chance, option, cut.separator, donor)
        except ValueError as error:
            raise ValueError(f"slice {name}: row {row['id']}: {kind}: {error}") from error
        if response is None or not response.strip():
            return None
        right = False if kind == "wrong-program" else row["correct"]
        return _counted(row, {**row, "response": response, "correct": right})

    return rewrite


def _counted(row: dict, new: dict | None) -> dict | None:
    """Return a new row with its length; one whose response stays keeps what its corpus counted."""
    if new is None or new["response"] == row["response"]:
        return new
    return {**new, "tokens": tokens(new["response"])}


def _at(path: Path, indices: list[int]) -> Iterator[dict]:
    """Yield the rows at ascending indices."""
    ordered, before = np.asarray(indices), 0
    for batch in parquet_batches(path):
        first, last = np.searchsorted(ordered, [before, before + batch.num_rows])
        yield from batch.take(pa.array(ordered[first:last] - before)).to_pylist()
        before += batch.num_rows


def _donors(
    cut: Cut,
    indices: list[int],
    labels: list[tuple],
    of: Path,
    pool: Path,
    name: str,
    in_order: InOrder,
) -> Iterator[dict | None]:
    """Yield for each row another row that it takes from; None where it needs none, or has none."""
    if _named(cut) not in NEEDS_DONOR:
        return iter([None] * len(indices))
    seed = derive("donor", cut.seed, _named(cut))
    if cut.transform == ["wrong-program", SAME_PROBLEM]:
        wrong = defaultdict(list)
        for index, row in enumerate(stream_rows(pool, ["id", "problem_id", "correct"])):
            if row["correct"] is False:
                wrong[row["problem_id"]].append((_rank(seed, row["id"]), index, row["id"]))
        circles = {problem: sorted(answers) for problem, answers in wrong.items()}
        chosen = [
            _next(circles.get(problem, []), _rank(seed, f"of {row}"), row)
            for row, problem in labels
        ]
        return _rows_at(pool, chosen, in_order)
    circle = sorted(
        (_rank(seed, row), index, problem)
        for index, (row, problem) in zip(indices, labels, strict=True)
    )
    chosen = [_next(circle, _rank(seed, f"of {row}"), problem) for row, problem in labels]
    if None in chosen:
        raise ValueError(
            f"slice {name}: {_named(cut)} takes from another problem's trace, but all rows are of "
            f"one problem, {labels[0][1]}"
        )
    return _rows_at(of, chosen, in_order)


def _next(circle: list[tuple], begin: bytes, own: str) -> int | None:
    """Return the index of the first of another name in a circle of (rank, index, name).

    It is looked for from a rank on.

    A row that comes or goes changes the choice of those just before it only.
    """
    at = bisect.bisect_left(circle, (begin,))
    for step in range(len(circle)):
        _, index, name = circle[(at + step) % len(circle)]
        if name != own:
            return index
    return None


def _rows_at(path: Path, indices: list[int | None], in_order: InOrder) -> Iterator[dict | None]:
    """Yield the rows at indices in any order, each None for a None."""
    there = [index for index in indices if index is not None]
    rows = in_order(path, there) if there else iter(())
    return (None if index is None else next(rows) for index in indices)
