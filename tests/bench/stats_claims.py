"""Contrasts, rates and whole studies of known truths: coverage, calls, and each claim's word."""

from dataclasses import replace

import numpy as np
from stats_tables import (
    MINI,
    MONOTONE,
    SEED,
    VALLEYS,
    alarm,
    mark,
    share,
    statuses,
    table,
    valley_with,
)
from valley.analysis import contrasts, simulate, trials, trials_claims
from valley.analysis.resample import percentile
from valley.analysis.simulate import Design
from valley.analysis.trials import MARGIN, Truth
from valley.analysis.trials_claims import STATUSES

ALL = (*STATUSES, "not tested")


def paired(studies: int) -> str:
    """Coverage and false calls of contrasts."""
    designs = (
        ("2 seeds, noise pooled with the scaling axis", MINI, {}),
        ("2 seeds, own replicates only", MINI, {"lent": False}),
        ("2 seeds, runs differ by 0.3", replace(MINI, run_sd=0.3), {}),
        ("2 seeds, 1 sample", replace(MINI, samples=1), {}),
        ("1 seed, noise assumed", replace(MINI, replicates=1), {"lent": False}),
        (
            "1 seed, runs never differ, which the study file says",
            replace(MINI, replicates=1, run_sd=0.0),
            {"lent": False, "given": 0.0},
        ),
    )
    rows = []
    for label, design, how in designs:
        for gap in (0.0, MARGIN, 0.05):
            hits = trials.contrast_trial(gap, design, studies, SEED, draws=800, **how)
            different, equivalent = hits["pooled different"], hits["equivalent"]
            holm = hits["any setting different (Holm)"]
            rows.append(
                [
                    label,
                    f"{gap:g}",
                    mark(hits["pooled interval"]),
                    f"{100 * np.mean(hits['setting interval']):.1f}",
                    alarm(different) if gap == 0 else share(different),
                    alarm(holm) if gap == 0 else share(holm),
                    share(hits["permutation alone"]),
                    alarm(equivalent) if gap >= MARGIN else share(equivalent),
                ]
            )
    head = ["design", "true difference", "coverage, pooled", "coverage, one setting"]
    head += ["called different", "any setting (Holm)", "permutation p ≤ .05", "called equivalent"]
    return f"### Contrasts, margin {MARGIN:g} (per cent)\n\n" + table(head, rows)


def bootstrap_levels(studies: int) -> str:
    """What drawing samples again, with replacement, does to a paired difference's interval."""
    rows = []
    for samples in (2, 4, 16):
        design = replace(MINI, samples=samples, run_sd=0.0)
        once, twice = [], []
        for study in range(studies):
            rng = np.random.default_rng([SEED, study])
            a, b = simulate.draw_arms(np.array([0.3, 0.3]), [1, 1], design, rng)
            picked = rng.integers(0, design.problems, (300, design.problems))
            first, second = a[0][picked], b[0][picked]
            for out in (once, twice):
                low, high = percentile((first - second).mean(axis=1))
                out.append(low <= 0 <= high)
                first = rng.binomial(samples, first) / samples
                second = rng.binomial(samples, second) / samples
        rows.append([samples, share(once), share(twice)])
    head = ["samples", "problems with their samples", "samples drawn again as well"]
    return "### Two ways to resample, paired difference (coverage, per cent)\n\n" + table(
        head, rows
    )


def small(studies: int) -> str:
    """Contrasts of few problems, one run an arm and no training noise."""
    rows = []
    for problems in (10, 14, 20, 40, 100):
        for samples in (1, 4):
            cells = []
            for gap in (0.0, 0.1):
                hit, called = [], []
                for study in range(studies):
                    rng = np.random.default_rng([SEED, study])
                    design = Design(problems=problems, samples=samples, run_sd=0.0)
                    a, b = simulate.draw_arms(
                        np.array([0.35 + gap / 2, 0.35 - gap / 2]), [1, 1], design, rng
                    )
                    pair = contrasts.pair({}, a, b, samples)
                    low, high = contrasts.analyse([pair], MARGIN, 400, 17)["pooled"]["interval"]
                    hit.append(low <= gap <= high)
                    called.append(not low <= 0 <= high)
                cells += [mark(hit), share(called) if gap else alarm(called)]
            rows.append([problems, samples, *cells])
    head = ["problems", "samples", "coverage, equal", "called different, equal"]
    head += ["coverage, .1 apart", "called different, .1 apart"]
    return f"### Contrasts of few problems (per cent of {studies} studies)\n\n" + table(head, rows)


def equality(studies: int) -> str:
    """What F3 says of differences within and beyond the margin."""
    rows = []
    for problems, seeds in ((500, 2), (1000, 3)):
        for gap in (0.0, 0.01, 0.015, 0.03, 0.05):
            design = Design(problems=problems, replicates=seeds)
            counts = trials_claims.equality_trial(gap, design, studies, SEED)
            refuted = [1.0] * counts["refuted"] + [0.0] * (studies - counts["refuted"])
            words_said = [share(refuted) if gap > MARGIN else alarm(refuted)]
            rows.append([problems, seeds, f"{gap:g}", *statuses(counts), *words_said])
    head = ["problems", "seeds", "true difference", *STATUSES, "refuted"]
    title = f"### F3's word, margin {MARGIN:g} (per cent of {studies} studies)\n\n"
    return title + table(head, rows)


def ceilings(studies: int) -> str:
    """What F4 says of rates that stand near 1, saturate, or rise."""
    rows = []
    for label, levels in (
        ("stands at .99", [0.99] * 8),
        (".97 to 1.00, no order", [0.98, 0.97, 0.99, 1.0, 0.98, 0.99, 0.97, 1.0]),
        ("saturates: .03, .94, 1, ...", [0.03, 0.94, *[1.0] * 6]),
        ("rises throughout", np.linspace(0.1, 0.9, 8)),
        ("falls throughout", np.linspace(0.9, 0.1, 8)),
    ):
        counts = trials_claims.rate_trial(np.array(levels), studies, SEED)
        rows.append([label, *(f"{100 * counts[key] / studies:.1f}" for key in ALL)])
    head = ["completion rate", *ALL]
    title = f'### F4\'s word on "follows the data size closely" (per cent of {studies} studies)\n\n'
    return title + table(head, rows)


def words(studies: int) -> str:
    """How whole studies end: each claim's status under known truths."""
    half = Truth("half", valley_with(base=0.3, bottom=0.15, at=172, first=16))
    cases = (
        ("as the paper says: deep sharp valley, gaps .06 and 0", VALLEYS[1], (0.06, 0.0)),
        ("the contrary: rising, gaps 0 and .06", MONOTONE[1], (0.0, 0.06)),
        ("on the border: falls by half, gaps .02 and .02", half, (0.02, 0.02)),
    )
    rows = []
    for label, truth, gaps in cases:
        found = trials_claims.claim_trial(truth, gaps, MINI, studies, SEED)
        for name, counts in found.items():
            rows.append([label, name, *statuses(counts)])
    head = ["truth", "claim", *STATUSES]
    return f"### Whole studies, judged (per cent of {studies})\n\n" + table(head, rows)
