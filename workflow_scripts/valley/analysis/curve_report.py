"""The report on one axis with a grid of sizes, as one plain dictionary."""

import numpy as np

from valley.analysis import few, readouts, valleys, words
from valley.analysis import forecast as ahead
from valley.analysis import noise as training
from valley.analysis.curves import Fit, compare, fit_bank, log_range, weights_of
from valley.analysis.families import bank
from valley.analysis.sample import Levels

FORECAST_FACTOR = 2.0
# Larger families are fitted to draws from a bank too coarse for intervals of single parameters.
FEW = 5


def curve_report(
    data: Levels,
    *,
    margin: float,
    seed: int,
    samples: int,
    target: float | None = None,
    forecast: int | None = None,
    candidates: list[int] | None = None,
    costs: dict[str, float] | None = None,
) -> dict:
    """Return points, families, read-outs, forecast and the next size's ranking."""
    comparison = compare(data.sizes, data.estimate, data.sd)
    largest = int(data.sizes.max())
    size = forecast or int(largest * FORECAST_FACTOR)
    options = candidates or default_candidates(data.sizes)
    return {
        "points": points(data),
        "training_noise": training_noise(data),
        "problems": int(data.problem_means.shape[1]),
        "samples": samples,
        "families": {name: family(item, data, size) for name, item in comparison.items()},
        "readouts": all_readouts(data, margin, target),
        "forecast": ahead.predict(data, size, seed, samples),
        "fan": fan(data, size, seed),
        "next_size": ahead.next_size(data, options, seed, samples, costs),
        "notes": notes(data, comparison),
    }


def training_noise(data: Levels) -> dict | None:
    """Return what is known of the training noise, and whether it was seen at scores like these."""
    known = training.public(data.noise)
    above = data.estimate[data.sizes > 0].tolist()
    return known and {**known, "far": training.far(data.noise, above)}


def all_readouts(data: Levels, margin: float, target: float | None = None) -> dict:
    """Return the read-outs that need no family; recovery only where a valley is established.

    Without a valley nothing is regained, and a crossing of the start's level would be read into
    noise.
    """
    valley = valleys.valley(data, margin)
    fell = valley is not None and valley["p"] <= valleys.VALLEY_P
    return {
        "valley": valley,
        "depth": readouts.depth(data),
        "depth_share": readouts.depth_share(data),
        "bottom": readouts.bottom(data),
        "fall": valleys.fall(data),
        "rise": valleys.rise(data, valley),
        "recovery": readouts.crossing(data) if fell else None,
        "target": None
        if target is None
        else {"level": target, **(readouts.crossing(data, target) or {})},
        "curvature": readouts.sharper(data),
    }


def points(data: Levels) -> list[dict]:
    """Return each size's level with its interval and the runs behind it."""
    intervals = data.intervals
    return [
        {
            "size": int(size),
            "estimate": float(data.estimate[i]),
            "interval": intervals[i],
            "replicates": int(data.replicates[i]),
            "seeds": [
                {"seed": name, "estimate": value}
                for at, name, value in data.seeds
                if at == int(size)
            ],
        }
        for i, size in enumerate(data.sizes)
    ]


def grid_to(data: Levels, size: int) -> np.ndarray:
    """Return sizes to draw curves at: 0 and a fine log grid up to `size`."""
    above = data.sizes[data.sizes > 0]
    return np.concatenate([[0.0], np.geomspace(above.min(), size, 97)])


def family(item: dict, data: Levels, size: int) -> dict:
    """Return one family's report: its parameters and curve, or why it was not fitted."""
    out = {key: value for key, value in item.items() if key != "fit"}
    fitted: Fit | None = item.get("fit")
    if fitted is not None:
        grid = grid_to(data, size)
        out["coefficients"] = dict(
            zip(fitted.family.coefficients, fitted.coefficients.tolist(), strict=True)
        )
        out["shape"] = dict(zip(fitted.family.shapes, fitted.shape.tolist(), strict=True))
        if fitted.family.parameters <= FEW:
            out["intervals"] = parameter_intervals(fitted, data)
        out["curve"] = {"size": grid, "value": fitted.at(grid)}
    return out


def parameter_intervals(fitted: Fit, data: Levels) -> dict:
    """Return the 95 % percentile interval of each coefficient and shape, over the draws."""
    family = fitted.family
    shapes = bank(family, *log_range(data.sizes))
    found = fit_bank(family, shapes, data.sizes, data.draws.T, weights_of(data.sd))
    values = np.concatenate([found.coefficients, found.shapes], axis=1)
    bounds = np.percentile(values, [2.5, 97.5], axis=0).T
    return dict(zip((*family.coefficients, *family.shapes), bounds.tolist(), strict=True))


def fan(data: Levels, size: int, seed: int) -> dict | None:
    """Return the forecast's median and its 50, 80 and 90 % bands over sizes (curve only)."""
    if (data.sizes > 0).sum() < 3:
        return None
    redrawn = ahead.on_same_problems(data, seed)
    weights, _, misses = ahead.component_weights(ahead.track_record(data, redrawn))
    grid = grid_to(data, size)
    curves = ahead.mixture(data, weights, misses, grid, seed, redrawn)
    levels = [5, 10, 25, 50, 75, 90, 95]
    bands = np.percentile(curves, levels, axis=0)
    return {"size": grid, "percentiles": dict(zip(map(str, levels), bands, strict=True))}


def noise_notes(data: Levels) -> list[str]:
    """Return what a reader must know of the training noise in the intervals."""
    out = [words.caveat(training_noise(data))]
    uneven = data.noise.get("p_alike")
    if uneven is not None and uneven <= 0.05:
        out.append(
            f"Replicates of some arms lie further apart than those of others (p = {uneven:.3f}): "
            "one training noise for all is a rough measure, and intervals are wider for it."
        )
    return [item for item in out if item]


def default_candidates(sizes: np.ndarray) -> list[int]:
    """Return sizes half-way (in log) between neighbours, and the next one on the grid."""
    above = sizes[sizes > 0].astype(float)
    middle = np.sqrt(above[:-1] * above[1:])
    if not len(above):
        return []
    step = above[-1] / above[-2] if len(above) > 1 else FORECAST_FACTOR
    return [round(value) for value in [*middle.tolist(), float(above[-1] * step)]]


def notes(data: Levels, comparison: dict) -> list[str]:
    """Return what a reader must know about what the numbers leave out."""
    out = []
    if data.noise is None:
        out.append("One replicate a size: intervals leave training noise out.")
    else:
        out += noise_notes(data)
    if few.refusal(data.problem_means.shape[1]):
        out.append(
            few.refusal(data.problem_means.shape[1]).capitalize() + ": no claim rests on it."
        )
    if data.samples < 2:
        out.append(
            "One sample a problem: the noise of answers is in the intervals but can't be told from "
            "the spread of problems, so nothing says what more samples would buy."
        )
    missing = [item["label"] for item in comparison.values() if item["reason"]]
    if missing:
        out.append("Not identifiable on this grid: " + ", ".join(missing) + ".")
    return out
