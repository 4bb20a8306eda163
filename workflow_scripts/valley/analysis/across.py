"""Several students together: pass@1 over training compute or over parameters, and a joint fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from valley.analysis import curve_report, load, spending
from valley.analysis import noise as training
from valley.analysis.curves import compare
from valley.analysis.fitting import usable
from valley.analysis.joint import joint
from valley.analysis.plain import plain
from valley.analysis.sample import Levels, from_values
from valley.core.files import read_json
from valley.core.spending import FLOPS, TOKENS
from valley.lm import flops, headers


def parameters_of(manifest: str | Path, student: str, declared: dict[str, float]) -> float:
    """Return a student's parameters, embeddings included, a tied head counted once.

    Args:
        manifest: the student's `checkpoint.json`.
        student: its name.
        declared: `estimates.parameters` of the study file, for files that don't tell.

    Raises:
        ValueError: neither tells.
    """
    hub = read_json(manifest).get("hub")
    if hub:
        counted = headers.parameters_of(hub["id"], hub.get("revision"))
    else:
        counted = headers.parameters(Path(manifest).with_name("model"))
    count = counted or declared.get(student)
    if not count:
        raise ValueError(
            f"students.{student}: neither its files nor the study file say how many parameters it "
            f"has; put `estimates: {{parameters: {{{student}: 7.6e+9}}}}` in the study file, with "
            "the right number"
        )
    return count


def across(
    arms: list[dict],
    problems: Path,
    *,
    title: str,
    x: str,
    bootstrap: int,
    seed: int,
    parameters: dict[str, float] | None = None,
    noise_arms: list[dict] | None = None,
    training_noise: float | None = None,
) -> dict:
    """Return pass@1 of several students' arms over compute or parameters, and the joint fit.

    Args:
        arms: of one recipe, start and slice; each says the manifest of its student (`manifest`),
            whether only adapters were trained (`lora`) and, where trained, the manifest of its
            checkpoint (`spent`).
        problems: the benchmark.
        title: of the figure.
        x: flops (one line a student) or parameters (one line a size).
        bootstrap, seed: draws of intervals.
        parameters: of students whose files don't tell.
        noise_arms, training_noise: as for a curve.

    Raises:
        ValueError: a manifest does not say what is needed, or a line can't be drawn.
    """
    ids, _ = load.problem_table(problems)
    kept, lost = usable(arms, ids)
    lent = training.groups_of(usable(noise_arms, ids)[0]) if noise_arms else []
    students = {arm["student"]: arm["manifest"] for arm in arms}
    counts = {
        name: parameters_of(manifest, name, parameters or {}) for name, manifest in students.items()
    }
    keys = sorted({(arm.setting["student"], int(arm.setting["size"])) for arm in kept})
    data = _levels(keys, kept, bootstrap, seed, training.elsewhere(lent, training_noise))
    spent = {
        name: spending.of_sizes([arm for arm in arms if arm["student"] == name], TOKENS)
        for name in students
    }
    lora = {arm["student"]: arm["lora"] for arm in arms}
    cells = [
        {
            "student": name,
            "parameters": counts[name],
            "size": size,
            "tokens": spent[name][size],
            "flops": flops.dense(counts[name], spent[name][size], lora[name]),
        }
        for name, size in keys
    ]
    trained = [at for at, cell in enumerate(cells) if cell["size"]]
    fitted_cells = [{**cell, **point} for cell, point in zip(cells, _points(data), strict=True)]
    found = joint(
        replace(part(data, trained), sizes=np.array([cells[at]["size"] for at in trained])),
        np.array([cells[at]["parameters"] for at in trained]),
        np.array([cells[at]["tokens"] for at in trained]),
    )
    return plain(
        {
            "title": title,
            "x": x,
            "students": counts,
            "cells": fitted_cells,
            "lines": [_line(data, cells, *one, x) for one in _groups(cells, x)],
            "joint": {**found, "cells": [fitted_cells[at] for at in trained]},
            "problems": len(ids),
            "training_noise": curve_report.training_noise(
                replace(data, sizes=np.array([cell["size"] for cell in cells]))
            ),
            "notes": lost,
        }
    )


def _levels(keys, kept, draws: int, seed: int, noise: dict) -> Levels:
    """Return the levels of cells (student, size), numbered from 1 where trained, else 0."""
    groups = [
        [arm for arm in kept if (arm.setting["student"], int(arm.setting["size"])) == key]
        for key in keys
    ]
    groups = [group if key[1] else group[:1] for key, group in zip(keys, groups, strict=True)]
    return from_values(
        np.array([at * bool(size) for at, (_, size) in enumerate(keys, 1)]),
        [np.array([arm.mean("pass@1") for arm in group]) for group in groups],
        draws,
        seed,
        noise=noise,
        samples=[max(int(arm.judged.max(initial=1)) for arm in group) for group in groups],
        seeds=[[arm.setting["seed"] for arm in group] for group in groups],
    )


def part(data: Levels, at: list[int]) -> Levels:
    """Return some cells' levels, with their joint draws."""
    chosen = np.array(at, int)
    each = ("sizes", "estimate", "replicates", "problem_means", "answers", "luck", "scales")
    rows = {name: getattr(data, name) for name in each}
    columns = {name: getattr(data, name) for name in ("draws", "luck_draws")}
    return replace(
        data,
        **{name: value if value is None else value[chosen] for name, value in rows.items()},
        **{name: value if value is None else value[:, chosen] for name, value in columns.items()},
    )


def _points(data: Levels) -> list[dict]:
    """Return each cell's level, its interval and how many runs are behind it."""
    rows = zip(data.estimate, data.intervals, data.replicates, strict=True)
    return [
        {"estimate": float(value), "interval": interval, "replicates": int(runs)}
        for value, interval, runs in rows
    ]


def _groups(cells: list[dict], x: str) -> list[tuple[str, list[int]]]:
    """Return the lines: what each is called and its cells' indices, in the order of x."""
    field = "student" if x == FLOPS else "size"
    names = sorted({cell[field] for cell in cells})
    return [
        (
            name if x == FLOPS else f"{name:,} examples" if name else "start",
            sorted(
                (at for at, c in enumerate(cells) if c[field] == name), key=lambda at: cells[at][x]
            ),
        )
        for name in names
    ]


def _line(data: Levels, cells: list[dict], name: str, at: list[int], x: str) -> dict:
    """Return one line's points and the families that its points can distinguish.

    Raises:
        ValueError: two of its points have one x.
    """
    values = np.array([cells[i][x] for i in at], float)
    if (np.diff(values) <= 0).any():
        where = ", ".join(f"{cells[i]['student']} at {cells[i][x]:,.0f}" for i in at)
        raise ValueError(
            f"{name}: {x} must differ from point to point ({where}); leave out one of those that "
            "are alike, or use x: examples"
        )
    levels = replace(part(data, at), sizes=values)
    points = _points(levels)
    largest = float(values[-1])
    families = {}
    if largest:
        fits = compare(values, levels.estimate, levels.sd)
        families = {key: curve_report.family(item, levels, largest) for key, item in fits.items()}
    return {
        "name": name,
        "points": [
            {"x": value, "student": cells[i]["student"], "size": cells[i]["size"], **point}
            for value, i, point in zip(values.tolist(), at, points, strict=True)
        ],
        "families": families,
    }
