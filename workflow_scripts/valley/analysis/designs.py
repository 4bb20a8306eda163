"""A study as it is declared, drawn from a stated truth and put through the rules that judge it.

Nothing is judged here: arms are drawn by the simulator, fitted by what fits arms that were run,
and handed to the claims' own rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from valley.analysis import fitting
from valley.analysis import noise as training
from valley.analysis.correlate import RATES, correlations
from valley.analysis.curve_report import all_readouts, training_noise
from valley.analysis.judgement import judge_claims
from valley.analysis.load import Evaluation
from valley.analysis.sample import levels
from valley.analysis.simulate import Design, draw_arm, draw_problems
from valley.core import claims, interactions
from valley.core.arms import BASE, FIELDS, GROUP, Arm
from valley.core.layout import Layout
from valley.core.seeds import derive
from valley.core.study import Study


@dataclass(frozen=True)
class Cell:
    """Arms that differ in their replicate only.

    Attributes:
        arm: one of them; size 0 is the undistilled student.
        checkpoints: of each replicate.
    """

    arm: Arm
    checkpoints: tuple[str, ...]

    @property
    def name(self) -> str:
        """The cell as part of a path."""
        return self.arm.path.rpartition("-s")[0]


@dataclass(frozen=True)
class Blueprint:
    """What of a study bears on its claims, on one benchmark.

    Attributes:
        study: the study.
        benchmark: its name.
        problems: how many it has.
        names: the claims that are judged.
        curves: title, what the arms have in common, points that lend training noise, points.
        contrasts: field, a, b, points.
        interactions: name, what it is, points.
        lenders: points with replicates that lend their training noise to contrasts.
        rates: points of the curves, where a claim speaks of rates.
        cells: the arms behind all these.
        axes: that declare these curves, contrasts and rates.
    """

    study: Study
    benchmark: str
    problems: int
    names: tuple[str, ...]
    curves: tuple[tuple[str, dict, list, list], ...]
    contrasts: tuple[tuple[str, str, str, list], ...]
    interactions: tuple[tuple[str, dict, list], ...]
    lenders: list[dict]
    rates: list[dict]
    cells: tuple[Cell, ...]
    axes: tuple[str, ...]

    @property
    def own_checkpoints(self) -> set[str]:
        """Checkpoints of the arms that bear on the claims themselves, lenders left out."""
        fits = (*self.curves, *self.contrasts, *self.interactions)
        points = [point for *_, points in fits for point in points]
        return {point["place"] for point in points + self.rates}

    @property
    def rated(self) -> tuple[str, ...]:
        """The rates that the claims use."""
        known = claims.settings(self.study.config["claims"])
        needed = {rate for name in self.names for rate in known[name].get("rates", ())}
        return tuple(rate for rate in RATES if rate in needed)


def blueprint(
    study: Study, benchmark: str, problems: int, names: Sequence[str] | None = None
) -> Blueprint:
    """Return what of a study bears on some of its claims (all by default) on a benchmark."""
    layout, config = Layout(study), study.config
    known = claims.settings(config["claims"])
    names = tuple(known if names is None else names)
    claims_judged = [known[name] for name in names]
    curves, axes = [], set()
    for path in layout.curves:
        axis, *group, on = path.split("/")
        fixed = dict(zip(GROUP, group, strict=True))
        wanted = any(
            claim["kind"] == "valley" and (claim.get("where") or {}).items() <= fixed.items()
            for claim in claims_judged
        )
        if wanted and on == benchmark:
            points = layout.curve_points(axis, fixed)
            title = layout.curve_title(axis, fixed, benchmark)
            curves.append((title, fixed, layout.lending_points(points), points))
            axes.add(axis)
    contrasts, rates = [], []
    for axis, settings in config["axes"].items():
        for declared in settings["contrasts"]:
            sides = {key: declared[key] for key in ("field", "a", "b")}
            if any(sides.items() <= claim.items() for claim in claims_judged):
                contrasts.append((*sides.values(), study.points(axis)))
                axes.add(axis)
        if settings["curve"] and any(claim["kind"] == "follow" for claim in claims_judged):
            axes.add(axis)
            rates = layout.rate_points()
    crossed = [
        (name, interaction, study.points(axis))
        for name, (axis, interaction) in interactions.declared(config).items()
        if any(claim.get("of") == name for claim in claims_judged)
    ]
    axes |= {interactions.declared(config)[name][0] for name, *_ in crossed}
    lenders = layout.noise_points() if contrasts or crossed else []
    used = [point for _, _, *lists in curves for points in lists for point in points]
    used += [point for *_, points in (*contrasts, *crossed) for point in points] + lenders + rates
    return Blueprint(
        study, benchmark, problems, names, tuple(curves), tuple(contrasts), tuple(crossed),
        lenders, rates, cells_of(used), tuple(axis for axis in config["axes"] if axis in axes),
    )  # fmt: skip


def cells_of(points: list[dict]) -> tuple[Cell, ...]:
    """Return the arms behind points, replicates together."""
    found: dict[Arm, list[Arm]] = {}
    for checkpoint in sorted({point["place"] for point in points}):
        arm = Arm.parsed(checkpoint) or Arm(checkpoint.split("/")[0], "", BASE, "", 0, 0)
        found.setdefault(replace(arm, seed=0), []).append(arm)
    return tuple(
        Cell(key, tuple(arm.path if arm.size else f"{arm.student}/{BASE}" for arm in sorted(arms)))
        for key, arms in sorted(found.items())
    )


def drawn(
    plan: Blueprint, truth: dict[str, dict[str, float]], design: Design, seed: int, study: int
) -> dict[str, Evaluation]:
    """Draw one study from a truth; return what each arm did, by its checkpoint.

    Every cell has a stream of its own, so that designs which share a cell share its chance.

    Args:
        plan: the arms.
        truth: the levels of "pass@1" and of rates, by the cell's name.
        design: problems, samples and how much things vary.
        seed, study: the chance, and which of its studies.
    """
    metrics = ["pass@1", *plan.rated]
    rated = {point["place"] for point in plan.rates}
    shares: dict[str, dict[str, np.ndarray]] = {}
    for metric in metrics:
        problems = draw_problems(design, np.random.default_rng(derive(seed, study, metric)))
        for cell in plan.cells:
            if metric != "pass@1" and cell.checkpoints[0] not in rated:
                continue
            rng = np.random.default_rng(derive(seed, study, metric, cell.name))
            level = truth[cell.name][metric]
            made = draw_arm(level, len(cell.checkpoints), design, problems, rng, not cell.arm.size)
            for checkpoint, share in zip(cell.checkpoints, made, strict=True):
                shares.setdefault(checkpoint, {})[metric] = share * design.samples
    full = np.full(design.problems, float(design.samples))
    return {
        checkpoint: Evaluation(
            {}, found["pass@1"], full, full, *(found.get(rate, full) for rate in RATES), full
        )
        for checkpoint, found in shares.items()
    }


def judged(plan: Blueprint, arms: dict[str, Evaluation], draws: int, seed: int) -> list[dict]:
    """Return the claims of a blueprint, judged on arms as the workflow would judge them.

    Args:
        plan: which arms answer what.
        arms: what each did, by its checkpoint; every one of the blueprint's.
        draws: of an interval.
        seed: of these draws.
    """
    settings = plan.study.config["statistics"]
    margin, shift_sd = settings["margin"], settings["training_noise"]

    def read(points: list[dict]) -> list[Evaluation]:
        seen = {tuple(point[name] for name in FIELDS): point for point in points}
        return [
            replace(arms[point["place"]], setting={name: point[name] for name in FIELDS})
            for point in seen.values()
        ]

    curves, contrasts = [], []
    for title, fixed, lending, points in plan.curves:
        lent = training.groups_of(read(lending)) if lending else []
        data = levels(read(points), "pass@1", draws, seed, training.elsewhere(lent, shift_sd))
        curves.append(
            {
                "title": title,
                **fixed,
                "problems": plan.problems,
                "training_noise": training_noise(data),
                "readouts": all_readouts(data, margin),
            }
        )
    lenders = read(plan.lenders)
    for field, a, b, points in plan.contrasts:
        contrasts.append(
            fitting.contrast_of(
                read(points), lenders, field=field, a=a, b=b, margin=margin, bootstrap=draws,
                seed=seed, problems=plan.problems, training_noise=shift_sd,
            )
        )  # fmt: skip
    for name, interaction, points in plan.interactions:
        contrasts.append(
            fitting.interaction_of(
                read(points), lenders, name=name, declared=interaction, margin=margin,
                bootstrap=draws, seed=seed, problems=plan.problems, training_noise=shift_sd,
            )
        )  # fmt: skip
    groups = [
        {
            **fixed,
            "correlations": correlations(data, rates=plan.rated),
            "training_noise": training.public(data["pass@1"].noise),
        }
        for fixed, data in fitting.rate_levels(
            read(plan.rates), ("pass@1", *plan.rated), draws, seed, shift_sd
        )
    ]
    rates = {"problems": plan.problems, "groups": groups}
    found = judge_claims(curves, contrasts, rates, plan.study.config["claims"])
    return [claim for claim in found if claim["name"] in plan.names]
