"""`./valley cost`: GPU-hours and CPU-hours asked for, held, used and lost, by stage and arm."""

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cluster import runs

FIELDS = ("JobID", "State", "ElapsedRaw", "TimelimitRaw", "AllocTRES", "TotalCPU")
COLUMNS = (
    *("stage", "arm", "jobs", "gpu_hours_asked", "gpu_hours_held", "gpu_hours_lost"),
    *("cpu_hours_asked", "cpu_hours_held", "cpu_hours_used", "cpu_hours_lost"),
)
# A job that was queued again after saving its state has lost nothing.
NOT_LOST = {"COMPLETED", "REQUEUED", "RUNNING", "PENDING"}


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "cost",
        help="GPU-hours and CPU-hours asked for, held, used and lost on SLURM",
        description="Adds up what SLURM's accounting says of all jobs that runs in this folder "
        "submitted. Asked: the time limit; held: from start to end; lost: held by attempts that "
        "did not end well; used: processor time really spent.",
        epilog="Exit status: 0, or 2 where there are no such jobs or no accounting.",
    )
    parser.add_argument("--arms", action="store_true", help="a line for each arm")
    parser.add_argument(
        "--csv", type=Path, help="also write the table, by stage and arm, to a file"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print the table; return the exit status."""
    texts = runs.logs(Path.cwd())
    known = runs.names(texts)
    if not known:
        print("no run in this folder has submitted jobs to SLURM", file=sys.stderr)
        return 2
    try:
        printed = runs.ask(
            *("sacct", "-X", "-D", "-n", "-P", "--starttime=2000-01-01", "--endtime=now"),
            *(f"--name={','.join(known)}", f"--format={','.join(FIELDS)}"),
        )
    except RuntimeError as error:
        print(f"{error}\nwithout accounting it can't be told", file=sys.stderr)
        return 2
    records = [dict(zip(FIELDS, line.split("|"), strict=True)) for line in printed.splitlines()]
    rows = table(records, runs.submissions(texts))
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)
    print("\n".join(told(rows if options.arms else summed(rows))))
    return 0


def table(records: Iterable[dict], known: dict[str, runs.Submission]) -> list[dict]:
    """Return hours by stage and arm.

    Args:
        records: sacct's FIELDS of every job, each start of a job a record of its own.
        known: what each job was.
    """
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        job = known.get(record["JobID"].split("_")[0])
        if job is None:
            continue
        row = sums[job.stage, job.arm]
        held = int(record["ElapsedRaw"] or 0) / 3600
        limit = int(record["TimelimitRaw"]) / 60 if record["TimelimitRaw"].isdigit() else 0
        lost = record["State"].split()[0] not in NOT_LOST
        row["jobs"] += 1
        for kind, count in (("gpu", _tres(record, "gres/gpu")), ("cpu", _tres(record, "cpu"))):
            row[f"{kind}_hours_asked"] += count * limit
            row[f"{kind}_hours_held"] += count * held
            row[f"{kind}_hours_lost"] += count * held * lost
        row["cpu_hours_used"] += seconds(record["TotalCPU"]) / 3600
    return [
        {"stage": stage, "arm": arm, **{name: row[name] for name in COLUMNS[2:]}}
        for (stage, arm), row in sums.items()
    ]


def summed(rows: list[dict]) -> list[dict]:
    """Return the same by stage alone, with a total."""
    stages: dict[str, dict] = {}
    for row in [*rows, *({**row, "stage": "all"} for row in rows)]:
        into = stages.setdefault(row["stage"], {"stage": row["stage"], "arm": ""})
        for name in COLUMNS[2:]:
            into[name] = into.get(name, 0) + row[name]
    return sorted(stages.values(), key=lambda row: row["stage"] == "all")


def told(rows: list[dict]) -> list[str]:
    """Return a table for people."""
    heads = ["jobs", *(name.replace("_hours_", " h ") for name in COLUMNS[3:])]
    names = [f"{row['stage']}  {row['arm']}".strip() for row in rows]
    width = max(map(len, ["stage", *names]))
    lines = [f"{'stage':<{width}}" + "".join(f"{head:>13}" for head in heads)]
    for name, row in zip(names, rows, strict=True):
        cells = [f"{row['jobs']:>13.0f}", *(f"{row[c]:>13.3g}" for c in COLUMNS[3:])]
        lines.append(f"{name:<{width}}" + "".join(cells))
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


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
