"""Mixing slices by share, nested at every size."""

from valley.core.declared import turns


def mixed(
    ranked: list[list[tuple[str, int]]],
    shares: list[float],
    size: int,
    names: list[str],
    kind: str,
) -> list[tuple[int, int]]:
    """Return what a mix holds: for each example its slice's number, and its row's index there.

    Slices take turns by their shares, each in its own order. What one has given no other gives
    again: a slice and the same rows rewritten make a mix of distinct rows.

    Args:
        ranked: for each slice its examples in order: name (of the row, or its problem) and index.
        shares: of each slice.
        size: number of examples.
        names: of the slices, for people.
        kind: what examples are called.

    Raises:
        ValueError: a slice has given all that it has.
    """
    waiting, taken, drawn = [iter(examples) for examples in ranked], set(), []
    for part in turns(shares):
        if len(drawn) == size:
            return drawn
        fresh = ((name, index) for name, index in waiting[part] if name not in taken)
        name, index = next(fresh, (None, -1))
        if name is None and len(ranked) == 1:
            raise ValueError(
                f"slice {names[0]} holds {len(drawn)} {kind}, but {size} were asked for; ask for "
                "less in the study file, or enlarge its corpus"
            )
        if name is None:
            own = sum(one == part for one, _ in drawn)
            raise ValueError(
                f"the mix can't be filled: after {len(drawn)} of {size} {kind}, slice "
                f"{names[part]} (share {shares[part]:g}, {len(ranked[part])} {kind}) has none "
                f"left that the others have not taken; it gave {own}. Ask for less, or lower its "
                "share"
            )
        taken.add(name)
        drawn.append((part, index))
    raise AssertionError("turns end never")
