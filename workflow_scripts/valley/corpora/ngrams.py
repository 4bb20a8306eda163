"""Texts as sets of word n-grams, each a 64-bit number."""

import re
import zlib

import numpy as np

_WORD = re.compile(r"\w+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def ngrams(text: str, words: int) -> np.ndarray:
    """Return the distinct n-grams of a text, sorted, as 64-bit numbers.

    Case, punctuation and white space don't count. A text of fewer words is one n-gram.
    """
    codes = [zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text.casefold())]
    if not codes:
        return np.empty(0, np.uint64)
    code = np.array(codes, np.uint64)
    size = min(words, len(code))
    mixed = np.zeros(len(code) - size + 1, np.uint64)
    for at in range(size):
        mixed = mix(mixed, code[at : at + len(mixed)])
    return np.unique(mixed)


def mix(digests: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return digests of what digests stand for with one more 64-bit number each."""
    mixed = (digests ^ values) * _FACTOR
    return mixed ^ (mixed >> np.uint64(29))
