"""Whose checkpoints keep their weights, by the study file's `retention`.

A checkpoint whose weights go leaves a tombstone: its manifest under another name, with its bytes
and time. To Snakemake that is a missing intermediate file: nothing that is finished minds, and what
still has to be made from it has it trained again first.
"""

import os
import shutil
from pathlib import Path

from valley.core.arms import Arm
from valley.core.parts import PARTIAL
from valley.core.pinned import pinned_files
from valley.core.sidecars import provenance
from valley.core.store import Store
from valley.core.study import Study
from valley.planning.answer_caches import tombstone
from valley.planning.dag import PlannedJob


def removable(study: Study, jobs: list[PlannedJob]) -> list[Arm]:
    """Return the arms whose weights the study file lets go now.

    Those are the arms whose checkpoint, by Snakemake's word, nothing has to be made from: all its
    answers and all arms that start from it are finished. What is frozen or adopted stays.

    Args:
        study: the study.
        jobs: every job of its DAG.
    """
    policy, kept = study.config["retention"], pinned_files(study)
    if policy == "all":
        return []
    starts = {study.start_of(arm) for arm in study.arms} if policy == "starts" else set()
    makers = {job.outputs[0]: job for job in jobs}
    readers: dict[str, list[PlannedJob]] = {}
    for job in jobs:
        for path in job.inputs:
            readers.setdefault(path, []).append(job)
    return [
        arm
        for arm in study.arms
        if arm not in starts
        and (path := study.checkpoint(arm)) not in kept
        and _has_weights(path)
        and (made := makers.get(path))
        and made.state == "done"
        and not made.locked
        and readers.get(path)
        and all(_finished(job) for job in readers[path])
    ]


def weights(study: Study, arm: Arm, keys: set[str], store: Store) -> list[Path]:
    """Return the folders that hold an arm's weights.

    Args:
        study, arm: the arm.
        keys: keys in the store that other studies refer to: their entries stay.
        store: the store.
    """
    manifest = Path(study.checkpoint(arm))
    found = [manifest.with_name("model")]
    key = provenance(manifest).get("key")
    if key and key not in keys:
        found.append(store.entry(key))
    return [path for path in found if path.is_dir()]


def remove_weights(manifest: str | Path, folders: list[Path]) -> None:
    """Remove a checkpoint's weights; the manifest stays as a tombstone, bytes and time as before.

    The manifest moves first: weights that are half gone are never taken for whole.
    """
    if Path(manifest).is_file():
        os.replace(manifest, tombstone(manifest))
    for folder in folders:
        shutil.rmtree(folder)


def undone(jobs: list[PlannedJob]) -> list[PlannedJob]:
    """Return the trainings that would run again only because their weights were removed."""
    return [
        job
        for job in jobs
        if job.state == "missing"
        and "Params have changed" not in job.reason
        and Path(job.outputs[0]).name == "checkpoint.json"
        and tombstone(job.outputs[0]).exists()
    ]


def _has_weights(manifest: str) -> bool:
    # Weights without a manifest, but with a tombstone: letting go was cut off.
    model = Path(manifest).with_name("model")
    return model.is_dir() and (Path(manifest).is_file() or tombstone(manifest).is_file())


def _finished(job: PlannedJob) -> bool:
    # Parts are order-only inputs: where the files exist, no job has to make them.
    there = job.rule in PARTIAL or all(
        Path(path).exists() or tombstone(path).exists() for path in job.outputs
    )
    return job.state == "done" and there and not job.begun and not job.locked
