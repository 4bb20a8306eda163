"""Differences between paired differences: four arms a setting, matched by replicate."""

import numpy as np

from valley.analysis.contrasts import Pair, pair
from valley.analysis.load import Evaluation
from valley.core import interactions
from valley.core.arms import FIELDS

SAME_START = ("slice", "recipe")  # at size 0 both values of these are one arm: its start


def quads(arms: list[Evaluation], interaction: dict, metric: str = "pass@1") -> list[Pair]:
    """Match the arms of an interaction's four sides; replicates go together by their seed.

    Args:
        arms: evaluated ones; those without the three others are left out.
        interaction: as the study file declares it.
        metric: what is compared.

    Returns:
        One pair a setting, in the settings' order: the first contrast minus the second.
    """
    sides = [of for of, _ in interactions.cells(interaction)]
    rest = [name for name in FIELDS if name not in (*sides[0], "seed")]
    found = [
        {
            tuple(arm.setting[name] for name in (*rest, "seed")): arm
            for arm in arms
            if of.items() <= arm.setting.items()
            and (arm.setting["size"] or interaction["field"] not in SAME_START)
        }
        for of in sides
    ]
    settings: dict[tuple, list] = {}
    for key in set.intersection(*(set(side) for side in found)):
        settings.setdefault(key[:-1], []).append(key)
    out = []
    for setting in sorted(settings, key=lambda k: tuple((v is None, v) for v in k)):
        keys = sorted(settings[setting], key=lambda k: (k[-1] is None, k[-1]))
        values = [np.array([side[key].mean(metric) for key in keys]) for side in found]
        samples = int(max(side[k].samples.max(initial=1) for side in found for k in keys))
        out.append(quad(dict(zip(rest, setting, strict=True)), *values, samples=samples))
    return out


def quad(setting: dict, a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, samples: int):
    """Return (a - b) - (c - d) as a pair, from shares (replicates, problems) in one order."""
    first, second = pair(setting, a, b, samples), pair(setting, c, d, samples)
    answers = None if first.answers is None else first.answers + second.answers
    return Pair(
        setting=setting,
        differences=first.differences - second.differences,
        means=(float(np.nanmean(first.differences)), float(np.nanmean(second.differences))),
        samples=samples,
        answers=answers,
        scale=first.scale + second.scale,
        levels=(*first.means, *second.means),
    )


def arm_keys(found: list[Pair], interaction: dict) -> list[tuple]:
    """Return the settings (all but the seed, in the order of FIELDS) of the arms behind pairs."""
    named = [{**item.setting, **of} for item in found for of, _ in interactions.cells(interaction)]
    return [tuple(one[name] for name in FIELDS if name != "seed") for one in named]
