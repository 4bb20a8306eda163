"""What a study's jobs asked for, held, used and lost: SLURM's accounting and sidecars made one.

Pure; see `valley.cluster.cost` for who asks the accounting and reads the sidecars.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from valley.core.sidecars import SUFFIX

HOURS = tuple(
    f"{kind}_hours_{what}" for kind in ("gpu", "cpu") for what in ("asked", "held", "used", "lost")
)
KEYS = ("stage", "arm", "source")
COLUMNS = (*KEYS, "jobs", *HOURS)
ACCOUNTING, SIDECARS = "accounting", "sidecars"
# A job that was queued again after saving its state has lost nothing.
NOT_LOST = {"COMPLETED", "REQUEUED", "RUNNING", "PENDING"}
BY_ARM = ("checkpoints", "generations", "verdicts", "scores")


@dataclass(frozen=True)
class Finished:
    """A job that has finished, by its sidecar.

    Attributes:
        stage: its rule.
        arm: the arm that it worked for, as a path; empty for what all arms share.
        seconds: from its start to its end.
        cpus, gpus: that it had, on all nodes.
        minutes: its time limit; None where none was noted.
        cpu_seconds: processor time of all its processes.
        busy_seconds: spent training or sampling, after everything was loaded.
        slurm: number of the SLURM job that it was (part of); empty outside.
    """

    stage: str
    arm: str
    seconds: float
    cpus: int
    gpus: int
    minutes: float | None
    cpu_seconds: float
    busy_seconds: float
    slurm: str


def finished(root: str | Path, sidecars: Iterable[tuple[Path, dict]]) -> list[Finished]:
    """Return the jobs whose results lie below a study's root and were computed for it.

    Jobs that took their result from the store say nothing of what it cost.

    Args:
        root: of the study.
        sidecars: those below it, each with what it says.
    """
    found = []
    for path, about in sidecars:
        took = about["measured"]
        if about.get("restored") or "wall_seconds" not in took:
            continue
        asked = took.get("asked", {})
        nodes = asked.get("nodes") or 1
        found.append(
            Finished(
                about["rule"],
                arm_of(path.relative_to(root).as_posix()),
                took["wall_seconds"],
                (asked.get("cpus") or 1) * nodes,
                asked.get("gpus") or 0,
                asked.get("minutes"),
                took.get("cpu_seconds", 0.0),
                took.get("train_seconds") or took.get("sample_seconds") or 0.0,
                took.get("slurm_job") or "",
            )
        )
    return found


def arm_of(path: str) -> str:
    """Return the arm of a result by its path below the root; empty for what all arms share."""
    kind, *parts = path.removesuffix(SUFFIX).split("/")
    if kind == "students":
        return parts[0]
    return "/".join(parts[:-1]) if kind in BY_ARM else ""


def table(records: Iterable[dict], jobs: Iterable[Finished] = ()) -> list[dict]:
    """Return hours by stage and arm, each row from one source.

    What SLURM knows of a job counts; the jobs of one submission share its hours by the time that
    each took. Jobs that SLURM does not know, on this machine or forgotten by now, count as their
    sidecars say: what attempts lost that left no result is then not known (None).

    Args:
        records: sacct's fields of every start of every SLURM job, with its `stage` and `arm`.
        jobs: those that have finished.
    """
    records = list(records)
    known = {record["JobID"] for record in records}
    counted = {record["JobID"] for record in records if seconds(record["TotalCPU"])}
    members = defaultdict(list)
    parts = []
    for job in jobs:
        if job.slurm not in known:
            parts.append(_of_sidecar(job))
            continue
        members[job.slurm].append(job)
        used = {"gpu_hours_used": job.gpus * job.busy_seconds / 3600}
        if job.slurm not in counted:  # some sites gather no processor time
            used["cpu_hours_used"] = job.cpu_seconds / 3600
        parts.append(_named(job.stage, job.arm, ACCOUNTING, 0) | used)
    for record in records:
        mine = members[record["JobID"]]
        whole = sum(job.seconds * job.cpus for job in mine) or 1.0
        shares = [(job.stage, job.arm, job.seconds * job.cpus / whole) for job in mine]
        for stage, arm, share in shares or [(record["stage"], record["arm"], 1.0)]:
            parts.append(_named(stage, arm, ACCOUNTING, 1) | _of_record(record, share))
    return sorted(_added(parts, *KEYS), key=lambda row: [row[name] for name in KEYS])


def _added(parts: list[dict], *by: str) -> list[dict]:
    """Return the sums of parts that agree in some columns; what no part knows is None."""
    import pandas as pd

    frame = pd.DataFrame(parts, columns=COLUMNS).astype(dict.fromkeys(HOURS, float))
    groups = frame.groupby(list(by), sort=False)
    sums = groups[["jobs", *HOURS]].sum(min_count=1)
    named = {name: groups[name].agg(_common) for name in ("arm", "source") if name not in by}
    sums = sums.assign(**named).reset_index()[list(COLUMNS)].astype(object)
    return sums.where(sums.notna(), None).to_dict("records")


def _common(names) -> str:
    return names.iloc[0] if names.nunique() == 1 else "both"


def _named(stage: str, arm: str, source: str, jobs: int) -> dict:
    return {"stage": stage, "arm": arm, "source": source, "jobs": jobs}


def _of_sidecar(job: Finished) -> dict:
    part = _named(job.stage, job.arm, SIDECARS, 1)
    for kind, count in (("gpu", job.gpus), ("cpu", job.cpus)):
        if job.minutes is not None:
            part[f"{kind}_hours_asked"] = count * job.minutes / 60
        part[f"{kind}_hours_held"] = count * job.seconds / 3600
    part["gpu_hours_used"] = job.gpus * job.busy_seconds / 3600
    part["cpu_hours_used"] = job.cpu_seconds / 3600
    return part


def _of_record(record: dict, share: float) -> dict:
    held = int(record["ElapsedRaw"] or 0) / 3600
    limit = int(record["TimelimitRaw"]) / 60 if record["TimelimitRaw"].isdigit() else 0
    lost = record["State"].split()[0] not in NOT_LOST
    part = {
        "gpu_hours_used": 0.0,
        "cpu_hours_used": share * seconds(record["TotalCPU"]) / 3600,
    }
    for kind, count in (("gpu", _tres(record, "gres/gpu")), ("cpu", _tres(record, "cpu"))):
        part[f"{kind}_hours_asked"] = share * count * limit
        part[f"{kind}_hours_held"] = share * count * held
        part[f"{kind}_hours_lost"] = share * count * held * lost
    return part


def summed(rows: list[dict]) -> list[dict]:
    """Return the same by stage alone, with a total in the end; the source is "both" where mixed."""
    every = [{**row, "arm": ""} for row in rows]
    return _added([*every, *({**row, "stage": "all"} for row in every)], "stage")


def format_table(rows: list[dict]) -> list[str]:
    """Return a table for people."""
    heads = ["jobs", *(name.replace("_hours_", " h ") for name in HOURS)]
    names = [f"{row['stage']}  {row['arm']}".strip() for row in rows]
    width = max(map(len, ["stage", *names]))
    lines = [f"{'stage':<{width}}" + "".join(f"{head:>12}" for head in heads) + "  from"]
    for name, row in zip(names, rows, strict=True):
        hours = ["?" if row[c] is None else f"{row[c]:.3g}" for c in HOURS]
        cells = "".join(f"{cell:>12}" for cell in [row["jobs"], *hours])
        lines.append(f"{name:<{width}}{cells}  {row['source']}")
    return lines


def seconds(text: str) -> float:
    """Return seconds of SLURM's [days-][hours:]minutes:seconds."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = 60 * total + float(part or 0)
    return total + 86400 * int(days or 0)


def _tres(record: dict, name: str) -> int:
    found = re.search(rf"(?:^|,){name}=(\d+)", record["AllocTRES"])
    return int(found[1]) if found else 0
