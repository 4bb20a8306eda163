"""Resampling problems: the one source of evaluation noise that all arms share.

Problems are drawn with replacement and bring their samples along. That is the two-level bootstrap
whose inner level draws *without* replacement (Davison & Hinkley 1997, section 3.8): the spread of
problem means already holds the noise of their samples, and drawing samples again with replacement
would count that noise twice (docs/statistics.md shows by how much).
"""

from functools import lru_cache

import numpy as np

Z = 1.959964  # half a 95 % interval, in standard errors


@lru_cache(maxsize=16)
def problem_weights(problems: int, draws: int, seed: int) -> np.ndarray:
    """Return (draws, problems) weights, each row summing to 1: how often each problem was drawn.

    Cached and read-only: arms of one benchmark must be resampled together to stay paired.
    """
    rng = np.random.default_rng(seed)
    weights = np.empty((draws, problems), np.float64)
    for row in range(draws):
        drawn = rng.integers(0, problems, problems)
        weights[row] = np.bincount(drawn, minlength=problems) / problems
    weights.setflags(write=False)
    return weights


def resampled_means(values: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return (draws, arms) means of `values` (arms, problems) over resampled problems.

    The same problems are drawn for every arm. A problem that is NaN in one arm is left out of that
    arm's means only.
    """
    weights = problem_weights(values.shape[1], draws, seed)
    known = np.isfinite(values)
    top = weights @ np.where(known, values, 0.0).T
    if known.all():
        return top
    bottom = weights @ known.astype(float).T
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def over_replicates(values: np.ndarray) -> np.ndarray:
    """Return each problem's mean over the replicates that have a value; NaN where none has."""
    known = np.isfinite(values)
    top = np.where(known, values, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.divide(top, count, out=np.full(values.shape[1], np.nan), where=count > 0)


def percentile(draws: np.ndarray, level: float = 0.95) -> list[float]:
    """Return the two-sided percentile interval of draws along the first axis."""
    tail = 50 * (1 - level)
    return np.nanpercentile(draws, [tail, 100 - tail], axis=0).T.tolist()


def wilson(share: float, count: float, z: float = Z) -> list[float]:
    """Return Wilson's interval of a share of `count` trials; the fallback at 0 and at 1."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return [float(max(0.0, middle - half)), float(min(1.0, middle + half))]


def mean_interval(values: np.ndarray, draws: int, seed: int, bounded: bool = True) -> dict:
    """Return the mean of one arm's per-problem values with its 95 % interval and n.

    Where every problem has the same value the bootstrap has no spread; a share of 0 or 1 then gets
    Wilson's interval with the number of problems as its trials (its samples might all agree).
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return {"estimate": None, "interval": None, "problems": 0}
    mean = float(known.mean())
    if bounded and np.ptp(known) == 0 and mean in (0.0, 1.0):
        interval, method = wilson(mean, len(known)), "wilson over problems"
    else:
        interval = percentile(resampled_means(known[None], draws, seed)[:, 0])
        method = "bootstrap over problems"
    return {"estimate": mean, "interval": interval, "problems": len(known), "method": method}
