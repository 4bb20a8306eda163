"""Whether two studies agree on a claim: the difference of their estimates, and what it says.

An estimate is a difference in pass@1 in each study: that of a contrast's two sides, of an
interaction's two contrasts, or of two sizes of a curve. Study minus study is one more difference,
judged as equality is: they agree where its 90 % interval lies inside the margin, they differ where
its 95 % interval lies wholly beyond it, and else it is undecided.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from valley.analysis import contrasts, interactions
from valley.analysis import noise as training
from valley.analysis.contrasts import Pair
from valley.analysis.judge_contrast import interaction_parts
from valley.analysis.judge_parts import matches
from valley.analysis.load import Evaluation
from valley.analysis.plain import plain
from valley.analysis.resample import Z
from valley.analysis.words import NOT_TESTED
from valley.core import claims
from valley.core.arms import BASE, GROUP, Arm
from valley.core.files import read_json
from valley.core.interactions import declared as interactions_of
from valley.core.layout import Layout

AGREES, DIFFERS, UNDECIDED, UNCOMPARED = "agrees", "differs", "undecided", "not compared"
WORDS = {"supported": AGREES, "refuted": DIFFERS, "undecided": UNDECIDED, NOT_TESTED: NOT_TESTED}
ABOUT = ("kind", "field", "a", "b", "of", "where", "by_start", "pool_students")
NARROW = 1.644854 / Z  # a 90 % interval's width as a share of a 95 % one's, for a normal law

Sides = tuple[list[Pair], list[Pair]]


def agreement(
    layouts: tuple[Layout, Layout],
    arms: list[list[Evaluation]],
    names: tuple[str, str],
    benchmark: str,
    paired: bool,
) -> list[dict]:
    """Return one judgement a claim of both studies: `verdict`, and its parts with their numbers.

    Args:
        layouts: the studies; margin, draws and seed are the first one's.
        arms: finished arms of each, problems in one order where they are the same.
        names: what the studies are called.
        benchmark: of both.
        paired: whether the problems are the same.
    """
    settings = [claims.settings(layout.study.config["claims"]) for layout in layouts]
    judged = [_judged(layout, benchmark) for layout in layouts]
    out = []
    for name in settings[0]:
        if name not in settings[1]:
            continue
        claim = settings[0][name]
        other = _otherwise(layouts, claim, settings[1][name])
        rows = [] if other else list(_rows(layouts, arms, names, claim, paired))
        reason = other or ("" if rows else "no arms that bear on it are finished in both")
        out.append(
            {
                "name": name,
                "text": claim["text"],
                "statuses": [found.get(name) for found in judged],
                "paired": paired,
                "verdict": _together([row["verdict"] for row in rows]),
                "reason": reason,
                "parts": rows,
            }
        )
    return plain(out)


def _judged(layout: Layout, benchmark: str) -> dict[str, str]:
    """Return each claim's status in a study's own results, where they are there."""
    path = Path(f"{layout.root}/claims/{benchmark}.json")
    found = read_json(path)["claims"] if path.is_file() else []
    return {claim["name"]: claim["status"] for claim in found}


def _otherwise(layouts: tuple[Layout, Layout], claim: dict, other: dict) -> str:
    """Return why two claims of one name can't be compared, or ""."""
    unlike = [key for key in ABOUT if claim.get(key) != other.get(key)]
    if unlike:
        return f"{', '.join(unlike)} of the claim differ between the studies"
    if claim["kind"] == "follow":
        return "rank correlations have no margin in pass@1"
    if claim["kind"] == "interaction":
        first, second = (interactions_of(one.study.config).get(claim["of"]) for one in layouts)
        if not first or not second or first[1] != second[1]:
            return f"the interaction {claim['of']} is not declared alike in both"
    return ""


def _together(verdicts: list[str]) -> str:
    """Return agrees if every part does, differs if one does, undecided if anything was tested."""
    tested = {verdict for verdict in verdicts if verdict != NOT_TESTED}
    if not tested:
        return NOT_TESTED if verdicts else UNCOMPARED
    if DIFFERS in tested:
        return DIFFERS
    return AGREES if set(verdicts) == {AGREES} else UNDECIDED


def _rows(layouts, arms, names, claim: dict, paired: bool) -> Iterator[dict]:
    find = _of_curves if claim["kind"] == "valley" else _of_contrasts
    found = [one for one in find(layouts, arms, claim) if all(one[2])]
    statistics = layouts[0].study.config["statistics"]
    lenders = [one for side in arms for one in training.groups_of(side)]
    for where, what, sides in found:
        value = _difference(sides, lenders, statistics, paired)
        value |= {"a": names[0], "b": names[1], "field": "study", "interaction": "agreement"}
        margin = claim.get("margin", statistics["margin"])
        rule = {"of": "agreement", "alike": True, "margin": margin, "looks": len(found)}
        (part,) = interaction_parts([], [value], None, rule)
        pooled = value["pooled"]
        yield {
            "where": where,
            "what": what,
            "estimates": pooled["means"],
            "difference": pooled["estimate"],
            "interval": pooled["interval"],
            "interval_90": pooled["interval_90"],
            "margin": margin,
            "problems": pooled["problems"],
            "verdict": WORDS[part["status"]],
        }


def _difference(sides: Sides, lenders: list, statistics: dict, paired: bool) -> dict:
    """Return the first study's pooled difference minus the second's, as `analyse` gives one."""
    draws, seed, margin = statistics["bootstrap"], statistics["seed"], statistics["margin"]
    noise = training.elsewhere([], statistics["training_noise"])

    def analysed(found: list[Pair]) -> dict:
        groups = contrasts.own_groups(found) or lenders
        return contrasts.analyse(found, margin, draws, seed, groups, noise)

    if paired:
        return analysed([_less(a, b) for a, b in zip(*sides, strict=True)])
    first, second = (analysed(found) for found in sides)
    return {**first, "pooled": _apart(first["pooled"], second["pooled"])}


def _less(first: Pair, second: Pair) -> Pair:
    """Return one pair minus another at the same setting, replicate by replicate."""
    runs = min(len(first.differences), len(second.differences))
    known = first.answers is not None and second.answers is not None
    return Pair(
        setting=first.setting,
        differences=first.differences[:runs] - second.differences[:runs],
        means=tuple(float(np.nanmean(one.differences)) for one in (first, second)),
        samples=max(first.samples, second.samples),
        answers=first.answers + second.answers if known else None,
        scale=first.scale + second.scale,
        levels=(*(first.levels or first.means), *(second.levels or second.means)),
    )


def _apart(first: dict, second: dict) -> dict:
    """Return the difference of two pooled differences over other problems: independent errors."""
    gap = first["estimate"] - second["estimate"]
    widths = [np.diff(one["interval"])[0] / 2 for one in (first, second)]
    half = float(np.hypot(*widths))
    wide, tight = ([gap - part * half, gap + part * half] for part in (1.0, NARROW))
    parts = {**first["parts"], "problem": (half / Z) ** 2, "answers": None, "seed": None}
    levels = [*first.get("levels", first["means"]), *second.get("levels", second["means"])]
    return {
        "estimate": gap,
        "means": [first["estimate"], second["estimate"]],
        "interval": wide,
        "interval_90": tight,
        "intervals": {},
        "problems": min(first["problems"], second["problems"]),
        "levels": levels,
        "parts": parts,
    }


def _of_contrasts(layouts, arms, claim: dict) -> Iterator[tuple[str, str, Sides]]:
    """Yield the pairs of a contrast, or an interaction, at settings of both studies."""
    each = []
    for layout, side in zip(layouts, arms, strict=True):
        if claim["kind"] == "interaction":
            _, declared = interactions_of(layout.study.config)[claim["of"]]
            found = interactions.quads(side, declared)
        else:
            found = contrasts.pairs(side, claim["field"], claim["a"], claim["b"])
        each.append({tuple(pair.setting.items()): pair for pair in found})
    split = [
        *([] if claim.get("pool_students") else ["student"]),
        *(["start"] if claim.get("by_start") else []),
    ]
    groups: dict[tuple, Sides] = {}
    for key in each[0]:
        if key in each[1]:
            group = tuple(dict(key).get(field, "") for field in split)
            sides = groups.setdefault(group, ([], []))
            for pairs, of in zip(sides, each, strict=True):
                pairs.append(of[key])
    what = "difference of the differences" if claim["kind"] == "interaction" else "difference"
    for group, sides in sorted(groups.items()):
        yield ", ".join(filter(None, group)), what, sides


def _of_curves(layouts, arms, claim: dict) -> Iterator[tuple[str, str, Sides]]:
    """Yield the fall and the rise of each curve of both studies, between sizes that both ran.

    The low point and the later high point are those of both studies' mean, so that neither's luck
    chooses them.
    """
    where = {key: value for key, value in (claim.get("where") or {}).items() if key != "student"}
    curves = [_curves(*one, where) for one in zip(layouts, arms, strict=True)]
    for key in sorted(curves[0].keys() & curves[1].keys()):
        both = curves[0][key], curves[1][key]
        sizes = sorted(both[0].keys() & both[1].keys())
        if len(sizes) < 3 or sizes[0]:
            continue
        level = [np.mean([np.nanmean(one[size][0]) for one in both]) for size in sizes]
        low = 1 + int(np.argmin(level[1:-1]))
        high = low + 1 + int(np.argmax(level[low + 1 :]))
        name = " · ".join(key)
        for what, first, second in (("fall", 0, low), ("rise", high, low)):
            ends = f"{what} between {sizes[first]:,} and {sizes[second]:,} examples"
            pairs = [
                [_step(one[sizes[first]], one[sizes[second]], key, not sizes[first])]
                for one in both
            ]
            yield name, ends, tuple(pairs)


def _curves(layout: Layout, arms: list[Evaluation], where: dict) -> dict[tuple, dict]:
    """Return the curves of a study: by size the shares (replicates, problems), and samples."""
    declared = layout.study.config["axes"]
    named = {
        (arm.recipe, arm.start, arm.slice)
        for axis, members in layout.study.axes.items()
        if declared[axis]["curve"]
        for arm in members
    }
    found: dict[tuple, dict] = {}
    for arm in arms:
        key = tuple(arm.setting[name] for name in GROUP)
        if arm.setting["size"] and key[1:] in named and matches(arm.setting, where):
            found.setdefault(key, {}).setdefault(arm.setting["size"], []).append(arm)
    for key, sizes in found.items():
        start = layout.study.start_of(Arm(*key, 0, 0))
        wanted = (key[0], "", BASE, "", 0) if start is None else _cell(start, key[0])
        begun = [arm for arm in arms if tuple(arm.setting[n] for n in (*GROUP, "size")) == wanted]
        if begun:
            sizes[0] = begun[:1]
    return {
        key: {
            size: (
                np.array([arm.mean("pass@1") for arm in group]),
                int(max(arm.samples.max(initial=1) for arm in group)),
            )
            for size, group in sizes.items()
        }
        for key, sizes in found.items()
    }


def _cell(start: Arm, student: str) -> tuple:
    return (student, start.recipe, start.start, start.slice, start.size)


def _step(first: tuple, second: tuple, key: tuple, begun: bool) -> Pair:
    """Return the first size's level minus the second's.

    Args:
        first, second: shares (replicates, problems) and samples of two sizes of a curve.
        key: of the curve.
        begun: the first is the start, which is one for all replicates.
    """
    (one, samples), (other, others) = first, second
    runs = len(other) if begun else min(len(one), len(other))
    one = np.repeat(one, runs, axis=0) if begun else one[:runs]
    setting = dict(zip(GROUP, key, strict=True))
    found = contrasts.pair(setting, one, other[:runs], max(samples, others))
    if begun:  # one fixed model: no training noise
        return replace(found, scale=training.scale(other[:runs], others))
    return found
