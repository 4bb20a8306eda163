"""What a curve is drawn over: the examples asked for, or what a training spent."""

from typing import Any

EXAMPLES, PROBLEMS, TOKENS, UPDATES = "examples", "problems", "tokens", "updates"
MANIFEST = (TOKENS, UPDATES)  # what a checkpoint's manifest says
FLOPS, PARAMETERS = "flops", "parameters"
ACROSS = (FLOPS, PARAMETERS)  # puts several students in one figure; each one's curve is by examples
GONE = "checkpoint.gone.json"  # the manifest of a checkpoint whose weights are gone


def unit(curve: dict[str, Any]) -> str:
    """Return what a fitted curve is drawn over."""
    return str(curve.get("x", EXAMPLES))


def size_of(point: dict[str, Any]) -> int:
    """Return the size of a fitted curve's point: what its arms are called by."""
    return int(point.get("examples", point["size"]))


def of_curve(x: str) -> str:
    """Return what each student's own curve is drawn over, on an axis that asks for `x`."""
    return EXAMPLES if x in ACROSS else x


def where(point: dict[str, Any], root: str, x: str) -> str | None:
    """Return the file that says what an arm spent; None where that is its size, and of a start.

    Args:
        point: the arm, with its checkpoint's name.
        root: folder of the study's results.
        x: what is asked for.
    """
    if x == EXAMPLES or not point["size"]:
        return None
    if x in MANIFEST:
        return f"{root}/checkpoints/{point['place']}/checkpoint.json"
    return f"{root}/shards/{point['slice']}/n{point['size']}-s{point['seed']}.parquet"
