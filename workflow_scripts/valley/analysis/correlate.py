"""Rank correlations over the sizes of one axis: does a rate follow data, does it follow pass@1."""

import numpy as np

from valley.analysis.resample import Z
from valley.analysis.sample import Levels

RATES = ("completion", "think_tag", "well_formed")


def ranks(values: np.ndarray) -> np.ndarray:
    """Return average ranks along the last axis."""
    less = (values[..., None, :] < values[..., :, None]).sum(axis=-1)
    same = (values[..., None, :] == values[..., :, None]).sum(axis=-1)
    return less + (same + 1) / 2


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Spearman's rho along the last axis; NaN where one side does not vary."""
    a, b = ranks(np.asarray(x, float)), ranks(np.asarray(y, float))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    bottom = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    top = (a * b).sum(axis=-1)
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)


def correlations(data: dict[str, Levels]) -> list[dict]:
    """Return rho of each rate with the size and with pass@1, over sizes above 0.

    Two intervals: `interval` resamples problems and seeds with the sizes as they are (what these
    sizes say), `interval_sizes` treats the sizes as a sample of all sizes (Bonett & Wright 2000),
    which with a handful of them is wide. Both are needed; a claim rests on the wider.
    """
    out = []
    score = data["pass@1"]
    keep = score.sizes > 0
    sizes = score.sizes[keep].astype(float)
    for rate in RATES:
        item = data[rate]
        value, draws = item.estimate[keep], item.draws[:, keep]
        pairs = {
            "size": (spearman(value, sizes), spearman(draws, np.broadcast_to(sizes, draws.shape))),
            "pass@1": (
                spearman(value, score.estimate[keep]),
                spearman(draws, score.draws[:, keep]),
            ),
        }
        for other, (estimate, drawn) in pairs.items():
            known = drawn[np.isfinite(drawn)]
            out.append(
                {
                    "rate": rate,
                    "with": other,
                    "sizes": int(keep.sum()),
                    "estimate": float(estimate),
                    "interval": np.percentile(known, [2.5, 97.5]).tolist() if len(known) else None,
                    "interval_sizes": bonett_wright(float(estimate), int(keep.sum())),
                }
            )
    return out


def bonett_wright(rho: float, count: int) -> list[float] | None:
    """Return the 95 % interval of a Spearman correlation of `count` pairs; None below 4 pairs."""
    if count < 4 or not np.isfinite(rho):
        return None
    clipped = min(max(rho, -0.999), 0.999)
    half = Z * np.sqrt((1 + clipped * clipped / 2) / (count - 3))
    return np.tanh(np.arctanh(clipped) + np.array([-half, half])).tolist()
