"""Curves over what trainings spent, in place of how many examples they were given."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from valley.analysis.sample import Levels
from valley.core.files import read_json, read_parquet
from valley.core.spending import GONE, MANIFEST


def spent(path: str | Path, x: str) -> int:
    """Return what one training spent.

    Args:
        path: its checkpoint's manifest for tokens and updates, its shard for problems.
        x: which of these.

    Raises:
        ValueError: the manifest does not say, as that of an adopted checkpoint.
    """
    path = Path(path)
    if x not in MANIFEST:
        return len({row["problem_id"] for row in read_parquet(path, columns=["problem_id"])})
    if not path.is_file():
        path = path.with_name(GONE)
    value = read_json(path).get(x)
    if not isinstance(value, int):
        raise ValueError(f"{path} does not say how many {x} it was trained on; use x: examples")
    return value


def of_sizes(arms: list[dict], x: str) -> dict[int, float]:
    """Return the mean over replicates of what was spent at each size; nothing at the start."""
    found: dict[int, dict[str, int]] = {}
    for arm in arms:
        if arm["size"]:
            found.setdefault(int(arm["size"]), {})[arm["spent"]] = spent(arm["spent"], x)
    return {0: 0.0} | {size: float(np.mean([*each.values()])) for size, each in found.items()}


def over(data: Levels, spending: dict[int, float], x: str) -> Levels:
    """Return levels whose sizes are what was spent, rounded.

    Args:
        data: levels by examples.
        spending: what was spent at each size.
        x: what that is, for the error.

    Raises:
        ValueError: more examples did not spend more.
    """
    at = {int(size): round(spending[int(size)]) for size in data.sizes}
    values = np.array([at[int(size)] for size in data.sizes])
    if (np.diff(values) <= 0).any():
        listed = ", ".join(f"{size:,} examples {value:,}" for size, value in at.items())
        raise ValueError(
            f"{x} do not rise with the size ({listed}); a curve takes sizes that spend more and "
            "more: use x: examples, or sizes further apart"
        )
    return replace(data, sizes=values, seeds=[(at[size], *rest) for size, *rest in data.seeds])
