"""What a trace must be like to be kept, and which traces say the same."""

import ast
import tempfile
from hashlib import sha256

import numpy as np

from valley.core.sources import Cleaning
from valley.core.text import well_formed
from valley.corpora.ngrams import mix, ngrams
from valley.judging.answers import extract_program, fenced_blocks
from valley.judging.fences import is_python

# Why a trace is dropped, in words; it counts for the first of these that holds.
DROPPED = {
    "repeated_id": "an id that an earlier trace has",
    "contaminated": "on a benchmark's problem",
    "malformed": "not one pair of think tags at the beginning",
    "no_program": "no program in the answer",
    "language": "a program in another language",
    "too_long": "too long",
    "duplicate": "the same question and answer as an earlier trace",
    "near_duplicate": "nearly the same answer as an earlier trace",
}
STEPS = tuple(DROPPED)
KEPT = len(STEPS)
PERMUTATIONS = 64
SHINGLE = 5  # words
WINDOW = 8  # neighbours in a bucket that a trace is compared with


def language(response: str) -> str | None:
    """Return the language of an answer's program, in lower case; None if it has no program.

    The fence says it; a program without a word there is Python if it parses as such, else
    "unknown".
    """
    program = extract_program(response)
    blocks = fenced_blocks(response.rsplit("</think>", 1)[-1])
    labels = [label for label, code in blocks if code.strip()]
    if program is None:
        return next((label for label in reversed(labels) if label), None)
    if any(map(is_python, labels)):
        return "python"
    others = [label for label in labels if label]
    if _parses(program):
        return "python"
    return others[-1] if others else "unknown"


def _parses(program: str) -> bool:
    try:
        ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def fault(row: dict, cleaning: Cleaning | None) -> str | None:
    """Return the step at which a trace is dropped for itself alone; None if it may stay.

    Args:
        row: a pool row.
        cleaning: what is dropped; without it, only form counts.
    """
    if not well_formed(row["response"]):
        return "malformed"
    if cleaning is None:
        return None
    spoken = language(row["response"])
    if spoken is None:
        return "no_program"
    if cleaning.languages is not None and spoken not in cleaning.languages:
        return "language"
    longest = cleaning.max_tokens
    return "too_long" if longest is not None and row["tokens"] > longest else None


def fingerprint(*texts: str) -> bytes:
    """Return 16 bytes that only equal texts share."""
    return sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).digest()[:16]


def repeated(fingerprints: bytes) -> np.ndarray:
    """Return which of the fingerprints, 16 bytes each, an earlier one is equal to."""
    if not fingerprints:
        return np.zeros(0, bool)
    halves = np.frombuffer(fingerprints, "<u8").reshape(-1, 2)
    # lexsort is stable: of equal ones the first comes first.
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    sorted_ = halves[order]
    first = order[np.r_[True, (sorted_[1:] != sorted_[:-1]).any(axis=1)]]
    twice = np.ones(len(halves), bool)
    twice[first] = False
    return twice


class NearDuplicates:
    """Finds texts that share most of their word 5-grams with an earlier one.

    MinHash signatures and their bands are datasketch's; its index would hold everything in memory,
    so signatures go to a file here (256 bytes a text), and a band at a time is sorted.

    Args:
        threshold: Jaccard similarity, estimated, from which on two texts say the same.
    """

    def __init__(self, threshold: float):
        from datasketch import MinHash, MinHashLSH

        self.threshold = threshold
        shape = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
        self._bands = [tuple(band) for band in shape.hashranges]
        self._empty = MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=int, scheme="affine32")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (gone with this object)
        self._count = 0

    def add(self, text: str) -> None:
        """Take the next text."""
        sketch = self._empty.copy()
        sketch.update_batch((ngrams(text, SHINGLE) & np.uint64(0xFFFFFFFF)).tolist())
        self._file.write(sketch.hashvalues.astype("<u4").tobytes())
        self._count += 1

    def found(self, gone: np.ndarray) -> np.ndarray:
        """Return, for each text taken, whether an earlier one that stays is much the same.

        Args:
            gone: for each, whether it was dropped already and makes no other one a duplicate.
        """
        dropped = gone.copy()
        if not self._count:
            return dropped
        self._file.flush()
        shape = (self._count, PERMUTATIONS)
        signatures = np.memmap(self._file, "<u4", "r", shape=shape)
        pairs = np.unique(
            np.concatenate([self._pairs(signatures, *b) for b in self._bands]), axis=0
        )
        for later, earlier in pairs:  # by the later one, so that the earlier is settled
            if not dropped[earlier]:
                dropped[later] = True
        return dropped & ~gone

    def _pairs(self, signatures: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Return (later, earlier) indices that agree in a band and are similar enough."""
        mixed = np.zeros(len(signatures), np.uint64)
        for column in range(begin, end):
            mixed = mix(mixed, signatures[:, column])
        order = np.argsort(mixed, kind="stable")
        found = [np.empty((0, 2), np.int64)]
        for step in range(1, WINDOW + 1):
            earlier, later = order[:-step], order[step:]
            same = mixed[earlier] == mixed[later]
            earlier, later = earlier[same], later[same]
            for at in range(0, len(later), 1 << 16):
                one, other = earlier[at : at + (1 << 16)], later[at : at + (1 << 16)]
                alike = (signatures[one] == signatures[other]).mean(axis=1) >= self.threshold
                found.append(np.stack([other[alike], one[alike]], axis=1))
        return np.concatenate(found)
