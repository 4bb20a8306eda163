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

from valley.analysis.resample import Z

OWN, LENT, FROM_STUDY, ASSUMED = "own replicates", "another axis", "the study file", "assumed"
# Where nothing is known: larger than the simulator's usual runs (0.12), held loosely, about two
# points of pass@1 at a level of 0.3. An assumption; every output that rests on it says so.
ASSUMED_SHIFT, ASSUMED_FREEDOM = 0.25, 3
KNOWN_FREEDOM = 1000
# Arms of one axis need not be alike: degrees of freedom with which what others say holds for one
# arm, beside arms of its level, and far from all or where a test says that arms do differ.
ALIKE, UNALIKE = 4, 1
REACH = 0.75  # log-odds between levels within which arms say much of each other's noise
# Response of a share to a shift at which both models of `scale` agree.
TYPICAL = 0.1
GRID = np.concatenate([[0.0], np.geomspace(1e-3, 1.5, 160) ** 2])


@dataclass(frozen=True)
class Replicates:
    """Spread between replicates of one quantity: `variance` over `freedom` + 1 runs.

    `evaluation` is the part of that variance that sampling answers explains by itself, `scale`
    the square of the quantity's response to one unit of shift (`response` squared), `level` the
    quantity's mean.
    """

    variance: float
    freedom: int
    evaluation: float
    scale: float
    level: float = 0.5


def replicates(values: np.ndarray, scale: float, level: float | None = None) -> Replicates:
    """Describe the spread between replicates from per-problem values (replicates, problems).

    `level` is that of the arms behind them; by default the values' own mean.
    """
    values = values[:, np.isfinite(values).all(axis=0)]
    runs, problems = values.shape
    if not problems:
        return Replicates(0.0, 0, 0.0, float(scale))
    means = values.mean(axis=1)
    rest = values - means[:, None] - values.mean(axis=0) + values.mean()
    within = (rest**2).sum() / ((runs - 1) * max(problems - 1, 1)) / problems
    level = float(values.mean()) if level is None else level
    return Replicates(float(means.var(ddof=1)), runs - 1, float(within), float(scale), float(level))


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
            out.append(replicates(values, scale(values, samples)))
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


def scale(values: np.ndarray, samples: int) -> float:
    """Return the variance of a share for a shift of variance 1, half-way to one of equal points.

    Luck as one shift of log-odds is a model; luck that is as large at every level would be another.
    The geometric mean of both errs by half (in logs) whichever is right.
    """
    return response(values, samples) * TYPICAL


def _profile(groups: list[Replicates], weights: Iterable[float] | None = None) -> np.ndarray:
    """Return Q(tau²) on the grid: a decreasing curve, chi-squared at the true tau²."""
    total = np.zeros(len(GRID))
    for group, weight in zip(groups, weights or [1.0] * len(groups), strict=True):
        expected = np.maximum(group.evaluation + GRID * group.scale, 1e-12)
        total += weight * group.freedom * group.variance / expected
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
    tau2 = float(_invert(profile, np.array([freedom]))[0])
    uneven = homogeneity(groups, tau2)
    return {
        "shift_sd": float(np.sqrt(tau2)),
        "interval": [
            float(value) for value in np.sqrt(_invert(profile, chi2.ppf([0.975, 0.025], freedom)))
        ],
        "freedom": freedom,
        "source": OWN,
        "p_alike": uneven,
        "alike": ALIKE if uneven is None or uneven > 0.05 else UNALIKE,
        "levels": [min(g.level for g in groups), max(g.level for g in groups)],
        "profile": [float(value) for value in profile],
        "groups": groups,
    }


def homogeneity(groups: list[Replicates], tau2: float) -> float | None:
    """Return the p of "all arms have the same training noise" (Bartlett's, by simulation).

    None with fewer than three arms that have replicates.
    """
    freedom = np.array([group.freedom for group in groups if group.freedom])
    if len(freedom) < 3:
        return None
    expected = np.array([g.evaluation + tau2 * g.scale for g in groups if g.freedom])
    found = np.array([g.variance for g in groups if g.freedom]) / np.maximum(expected, 1e-12)
    drawn = np.random.default_rng(5).chisquare(freedom, (2000, len(freedom))) / freedom

    def bartlett(ratio: np.ndarray) -> np.ndarray:
        pooled_ratio = ratio @ freedom / freedom.sum()
        logs = np.log(np.maximum(ratio, 1e-4)) @ freedom
        return freedom.sum() * np.log(np.maximum(pooled_ratio, 1e-12)) - logs

    return float((np.sum(bartlett(drawn) >= bartlett(found)) + 1) / 2001)


def known_as(shift_sd: float, source: str) -> dict | None:
    """Return a training noise that is not estimated here, in the form of `pooled`; None for 0."""
    if not shift_sd:
        return None
    freedom = ASSUMED_FREEDOM if source == ASSUMED else KNOWN_FREEDOM
    profile = freedom * shift_sd**2 / np.maximum(GRID, 1e-9)
    return {
        "shift_sd": shift_sd,
        "interval": [shift_sd, shift_sd],
        "freedom": freedom,
        "source": source,
        "p_alike": None,
        "alike": ALIKE if source == ASSUMED else None,
        "levels": None,
        "profile": profile.tolist(),
    }


def elsewhere(groups: list[Replicates], declared: float | None) -> dict | None:
    """Return the noise for arms without replicates: lent, as the study file says, or assumed.

    Args:
        groups: replicates of the study's other axes.
        declared: sd of the shift by the study file; None: not said; 0: left out of every interval.
    """
    lent = pooled(groups)
    if lent:
        return {**lent, "source": LENT}
    if declared is not None:
        return known_as(declared, FROM_STUDY)
    return known_as(ASSUMED_SHIFT, ASSUMED)


def _odds(level: float) -> float:
    inside = min(max(level, 0.005), 0.995)
    return float(np.log(inside / (1 - inside)))


def far(noise: dict | None, levels: list[float]) -> bool:
    """Say whether lent noise was seen at other levels (odds more than three times apart)."""
    if noise is None or noise.get("source") != LENT or not noise.get("levels"):
        return False
    low, high = map(_odds, noise["levels"])
    beyond = [max(low - _odds(level), _odds(level) - high) for level in levels]
    return max(beyond, default=0.0) > np.log(3)


def _invert(profile: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return tau² where the profile meets each target: 0 where it starts below, else capped."""
    return np.interp(-np.asarray(targets, float), -profile, GRID)


def draw_variances(
    noise: dict | None,
    level: float | None,
    draws: int,
    rng: np.random.Generator,
    own: Replicates | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Return `draws` values of tau² of an arm at a level; zeros where nothing is known.

    Other arms count by how near their level is (log-odds, a normal kernel): noise may depend on
    it. About what they say the arm's own variance scatters as a scaled inverse chi-squared (Smyth
    2004), of ALIKE degrees of freedom where an arm stands near, of UNALIKE far from all; its own
    replicates update that. Without a level all arms count alike.
    """
    if noise is None:
        return np.zeros(draws)
    groups, prior = noise.get("groups"), noise.get("alike")
    profile, freedom = np.array(noise["profile"]), noise["freedom"]
    others = list(groups or []) if level is not None else []
    if own in others:
        others.remove(own)
    if others:
        near = [np.exp(-0.5 * ((_odds(g.level) - _odds(level)) / REACH) ** 2) for g in others]
        prior = UNALIKE + (prior - UNALIKE) * max(near)
        weights = [one / max(near) for one in near]
        used = [*others, own] if own in groups else others
        weights += [1.0] * (len(used) - len(others))
        profile = _profile(used, weights)
        freedom = sum(w * g.freedom for w, g in zip(weights, used, strict=True))
    tau2 = _invert(profile, rng.chisquare(freedom, draws))
    if not prior:
        return tau2
    evaluation, spread, count = 0.0, 0.0, 0
    if own is not None:
        evaluation, spread, count = own.evaluation, own.variance, own.freedom
    total = prior * (tau2 * scale + evaluation) + count * spread
    variance = total / rng.chisquare(prior + count, draws) - evaluation
    return np.maximum(variance, 0.0) / scale


def effective(luck_draws: np.ndarray) -> np.ndarray:
    """Return the variance of the normal law whose 95 % interval is as wide as that of the draws."""
    low, high = np.percentile(luck_draws, [2.5, 97.5], axis=0)
    return ((high - low) / (2 * Z)) ** 2


PUBLIC = ("shift_sd", "interval", "freedom", "source", "p_alike", "levels")


def luck(
    noise: dict | None,
    levels: Iterable[float | None],
    scales: np.ndarray,
    runs: np.ndarray,
    draws: int,
    rng: np.random.Generator,
    own: list[Replicates | None] | None = None,
) -> np.ndarray:
    """Return (draws, arms) effects of training noise on means over replicates.

    Args:
        noise: as `pooled` gives it; None: no luck.
        levels: of the arms; None for one to which all others count alike.
        scales: squared responses of the arms to a shift; 0 for an arm without luck.
        runs: replicates of the arms.
        draws, rng: how many, and by which chance.
        own: the replicates of each arm, where it has any.
    """
    out = np.zeros((draws, len(scales)))
    if noise is None:
        return out
    for i, (one, level) in enumerate(zip(own or [None] * len(scales), levels, strict=True)):
        if scales[i] > 0:
            tau2 = draw_variances(noise, level, draws, rng, one, scales[i])
            out[:, i] = np.sqrt(tau2 * scales[i] / runs[i]) * rng.standard_normal(draws)
    return out


def public(noise: dict | None) -> dict | None:
    """Return what a reader needs of the pooled noise (the profile is for later draws only)."""
    if noise is None:
        return None
    return {key: noise.get(key) for key in PUBLIC}
