"""Curves of known truths: coverage of read-outs, false valleys, hard shapes, forecasts."""

from dataclasses import replace

import numpy as np
from stats_tables import MINI, MONOTONE, SEED, VALLEYS, alarm, mark, share, table
from valley.analysis import noise, sample, simulate, trials, trials_forecast
from valley.analysis.simulate import Design
from valley.analysis.trials import Truth

FOUR = np.array([0, 1000, 10_000, 30_000])


def coverage(studies: int) -> str:
    """Coverage of the read-outs' 95 % intervals."""
    names = ("depth", "depth_share", "rise", "bottom", "recovery", "target", "curvature")
    few = max(studies // 4, 8)
    cases = [(truth, MINI, "2 seeds, 4 samples", studies) for truth in VALLEYS]
    cases += [
        (VALLEYS[0], replace(MINI, samples=1), "2 seeds, 1 sample", few),
        (VALLEYS[0], replace(MINI, replicates=4), "4 seeds, 4 samples", few),
        (VALLEYS[0], replace(MINI, run_sd=0.3), "2 seeds, runs differ by 0.3", few),
        (VALLEYS[0], replace(MINI, replicates=1), "1 seed, noise unknown", few),
        (VALLEYS[0], replace(MINI, problem_sd=3.5), "2 seeds, problems differ by 3.5", few),
    ]
    rows = []
    for truth, design, label, count in cases:
        hits = trials.curve_trial(truth, design, count, SEED, draws=800)
        level = 100 * float(np.mean(hits["level"]))
        cells = [mark(hits[name]) if hits.get(name) else "" for name in names]
        rows.append([truth.name, label, count, f"{level:.1f}", *cells])
    head = ["truth", "design", "studies", "each level", *names]
    return "### Coverage of 95 % intervals (per cent)\n\n" + table(head, rows)


def false_alarms(studies: int) -> str:
    """How often a monotone truth is called a valley, and how often a valley is."""
    rows = []
    for truth in MONOTONE:
        hits = trials.curve_trial(truth, MINI, studies, SEED, draws=400)
        called = alarm(hits["valley called"])
        mean = f"{np.mean(hits['valley probability']):.2f}"
        rows.append([truth.name, studies, called, mean, mark(hits["depth"])])
    few = max(studies // 4, 8)
    for truth in VALLEYS:
        hits = trials.curve_trial(truth, MINI, few, SEED + 1, draws=400)
        called = share(hits["valley called"])
        mean = f"{np.mean(hits['valley probability']):.2f}"
        rows.append([f"{truth.name} (power)", few, called, mean, mark(hits["depth"])])
    head = ["truth", "studies", "called a valley", "bootstrap probability", "coverage of the depth"]
    return "### A valley where there is none (per cent)\n\n" + table(head, rows)


def worlds(studies: int) -> str:
    """Coverage in shapes that are hard to read, in both worlds of the simulator."""
    rows = []
    for name, levels in simulate.SHAPES.items():
        sizes = trials.SIZES if len(levels) == len(trials.SIZES) else FOUR
        truth = Truth(name, simulate.shape(name, sizes))
        beta = Design(problems=500 if sizes is not FOUR else 800, world="beta")
        cells = [
            ("beta, 2 seeds", beta),
            ("beta, 2 seeds, runs differ more", replace(beta, run_sd=0.2)),
            ("beta, 3 seeds", replace(beta, replicates=3)),
            ("beta, 1 seed, noise assumed", replace(beta, replicates=1)),
            ("logistic, 2 seeds", replace(beta, world="logistic")),
        ]
        for label, design in cells:
            hits = trials.curve_trial(truth, design, studies, SEED, draws=400, sizes=sizes)
            level = 100 * float(np.mean(hits["level"]))
            read = ("depth", "depth_share", "rise", "bottom", "curvature")
            shown = [mark(hits[key]) if hits.get(key) else "" for key in read]
            half = hits["falls by half"]
            true = truth.readouts(sizes)["depth_share"] > 0.5 + 1e-9
            last = share(half) if true else mark(half, 0.0, 0.025)
            wide = [f"{np.mean(hits[f'{key} width']):.3f}" for key in ("depth", "depth_share")]
            rows.append([name, label, f"{level:.1f}", *shown, last, *wide])
    head = ["shape", "world, design", "each level", "depth", "depth_share", "rise", "bottom"]
    head += ["curvature", '"falls by more than half"', "width, depth", "width, share"]
    title = f"### Shapes that are hard to read (per cent of {studies} studies)\n\n"
    return title + table(head, rows)


def ahead(studies: int) -> str:
    """Forecasts of a held-out largest size."""
    rows = []
    for kind in simulate.KINDS:
        hits = trials_forecast.forecast_trial(kind, MINI, studies, SEED)
        errors = [
            f"{np.sqrt(np.mean(np.square(hits[key]))):.3f}"
            for key in ("error", "error loglinear", "error bnsl1")
        ]
        inside = mark(hits["inside"], 0.88, 1.0)
        rows.append([kind, studies, inside, f"{np.mean(hits['width']):.3f}"])
        rows[-1] += [f"{np.mean(hits['error']):+.3f}", *errors]
    head = ["truth", "studies", "inside 90 % (per cent)", "mean width", "mean error", "RMSE"]
    head += ["RMSE of log-linear alone", "RMSE of BNSL alone"]
    return "### Forecast of the held-out largest size\n\n" + table(head, rows)


def lent(studies: int) -> str:
    """Coverage of single runs' levels where other arms lend their training noise."""
    near, low = np.array([0.45, 0.38, 0.42, 0.5]), np.array([0.4, 0.12, 0.11, 0.14])
    rows = []
    for label, levels, lenders in (
        ("alike, near", near, np.linspace(0.35, 0.55, 6)),
        ("noisier than the lenders, far", low, np.linspace(0.35, 0.55, 6)),
        ("quieter than the lenders, far", near, np.linspace(0.1, 0.15, 6)),
    ):
        for world in simulate.WORLDS:
            design = Design(problems=400, world=world)
            hits, widths = [], []
            for study in range(studies):
                rng = np.random.default_rng([SEED, study])
                others = simulate.draw_arms(lenders, [2] * len(lenders), design, rng)
                groups = [noise.replicates(arm, noise.scale(arm, design.samples)) for arm in others]
                values = simulate.draw_arms(levels, [1] * 4, design, rng, fixed=(0,))
                data = sample.from_values(
                    FOUR, values, 400, 17, noise=noise.elsewhere(groups, None),
                    samples=design.samples,
                )  # fmt: skip
                low_, high = np.array(data.intervals)[1:].T
                hits += ((low_ <= levels[1:]) & (levels[1:] <= high)).tolist()
                widths.append(float(np.mean(high - low_)))
            rows.append([label, world, mark(hits), f"{np.mean(widths):.3f}"])
    head = ["arms", "world", "each level", "mean width"]
    return f"### Training noise lent by other arms (per cent of {studies} studies)\n\n" + table(
        head, rows
    )
