"""The paper's own figures put through this study's rules.

Only totals are published, so each arm's per-problem results are made up to fit them: problems with
difficulties as in the simulator, answers drawn from it, then shifted so that the mean is the
published score to the last digit. The spread and the pairing between arms are therefore assumptions
(those of `Design`), stated beside every table; the scores are not.
"""

from collections.abc import Iterable

import numpy as np

from valley.analysis import contrasts
from valley.analysis.curve_report import all_readouts
from valley.analysis.judgement import judge_claims
from valley.analysis.noise import FROM_STUDY, known_as
from valley.analysis.sample import from_values
from valley.analysis.simulate import Design, draw_arms

READINGS = ((798, 1), (399, 2), (266, 3), (133, 6))  # problems, samples: about 800 responses


def shifted_arms(scores: np.ndarray, design: Design, seed: int) -> list[np.ndarray]:
    """Return (1, problems) results a score, drawn as in the simulator, with exactly that mean."""
    rng = np.random.default_rng([seed, 21])
    runs = np.ones(len(scores), int)
    drawn = draw_arms(np.asarray(scores), runs, design, rng)
    return [item + (score - item.mean()) for item, score in zip(drawn, scores, strict=True)]


def assumed_noise(run_sd: float) -> dict | None:
    """Return a training noise taken as known, in the form of `noise.pooled`; None for 0."""
    return known_as(run_sd, FROM_STUDY)


def curve_of(
    title: str,
    sizes: Iterable[int],
    values: list[np.ndarray],
    design: Design,
    margin: float,
    draws: int,
    seed: int,
    noise: dict | None = None,
) -> dict:
    """Return what `judge_claims` needs of one student's curve."""
    data = from_values(
        np.array(list(sizes)), values, draws, seed, noise=noise, samples=design.samples
    )
    return {
        "title": title,
        "slice": "all.any",
        "start": "base",
        "training_noise": noise and {"shift_sd": noise["shift_sd"]},
        "readouts": all_readouts(data, margin),
    }


def contrast_of(
    a: str,
    b: str,
    values: dict[tuple[str, str], np.ndarray],
    design: Design,
    margin: float,
    draws: int,
    seed: int,
    noise: dict | None = None,
) -> dict:
    """Return what `judge_claims` needs of a contrast of slices, from {(start, slice): results}."""
    starts = sorted({start for start, _ in values})
    found = [
        contrasts.pair({"start": s}, values[s, a], values[s, b], design.samples) for s in starts
    ]
    whole = contrasts.analyse(found, margin, draws, seed, noise=noise)
    by_start = {
        start: contrasts.analyse([item], margin, draws, seed, noise=noise)["pooled"]
        for start, item in zip(starts, found, strict=True)
    }
    return {"field": "slice", "a": a, "b": b, **whole, "starts": by_start}


def judge_paper(
    curves: dict[str, tuple[list, list]],
    subsets: dict[tuple[str, str], float],
    rates: dict[str, dict[str, list]],
    design: Design,
    *,
    margin: float,
    draws: int,
    seed: int,
    run_sd: float = 0.0,
    draw: bool = False,
) -> list[dict]:
    """Judge F1 to F4 from scores alone: `curves` {student: (sizes, scores)}, `subsets`, `rates`.

    `run_sd` is an assumed training noise (log-odds) that the intervals then carry. With `draw` the
    scores are truths and one study is drawn from them (training noise included): for power.
    """
    noise = assumed_noise(run_sd)
    names = list(subsets)
    scores = [score for _, (_, values) in sorted(curves.items()) for score in values]
    levels = np.array(scores + [subsets[name] for name in names])
    if draw:
        rng = np.random.default_rng([seed, 22])
        made = draw_arms(levels, np.ones(len(levels), int), design, rng)
    else:
        made = shifted_arms(levels, design, seed)
    reports, at = [], 0
    for student, (sizes, values) in sorted(curves.items()):
        part = made[at : at + len(values)]
        at += len(values)
        reports.append(curve_of(student, sizes, part, design, margin, draws, seed, noise))
    results = {name: made[at + i] for i, name in enumerate(names)}
    contrasts_made = [
        contrast_of("easy.any", "hard.any", results, design, margin, draws, seed, noise),
        contrast_of("all.correct", "all.incorrect", results, design, margin, draws, seed, noise),
    ]
    return judge_claims(reports, contrasts_made, {"groups": _rate_groups(rates, curves)}, {})


def _rate_groups(rates: dict, curves: dict) -> list[dict]:
    from valley.analysis.correlate import bonett_wright, spearman

    groups = []
    for student, columns in sorted(rates.items()):
        at = dict(zip(*curves[student], strict=True))
        sizes = np.array(columns["size"], float)
        score = np.array([at[size] for size in columns["size"]])
        items = []
        for rate in ("completion", "think_tag"):
            for other, values in (("size", sizes), ("pass@1", score)):
                rho = float(spearman(np.array(columns[rate]), values))
                items.append(
                    {
                        "rate": rate,
                        "with": other,
                        "sizes": len(sizes),
                        "estimate": rho,
                        "interval": None,
                        "interval_sizes": bonett_wright(rho, len(sizes)),
                    }
                )
        groups.append({"student": student, "correlations": items, "training_noise": None})
    return groups
