"""What a status page shows: arms by stages, failures, the critical path, as plain values."""

import time
from collections import Counter

from valley.core.arms import Arm
from valley.core.files import read_json
from valley.core.sidecars import provenance
from valley.planning import progress
from valley.planning.dag import PlannedJob
from valley.planning.plans import Plan
from valley.planning.words import arm_of

STATES = ("done", "running", "missing", "stale", "blocked", "failed")
SHARDS = ("shard", "declared_shard")
BY_ARM = (*SHARDS, "student", "train", "generate", "judge", "score")


def overview(plan: Plan) -> dict:
    """Return everything that the page and the terminal show of a study.

    Returns:
        study, made, counts (by state), totals, columns (rule, benchmark, template of the path),
        axes, arms (their parts, axes, score and a cell for each column), others (jobs of no arm),
        path (the critical one), failures. A cell is [state, seconds, GPU seconds, measured, reason,
        own path]; reasons are positions in `reasons`.
    """
    study, root = plan.study, plan.study.root
    reasons: dict[str, int] = {"": 0}
    cells: dict[tuple, list] = {}
    others, failures = [], []
    for job, state, cost in zip(plan.jobs, plan.states, plan.costs, strict=True):
        about = provenance(job.outputs[0]) if state == "done" else {}
        took = about.get("measured", {}).get("wall_seconds")
        seconds = took if took is not None else cost.seconds
        gpu = (took if took is not None else cost.gpu_seconds) if cost.gpu_seconds else 0
        reason = reasons.setdefault(_brief(job, about), len(reasons))
        cell = [STATES.index(state), _round(seconds), _round(gpu), int(took is not None), reason]
        if job.rule in BY_ARM:
            cells[_key(job)] = [*cell, job.outputs[0]]
        else:
            others.append({"rule": job.rule, "path": job.outputs[0], "cell": cell})
        if state == "failed":
            said = progress.last_lines(job) or ["it left no log"]
            log = job.logs[0] if job.logs else ""
            failures.append({"path": job.outputs[0], "rule": job.rule, "log": log, "said": said})
    columns = [{"rule": "shard", "benchmark": ""}, {"rule": "train", "benchmark": ""}]
    columns += [
        {"rule": rule, "benchmark": benchmark}
        for benchmark in study.benchmarks
        for rule in ("generate", "judge", "score")
    ]
    for column in columns:
        column["path"] = _template(root, **column)
    axes = list(study.axes)
    wanted = {name: set(arms) for name, arms in study.axes.items()}
    rows = [
        _row(plan, arm, columns, cells, [n for n, name in enumerate(axes) if arm in wanted[name]])
        for arm in sorted({*study.arms, *study.evaluated()}, key=_natural)
    ]
    return {
        "study": study.config["study"],
        "note": study.config["note"],
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        "states": list(STATES),
        "counts": Counter(plan.states),
        "jobs": len(plan.jobs),
        "totals": plan.totals(),
        "columns": columns,
        "axes": [{"name": n, "question": study.config["axes"][n]["question"]} for n in axes],
        "arms": rows,
        "others": others,
        "reasons": list(reasons),
        "path": [
            {
                "rule": plan.jobs[n].rule,
                "arm": arm_of(plan.jobs[n]) or "",
                "path": plan.jobs[n].outputs[0],
                "seconds": _round(plan.costs[n].seconds),
            }
            for n in plan.chain()
        ],
        "path_seconds": plan.chain_seconds(),
        "failures": failures,
    }


def _row(plan: Plan, arm: Arm, columns: list[dict], cells: dict, axes: list[int]) -> dict:
    checkpoint = plan.study.checkpoint_name(arm)
    row, scores = [], []
    for column in columns:
        rule, benchmark = column["rule"], column["benchmark"]
        key = (rule, checkpoint, benchmark)
        if rule == "shard":
            key = (rule, arm.slice, str(arm.size), str(arm.seed))
        elif rule == "train" and not arm.size:
            key = ("student", arm.student)
        cell = cells.get(key)
        if cell is not None and cell[-1] == column["path"].replace("{}", checkpoint):
            cell = cell[:-1]  # the page can compute the path itself
        row.append(cell)
        if rule == "score":
            done = cell is not None and STATES[cell[0]] in ("done", "stale")
            scores.append(_score(plan.study.root, checkpoint, benchmark) if done else None)
    return {"checkpoint": checkpoint, "axes": axes, "cells": row, "scores": scores}


def _key(job: PlannedJob) -> tuple:
    names = job.wildcards
    if job.rule in SHARDS:
        return "shard", names["slice"], names["size"], names["seed"]
    if job.rule == "student":
        return job.rule, names["student"]
    return job.rule, arm_of(job), names.get("benchmark", "")


def _template(root: str, rule: str, benchmark: str) -> str:
    """Return the path of a column's files, with {} for the arm."""
    folder = {"train": "checkpoints", "generate": "generations", "judge": "verdicts"}
    suffix = {"train": "checkpoint.json", "score": f"{benchmark}.json"}
    name = suffix.get(rule, f"{benchmark}.parquet")
    return f"{root}/{folder.get(rule, f'{rule}s')}/{{}}/{name}"


def _score(root: str, checkpoint: str, benchmark: str) -> list[float] | None:
    """Return pass@1 with its interval."""
    try:
        found = read_json(f"{root}/scores/{checkpoint}/{benchmark}.json")["overall"]["pass@1"]
        return [found["estimate"], *found["interval"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _brief(job: PlannedJob, about: dict) -> str:
    """Return why a job would run, without the names of files: like reasons are kept once."""
    if job.state == "done":
        return "taken from the store" if about.get("restored") else ""
    parts = (part.split(": results/")[0].split(": /")[0] for part in job.reason.split("; "))
    return "; ".join(part[:200] for part in parts)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _natural(arm: Arm) -> tuple:
    return arm.student, arm.recipe, arm.start, arm.slice, arm.size, arm.seed
