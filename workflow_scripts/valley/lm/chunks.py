"""How many positions have their logits held at once, for the loss and for the memory's estimate."""

LOGITS = 2**27  # half a gigabyte in single precision, and a few times that to work


def chunk_positions(vocabulary: int) -> int:
    """Return for how many positions logits are computed at once.

    Args:
        vocabulary: tokens.
    """
    return max(256, LOGITS // vocabulary)
