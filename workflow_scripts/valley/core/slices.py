"""Slices of the pool, written difficulty.correctness: easy.any, all.correct, …

The paired slices hold answers to problems that were answered both ways: `paired-correct` and
`paired-incorrect` have equally many answers to each of the same problems.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

# A row's problem, difficulty and whether its program is correct, where these are known.
Cell = tuple[str, str | None, bool | None]
CORRECTNESS = ("any", "correct", "incorrect")
PAIRED = {"paired-correct": "correct", "paired-incorrect": "incorrect"}
WORDS = (*CORRECTNESS, *PAIRED)
EVERY = "all"  # the difficulty that means every difficulty
COUNTED = {"rows": "traces", "problems": "problems"}  # what examples of either kind are called


def names(difficulties: Iterable[str]) -> list[str]:
    """Return every slice, but the paired ones, of a study with these difficulties."""
    return [f"{d}.{c}" for d in (EVERY, *difficulties) for c in CORRECTNESS]


def paired_names(difficulties: Iterable[str]) -> list[str]:
    """Return every paired slice of a study with these difficulties."""
    return [f"{d}.{c}" for d in (EVERY, *difficulties) for c in PAIRED]


def split(slice_name: str) -> tuple[str, str, bool]:
    """Return a slice's difficulty, its correctness, and whether it is paired."""
    difficulty, correctness = slice_name.rsplit(".", 1)
    return difficulty, PAIRED.get(correctness, correctness), correctness in PAIRED


def holds(slice_name: str, row: dict[str, Any]) -> bool:
    """Tell whether a pool row belongs to a slice; an unlabelled one is neither right nor wrong.

    Which rows of a paired slice find a partner depends on the other rows of their problem.
    """
    difficulty, correctness, _ = split(slice_name)
    if difficulty not in (EVERY, row["difficulty"]):
        return False
    return correctness == "any" or row["correct"] is (correctness == "correct")


def counts(cells: Counter[Cell], difficulties: list[str]) -> dict[str, dict[str, int]]:
    """Return how many rows, problems and pairs each slice has.

    Args:
        cells: rows by (problem, difficulty, correct).
        difficulties: the study's words.
    """
    rows = dict.fromkeys(names(difficulties), 0)
    answered: dict[str, set[str]] = defaultdict(set)
    both: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for (problem, difficulty, correct), count in cells.items():
        row = {"difficulty": difficulty, "correct": correct}
        for name in rows:
            if holds(name, row):
                rows[name] += count
                answered[name].add(problem)
        if correct is not None:
            for word in {EVERY, EVERY if difficulty is None else difficulty}:
                both[word][problem, correct] += count
    paired, paired_problems = {}, {}
    for name in paired_names(difficulties):
        at = both[split(name)[0]]
        each = [min(count, at[p, False]) for (p, correct), count in at.items() if correct]
        paired[name], paired_problems[name] = sum(each), sum(map(bool, each))
    return {
        "slices": rows,
        "paired": paired,
        "problems_by_slice": {name: len(answered[name]) for name in rows} | paired_problems,
    }


def available(summary: dict[str, Any], examples: str) -> dict[str, int]:
    """Return how many examples each slice can give, by the pool's summary.

    Args:
        summary: as the pool's rule writes it.
        examples: "rows", or "problems" for one answer to each.
    """
    if examples == "problems":
        return dict(summary.get("problems_by_slice", {}))
    return {**summary["slices"], **summary.get("paired", {})}
