"""What a curve says, read from levels at the sizes that were run and no family of curves.

Depth, valley and bottom are statements about a minimum over sizes, and the least of several noisy
levels is too low on average. So their intervals allow for the choice of the size: the bounds for
the depth are intersection bounds (Chernozhukov, Lee & Rosen 2013, Econometrica 81:667) over the
sizes that paired comparisons leave in the race, and the set of sizes that may be the bottom is a
comparison with the best (Hsu 1984). Crossings (recovery, targets) invert a test at each size, as
in Fieller's theorem; between sizes the level is taken as straight in log N.
"""

import numpy as np

from valley.analysis.sample import Levels, variance_parts

FINE = 24  # steps between neighbouring sizes
CONTACT = 0.99
SLACK = 1.0  # standard errors by which gaps between rivals may be off
VALLEY_P = 0.025  # as two-sided intervals of 95 % have it
TINY = 1e-9


def _sd(deviation: np.ndarray) -> np.ndarray:
    return np.maximum(deviation.std(axis=0), TINY)


def greatest(estimate: np.ndarray, draws: np.ndarray, level: float = 0.95) -> dict:
    """Return the interval of max(estimate) over its entries, given (draws, entries) of its error.

    Each bound errs in at most half of 1 - level of studies, however many entries are near the
    greatest. `estimate` here is the half-median-unbiased value: the plain maximum is too high on
    average.
    """
    deviation = draws - draws.mean(axis=0)
    sd = _sd(deviation)
    tail = (1 - level) / 2
    keep = np.flatnonzero(_rivals(estimate, deviation, CONTACT))
    # Tails are taken as in percentile intervals (not mirrored): near 0 and 1 levels are skewed.
    error = -deviation[:, keep]
    best = int(np.argmax(estimate[keep]))
    gap = estimate[keep].max() - estimate[keep]
    blur = SLACK * (error - error[:, [best]]).std(axis=0)
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
        sd = _sd(spread)
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
    low it happened to come out; None where the start scores 0.
    """
    if levels.sizes[0] != 0 or len(levels.sizes) < 2 or levels.estimate[0] <= 0:
        return None
    start, rest = levels.estimate[0], levels.estimate[1:]
    draws = levels.draws[:, 1:] / np.maximum(levels.draws[:, :1], 0.1 * start)
    out = greatest(-np.sqrt(rest / start), -np.sqrt(draws), level)
    for key in ("estimate", "plain"):
        out[key] = 1 - min(out[key], 0.0) ** 2
    out["interval"] = [1 - min(bound, 0.0) ** 2 for bound in out["interval"]]
    gradient = np.zeros(len(levels.sizes))
    at = out["at"]
    gradient[0], gradient[1 + at] = rest[at] / start**2, -1 / start
    return _fall(levels, out, gradient)


def _fall(levels: Levels, out: dict, gradient: np.ndarray) -> dict:
    return {
        "estimate": out["estimate"],
        "plain": out["plain"],
        "interval": out["interval"],
        "size": int(levels.sizes[1 + out["at"]]),
        "parts": variance_parts(levels, gradient),
    }


def rise(levels: Levels, level: float = 0.95) -> dict | None:
    """Return the largest rise between any two sizes above 0, smaller to larger."""
    above = np.flatnonzero(levels.sizes > 0)
    pairs = [(i, j) for i in above for j in above if i < j]
    if not pairs:
        return None
    low, high = np.array(pairs).T
    out = greatest(
        levels.estimate[high] - levels.estimate[low],
        levels.draws[:, high] - levels.draws[:, low],
        level,
    )
    first, last = low[out["at"]], high[out["at"]]
    gradient = np.zeros(len(levels.sizes))
    gradient[last], gradient[first] = 1.0, -1.0
    return {
        "estimate": out["estimate"],
        "interval": out["interval"],
        "between": [int(levels.sizes[first]), int(levels.sizes[last])],
        "parts": variance_parts(levels, gradient),
    }


def valley(levels: Levels, margin: float) -> dict | None:
    """Say whether an interior size lies below the start by more than the margin, and rises again.

    `probability` is the share of joint draws with such a size (a bootstrap probability: it leans
    towards "yes" where many sizes lie near the start); `p_fall`, `p_rise`, `p` are tests that
    allow for the choice of sizes, `p` for both at one and the same size.
    """
    if levels.sizes[0] != 0 or len(levels.sizes) < 3:
        return None
    inner = np.arange(1, len(levels.sizes) - 1)
    estimate, draws = levels.estimate, levels.draws
    deviation = draws - draws.mean(axis=0)
    fall = estimate[0] - estimate[inner] - margin
    fall_error = deviation[:, :1] - deviation[:, inner]
    fall_sd = _sd(fall_error)
    fall_top = (fall_error / fall_sd).max(axis=1)
    pairs = [(i, j) for i in inner for j in range(i + 1, len(levels.sizes))]
    low, high = np.array(pairs).T
    rise = estimate[high] - estimate[low]
    rise_error = deviation[:, high] - deviation[:, low]
    rise_sd = _sd(rise_error)
    rise_top = (rise_error / rise_sd).max(axis=1)
    p_fall = [_tail(fall_top, value) for value in fall / fall_sd]
    best_rise = np.array([(rise / rise_sd)[low == i].max() for i in inner])
    p_rise = [_tail(rise_top, value) for value in best_rise]
    both = [max(a, b) for a, b in zip(p_fall, p_rise, strict=True)]
    fallen = draws[:, :1] - draws[:, inner] > margin
    later = np.maximum.accumulate(draws[:, ::-1], axis=1)[:, ::-1][:, inner + 1]
    return {
        "margin": margin,
        "probability_below": float(fallen.any(axis=1).mean()),
        "probability": float((fallen & (later - draws[:, inner] > 0)).any(axis=1).mean()),
        "p_fall": float(min(p_fall)),
        "p_rise": float(min(p_rise)),
        "p": float(min(both)),
        "size": int(levels.sizes[inner[int(np.argmin(both))]]),
    }


def _tail(reference: np.ndarray, value: float) -> float:
    return float((np.sum(reference >= value) + 1) / (len(reference) + 1))


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
    sd = _sd(error)
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
