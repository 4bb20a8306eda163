"""Problems held out from every shard of any slice, size and seed, to measure loss on."""

import hashlib


def is_held_out(problem: str, share: float) -> bool:
    """Tell whether a problem is held out.

    A hash of its own id decides, so that a larger corpus moves no problem to the other side.

    Args:
        problem: its id.
        share: of all problems that is held out, 0 to 1.
    """
    return _hash(problem) < share * 2**64


def rank(problem: str) -> int:
    """Return a held-out problem's rank: those of the lowest ranks are measured."""
    return _hash(problem)


def _hash(problem: str) -> int:
    digest = hashlib.sha256(f"held out\x1f{problem}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
