"""From traces to the pool in two passes: what to drop, then everything else, row by row."""

from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from valley.core import slices
from valley.core.files import ParquetStream, merged_rows, stream_rows
from valley.core.holdout import is_held_out
from valley.core.sources import Cleaning
from valley.corpora.cleaning import KEPT, STEPS, NearDuplicates, fault, fingerprint, repeated

# Steps that every summary lists, whether they dropped anything or not.
ALWAYS = ("contaminated", "malformed", "duplicate")
RATED = (500, 5000)  # numbers that can be a rating of Codeforces


class Difficulty:
    """The study's word for a corpus' label or rating.

    Args:
        labels: words, each with the labels that it stands for.
        ratings: words, each with its largest rating, rising; None has no bound.
    """

    def __init__(self, labels: dict[str, list[str]], ratings: dict[str, float | None]):
        self.words = list(labels)
        self._words = {label: word for word, known in labels.items() for label in known}
        self._ratings = ratings

    def word(self, label: str | None) -> str | None:
        """Return the word for a label; None if there is none."""
        if label in self._words:
            return self._words[label]
        try:
            rating = float(label)
        except (TypeError, ValueError):
            return None
        if not RATED[0] <= rating <= RATED[1]:
            return None
        for word, bound in self._ratings.items():
            if bound is None or rating <= bound:
                return word
        return None


def faults(traces: list[Path], contaminated: set[str], cleaning: Cleaning | None) -> np.ndarray:
    """Return, for each trace in their merged order, the step that drops it; KEPT if none does.

    Memory: 33 bytes a trace, and 40 more while near duplicates are looked for.
    """
    from tqdm import tqdm

    codes, ids, texts, lone = array("B"), bytearray(), bytearray(), array("q")
    threshold = cleaning and cleaning.near_duplicates
    near = NearDuplicates(threshold) if threshold else None
    for number, row in enumerate(tqdm(merged_rows(traces), "clean", unit=" rows", disable=None)):
        ids += fingerprint(row["id"])
        bad = row["problem_id"] in contaminated
        step = "contaminated" if bad else fault(row, cleaning)
        codes.append(KEPT if step is None else STEPS.index(step))
        if step is None:
            texts += fingerprint(row["prompt"], row["response"])
            lone.append(number)
            if near is not None:
                near.add(row["response"])
    found = np.frombuffer(codes, np.uint8).copy()
    found[repeated(ids)] = STEPS.index("repeated_id")
    single = np.frombuffer(lone, np.int64)
    stays = found[single] == KEPT
    own = np.frombuffer(texts, "V16")[stays].tobytes()
    found[single[stays][repeated(own)]] = STEPS.index("duplicate")
    if near is not None:
        found[single[near.found(found[single] != KEPT)]] = STEPS.index("near_duplicate")
    return found


def write(
    stream: ParquetStream,
    traces: list[Path],
    labels: Path,
    found: np.ndarray,
    difficulty: Difficulty,
    worded: Callable[[dict], str],
    held_out: float = 0.0,
) -> dict[str, object]:
    """Write the traces that no step drops, and return the summary.

    Args:
        stream: the pool.
        traces: as in `faults`.
        labels: id, correct; in the same order.
        found: what `faults` returned.
        difficulty: the study's words.
        worded: gives a trace's prompt as the student is to see it.
        held_out: share of the problems that no shard will hold: no slice counts them.

    Memory: a few hundred bytes a problem.
    """
    cells: Counter[tuple] = Counter()  # traces by problem, difficulty, correctness
    sums, unmapped = Counter(), Counter()
    teachers = Counter()
    labelled = zip(merged_rows(traces), stream_rows(labels, ["id", "correct"]), strict=True)
    for (row, label), code in zip(labelled, found, strict=True):
        if row["id"] != label["id"]:
            raise ValueError(
                f"{labels}: the label of {row['id']} is that of {label['id']}: these are labels of "
                "other traces; delete the file to have it made again"
            )
        if code != KEPT:
            continue
        word = difficulty.word(row["difficulty"])
        if word is None:
            unmapped[row["difficulty"] or ""] += 1
        row |= {"prompt": worded(row), "difficulty": word, "correct": label["correct"]}
        stream.write(row)
        cells[row["problem_id"], word, row["correct"]] += 1
        sums["tokens"] += row["tokens"]
        sums["without_label"] += row["correct"] is None
        teachers[row["teacher"]] += 1
    dropped = Counter(STEPS[code] for code in found[found != KEPT])
    problems = len({problem for problem, _, _ in cells})
    open_to_shards = Counter(
        {cell: count for cell, count in cells.items() if not is_held_out(cell[0], held_out)}
    )
    return {
        "traces": len(found),
        "dropped": {step: dropped[step] for step in STEPS if dropped[step] or step in ALWAYS},
        "kept": stream.rows,
        "problems": problems,
        "without_difficulty": unmapped.total(),
        "unmapped_difficulties": dict(unmapped.most_common(20)),
        "without_label": sums["without_label"],
        "teachers": dict(sorted(teachers.items())),
        "tokens": sums["tokens"],
        **slices.counts(open_to_shards, difficulty.words),
    }


def measured(found: np.ndarray) -> dict[str, object]:
    """Return the measurements for the sidecar."""
    return {"traces": len(found), "kept": int((found == KEPT).sum())}
