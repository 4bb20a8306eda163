"""What jobs will cost, learnt from the sidecars of jobs that have run."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from planning.dag import PlannedJob


def work(rule: str, params: dict, wildcards: dict) -> float:
    """Return how much a job has to do, in a unit that its rule's time grows with.

    Training grows with the examples seen; every other rule's jobs are alike within a study.
    """
    if rule == "train":
        if params["steps"]:
            return params["steps"] * params["batch_examples"]
        return int(wildcards["size"]) * params["epochs"]
    return 1.0


def measured(root: Path) -> dict[str, list[tuple[float, float]]]:
    """Return (work, wall seconds) of every job that a results folder tells of, by rule.

    Jobs that only took their result from the store say nothing about what it costs to make.
    """
    found = defaultdict(list)
    for path in root.rglob("*.meta.json"):
        about = json.loads(path.read_text(encoding="utf-8"))
        if not about["restored"]:
            size = path.parent.name.partition("-")[0].removeprefix("n")
            done = work(about["rule"], about["params"], {"size": size})
            found[about["rule"]].append((done, about["measured"]["wall_seconds"]))
    return found


def estimator(root: Path) -> Callable[[PlannedJob], float | None]:
    """Return a function from a job to the seconds it is expected to take; None is not known.

    A rule's time is a straight line in its work, fitted without a negative part; with one amount of
    work seen, the median.
    """
    lines = {}
    for rule, points in measured(root).items():
        amounts, seconds = map(np.array, zip(*points, strict=True))
        slope = 0.0
        if len(set(amounts)) > 1:
            slope = max(0.0, float(np.polyfit(amounts, seconds, 1)[0]))
        lines[rule] = max(0.0, float(np.median(seconds - slope * amounts))), slope

    def seconds_of(job: PlannedJob) -> float | None:
        if job.rule not in lines:
            return None
        fixed, slope = lines[job.rule]
        return fixed + slope * work(job.rule, job.params, job.wildcards)

    return seconds_of
