"""Looking ahead: predictions of larger sizes, weighed by how well each would have done so far.

Each family, and a damped trend through the last two sizes (Gardner & McKenzie 1985, Management
Science 31:1237), is asked to predict the last sizes from those before them; weights are inverse to
the mean squared errors (Bates & Granger 1969, Operational Research Quarterly 20:451). A family that
these sizes can't tell once the last is held out has no record and so no weight.
"""

import numpy as np

from valley.analysis.curves import fit_bank, identifiable, log_range, weights_of
from valley.analysis.families import FAMILIES, bank
from valley.analysis.noise import draw_variances
from valley.analysis.readouts import spread_of
from valley.analysis.sample import Levels

TREND = "trend"
# The next step's share of the last one: 1 is log-linear, 0 a plateau, above 1 sharper.
DAMPING, DAMPING_SD = 0.9, 0.35
RECENCY = (0.65, 0.35)
REDRAWN = 100  # draws on which the noise of a record is measured
FLOOR = 0.02  # no record of a few sizes is better than two points


def _trend(sizes: np.ndarray, y: np.ndarray, at: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Return (draws, at): straight between sizes, and past the last a trend damped step by step."""
    above = sizes > 0
    x, new = np.log(sizes[above].astype(float)), np.log(np.maximum(at, 1e-9))
    y, start = y[:, above], y[:, ~above]
    inside = np.array([np.interp(new, x, row) for row in np.eye(len(x))])
    value = y @ inside
    step = x[-1] - x[-2]
    ahead = np.maximum(new - x[-1], 0.0)[None] / step
    slope = (y[:, -1] - y[:, -2])[:, None]
    d = np.clip(damping, 0.0, 1.6)[:, None]
    near_one = np.abs(d - 1) < 1e-6
    base = np.where(near_one, 0.5, d)
    summed = np.where(near_one, ahead, base * (1 - base**ahead) / (1 - base))
    value = value + slope * summed
    if start.shape[1]:
        value = np.where(np.asarray(at)[None] == 0, start[:, :1], value)
    return np.clip(value, 0.0, 1.0)


def on_same_problems(levels: Levels, seed: int) -> np.ndarray:
    """Return (draws, sizes) levels as they would come out again on the same problems.

    A new run answers the problems that the others answered: what is luck of the problems is in all
    levels alike and no error of a forecast. What remains is training and answers; with one sample a
    problem the latter is not known, and taken as large as it can be.
    """
    rng = np.random.default_rng([seed, 8])
    inside = np.clip(levels.estimate, 0.005, 0.995)
    most = inside * (1 - inside) / levels.problem_means.shape[1] / levels.replicates
    answers = most if levels.answers is None else levels.answers
    noise = np.sqrt(answers) * rng.standard_normal(levels.draws.shape)
    luck = 0.0 if levels.luck_draws is None else levels.luck_draws
    return np.clip(levels.estimate + noise + luck, 0.0, 1.0)


def track_record(levels: Levels, redrawn: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    """Return each component's record of predicting the last size, and the one before, from less.

    Each entry is an error, and the variance of that error that noise of the levels explains, as
    `redrawn` (draws, sizes) has it.
    """
    out: dict[str, list[tuple[float, float]]] = {}
    low, high = log_range(levels.sizes)
    above = int((levels.sizes > 0).sum())
    for held in (1, 2):
        kept = len(levels.sizes) - held
        sizes, target = levels.sizes[:kept], levels.sizes[kept : kept + 1]
        # The estimate first, then draws: how much of an error is noise, seen and held-out.
        y = np.vstack([levels.estimate, redrawn[:REDRAWN]])
        weights = weights_of(levels.sd[:kept])
        if above - held >= 2:
            value = _trend(sizes, y[:, :kept], target, np.full(len(y), DAMPING))[:, 0]
            out.setdefault(TREND, []).append(_entry(value - y[:, kept]))
        for name, family in FAMILIES.items():
            known = name in out or held == 1
            if name == "constant" or not known or identifiable(family, sizes):
                continue
            found = fit_bank(family, bank(family, low, high), sizes, y[:, :kept].T, weights)
            out.setdefault(name, []).append(_entry(found.at(target)[:, 0] - y[:, kept]))
    return out


def _entry(errors: np.ndarray) -> tuple[float, float]:
    return float(errors[0]), float(spread_of(errors[1:, None])[0] ** 2)


def component_weights(record: dict[str, list[tuple[float, float]]]) -> tuple[dict, dict, dict]:
    """Return weights (summing to 1), root mean squared errors and misses from a track record.

    A miss is the part of an error that noise does not explain.
    """
    errors, misses = {}, {}
    for name, entries in record.items():
        share = np.array(RECENCY[: len(entries)])
        square, noise = (share / share.sum()) @ np.array([(e * e, v) for e, v in entries])
        errors[name] = float(np.sqrt(square))
        misses[name] = float(np.sqrt(max(square - noise, 0.0)))
    raw = {name: 1 / (error**2 + FLOOR**2) for name, error in errors.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}, errors, misses


def mixture(
    levels: Levels,
    weights: dict[str, float],
    misses: dict,
    sizes: np.ndarray,
    seed: int,
    redrawn: np.ndarray,
) -> np.ndarray:
    """Return (draws, sizes) curves: each of `redrawn` levels continued by one component.

    Past the largest size run a curve also carries its component's own miss so far, growing with the
    distance in steps of the grid.
    """
    rng = np.random.default_rng([seed, 5])
    draws = len(redrawn)
    names = list(weights)
    share = np.array([weights[name] for name in names])
    owner = rng.choice(len(names), size=draws, p=share / share.sum())
    damping = DAMPING + DAMPING_SD * rng.standard_normal(draws)
    own = rng.standard_normal(draws)
    above = np.log(levels.sizes[levels.sizes > 0].astype(float))
    steps = np.maximum(np.log(np.maximum(sizes, 1e-9)) - above[-1], 0) / (above[-1] - above[-2])
    out = np.empty((draws, len(sizes)))
    low, high = log_range(levels.sizes)
    for i, name in enumerate(names):
        mine = np.flatnonzero(owner == i)
        if not len(mine):
            continue
        data = redrawn[mine]
        if name == TREND:
            curve = _trend(levels.sizes, data, sizes, damping[mine])
        else:
            family = FAMILIES[name]
            shapes = bank(family, low, high)
            weight = weights_of(levels.sd)
            curve = fit_bank(family, shapes, levels.sizes, data.T, weight).at(sizes)
        # The trend's damping varies over draws and is its error already.
        miss = 0.0 if name == TREND else misses[name]
        out[mine] = curve + miss * own[mine, None] * steps[None]
    return np.clip(out, 0.0, 1.0)


def predict(levels: Levels, size: int, seed: int, samples: int, level: float = 0.90) -> dict | None:
    """Predict pass@1 of one new run at a larger size, on the same problems, with an interval.

    The interval holds the uncertainty of levels, component and coefficients, the components' errors
    so far, training noise and the noise of answers. None with fewer than three sizes above 0.
    """
    if (levels.sizes > 0).sum() < 3:
        return None
    redrawn = on_same_problems(levels, seed)
    weights, errors, misses = component_weights(track_record(levels, redrawn))
    draws = len(redrawn)
    rng = np.random.default_rng([seed, 6])
    curve = mixture(levels, weights, misses, np.array([size]), seed, redrawn)[:, 0]
    noise = run_noise(levels, float(np.median(curve)), samples, draws, rng)
    drawn = np.clip(curve + noise, 0.0, 1.0)
    tail = 50 * (1 - level)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return {
        "size": int(size),
        "estimate": float(curve.mean()),
        "interval": [float(low), float(high)],
        "level": level,
        "components": weights,
        "errors": errors,
    }


def run_noise(levels: Levels, p: float, samples: int, draws: int, rng) -> np.ndarray:
    """Return draws of what one new run adds: its training noise and the noise of its answers."""
    tau2 = draw_variances(levels.noise, None, draws, rng)
    problems = levels.problem_means.shape[1]
    whole = p * (1 - p) / (problems * max(samples, 1))
    if levels.answers is not None:  # on the same problems: as large a part as at the sizes run
        shares = np.clip(levels.estimate, 0.02, 0.98)
        most = shares * (1 - shares) / (problems * samples * levels.replicates)
        whole *= float(np.median(np.minimum(levels.answers / most, 1.0)))
    variance = tau2 * response_at(levels, p) ** 2 + whole
    return np.sqrt(variance) * rng.standard_normal(draws)


def response_at(levels: Levels, p: float) -> float:
    """Return the response to a training shift at level p, as far from p (1 - p) as at sizes run."""
    shares = np.clip(levels.estimate, 0.02, 0.98)
    ratio = np.sqrt(levels.scales) / (shares * (1 - shares))
    return float(np.median(np.minimum(ratio, 1.0)) * p * (1 - p))


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
    if (levels.sizes > 0).sum() < 3:
        return []
    weights, _, misses = component_weights(track_record(levels, on_same_problems(levels, seed)))
    draws = len(levels.draws)
    largest = float(max(levels.sizes.max(), max(candidates)))
    above = levels.sizes[levels.sizes > 0]
    grid = np.geomspace(above.min() / 2, largest, 80)
    sizes = np.concatenate([[0.0], grid, np.array(candidates, float)])
    curves = mixture(levels, weights, misses, sizes, seed, levels.draws)
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
