"""Paired differences between arms that differ in one field, and the conclusions from them."""

from dataclasses import dataclass

import numpy as np

from valley.analysis import few
from valley.analysis import noise as training
from valley.analysis.load import Evaluation
from valley.analysis.resample import Z, over_replicates, percentile, resampled_means
from valley.core.arms import FIELDS

LEVELS = (0.975, 0.99, 0.995, 0.999)  # for claims that several parts may refute


@dataclass
class Pair:
    """One setting: differences a - b, (replicates, problems), replicate by replicate.

    `answers` is the mean over problems of one replicate's variance from sampling answers (None with
    one sample a problem: not known), `scale` the response of the difference's variance to the
    variance of the training shift: both sides' together. `levels` are those of the four arms where
    the two sides are contrasts themselves; `means` are then those of the contrasts.
    """

    setting: dict
    differences: np.ndarray
    means: tuple[float, float]
    samples: int = 1
    answers: float | None = None
    scale: float = 1.0
    levels: tuple[float, ...] = ()

    @property
    def level(self) -> float:
        """The mean level of the arms."""
        return float(np.mean(self.levels or self.means))

    @property
    def reach(self) -> float:
        """The largest difference that there could be."""
        return 2.0 if self.levels else 1.0


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
        scale=sum(training.scale(side, samples) for side in sides),
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
    return [one for one in map(own_group, found) if one]


def own_group(item: Pair) -> training.Replicates | None:
    """Return what one pair's own replicates say about training noise; None without a second."""
    if len(item.differences) < 2:
        return None
    return training.replicates(item.differences, item.scale, item.level)


def analyse(
    found: list[Pair],
    margin: float,
    draws: int,
    seed: int,
    groups: list[training.Replicates] | None = None,
    noise: dict | None = None,
) -> dict:
    """Return each setting's difference and the pooled one (settings weigh the same).

    Problems are resampled together for all settings; one without a value on a side (the judge
    failed) is left out of that setting only. Training noise is pooled over `groups` (by default
    these settings' own replicates; better with those of other axes, since two replicates of a few
    settings tell little), or taken from `noise` where there is no replicate at all. Without either
    the interval leaves it out and the result says so. Of fewer than `few.FEW` problems nothing is
    said: the interval is everything, and p is 1.

    Raises:
        ValueError: a setting has no problem with a value on both sides.
    """
    values = np.array([over_replicates(item.differences) for item in found])
    known = np.isfinite(values)
    for item, any_ in zip(found, known.any(axis=1), strict=True):
        if not any_:
            raise ValueError(
                f"no problem has a value on both sides of this contrast {item.setting}"
            )
    problems = int(known.any(axis=0).sum())
    own = own_groups(found)
    groups = own if groups is None else groups
    used = training.pooled(groups) or noise
    source = used and used.get("source", training.LENT)
    if used and used is not noise:
        source = training.OWN if len(groups) == len(own) else "own and other replicates"
        source = source if own else training.LENT
    rng = np.random.default_rng([seed, 2])
    runs = np.array([len(item.differences) for item in found])
    scales = np.array([item.scale for item in found])
    each = [own_group(item) for item in found]
    # Replicates of its own say more of a setting's noise than other arms' levels do.
    at = [None if own else item.level for own, item in zip(each, found, strict=True)]
    luck = training.luck(used, at, scales, runs, draws, rng, each)
    spread = training.effective(luck.mean(axis=1)) if used else None
    estimates = np.nanmean(values, axis=1)
    resampled = resampled_means(values, draws, seed)
    resampled = np.where(np.isfinite(resampled), resampled, estimates)
    # Where every difference is 0 (a floor) resampling sees no spread: the rule of three, both ways.
    stuck = ~np.where(known, values, 0.0).any(axis=1)
    reach = max(item.reach for item in found)
    luck = luck + stuck * rng.laplace(0.0, reach / known.sum(axis=1), (draws, len(found)))
    signs = np.random.default_rng([seed, 3]).integers(0, 2, (draws, values.shape[1])) * 2 - 1
    rows = []
    for i, item in enumerate(found):
        seen = values[i, known[i]]
        row = _one(estimates[i], seen, resampled[:, i], luck[:, i], signs, margin, reach)
        row.update(setting=item.setting, means=list(item.means), replicates=int(runs[i]))
        row["problems"] = len(seen)
        row["seeds"] = [
            float(np.nanmean(one)) for one in item.differences if np.isfinite(one).any()
        ]
        rows.append(row)
    for row, value in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = value
    whole = over_replicates(values)
    pooled = _one(
        float(estimates.mean()), whole[np.isfinite(whole)], resampled.mean(axis=1),
        luck.mean(axis=1), signs, margin, reach,
    )  # fmt: skip
    pooled["settings"] = len(found)
    pooled["problems"] = problems
    pooled["means"] = np.mean([item.means for item in found], axis=0).tolist()
    if found[0].levels:
        pooled["levels"] = np.mean([item.levels for item in found], axis=0).tolist()
    pooled["parts"] = components(found, whole[np.isfinite(whole)], spread)
    return {
        "settings": rows,
        "pooled": pooled,
        "problems": problems,
        "missing": int((~known).sum()),
        "margin": margin,
        "training_noise": training.public(used),
        "training_noise_from": source,
        "shift_sd_that_would_undo_it": tipping(
            pooled["estimate"], resampled.mean(axis=1), scales, runs
        ),
        "multiplicity": "Holm over the settings; the pooled difference is one test of its own.",
    }


def _one(
    estimate: float,
    values: np.ndarray,
    evaluated: np.ndarray,
    luck: np.ndarray,
    signs: np.ndarray,
    margin: float,
    reach: float,
) -> dict:
    """Describe one difference: `values` of its problems, and draws of both kinds of error."""
    flipped = signs[:, : len(values)] @ values / len(values)
    beyond = np.sum(np.abs(flipped) >= abs(values.mean()) - 1e-12)
    p_signs = few.exact_p(values) or float((beyond + 1) / (len(signs) + 1))
    if few.refusal(len(values)):
        return {
            "estimate": float(estimate),
            "interval": [-reach, reach],
            "interval_90": [-reach, reach],
            "intervals": {},
            "p": 1.0,
            "p_permutation": p_signs,
            "p_equivalence": 1.0,
            "sd": None,
        }
    error = few.widened(evaluated, values) + luck
    centred = np.clip(error - error.mean() + estimate, -reach, reach)
    return {
        "estimate": float(estimate),
        "interval": percentile(centred),
        "interval_90": percentile(centred, 0.90),
        "intervals": {f"{level:g}": percentile(centred, level) for level in LEVELS},
        "p": two_sided(centred),
        "p_permutation": p_signs,
        "p_equivalence": equivalence(centred, margin),
        "sd": float(centred.std()),
    }


def disagreement(found: dict[str, list[Pair]], draws: int, seed: int, **how) -> dict | None:
    """Return the p of "the difference is the same in every group" (Wald's test over groups).

    Args:
        found: the pairs of each group, such as a student.
        draws, seed: as in `analyse`.
        how: groups and noise, as in `analyse`.

    Returns:
        The number of groups and p; None where there is one group.
    """
    if len(found) < 2:
        return None
    from scipy.stats import chi2

    used = training.pooled(how.get("groups") or []) or how.get("noise")
    tau2 = used["shift_sd"] ** 2 if used else 0.0
    means, luck = [], []
    for pairs_of in found.values():
        means.append(over_replicates(np.array([over_replicates(p.differences) for p in pairs_of])))
        each = [tau2 * item.scale / len(item.differences) for item in pairs_of]
        luck.append(sum(each) / len(each) ** 2)
    values = np.array(means)
    resampled = resampled_means(values, draws, seed)
    spread = np.cov(np.where(np.isfinite(resampled), resampled, np.nanmean(values, axis=1)).T)
    spread = spread + np.diag(luck)
    steps = np.diff(np.eye(len(values)), axis=0)
    gap = steps @ np.nanmean(values, axis=1)
    wald = float(gap @ np.linalg.pinv(steps @ spread @ steps.T) @ gap)
    return {"groups": len(found), "p": float(chi2.sf(wald, len(gap)))}


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


def components(found: list[Pair], means: np.ndarray, luck: float | None) -> dict:
    """Split the pooled difference's variance by what would reduce it (see `variance_parts`)."""
    problems, settings = len(means), len(found)
    total = float(means.var(ddof=1)) / problems if problems > 1 else 0.0
    answers = None
    if all(item.answers is not None for item in found):
        each = [item.answers / len(item.differences) for item in found]
        answers = sum(each) / settings**2 / problems
    return {
        "problem": max(total - (answers or 0.0), 0.0),
        "answers": answers,
        "seed": None if luck is None else float(luck),
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
