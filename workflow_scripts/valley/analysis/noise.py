"""Training noise: how far two runs of one arm differ by seed alone, pooled over arms.

Two or three replicates of one arm say next to nothing about their spread; eight arms of two say
something. A run's luck is taken as one shift of all log-odds, so its effect on a share scales with
how many problems are in the balance (`response`); what is pooled is the variance tau² of that
shift. Estimate and uncertainty come from the Q-profile method for between-study variance in
meta-analysis (Viechtbauer 2007, Statistics in Medicine 26:37; point estimate as in Paule & Mandel
1982).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

GRID = np.concatenate([[0.0], np.geomspace(1e-3, 1.5, 160) ** 2])


@dataclass(frozen=True)
class Replicates:
    """Spread between replicates of one quantity: `variance` over `freedom` + 1 runs.

    `evaluation` is the part of that variance that sampling answers explains by itself, `scale`
    the square of the quantity's response to one unit of shift (`response` squared).
    """

    variance: float
    freedom: int
    evaluation: float
    scale: float


def replicates(values: np.ndarray, scale: float) -> Replicates:
    """Describe the spread between replicates from per-problem values (replicates, problems)."""
    values = values[:, np.isfinite(values).all(axis=0)]
    runs, problems = values.shape
    means = values.mean(axis=1)
    rest = values - means[:, None] - values.mean(axis=0) + values.mean()
    within = (rest**2).sum() / ((runs - 1) * max(problems - 1, 1)) / problems
    return Replicates(float(means.var(ddof=1)), runs - 1, float(within), float(scale))


def groups_of(
    arms: list, metric: str = "pass@1", without: Iterable[tuple] = ()
) -> list[Replicates]:
    """Return the replicates behind arms that agree in all but the seed.

    `arms` are evaluations; size 0 (one given model) and settings in `without` (tuples of all but
    the seed) are left out.
    """
    without = set(without)
    found: dict[tuple, list] = {}
    for arm in arms:
        key = tuple(value for name, value in arm.setting.items() if name != "seed")
        if arm.setting["size"] and key not in without:
            found.setdefault(key, []).append(arm)
    out = []
    for key in sorted(found, key=str):
        values = np.array([arm.mean(metric) for arm in found[key]])
        if len(values) > 1:
            samples = int(max(arm.samples.max(initial=1) for arm in found[key]))
            out.append(replicates(values, response(values, samples) ** 2))
    return out


def response(values: np.ndarray, samples: int) -> float:
    """Return how far a share moves per unit of shift in all log-odds: the mean of p (1 - p).

    The mean runs over problems' own chances: problems that are always or never solved don't move.
    With several samples that is their variance within problems, estimated without bias; one sample
    shows only the overall p (1 - p), an upper bound, and what is pooled is then in those units.
    """
    p = min(max(float(np.nanmean(values)), 0.005), 0.995)
    whole = p * (1 - p)
    if samples < 2:
        return whole
    within = float(np.nanmean(values * (1 - values))) * samples / (samples - 1)
    return min(max(within, 0.2 * whole), whole)


def _profile(groups: list[Replicates]) -> np.ndarray:
    """Return Q(tau²) on the grid: a decreasing curve, chi-squared at the true tau²."""
    total = np.zeros(len(GRID))
    for group in groups:
        expected = np.maximum(group.evaluation + GRID * group.scale, 1e-12)
        total += group.freedom * group.variance / expected
    return total


def pooled(groups: list[Replicates]) -> dict | None:
    """Return the pooled shift's variance: its estimate, interval and degrees of freedom.

    None without a second replicate anywhere: then training noise is not known.
    """
    freedom = sum(group.freedom for group in groups)
    if not freedom:
        return None
    from scipy.stats import chi2

    profile = _profile(groups)
    return {
        "shift_sd": float(np.sqrt(_invert(profile, np.array([freedom]))[0])),
        "interval": [
            float(value) for value in np.sqrt(_invert(profile, chi2.ppf([0.975, 0.025], freedom)))
        ],
        "freedom": freedom,
        "profile": [float(value) for value in profile],
    }


def _invert(profile: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return tau² where the profile meets each target: 0 where it starts below, else capped."""
    return np.interp(-np.asarray(targets, float), -profile, GRID)


def draw_variances(noise: dict | None, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return `draws` values of tau² that carry its own uncertainty; zeros where it is not known."""
    if noise is None:
        return np.zeros(draws)
    return _invert(np.array(noise["profile"]), rng.chisquare(noise["freedom"], draws))


def public(noise: dict | None) -> dict | None:
    """Return what a reader needs of the pooled noise (the profile is for later draws only)."""
    if noise is None:
        return None
    return {key: noise[key] for key in ("shift_sd", "interval", "freedom")}
