"""Corpus problems that a benchmark has too, by the n-grams that their statements share."""

from pathlib import Path

import numpy as np

from valley.core.files import stream_rows
from valley.corpora.ngrams import ngrams

WORST = 20
EXCERPT = 160


class BenchmarkIndex:
    """The n-grams of all benchmark statements, sorted, each with the problem that has it.

    Memory: 12 bytes an n-gram, beside the statements' beginnings.
    """

    def __init__(self, benchmarks: list[Path], words: int):
        self.words, self.about, self.sizes = words, [], []
        grams, owners = [], []
        for path in benchmarks:
            for row in stream_rows(path, ["id", "statement", "source"]):
                own = ngrams(row["statement"], words)
                grams.append(own)
                owners.append(np.full(len(own), len(self.about), np.int32))
                self.sizes.append(len(own))
                self.about.append(
                    {
                        "benchmark": Path(path).stem,
                        "id": row["id"],
                        "statement": row["statement"][:EXCERPT],
                        "source": row["source"],
                    }
                )
        together = np.concatenate([*grams, np.empty(0, np.uint64)])
        order = np.argsort(together, kind="stable")
        self.grams = together[order]
        self.owners = np.concatenate([*owners, np.empty(0, np.int32)])[order]

    def nearest(self, statement: str) -> tuple[float, int]:
        """Return the largest overlap with a benchmark problem, and which one that is.

        Overlap is the share of the shorter statement's n-grams that the other one has too: a
        problem that is quoted within a longer text is found, and so is an abridged one.
        """
        own = ngrams(statement, self.words)
        low = np.searchsorted(self.grams, own, "left")
        high = np.searchsorted(self.grams, own, "right")
        hit = high > low
        if not hit.any():
            return 0.0, -1
        indices = np.concatenate(
            [np.arange(a, b) for a, b in zip(low[hit], high[hit], strict=True)]
        )
        problems, shared = np.unique(self.owners[indices], return_counts=True)
        overlap = shared / np.minimum(len(own), np.array(self.sizes)[problems])
        best = int(np.argmax(overlap))
        return float(overlap[best]), int(problems[best])


def contaminated(
    problems: Path, benchmarks: list[Path], *, words: int, overlap: float
) -> tuple[set[str], list[dict]]:
    """Return the ids of corpus problems that a benchmark has too, and the closest matches.

    Args:
        problems: the corpus' problems.
        benchmarks: problem tables.
        words: n of the n-grams.
        overlap: smallest share of n-grams in common that counts as the same problem.

    Problems of the bundled bank are alike by design and compared otherwise, by behaviour: two of
    them are never compared here.
    """
    index, found, closest = BenchmarkIndex(benchmarks, words), set(), []
    foreign = any(about["source"] != "bank" for about in index.about)
    for row in stream_rows(problems, ["id", "statement", "source"]):
        if row["source"] == "bank" and not foreign:
            continue
        share, at = index.nearest(row["statement"])
        if at < 0 or row["source"] == index.about[at]["source"] == "bank":
            continue
        if share >= overlap:
            found.add(row["id"])
        about = index.about[at]
        closest.append(
            {
                "overlap": round(share, 4),
                "dropped": share >= overlap,
                "problem": row["id"],
                "statement": row["statement"][:EXCERPT],
                "benchmark": about["benchmark"],
                "benchmark_problem": about["id"],
                "benchmark_statement": about["statement"],
            }
        )
        if len(closest) > 50 * WORST:
            closest = _worst(closest)
    return found, _worst(closest)


def _worst(matches: list[dict]) -> list[dict]:
    """Return the closest matches; those just below the threshold too, to judge it by."""
    matches = sorted(matches, key=lambda m: (-m["overlap"], m["problem"]))
    dropped = [match for match in matches if match["dropped"]][:WORST]
    return dropped + [match for match in matches if not match["dropped"]][:WORST]
