"""Is there a valley: a size established below the start, and a rise from there.

Both halves are held against the margin, and only sizes that lie below the start count as the low
point: a peak before the fall is no part of the rise after it.
"""

import numpy as np

from valley.analysis.readouts import greatest, spread_of
from valley.analysis.sample import Levels, variance_parts

VALLEY_P = 0.025  # as two-sided intervals of 95 % have it


def valley(levels: Levels, margin: float) -> dict | None:
    """Say whether an interior size lies below the start, and a later one above it, by the margin.

    `probability` is the share of joint draws with such sizes (a bootstrap probability: it leans
    towards "yes" where many sizes lie near the start); `p_fall`, `p_rise`, `p` are tests that
    allow for the choice of sizes, `p` for both at one and the same size. `established` are the
    sizes shown to lie below the start by the margin, `possible` those not shown not to. `start` is
    the start's interval. None without a start or with fewer than two sizes above it.
    """
    if levels.sizes[0] != 0 or len(levels.sizes) < 3:
        return None
    inner = np.arange(1, len(levels.sizes) - 1)
    estimate, draws = levels.estimate, levels.draws
    deviation = draws - draws.mean(axis=0)
    fall = estimate[0] - estimate[inner] - margin
    fall_error = deviation[:, :1] - deviation[:, inner]
    fall_sd = spread_of(fall_error)
    fall_top = (fall_error / fall_sd).max(axis=1)
    low, high = _pairs(inner, len(levels.sizes))
    climb = estimate[high] - estimate[low] - margin
    climb_error = deviation[:, high] - deviation[:, low]
    climb_sd = spread_of(climb_error)
    climb_top = (climb_error / climb_sd).max(axis=1)
    p_fall = np.array([_tail(fall_top, value) for value in fall / fall_sd])
    p_not = np.array([_tail(fall_top, -value) for value in fall / fall_sd])
    best = np.array([(climb / climb_sd)[low == i].max() for i in inner])
    p_rise = np.array([_tail(climb_top, value) for value in best])
    both = np.maximum(p_fall, p_rise)
    fallen = draws[:, :1] - draws[:, inner] > margin
    later = np.maximum.accumulate(draws[:, ::-1], axis=1)[:, ::-1][:, inner + 1]
    return {
        "margin": margin,
        "probability_below": float(fallen.any(axis=1).mean()),
        "probability": float((fallen & (later - draws[:, inner] > margin)).any(axis=1).mean()),
        "p_fall": float(p_fall.min()),
        "p_rise": float(p_rise.min()),
        "p": float(both.min()),
        "size": int(levels.sizes[inner[int(np.argmin(both))]]),
        "established": [int(levels.sizes[i]) for i in inner[p_fall <= VALLEY_P]],
        "possible": [int(levels.sizes[i]) for i in inner[p_not > VALLEY_P]],
        "start": levels.intervals[0],
    }


def _tail(reference: np.ndarray, value: float) -> float:
    return float((np.sum(reference >= value) + 1) / (len(reference) + 1))


def _pairs(lower: np.ndarray, count: int) -> np.ndarray:
    return np.array([(i, j) for i in lower for j in range(i + 1, count)]).T


def fall(levels: Levels, level: float = 0.95) -> dict | None:
    """Return how far the lowest size that has a later one lies below the start, in pass@1."""
    if levels.sizes[0] != 0 or len(levels.sizes) < 3:
        return None
    inner = slice(1, -1)
    out = greatest(
        levels.estimate[0] - levels.estimate[inner],
        levels.draws[:, :1] - levels.draws[:, inner],
        level,
    )
    gradient = np.zeros(len(levels.sizes))
    gradient[0], gradient[1 + out["at"]] = 1.0, -1.0
    return {
        "estimate": out["estimate"],
        "interval": out["interval"],
        "size": int(levels.sizes[1 + out["at"]]),
        "parts": variance_parts(levels, gradient),
    }


def rise(levels: Levels, found: dict | None, level: float = 0.95) -> dict | None:
    """Return the largest rise from a low point to a larger size; 0 where there is none.

    `found` is what `valley` says of these levels. The lower end counts the sizes established below
    the start, the upper end all that may lie there. None where no size may.
    """
    if not found or not found["possible"]:
        return None
    index_of = {int(size): at for at, size in enumerate(levels.sizes)}
    sure = found["established"]
    start = np.array([index_of[size] for size in sure or found["possible"]])
    any_ = np.array([index_of[size] for size in {*sure, *found["possible"]}])
    main, at = _rise(levels, np.sort(start), level)
    wide, _ = _rise(levels, np.sort(any_), level)
    estimate = max(main["estimate"], 0.0)
    low = main["interval"][0] if sure else 0.0
    gradient = np.zeros(len(levels.sizes))
    gradient[at[1]], gradient[at[0]] = 1.0, -1.0
    return {
        "estimate": estimate,
        "interval": [min(max(low, 0.0), estimate), max(wide["interval"][1], estimate)],
        "between": [int(levels.sizes[i]) for i in at],
        "parts": variance_parts(levels, gradient),
    }


def _rise(levels: Levels, start: np.ndarray, level: float) -> tuple[dict, tuple[int, int]]:
    low, high = _pairs(start, len(levels.sizes))
    out = greatest(
        levels.estimate[high] - levels.estimate[low],
        levels.draws[:, high] - levels.draws[:, low],
        level,
    )
    return out, (int(low[out["at"]]), int(high[out["at"]]))
