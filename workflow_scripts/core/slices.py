"""Slices of the pool, written difficulty.correctness: easy.any, all.correct, …"""

CORRECTNESS = ("any", "correct", "incorrect")
EVERY = "all"  # the difficulty that means every difficulty


def names(difficulties: list[str]) -> list[str]:
    """Return every slice that a study with these difficulties can ask for."""
    return [f"{d}.{c}" for d in (EVERY, *difficulties) for c in CORRECTNESS]


def holds(slice_name: str, row: dict) -> bool:
    """Tell whether a pool row belongs to a slice; an unlabelled one is neither right nor wrong."""
    difficulty, correctness = slice_name.rsplit(".", 1)
    if difficulty not in (EVERY, row["difficulty"]):
        return False
    return correctness == "any" or row["correct"] is (correctness == "correct")
