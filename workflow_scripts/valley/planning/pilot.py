"""What a small pilot of a study would measure of the assumptions behind its chances."""

from dataclasses import replace

import numpy as np

from valley.analysis import assumptions
from valley.analysis.assumptions import Assumption
from valley.analysis.designs import cells_of, drawn
from valley.analysis.truths import levels_of
from valley.core.arms import Arm
from valley.planning.levers import cost, with_edits
from valley.planning.power import Power

LEAST_SEEDS = 2


def pilot(power: Power, sizes: list[int] | None = None) -> dict:
    """Return what a few arms of a curve, with all their seeds, would measure of the assumptions.

    Args:
        power: the study.
        sizes: of the first curve; None is its two middle ones.

    Raises:
        ValueError: the study has no curve, or not these sizes.
    """
    axes = power.config["axes"]
    axis = next((name for name, settings in axes.items() if settings["curve"]), None)
    if axis is None:
        raise ValueError("--pilot: the study has no axis with a curve to take arms from")
    known = sorted(size for size in axes[axis]["sizes"] if size)
    half = len(known) // 2
    sizes = sizes or known[max(half - 1, 0) : half + 1]
    missing = [size for size in sizes if size not in known]
    if missing:
        raise ValueError(
            f"--pilot: axis {axis} has no size {missing[0]}; choose from: "
            f"{', '.join(map(str, known))}"
        )
    few = len(axes[axis]["seeds"]) < LEAST_SEEDS
    edits = [f"axes.{axis}.seeds={list(range(LEAST_SEEDS))}"] if few else []
    part = with_edits(power.plan.study, [*edits, f"axes.{axis}.sizes={[0, *sizes]}"])
    points = part.points(axis)
    plan = replace(power.plan, study=part, cells=cells_of(points), rates=[])
    design = assumptions.design(
        power.assumed, plan.problems, part.sampling(plan.benchmark)["samples"]
    )
    levels = levels_of(plan, power.truths[0], power.students)
    found: dict[str, list[Assumption]] = {}
    for number in range(power.options.studies):
        made = drawn(plan, levels, design, power.seed, number)
        arms = [
            replace(made[checkpoint], setting={**vars(cell.arm), "seed": at})
            for cell in plan.cells
            for at, checkpoint in enumerate(cell.checkpoints)
        ]
        for name, item in assumptions.measured(arms, "the pilot", bootstrap=0).items():
            found.setdefault(name, []).append(item)
        power.options.each()
    checkpoints = sorted({point["place"] for point in points})
    return {
        "axis": axis,
        "sizes": sizes,
        "seeds": part.config["axes"][axis]["seeds"],
        "edits": edits,
        "targets": _targets(power, checkpoints),
        "hours": cost(part, checkpoints).of(power.unit),
        "tells": {
            name: _summarize(items, getattr(design, name)) for name, items in sorted(found.items())
        },
    }


def _summarize(items: list[Assumption], true: float) -> dict:
    """Return the middle and the spread of a pilot's estimates, and the middle of its intervals."""
    values = [item.middle for item in items]
    low, middle, high = np.percentile(values, [2.5, 50, 97.5]).tolist()
    out = {"assumed": true, "estimate": middle, "spread": [low, high], "interval": None}
    known = [item.interval for item in items if item.name == "run_sd" and item.interval]
    if known:
        out["interval"] = np.median(known, axis=0).tolist()
    return out


def _targets(power: Power, checkpoints: list[str]) -> list[str]:
    """Return the files to ask Snakemake for, replicates and sizes of a group in braces."""
    root, benchmark = power.options.study.root, power.plan.benchmark
    groups: dict[str, tuple[set[int], set[int]]] = {}
    out = []
    for checkpoint in checkpoints:
        arm = Arm.parsed(checkpoint)
        if arm is None:
            out.append(f"{root}/verdicts/{checkpoint}/{benchmark}.parquet")
            continue
        sizes, seeds = groups.setdefault(checkpoint.rpartition("/")[0], (set(), set()))
        sizes.add(arm.size)
        seeds.add(arm.seed)
    for group, (sizes, seeds) in groups.items():
        name = f"n{_braces(sizes)}-s{_braces(seeds)}"
        out.append(f"{root}/verdicts/{group}/{name}/{benchmark}.parquet")
    return out


def _braces(values: set[int]) -> str:
    found = ",".join(map(str, sorted(values)))
    return f"{{{found}}}" if len(values) > 1 else found
