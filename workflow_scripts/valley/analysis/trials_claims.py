"""Whole simulated studies, judged: how often each claim ends in which word."""

from collections import Counter

import numpy as np

from valley.analysis import contrasts
from valley.analysis import noise as training
from valley.analysis.correlate import correlations
from valley.analysis.curve_report import all_readouts
from valley.analysis.judgement import judge_claims
from valley.analysis.published import judge_paper
from valley.analysis.sample import from_values
from valley.analysis.simulate import Design, draw_arms
from valley.analysis.trials import MARGIN, SIZES, STARTS, Truth, draw_pairs

SLICES = (("easy.any", "hard.any"), ("all.correct", "all.incorrect"))
STATUSES = ("supported", "refuted", "undecided")


def whole_study(
    curve: Truth, gaps: tuple[float, float], design: Design, seed: int, study: int, draws: int
) -> list[dict]:
    """Draw one study (scaling axis, easy/hard and correct/incorrect from two starts) and judge it.

    `gaps` are the true differences easy - hard and correct - incorrect. All arms answer the same
    problems; the think-tag and completion rates rise smoothly with size.
    """
    rng = np.random.default_rng([seed, study])
    levels = [curve.at(SIZES)]
    for gap in gaps:
        levels += [STARTS + gap / 2, STARTS - gap / 2]
    levels = np.concatenate(levels)
    runs = np.full(len(levels), design.replicates)
    runs[0] = 1
    made = draw_arms(levels, runs, design, rng, fixed=(0,))
    count, arms = len(SIZES), len(STARTS)
    data = from_values(SIZES, made[:count], draws, study, samples=design.samples)
    reports = [
        {
            "title": "curve",
            "slice": "all.any",
            "start": "base",
            "training_noise": training.public(data.noise),
            "readouts": all_readouts(data, MARGIN),
        }
    ]
    lists, at = [], count
    for a, b in SLICES:
        sides = made[at : at + arms], made[at + arms : at + 2 * arms]
        at += 2 * arms
        found = [
            contrasts.pair({"start": "base" if i < 2 else "mid", "size": i}, x, y, design.samples)
            for i, (x, y) in enumerate(zip(*sides, strict=True))
        ]
        lists.append(_contrast(a, b, found, data.groups, draws, study))
    return judge_claims(reports, lists, _rates(data, design, rng, draws, study), {})


def _contrast(a: str, b: str, found: list, lent: list, draws: int, seed: int) -> dict:
    groups = contrasts.own_groups(found) + lent
    whole = contrasts.analyse(found, MARGIN, draws, seed, groups)
    starts = {
        start: contrasts.analyse(
            [item for item in found if item.setting["start"] == start], MARGIN, draws, seed, groups
        )["pooled"]
        for start in ("base", "mid")
    }
    return {"field": "slice", "a": a, "b": b, **whole, "starts": starts}


def _rates(data, design: Design, rng, draws: int, seed: int) -> dict:
    share = 1 / (1 + np.exp(-(np.log(np.maximum(SIZES, 1)) - 5.5) * 1.2))
    runs = np.where(SIZES == 0, 1, design.replicates)
    levels = {"pass@1": data}
    for i, rate in enumerate(("completion", "think_tag", "well_formed")):
        values = draw_arms(0.3 * (i == 0) + share * (1 - 0.3 * (i == 0)), runs, design, rng)
        levels[rate] = from_values(SIZES, values, draws, seed, samples=design.samples, stream=i + 1)
    group = {
        "student": "student",
        "correlations": correlations(levels, MARGIN),
        "training_noise": {},
    }
    return {"groups": [group]}


def claim_trial(
    curve: Truth, gaps: tuple[float, float], design: Design, studies: int, seed: int, draws=400
) -> dict[str, Counter]:
    """Return {claim: frequency of each status} over complete simulated studies."""
    out: dict[str, Counter] = {}
    for study in range(studies):
        for claim in whole_study(curve, gaps, design, seed, study, draws):
            out.setdefault(claim["name"], Counter())[claim["status"]] += 1
    return out


def equality_trial(gap: float, design: Design, studies: int, seed: int) -> Counter:
    """Return how often F3 ends in each status where the true difference is `gap`."""
    out: Counter = Counter()
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        found, lent = draw_pairs(gap, design, rng)
        value = _contrast(*SLICES[1], found, lent, 400, study)
        judged = judge_claims([], [value], None, {"F3": {"by_start": False}})
        out[next(claim["status"] for claim in judged if claim["name"] == "F3")] += 1
    return out


def rate_trial(levels: np.ndarray, studies: int, seed: int, problems: int = 250) -> Counter:
    """Return how often "completion follows the data size closely" ends in each status."""
    out: Counter = Counter()
    sizes = SIZES[1 : len(levels) + 1]
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        data = {}
        for at, name in enumerate(("pass@1", "completion", "think_tag", "well_formed")):
            shares = rng.binomial(4, levels[:, None, None], (len(levels), 2, problems)) / 4
            data[name] = from_values(sizes, list(shares), 300, study, samples=4, stream=at)
        group = {"student": "s", "correlations": correlations(data, 0.03), "training_noise": {}}
        judged = judge_claims([], [], {"groups": [group]}, {"F4": {"rates": ["completion"]}})
        claim = next(item for item in judged if item["name"] == "F4")
        out[claim["parts"][0]["status"]] += 1
    return out


def paper_trial(
    curves: dict, subsets: dict, rates: dict, design: Design, run_sd: float, studies: int, seed: int
) -> tuple[dict[str, Counter], dict[str, Counter]]:
    """Return statuses of claims and of their parts over studies of the paper's design.

    The published scores are taken as the truth, one run an arm; `design.run_sd` is how much runs
    really differ, `run_sd` what the analysis is told (0: nothing, as in the paper).
    """
    claims: dict[str, Counter] = {}
    parts: dict[str, Counter] = {}
    for study in range(studies):
        judged = judge_paper(
            curves, subsets, rates, design, margin=MARGIN, draws=400,
            seed=seed + study, run_sd=run_sd, draw=True,
        )  # fmt: skip
        for claim in judged:
            claims.setdefault(claim["name"], Counter())[claim["status"]] += 1
            for i, part in enumerate(claim["parts"]):
                key = f"{claim['name']} {part['where']} #{i % 3 if claim['name'] == 'F1' else ''}"
                parts.setdefault(key.strip(" #"), Counter())[part["status"]] += 1
    return claims, parts
