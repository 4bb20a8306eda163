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
COLUMNS = ("stage", "arm", "source", "jobs", *HOURS)
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
        took = about.get("measured", {})
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


def arm_of(place: str) -> str:
    """Return the arm of a result by its path below the root; empty for what all arms share."""
    kind, *parts = place.removesuffix(SUFFIX).split("/")
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
    rows: dict[tuple[str, str, str], dict] = {}
    records = list(records)
    known = {record["JobID"] for record in records}
    members = defaultdict(list)
    for job in jobs:
        if job.slurm in known:
            members[job.slurm].append(job)
        else:
            _add_by_sidecar(_row(rows, job.stage, job.arm, SIDECARS), job)
    for record in records:
        mine = members[record["JobID"]]
        whole = sum(job.seconds * job.cpus for job in mine) or 1.0
        shares = [(job.stage, job.arm, job.seconds * job.cpus / whole) for job in mine]
        for stage, arm, share in shares or [(record["stage"], record["arm"], 1.0)]:
            _add_by_record(_row(rows, stage, arm, ACCOUNTING), record, share)
    counted = {record["JobID"] for record in records if seconds(record["TotalCPU"])}
    for number, mine in members.items():
        for job in mine:
            row = _row(rows, job.stage, job.arm, ACCOUNTING)
            row["gpu_hours_used"] += job.gpus * job.busy_seconds / 3600
            if number not in counted:  # some sites gather no processor time
                row["cpu_hours_used"] += job.cpu_seconds / 3600
    return sorted(rows.values(), key=lambda row: (row["stage"], row["arm"], row["source"]))


def _row(rows: dict, stage: str, arm: str, source: str) -> dict:
    empty = dict.fromkeys(HOURS, 0.0)
    if source == SIDECARS:
        empty |= dict.fromkeys(name for name in HOURS if name.endswith(("_asked", "_lost")))
    begin = {"stage": stage, "arm": arm, "source": source, "jobs": 0}
    return rows.setdefault((stage, arm, source), begin | empty)


def _add_by_sidecar(row: dict, job: Finished) -> None:
    row["jobs"] += 1
    for kind, count in (("gpu", job.gpus), ("cpu", job.cpus)):
        if job.minutes is not None:
            asked = row[f"{kind}_hours_asked"] or 0.0
            row[f"{kind}_hours_asked"] = asked + count * job.minutes / 60
        row[f"{kind}_hours_held"] += count * job.seconds / 3600
    row["gpu_hours_used"] += job.gpus * job.busy_seconds / 3600
    row["cpu_hours_used"] += job.cpu_seconds / 3600


def _add_by_record(row: dict, record: dict, share: float) -> None:
    held = int(record["ElapsedRaw"] or 0) / 3600
    limit = int(record["TimelimitRaw"]) / 60 if record["TimelimitRaw"].isdigit() else 0
    lost = record["State"].split()[0] not in NOT_LOST
    row["jobs"] += 1
    for kind, count in (("gpu", _tres(record, "gres/gpu")), ("cpu", _tres(record, "cpu"))):
        row[f"{kind}_hours_asked"] += share * count * limit
        row[f"{kind}_hours_held"] += share * count * held
        row[f"{kind}_hours_lost"] += share * count * held * lost
    row["cpu_hours_used"] += share * seconds(record["TotalCPU"]) / 3600


def summed(rows: list[dict]) -> list[dict]:
    """Return the same by stage alone, with a total in the end; the source is "both" where mixed."""
    stages: dict[str, dict] = {}
    for row in [*rows, *({**row, "stage": "all"} for row in rows)]:
        none_yet = {**row, "arm": "", "jobs": 0, **dict.fromkeys(HOURS)}
        into = stages.setdefault(row["stage"], none_yet)
        into["jobs"] += row["jobs"]
        if into["source"] != row["source"]:
            into["source"] = "both"
        for name in HOURS:
            if row[name] is not None:
                into[name] = (into[name] or 0.0) + row[name]
    return sorted(stages.values(), key=lambda row: row["stage"] == "all")


def told(rows: list[dict]) -> list[str]:
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
