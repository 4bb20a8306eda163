"""Forecasts tried on simulated studies: is the held-out largest size inside its interval?"""

import numpy as np

from valley.analysis import forecast
from valley.analysis import noise as training
from valley.analysis.curves import fit_bank, log_range, weights_of
from valley.analysis.families import FAMILIES, bank
from valley.analysis.sample import Levels, from_values
from valley.analysis.simulate import KINDS, Design, draw_arms, random_curve
from valley.analysis.trials import SIZES

ALONE = ("loglinear", "bnsl1")


def forecast_trial(
    kind: str, design: Design, studies: int, seed: int, draws: int = 300, sizes=SIZES
) -> dict[str, list]:
    """Hold the largest size out, predict one run there, and note hits and errors.

    Each study draws a curve of this kind anew. Errors are against what that run scored; those of
    log-linear and BNSL alone are beside it.
    """
    hits: dict[str, list] = {}
    runs = np.append(np.where(sizes[:-1] == 0, 1, design.replicates), 1)
    for study in range(studies):
        rng = np.random.default_rng([seed, study, KINDS.index(kind)])
        truth = random_curve(kind, rng)
        values = draw_arms(truth(sizes), runs, design, rng, fixed=(0,))
        seen = float(values[-1].mean())
        noise = training.elsewhere([], None if design.run_sd else 0)  # without replicates
        data = from_values(
            sizes[:-1], values[:-1], draws, study, noise=noise, samples=design.samples
        )
        ahead = forecast.predict(data, int(sizes[-1]), study, design.samples)
        low, high = ahead["interval"]
        row = {
            "inside": low <= seen <= high,
            "error": ahead["estimate"] - seen,
            "width": high - low,
        }
        for name in ALONE:
            row[f"error {name}"] = _alone(name, data, sizes[-1:]) - seen
        for name, value in row.items():
            hits.setdefault(name, []).append(float(value))
        for name, weight in ahead["components"].items():
            hits.setdefault(f"weight {name}", []).append(weight)
    return hits


def _alone(name: str, data: Levels, size: np.ndarray) -> float:
    family = FAMILIES[name]
    shapes = bank(family, *log_range(data.sizes))
    weights = weights_of(data.sd)
    return float(
        fit_bank(family, shapes, data.sizes, data.estimate[:, None], weights).at(size)[0, 0]
    )
