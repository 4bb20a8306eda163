"""Paired differences between arms that differ in one field, and what may be said about them."""

from dataclasses import dataclass

import numpy as np

from valley.analysis import noise as training
from valley.analysis.load import Evaluation
from valley.analysis.resample import Z, percentile, problem_weights
from valley.core.arms import FIELDS


@dataclass
class Pair:
    """One setting: differences a - b, (replicates, problems), replicate by replicate.

    `answers` is the mean over problems of one replicate's variance from sampling answers (None with
    one sample a problem: not known), `scale` the response of the difference's variance to the
    variance of the training shift: both sides' together.
    """

    setting: dict
    differences: np.ndarray
    means: tuple[float, float]
    samples: int = 1
    answers: float | None = None
    scale: float = 1.0


def pair(setting: dict, first: np.ndarray, second: np.ndarray, samples: int) -> Pair:
    """Make a pair from both sides' shares (replicates, problems), replicates in one order."""
    sides = (first, second)
    answers = None
    if samples > 1:
        answers = sum(float(np.nanmean(side * (1 - side))) / (samples - 1) for side in sides)
    return Pair(
        setting=setting,
        differences=first - second,
        means=(float(np.nanmean(first)), float(np.nanmean(second))),
        samples=samples,
        answers=answers,
        scale=sum(training.response(side, samples) ** 2 for side in sides),
    )


def pairs(arms: list[Evaluation], field: str, a: str, b: str, metric: str = "pass@1"):
    """Match arms that agree in all but `field`; replicates pair up by their seed.

    Returns pairs in the order of their settings. Arms without a partner are left out.
    """
    rest = [name for name in FIELDS if name not in (field, "seed")]
    sides: dict[str, dict[tuple, Evaluation]] = {a: {}, b: {}}
    for arm in arms:
        if arm.setting[field] in sides:
            key = tuple(arm.setting[name] for name in (*rest, "seed"))
            sides[arm.setting[field]][key] = arm
    settings: dict[tuple, list] = {}
    for key in sides[a].keys() & sides[b].keys():
        settings.setdefault(key[:-1], []).append(key)
    out = []
    for setting in sorted(settings, key=lambda k: tuple((v is None, v) for v in k)):
        keys = sorted(settings[setting], key=lambda k: (k[-1] is None, k[-1]))
        first = np.array([sides[a][key].mean(metric) for key in keys])
        second = np.array([sides[b][key].mean(metric) for key in keys])
        used = [side[key] for side in sides.values() for key in keys]
        samples = int(max(arm.samples.max(initial=1) for arm in used))
        out.append(pair(dict(zip(rest, setting, strict=True)), first, second, samples))
    return out


def arm_keys(found: list[Pair], field: str, sides: tuple[str, str]) -> list[tuple]:
    """Return the settings (all but the seed, in the order of FIELDS) of both sides' arms."""
    out = []
    for item in found:
        for side in sides:
            named = {**item.setting, field: side}
            out.append(tuple(named[name] for name in FIELDS if name != "seed"))
    return out


def own_groups(found: list[Pair]) -> list[training.Replicates]:
    """Return what the pairs' own replicates say about training noise."""
    return [
        training.replicates(item.differences, item.scale)
        for item in found
        if len(item.differences) > 1
    ]


def analyse(
    found: list[Pair],
    margin: float,
    draws: int,
    seed: int,
    groups: list[training.Replicates] | None = None,
    noise: dict | None = None,
) -> dict:
    """Return each setting's difference and the pooled one (settings weigh the same).

    Problems are resampled together for all settings. Training noise is pooled over `groups` (by
    default these settings' own replicates; better with those of other axes, since two replicates
    of a few settings tell little), or taken from `noise` where there is no replicate at all.
    Without either the interval leaves it out and the result says so.
    """
    known = np.all([np.isfinite(item.differences).all(axis=0) for item in found], axis=0)
    values = [item.differences[:, known] for item in found]
    problems = int(known.sum())
    if not problems:
        raise ValueError("no problem has a value in every arm of this contrast")
    own = own_groups(found)
    groups = own if groups is None else groups
    used = training.pooled(groups) or noise
    source = None
    if used:
        source = "own replicates" if len(groups) == len(own) else "own and other replicates"
        source = source if own else "another axis"
    rng = np.random.default_rng([seed, 2])
    tau2 = training.draw_variances(used, draws, rng)
    runs = np.array([len(value) for value in values])
    scales = np.array([item.scale for item in found])
    luck = np.sqrt(tau2[:, None] * scales / runs) * rng.standard_normal((draws, len(found)))
    means = np.array([value.mean(axis=0) for value in values])
    resampled = problem_weights(problems, draws, seed) @ means.T
    sampled = resampled + luck
    # Where every difference is 0 (a floor) resampling sees no spread: the rule of three, both ways.
    stuck = np.array([not value.any() for value in values])
    sampled = sampled + stuck * rng.laplace(0.0, 1 / problems, (draws, len(found)))
    signs = np.random.default_rng([seed, 3]).integers(0, 2, (draws, problems)) * 2 - 1
    rows = []
    for i, item in enumerate(found):
        row = _one(means[i], sampled[:, i], signs, margin)
        row.update(setting=item.setting, means=list(item.means), replicates=int(runs[i]))
        row["seeds"] = [float(value) for value in values[i].mean(axis=1)]
        rows.append(row)
    for row, value in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = value
    pooled = _one(means.mean(axis=0), sampled.mean(axis=1), signs, margin)
    pooled["settings"] = len(found)
    pooled["means"] = np.mean([item.means for item in found], axis=0).tolist()
    pooled["parts"] = components(found, values, used)
    return {
        "settings": rows,
        "pooled": pooled,
        "problems": problems,
        "margin": margin,
        "training_noise": training.public(used),
        "training_noise_from": source,
        "shift_sd_that_would_undo_it": tipping(
            pooled["estimate"], resampled.mean(axis=1), scales, runs
        ),
        "multiplicity": "Holm over the settings; the pooled difference is one test of its own.",
    }


def _one(problem_values: np.ndarray, draws: np.ndarray, signs: np.ndarray, margin: float) -> dict:
    estimate = float(problem_values.mean())
    centred = draws - draws.mean() + estimate
    flipped = signs @ problem_values / len(problem_values)
    extreme = np.sum(np.abs(flipped) >= abs(estimate) - 1e-12)
    return {
        "estimate": estimate,
        "interval": percentile(centred),
        "interval_90": percentile(centred, 0.90),
        "p": two_sided(centred),
        "p_permutation": float((extreme + 1) / (len(signs) + 1)),
        "p_equivalence": equivalence(centred, margin),
        "sd": float(centred.std()),
    }


def two_sided(draws: np.ndarray) -> float:
    """Return the two-sided p of "no difference" from draws of the difference's uncertainty."""
    side = min(np.sum(draws <= 0), np.sum(draws >= 0))
    return float(min(1.0, 2 * (side + 1) / (len(draws) + 1)))


def equivalence(draws: np.ndarray, margin: float) -> float:
    """Return the p of TOST: the larger of the two one-sided tests against ± margin."""
    worst = max(np.sum(draws >= margin), np.sum(draws <= -margin))
    return float((worst + 1) / (len(draws) + 1))


def holm(values: list[float]) -> list[float]:
    """Return Holm's adjusted p-values (1979), in the order given."""
    order = np.argsort(values, kind="stable")
    out = np.empty(len(values))
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(values) - rank) * values[i]))
        out[i] = running
    return out.tolist()


def components(found: list[Pair], values: list[np.ndarray], noise: dict | None) -> dict:
    """Split the pooled difference's variance by what would reduce it (see `variance_parts`)."""
    means = np.array([value.mean(axis=0) for value in values]).mean(axis=0)
    problems, settings = len(means), len(found)
    total = float(means.var(ddof=1)) / problems if problems > 1 else 0.0
    answers = None
    if all(item.answers is not None for item in found):
        each = [item.answers / len(item.differences) for item in found]
        answers = sum(each) / settings**2 / problems
    luck = None
    if noise:
        each = [item.scale / len(item.differences) for item in found]
        luck = noise["shift_sd"] ** 2 * sum(each) / settings**2
    return {
        "problem": max(total - (answers or 0.0), 0.0),
        "answers": answers,
        "seed": luck,
        "problems": problems,
        "samples": max(item.samples for item in found),
        "replicates": int(np.median([len(item.differences) for item in found])),
    }


def tipping(estimate: float, draws: np.ndarray, scales: np.ndarray, runs: np.ndarray):
    """Return the training shift sd from which on the pooled interval would hold 0.

    In units of log-odds; 0 if it holds 0 without any training noise. It tells how much seeds would
    have to matter to undo a difference.
    """
    spare = (estimate / Z) ** 2 - draws.var()
    unit = (scales / runs).sum() / len(scales) ** 2
    return float(np.sqrt(max(spare, 0.0) / unit)) if unit > 0 else None
