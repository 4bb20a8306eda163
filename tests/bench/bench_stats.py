"""Prove the statistics on simulated studies and on published figures; write markdown tables.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

Run: python tests/bench/bench_stats.py --studies 2000 --out docs/statistics.md
"""

import argparse
import csv
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from valley.analysis import contrasts, simulate, trials, trials_ahead, trials_claims
from valley.analysis.curves import fit
from valley.analysis.families import FAMILIES
from valley.analysis.published import READINGS, judge_paper
from valley.analysis.resample import percentile, wilson
from valley.analysis.simulate import Design, valley_truth
from valley.analysis.trials import MARGIN, Truth

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "studies" / "published"
MINI = Design()
BAND = (0.93, 0.97)
SEED = 2026
MARKER = "<!-- from here on written by tests/bench/bench_stats.py -->"
STATUSES = trials_claims.STATUSES
ALL = (*STATUSES, "not tested")


def _valley(**settings):
    return lambda sizes: valley_truth(sizes, **settings)


VALLEYS = (
    Truth("valley", _valley()),
    Truth("deep valley, flat bottom", _valley(bottom=0.02, first=4, at=60, rise=0.07)),
    Truth("shallow valley", _valley(base=0.3, bottom=0.2, rise=0.06)),
)
MONOTONE = (
    Truth("flat", lambda n: np.full(np.shape(n), 0.3)),
    Truth("rising", lambda n: 0.2 + 0.05 * np.log1p(n / 50)),
    Truth("falling", lambda n: 0.4 - 0.03 * np.log1p(n / 30)),
    Truth("step up at once", lambda n: np.where(n == 0, 0.2, 0.3)),
    Truth("step down at once", lambda n: np.where(n == 0, 0.3, 0.2)),
)


def table(head: list[str], rows: list[list]) -> str:
    """Return a markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def share(hits: list) -> str:
    """Return a share with its Monte Carlo interval, in per cent."""
    low, high = wilson(float(np.mean(hits)), len(hits))
    return f"{100 * np.mean(hits):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def mark(hits: list, low: float = BAND[0], high: float = BAND[1]) -> str:
    """Return the share, marked where its Monte Carlo interval lies outside the band."""
    bounds = wilson(float(np.mean(hits)), len(hits))
    word = " UNDER" if bounds[1] < low else (" OVER" if bounds[0] > high else "")
    return share(hits) + word


def alarm(hits: list) -> str:
    """Return a false-alarm rate, marked where it is surely above 5 %."""
    return mark(hits, 0.0, 0.05)


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


def paired(studies: int) -> str:
    """Coverage and false calls of contrasts."""
    designs = (
        ("2 seeds, noise pooled with the scaling axis", MINI, True),
        ("2 seeds, own replicates only", MINI, False),
        ("2 seeds, runs differ by 0.3", replace(MINI, run_sd=0.3), True),
        ("2 seeds, 1 sample", replace(MINI, samples=1), True),
        ("1 seed, noise unknown", replace(MINI, replicates=1), False),
        ("1 seed, runs never differ", replace(MINI, replicates=1, run_sd=0.0), False),
    )
    rows = []
    for label, design, lent in designs:
        for gap in (0.0, MARGIN, 0.05):
            hits = trials.contrast_trial(gap, design, studies, SEED, draws=800, lent=lent)
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


FOUR = np.array([0, 1000, 10_000, 30_000])


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
            rows.append([name, label, f"{level:.1f}", *shown, last])
    head = ["shape", "world, design", "each level", "depth", "depth_share", "rise", "bottom"]
    head += ["curvature", '"falls by more than half"']
    title = f"### Shapes that are hard to read (per cent of {studies} studies)\n\n"
    return title + table(head, rows)


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
            rows.append([problems, seeds, f"{gap:g}", *_statuses(counts), *words_said])
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
    half = Truth("half", _valley(base=0.3, bottom=0.15, at=172, first=16))
    cases = (
        ("as the paper says: deep sharp valley, gaps .06 and 0", VALLEYS[1], (0.06, 0.0)),
        ("the contrary: rising, gaps 0 and .06", MONOTONE[1], (0.0, 0.06)),
        ("on the border: falls by half, gaps .02 and .02", half, (0.02, 0.02)),
    )
    rows = []
    for label, truth, gaps in cases:
        found = trials_claims.claim_trial(truth, gaps, MINI, studies, SEED)
        for name, counts in found.items():
            rows.append([label, name, *_statuses(counts)])
    head = ["truth", "claim", *STATUSES]
    return f"### Whole studies, judged (per cent of {studies})\n\n" + table(head, rows)


def _statuses(counts) -> list[str]:
    total = sum(counts.values())
    return [f"{100 * counts[key] / total:.1f}" for key in STATUSES]


def paper_power(studies: int) -> str:
    """What the paper's design could know, its scores being the truth."""
    columns: dict[str, dict[str, str]] = {}
    for told, real in ((0.0, 0.0), (0.0, 0.12), (0.12, 0.12)):
        for problems, samples in READINGS if not real else READINGS[2:3]:
            design = Design(problems=problems, samples=samples, run_sd=real)
            claims, parts = trials_claims.paper_trial(*paper(), design, told, studies, SEED)
            label = f"{problems} x {samples}"
            if real:
                label += f"; runs differ by {real:g}, " + ("known" if told else "unknown")
            columns[label] = {
                _part_name(name): " / ".join(_statuses(counts)[:2])
                for name, counts in {**claims, **parts}.items()
                if not name.startswith("F4")
            }
    names = sorted(next(iter(columns.values())))
    rows = [[name, *(column[name] for column in columns.values())] for name in names]
    title = (
        f"### Power of the paper's design: supported / refuted, per cent of {studies} studies\n\n"
    )
    return title + table(["claim or part", *columns], rows)


def _part_name(name: str) -> str:
    for i, label in enumerate(("falls by half", "rises", "sharper")):
        name = name.replace(f"#{i}", label)
    return name.replace("-Instruct", "")


def paper() -> tuple[dict, dict, dict]:
    """Return the paper's curves, subsets and rates, as typed in."""
    curves: dict = {}
    rates: dict = {}
    for row in rows_of("valley_scores.csv"):
        sizes, scores = curves.setdefault(row["student"], ([], []))
        sizes.append(int(row["size"]))
        scores.append(float(row["pass@1"]))
    for row in rows_of("valley_rates.csv"):
        columns = rates.setdefault(row["student"], {"size": [], "completion": [], "think_tag": []})
        for key in columns:
            columns[key].append(float(row[key]))
    subsets = {
        (row["start"], row["slice"]): float(row["pass@1"]) for row in rows_of("valley_subsets.csv")
    }
    return curves, subsets, rates


def rows_of(name: str) -> list[dict]:
    """Return a published table's rows."""
    with open(PUBLISHED / name, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def published(studies: int) -> str:
    """The paper's figures under this study's rules (nothing is simulated but the pairing)."""
    summary, detail = [], []
    for run_sd in (0.0, 0.12, 0.25):
        for problems, samples in READINGS:
            design = Design(problems=problems, samples=samples)
            judged = judge_paper(*paper(), design, margin=MARGIN, draws=2000, seed=1, run_sd=run_sd)
            statuses = [claim["status"] for claim in judged]
            summary.append([f"{problems} x {samples}", run_sd or "left out", *statuses])
            if (problems, samples) == (266, 3) and not run_sd:
                detail = [
                    [claim["name"], part["status"], part["sentence"].replace("-Instruct", "")]
                    for claim in judged
                    for part in claim["parts"]
                ]
    head = ["problems x samples", "training noise", "F1", "F2", "F3", "F4"]
    return (
        "### The paper's figures under these rules\n\n"
        + table(head, summary)
        + "\nPart by part at 266 x 3, training noise left out:\n\n"
        + table(["claim", "part", "sentence"], detail)
    )


def alike(studies: int) -> str:
    """The paper's figures over how alike two arms find the same problems."""
    rows = []
    for problem_sd, own in ((1.0, 1.2), (2.0, 1.2), (2.0, 0.6), (2.0, 0.0), (3.5, 0.6), (3.5, 0.0)):
        design = Design(problems=266, samples=3, problem_sd=problem_sd, interaction_sd=own)
        together, counts = [], {}
        for study in range(studies):
            judged = judge_paper(*paper(), design, margin=MARGIN, draws=1000, seed=SEED + study)
            for claim in judged:
                parts = claim["parts"] if claim["name"] == "F2" else []
                for key in (claim["name"], *(f"F2 {part['where']}" for part in parts)):
                    counts.setdefault(key, [])
                counts[claim["name"]].append(claim["status"] == "supported")
                for part in parts:
                    counts[f"F2 {part['where']}"].append(part["status"] == "supported")
            rng = np.random.default_rng([SEED, study])
            one, two = simulate.draw_arms(np.array([0.2, 0.2]), [1, 1], design, rng)
            together.append(np.corrcoef(one[0], two[0])[0, 1])
        shown = [f"{100 * np.mean(counts[key]):.0f}" for key in sorted(counts)]
        rows.append([f"{np.mean(together):.2f}", problem_sd, own, *shown])
    head = ["correlation of two arms' results", "problems' sd", "arms' own sd", *sorted(counts)]
    title = (
        f"### The paper's figures over the pairing (supported, per cent of {studies} pairings)\n\n"
    )
    return title + table(head, sorted(rows))


def ahead(studies: int) -> str:
    """Forecasts of a held-out largest size."""
    rows = []
    for kind in simulate.KINDS:
        hits = trials_ahead.forecast_trial(kind, MINI, studies, SEED)
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


PRINTED = {
    "a": 0.413885,
    "b": 2.277272,
    "c0": 0.055077,
    "c1": 5.662904,
    "d1": 612.583617,
    "f1": 0.059193,
}


def known(studies: int) -> str:
    """BNSL's own published example, fitted by this project's code."""
    rows = rows_of("bnsl_addition.csv")
    x = np.array([float(row["examples"]) for row in rows])
    y = np.array([float(row["cross_entropy"]) for row in rows])
    family = replace(
        FAMILIES["bnsl1"],
        bank_size=6000,
        bounds=lambda low, high: [(0.0, 0.5), (0.0, 8.0), (low, high), (0.01, 0.5)],
    )
    out = []
    for label, values, count in (
        ("their curve without noise, all 17 sizes", _bnsl(x, **PRINTED), 17),
        ("their data, all 17 sizes", y, 17),
        ("their data, first 14 sizes", y, 14),
    ):
        found = fit(family, x[:count], values[:count], np.zeros(count), starts=6)
        c0, c1, d1, f1 = found.shape
        a, scaled = found.coefficients[1:]
        numbers = dict(
            zip(PRINTED, (a, scaled * np.exp(c0 * d1), c0, c1, np.exp(d1), f1), strict=True)
        )
        out.append([label, *_row(numbers), *_errors(x, values, numbers, count)])
    out.append(["printed by the authors", *_row(PRINTED), *_errors(x, y, PRINTED, 14)])
    head = ["fit", *PRINTED, "log RMSE, fitted sizes", "log RMSE, the rest"]
    return "### Known data: BNSL's four-digit addition\n\n" + table(head, out)


def _row(numbers: dict) -> list[str]:
    return [f"{value:.4g}" for value in numbers.values()]


def _errors(x: np.ndarray, y: np.ndarray, numbers: dict, count: int) -> list[str]:
    gap = np.log(_bnsl(x, **numbers) / y)
    rest = f"{np.sqrt(np.mean(gap[count:] ** 2)):.4f}" if count < len(x) else ""
    return [f"{np.sqrt(np.mean(gap[:count] ** 2)):.4f}", rest]


def _bnsl(x, a, b, c0, c1, d1, f1):
    return a + b * x**-c0 * (1 + (x / d1) ** (1 / f1)) ** (-c1 * f1)


# Section and the share of --studies that it runs (their cost differs by a factor of forty).
SECTIONS = {
    "coverage": (coverage, 1.0),
    "false_alarms": (false_alarms, 1.0),
    "paired": (paired, 1.0),
    "bootstrap_levels": (bootstrap_levels, 0.5),
    "worlds": (worlds, 0.15),
    "small": (small, 0.25),
    "equality": (equality, 0.15),
    "ceilings": (ceilings, 0.15),
    "words": (words, 0.25),
    "alike": (alike, 0.01),
    "paper_power": (paper_power, 0.15),
    "published": (published, 1.0),
    "ahead": (ahead, 0.5),
    "known": (known, 1.0),
}


def main() -> None:
    """Run the sections asked for and print (or write) their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", choices=SECTIONS, nargs="*", default=list(SECTIONS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    parts = []
    for name in options.only:
        section, weight = SECTIONS[name]
        begun = time.monotonic()
        parts.append(section(max(int(options.studies * weight), 8)))
        print(parts[-1], flush=True)
        print(f"[{name}: {time.monotonic() - begun:.0f} s]", file=sys.stderr, flush=True)
    if options.out:
        # Everything after the marker is this script's; what people wrote above it stays.
        text = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
        above = text.split(MARKER)[0]
        options.out.write_text(above + MARKER + "\n\n" + "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
