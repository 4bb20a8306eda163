"""Looking ahead: a mixture of families predicts larger sizes, and says which size to run next."""

import numpy as np

from analysis.curves import fit_bank, log_range, weights_of
from analysis.families import FAMILIES, bank
from analysis.noise import draw_variances, logit_scale
from analysis.sample import Levels


def family_weights(comparison: dict) -> dict[str, float]:
    """Return each fitted family's weight: the mean of its AICc and leave-one-size-out weights."""
    raw = {}
    for name, item in comparison.items():
        if item["reason"] is None:
            raw[name] = (item.get("aicc_weight") or 0.0) + (item.get("left_out_weight") or 0.0)
    total = sum(raw.values())
    if not total:
        return {name: 1 / len(raw) for name in raw} if raw else {}
    return {name: value / total for name, value in raw.items() if value / total > 1e-3}


def mixture(levels: Levels, weights: dict[str, float], sizes: np.ndarray, draws: int, seed: int):
    """Return (draws, sizes) curves: each draw of the levels fitted by one family of the mixture."""
    rng = np.random.default_rng([seed, 5])
    names = list(weights)
    share = np.array([weights[name] for name in names])
    owner = rng.choice(len(names), size=draws, p=share / share.sum())
    data = levels.draws[:draws]
    out = np.empty((draws, len(sizes)))
    low, high = log_range(levels.sizes)
    for i, name in enumerate(names):
        mine = np.flatnonzero(owner == i)
        if len(mine):
            family = FAMILIES[name]
            fits = fit_bank(
                family, bank(family, low, high), levels.sizes, data[mine].T, weights_of(levels.sd)
            )
            out[mine] = fits.at(sizes)
    return out


def predict(
    levels: Levels, comparison: dict, size: int, seed: int, samples: int, level: float = 0.90
) -> dict | None:
    """Predict pass@1 of one new run at a larger size, on the same problems, with an interval.

    The interval holds the uncertainty of levels, family and coefficients, training noise, the
    noise of answers, and the families' own error when they predict the largest size from the rest.
    """
    weights = family_weights(comparison)
    if not weights:
        return None
    draws = len(levels.draws)
    rng = np.random.default_rng([seed, 6])
    curve = mixture(levels, weights, np.array([size]), draws, seed)[:, 0]
    noise = run_noise(levels, float(np.median(curve)), samples, draws, rng)
    misses = [
        (comparison[name].get("last_error") or 0.0, weight) for name, weight in weights.items()
    ]
    own = float(np.sqrt(sum(weight * miss**2 for miss, weight in misses)))
    drawn = np.clip(curve + noise + own * rng.standard_normal(draws), 0.0, 1.0)
    tail = 50 * (1 - level)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return {
        "size": int(size),
        "estimate": float(np.median(curve)),
        "interval": [float(low), float(high)],
        "level": level,
        "families": weights,
    }


def run_noise(levels: Levels, p: float, samples: int, draws: int, rng) -> np.ndarray:
    """Return draws of what one new run adds: its training luck and the noise of its answers."""
    problems = levels.problem_means.shape[1]
    tau2 = draw_variances(levels.noise, draws, rng)
    variance = tau2 * logit_scale(p) + p * (1 - p) / (problems * max(samples, 1))
    return np.sqrt(variance) * rng.standard_normal(draws)


READOUTS = ("depth", "bottom", "recovery", "largest")


def curve_readouts(curves: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return depth, log bottom, log recovery and last level of (draws, sizes) curves, 0 first.

    A curve that never regains the start within the sizes has its recovery at the last one.
    """
    start, rest = curves[:, 0], curves[:, 1:]
    x = np.log(sizes[1:])
    low = rest.argmin(axis=1)
    after = np.arange(len(x))[None] >= low[:, None]
    back = (rest >= start[:, None]) & after
    first = np.where(back.any(axis=1), back.argmax(axis=1), len(x) - 1)
    return {
        "depth": start - rest.min(axis=1),
        "bottom": x[low],
        "recovery": x[first],
        "largest": rest[:, -1],
    }


def next_size(
    levels: Levels,
    comparison: dict,
    candidates: list[int],
    seed: int,
    samples: int,
    costs: dict[str, float] | None = None,
) -> list[dict]:
    """Rank candidate sizes by how much one run there is expected to narrow each read-out.

    Over the mixture's curves, the read-out is regressed on the candidate's would-be result (with
    its noise, as a cubic): the share of variance explained, R², shrinks the interval to
    sqrt(1 - R²) of its width in expectation. `shrinkage` is 1 - sqrt(1 - R²); where a cost is known
    `per_cost` divides by it. Candidates may be sizes that were run already (another seed).
    """
    weights = family_weights(comparison)
    if not weights:
        return []
    draws = len(levels.draws)
    largest = float(max(levels.sizes.max(), max(candidates)))
    above = levels.sizes[levels.sizes > 0]
    grid = np.geomspace(above.min() / 2, largest, 80)
    sizes = np.concatenate([[0.0], grid, np.array(candidates, float)])
    curves = mixture(levels, weights, sizes, draws, seed)
    readouts = curve_readouts(curves[:, : len(grid) + 1], sizes[: len(grid) + 1])
    rng = np.random.default_rng([seed, 7])
    rows = []
    for i, size in enumerate(candidates):
        truth = curves[:, len(grid) + 1 + i]
        seen = truth + run_noise(levels, float(truth.mean()), samples, draws, rng)
        row = {"size": int(size), "cost": (costs or {}).get(str(size)), "shrinkage": {}}
        for name, value in readouts.items():
            row["shrinkage"][name] = 1 - float(np.sqrt(1 - _explained(seen, value)))
        if row["cost"]:
            row["per_cost"] = {
                name: value / row["cost"] for name, value in row["shrinkage"].items()
            }
        rows.append(row)
    return rows


def _explained(x: np.ndarray, y: np.ndarray) -> float:
    """Return the adjusted R² of a cubic of y on x, in [0, 1)."""
    if x.std() < 1e-9 or y.std() < 1e-9:
        return 0.0
    z = (x - x.mean()) / x.std()
    design = np.stack([np.ones_like(z), z, z**2, z**3], axis=1)
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    adjusted = 1 - rest.var() / y.var() * (len(y) - 1) / (len(y) - 4)
    return float(min(max(adjusted, 0.0), 0.999))
