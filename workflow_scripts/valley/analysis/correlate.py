"""Rank correlations over the sizes of one axis: does a rate follow data, does it follow pass@1."""

from collections.abc import Sequence

import numpy as np

from valley.analysis.readouts import greatest
from valley.analysis.resample import Z
from valley.analysis.sample import Levels

STILL = 0.03  # a rate that moves by less over all sizes is not correlated with anything
RATES = ("completion", "think_tag", "well_formed")


def ranks(values: np.ndarray, apart: np.ndarray | float = 0.0) -> np.ndarray:
    """Return average ranks along the last axis; values closer than `apart` count as ties.

    `apart` may be a matrix, one distance a pair. Such ties need not be transitive: a value's rank
    is one more than how many lie surely below it, and a half for each that it is tied with.
    """
    gap = values[..., :, None] - values[..., None, :]
    less = (gap > apart).sum(axis=-1)
    same = (np.abs(gap) <= apart).sum(axis=-1)
    return less + (same + 1) / 2


def spearman(
    x: np.ndarray,
    y: np.ndarray,
    x_apart: np.ndarray | float = 0.0,
    y_apart: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return Spearman's rho along the last axis; NaN where one side does not vary.

    Values closer than `x_apart` (`y_apart`) are ties.
    """
    a, b = ranks(np.asarray(x, float), x_apart), ranks(np.asarray(y, float), y_apart)
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    bottom = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    top = (a * b).sum(axis=-1)
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)


def correlations(
    data: dict[str, Levels], margin: float = STILL, rates: Sequence[str] = RATES
) -> list[dict]:
    """Return rho of each rate with the size and with pass@1, over sizes above 0.

    Sizes whose rates can't be told apart are ties. Of sizes at which a rate stands at its ceiling
    (within the margin of 1) or floor only the one nearest to where it moves counts: the rest would
    cap rho. `moves` says by how much the rate moves between any two sizes, `moves_other` the same
    of pass@1.

    Two intervals: `interval` resamples problems and seeds with the sizes as they are (what these
    sizes say), `interval_sizes` treats the sizes as a sample of all sizes (Bonett & Wright 2000),
    which with a handful of them is wide. Both are needed; a claim rests on the wider.
    """
    out = []
    score = data["pass@1"]
    above = np.flatnonzero(score.sizes > 0)
    if not len(above):
        return out
    score_moves = movement(score, above, margin)
    for rate in rates:
        item = data[rate]
        moves = movement(item, above, margin)
        keep = _moving(item, above, margin)
        value, draws = item.estimate[keep], item.draws[:, keep]
        apart = distinguishable(draws)
        sizes = item.sizes[keep].astype(float)
        other = score.draws[:, keep]
        pairs = {
            "size": (sizes, np.broadcast_to(sizes, draws.shape), 0.0),
            "pass@1": (score.estimate[keep], other, distinguishable(other)),
        }
        for name, (second, drawn_second, apart_second) in pairs.items():
            estimate = float(spearman(value, second, apart, apart_second))
            drawn = spearman(draws, drawn_second, apart, apart_second)
            out.append(
                {
                    "rate": rate,
                    "with": name,
                    "sizes": len(keep),
                    "left_out": len(above) - len(keep),
                    "moves": moves,
                    "moves_other": score_moves if name == "pass@1" else None,
                    "estimate": estimate,
                    "interval": _interval(estimate, drawn[np.isfinite(drawn)]),
                    "interval_sizes": bonett_wright(estimate, len(keep)),
                }
            )
    return out


def _interval(estimate: float, drawn: np.ndarray) -> list[float] | None:
    """Return the percentile interval of rho, stretched to hold the estimate."""
    if not len(drawn) or not np.isfinite(estimate):
        return None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [float(min(low, estimate)), float(max(high, estimate))]


def movement(item: Levels, at: np.ndarray, margin: float) -> dict:
    """Return the largest difference between any two sizes, with its interval, and the range."""
    value, draws = item.estimate[at], item.draws[:, at]
    pairs = [(i, j) for i in range(len(at)) for j in range(len(at)) if i != j]
    spread = {"margin": margin, "range": [float(value.min()), float(value.max())]}
    if not pairs:
        return {**spread, "estimate": 0.0, "interval": [0.0, 0.0]}
    low, high = np.array(pairs).T
    found = greatest(value[high] - value[low], draws[:, high] - draws[:, low])
    estimate = max(found["estimate"], 0.0)
    bounds = found["interval"]
    return {
        **spread,
        "estimate": estimate,
        "interval": [max(bounds[0], 0.0), max(bounds[1], estimate)],
    }


def _moving(item: Levels, at: np.ndarray, margin: float) -> np.ndarray:
    """Return the sizes without those at an end of the grid where a rate has stopped at 0 or 1."""
    value = item.estimate[at]
    stuck = np.where(value > 1 - margin, 1, np.where(value < margin, -1, 0))
    first, last = 0, len(at) - 1
    while first < last and stuck[first] and stuck[first + 1] == stuck[first]:
        first += 1
    while last > first and stuck[last] and stuck[last - 1] == stuck[last]:
        last -= 1
    return at[first : last + 1]


def distinguishable(draws: np.ndarray) -> np.ndarray:
    """Return (sizes, sizes) distances beyond which levels differ, over all pairs at once (95 %)."""
    error = draws - draws.mean(axis=0)
    gap = error[:, :, None] - error[:, None, :]
    sd = np.maximum(gap.std(axis=0), 1e-9)
    return np.quantile((np.abs(gap) / sd).max(axis=(1, 2)), 0.95) * sd


def bonett_wright(rho: float, count: int) -> list[float] | None:
    """Return the 95 % interval of a Spearman correlation of `count` pairs; None below 4 pairs."""
    if count < 4 or not np.isfinite(rho):
        return None
    clipped = min(max(rho, -0.999), 0.999)
    half = Z * np.sqrt((1 + clipped * clipped / 2) / (count - 3))
    return np.tanh(np.arctanh(clipped) + np.array([-half, half])).tolist()
