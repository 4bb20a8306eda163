"""Notes on a study's results that would differ if they were made now.

Frozen checkpoints older than the code, libraries that have moved, what was adopted, and weights
that are needed again after they were removed.
"""

import json
import tempfile
from pathlib import Path

from valley.core.pinned import adopted, frozen_notes
from valley.core.study import Study
from valley.core.versions import moved
from valley.planning.dag import PlannedJob, planned
from valley.planning.retention import undone
from valley.planning.words import arm_of


def notes(study: Study, jobs: list[PlannedJob]) -> list[str]:
    """Return the notes as lines; an empty list if there are none.

    Args:
        study: the study.
        jobs: every job of its DAG.
    """
    lines = []
    rerun_arms = [arm_of(job) for job in undone(jobs)]
    if rerun_arms:
        lines.append(
            f"trained again because `retention` removed the weights and other results need "
            f"them: {len(rerun_arms)} ({_some(rerun_arms)})"
        )
    frozen = frozen_notes(study, present_code(study, jobs)) if study.frozen else []
    older = [note["checkpoint"] for note in frozen if note["older"]]
    if frozen:
        lines.append(
            f"frozen checkpoints: {len(frozen)}"
            + (f"; older than the code: {len(older)} ({_some(older)})" if older else "")
        )
    taken = list(adopted(study))
    if taken:
        lines.append(f"adopted from elsewhere: {len(taken)} ({_some(taken)})")
    for entry in moved(study.root):
        lines.append(
            f"{entry['results']} results of {entry['rule']} were made with {entry['library']} "
            f"{entry['then']}; {entry['now']} is installed"
            + (" (on_new_versions: rerun)" if study.config["on_new_versions"] == "rerun" else "")
        )
    return lines


def present_code(study: Study, jobs: list[PlannedJob]) -> dict[str, str]:
    """Return the digest of the code that trains now, by rule."""
    found = {job.rule: job.params["code"] for job in jobs if job.rule in ("train", "student")}
    if {"train", "student"} <= found.keys():
        return found
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        json.dump({**study.config, "frozen": []}, file)
        file.flush()
        thawed = planned(Path(file.name))
    return found | {j.rule: j.params["code"] for j in thawed if j.rule in ("train", "student")}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
