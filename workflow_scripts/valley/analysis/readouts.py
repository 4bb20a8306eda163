"""What a curve says, read from levels at the sizes that were run and no family of curves.

Depth and bottom (and the valley: `valleys`) are statements about a minimum over sizes, and the
least of several noisy levels is too low on average. So their intervals allow for the choice of the
size: the bounds for the depth are intersection bounds (Chernozhukov, Lee & Rosen 2013, Econometrica
81:667) over the sizes that paired comparisons leave in the race, and the set of sizes that may be
the bottom is a comparison with the best (Hsu 1984). Crossings (recovery, targets) invert a test at
each size, as in Fieller's theorem; between sizes the level is taken as straight in log N.
"""

import numpy as np

from valley.analysis.resample import Z
from valley.analysis.sample import Levels, variance_parts

FINE = 24  # steps between neighbouring sizes
CONTACT = 0.99
SLACK = 1.0  # standard errors by which gaps between rivals may be off
TINY = 1e-9


def spread_of(deviation: np.ndarray) -> np.ndarray:
    """Return the spread of each entry, from (draws, entries) of its error; never 0.

    That of a normal law with as wide a 95 % interval: where training noise is known from few runs
    the draws have long tails, and their standard deviation is all in a few of them.
    """
    low, high = np.percentile(deviation, [2.5, 97.5], axis=0)
    return np.maximum((high - low) / (2 * Z), TINY)


def greatest(estimate: np.ndarray, draws: np.ndarray, level: float = 0.95) -> dict:
    """Return the interval of max(estimate) over its entries, given (draws, entries) of its error.

    Each bound errs in at most half of 1 - level of studies, however many entries are near the
    greatest. `estimate` here is the half-median-unbiased value: the plain maximum is too high on
    average.
    """
    deviation = draws - draws.mean(axis=0)
    sd = spread_of(deviation)
    tail = (1 - level) / 2
    keep = np.flatnonzero(_rivals(estimate, deviation, CONTACT))
    # Tails are taken as in percentile intervals (not mirrored): near 0 and 1 levels are skewed.
    error = -deviation[:, keep]
    best = int(np.argmax(estimate[keep]))
    gap = estimate[keep].max() - estimate[keep]
    blur = SLACK * spread_of(error - error[:, [best]])
    # Each bound is stretched until it fails in `tail` of draws, at gaps moved to its disfavour.
    over = ((error - np.maximum(gap - blur, 0.0)) / sd[keep]).max(axis=1)
    under = ((gap + blur - error) / sd[keep]).min(axis=1)
    low = (estimate[keep] - np.quantile(over, 1 - tail) * sd[keep]).max()
    middle = (estimate[keep] - np.quantile(over, 0.5) * sd[keep]).max()
    high = (estimate[keep] + np.quantile(under, 1 - tail) * sd[keep]).max()
    return {
        "estimate": float(middle),
        "plain": float(estimate.max()),
        "interval": [float(low), float(high)],
        "at": int(np.argmax(estimate)),
    }


def _rivals(estimate: np.ndarray, deviation: np.ndarray, level: float) -> np.ndarray:
    """Return which entries may be the greatest: the true one is kept with chance `level` or more.

    Entries are compared in pairs, so noise that they share (that of the start, that of hard
    problems) does not blur the choice.
    """
    count = len(estimate)
    kept = np.ones(count, bool)
    for i in range(count):
        gap = estimate - estimate[i]
        spread = deviation - deviation[:, i : i + 1]
        sd = spread_of(spread)
        sd[i] = np.inf
        if count > 1 and (gap / sd).max() > np.quantile((spread / sd).max(axis=1), level):
            kept[i] = False
    kept[int(np.argmax(estimate))] = True
    return kept


def bottom(levels: Levels, level: float = 0.95) -> dict | None:
    """Return the size with the lowest level among those above 0, and the sizes that might be it.

    `interval` spans the sizes run that might be the lowest; `between` goes on to their neighbours:
    the bottom of a curve that falls and then rises may lie anywhere between those.
    """
    above = np.flatnonzero(levels.sizes > 0)
    if not len(above):
        return None
    estimate, draws = levels.estimate[above], levels.draws[:, above]
    kept = np.flatnonzero(_rivals(-estimate, draws.mean(axis=0) - draws, level))
    best = int(np.argmin(estimate))
    sizes = levels.sizes[above]
    return {
        "size": int(sizes[best]),
        "level": float(estimate[best]),
        "interval": [int(sizes[kept[0]]), int(sizes[kept[-1]])],
        "may_be": [int(sizes[i]) for i in kept],
        "between": [
            int(sizes[max(kept[0] - 1, 0)]),
            int(sizes[min(kept[-1] + 1, len(sizes) - 1)]),
        ],
    }


def depth(levels: Levels, level: float = 0.95) -> dict | None:
    """Return how far the lowest size lies below the start, in pass@1."""
    if levels.sizes[0] != 0 or len(levels.sizes) < 2:
        return None
    estimate = levels.estimate[0] - levels.estimate[1:]
    out = greatest(estimate, levels.draws[:, :1] - levels.draws[:, 1:], level)
    gradient = np.zeros(len(levels.sizes))
    gradient[0], gradient[1 + out["at"]] = 1.0, -1.0
    return _fall(levels, out, gradient)


def depth_share(levels: Levels, level: float = 0.95) -> dict | None:
    """Return how far the lowest size lies below the start, as a share of the start.

    Worked out on the square root of level / start, where a level's spread does not depend on how
    low it happened to come out. A lowest size above the start is a fall of 0. None where the start
    scores 0: there is nothing to fall from.
    """
    if levels.sizes[0] != 0 or len(levels.sizes) < 2 or levels.estimate[0] <= 0:
        return None
    start, rest = levels.estimate[0], levels.estimate[1:]
    draws = levels.draws[:, 1:] / np.maximum(levels.draws[:, :1], 0.1 * start)
    out = greatest(-np.sqrt(rest / start), -np.sqrt(draws), level)
    for key in ("estimate", "plain"):
        out[key] = _share(out[key])
    out["interval"] = [_share(bound) for bound in out["interval"]]
    gradient = np.zeros(len(levels.sizes))
    at = out["at"]
    gradient[0], gradient[1 + at] = rest[at] / start**2, -1 / start
    return _fall(levels, out, gradient)


def _share(root: float) -> float:
    """Return the fall of a level that is `root` (negative) squared of the start, in [0, 1]."""
    return min(max(1 - min(root, 0.0) ** 2, 0.0), 1.0)


def _fall(levels: Levels, out: dict, gradient: np.ndarray) -> dict:
    return {
        "estimate": out["estimate"],
        "plain": out["plain"],
        "interval": out["interval"],
        "size": int(levels.sizes[1 + out["at"]]),
        "parts": variance_parts(levels, gradient),
    }


def crossing(levels: Levels, target: float | None = None, level: float = 0.95) -> dict | None:
    """Return the size past the bottom where the level of the start (or a target) is reached.

    `size` is null where the estimate never gets there. The interval holds every size at which the
    target is not excluded; an end that is null lies beyond the largest size that was run.
    """
    above = np.flatnonzero(levels.sizes > 0)
    if len(above) < 2 or (target is None and levels.sizes[0] != 0):
        return None
    first = above[int(np.argmin(levels.estimate[above]))]
    later = np.arange(first, len(levels.sizes))
    goal = levels.estimate[0] if target is None else target
    goal_draws = levels.draws[:, 0] if target is None else np.full(len(levels.draws), target)
    x = np.log(levels.sizes[later].astype(float))
    if len(later) == 1:
        return {"size": None, "interval": [None, None], "reached": False}
    fine = np.unique(np.concatenate([np.linspace(x[0], x[-1], FINE * len(x)), x]))
    gap = np.interp(fine, x, levels.estimate[later]) - goal
    mix = np.array([np.interp(fine, x, row) for row in np.eye(len(later))])
    error = (levels.draws[:, later] - levels.draws[:, later].mean(axis=0)) @ mix
    error = error - (goal_draws - goal_draws.mean())[:, None]
    sd = spread_of(error)
    critical = np.quantile(np.abs(error) / sd, level, axis=0)
    open_ = np.abs(gap) <= critical * sd
    reached = np.flatnonzero(gap >= 0)
    size = None
    if len(reached):
        i = reached[0]
        back = max(i - 1, 0)
        step = gap[i] - gap[back]
        at = fine[i] if step <= 0 else fine[back] - gap[back] * (fine[i] - fine[back]) / step
        size = float(np.exp(at))
    allowed = np.flatnonzero(open_)
    if len(allowed):
        low = float(np.exp(fine[allowed[0]]))
        high = None if allowed[-1] == len(fine) - 1 else float(np.exp(fine[allowed[-1]]))
    elif size is not None:
        low = high = size
    else:
        low = high = None
    return {"size": size, "interval": [low, high], "reached": size is not None}


def curvature(levels: Levels, start: int, level: float = 0.95) -> dict | None:
    """Return the bend of the rise from size `start` on: the square term in decades of N.

    Positive means sharper than log-linear: each decade adds more than the one before. It is the
    coefficient of a quadratic in log10 N, by least squares over at least three sizes, all of one
    weight (so that what is estimated depends on the sizes only, not on their noise).
    """
    later = np.flatnonzero(levels.sizes >= start)
    if len(later) < 3:
        return None
    x = np.log10(levels.sizes[later].astype(float))
    x = x - x.mean()
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    solve = np.linalg.pinv(design)
    value = float((solve @ levels.estimate[later])[2])
    draws = (levels.draws[:, later] @ solve.T)[:, 2]
    tail = 50 * (1 - level)
    low, high = np.percentile(draws - draws.mean() + value, [tail, 100 - tail])
    gradient = np.zeros(len(levels.sizes))
    gradient[later] = solve[2]
    return {
        "estimate": value,
        "interval": [float(low), float(high)],
        "from_size": int(start),
        "parts": variance_parts(levels, gradient),
    }


def sharper(levels: Levels, level: float = 0.95) -> dict | None:
    """Return the bend after the bottom, for each size that may be the bottom.

    `interval` spans them all, so a sign is claimed only if every possible bottom agrees on it.
    """
    found = bottom(levels, level)
    if found is None:
        return None
    bends = [curvature(levels, size, level) for size in found["may_be"]]
    known = [bend for bend in bends if bend]
    main = curvature(levels, found["size"], level)
    if main is None or len(known) < len(bends):
        return None if main is None else {**main, "interval": [None, None], "all": _brief(known)}
    return {
        **main,
        "interval": [
            min(bend["interval"][0] for bend in known),
            max(bend["interval"][1] for bend in known),
        ],
        "all": _brief(known),
    }


def _brief(bends: list[dict]) -> list[dict]:
    return [{key: bend[key] for key in ("from_size", "estimate", "interval")} for bend in bends]
