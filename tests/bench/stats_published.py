"""Published figures under this study's rules, and what a study of their design could know."""

from dataclasses import replace

import numpy as np
from stats_tables import SEED, statuses, table
from valley.analysis import simulate, trials_claims
from valley.analysis.curves import fit
from valley.analysis.families import FAMILIES
from valley.analysis.published import READINGS, judge_paper
from valley.analysis.simulate import Design
from valley.analysis.trials import MARGIN
from valley.analysis.truths import figures, rows_of


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
                _part_name(name): " / ".join(statuses(counts)[:2])
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
    """Return the paper's curves, subsets and rates, in columns."""
    scores, rates, subsets = figures()
    curves = {name: (list(of), list(of.values())) for name, of in scores.items()}
    columns = {
        name: {"size": list(of)}
        | {rate: [row[rate] for row in of.values()] for rate in ("completion", "think_tag")}
        for name, of in rates.items()
    }
    return curves, subsets, columns


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
