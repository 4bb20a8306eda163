"""`./valley cost`: GPU-hours and CPU-hours asked for, held, used and lost, by stage and arm."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from valley.cluster import runs, usage
from valley.cluster.states import ENDED, plain
from valley.core.files import read_json, write_csv, write_json
from valley.core.sidecars import provenances, warn
from valley.core.study import Study, StudyError

FIELDS = ("JobID", "Start", "State", "ElapsedRaw", "TimelimitRaw", "AllocTRES", "TotalCPU")
# Below a study's root, with what else was measured and no job reads: accounts are forgotten.
KEPT = "timings/accounting.json"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "cost",
        help="GPU-hours and CPU-hours asked for, held, used and lost",
        description="Adds up what a study's jobs cost, by SLURM's accounting where that knows "
        "them, else by the sidecars of their results. Asked: the time limit; held: from start to "
        "end; used: processor time really spent, and of GPUs the time of training and sampling "
        "itself; lost: held by attempts that did not end well, which sidecars can't tell.",
        epilog="Exit status: 0, or 2 where nothing has run.",
    )
    parser.add_argument(
        "study", nargs="?", help="study file [whatever runs in this folder submitted to SLURM]"
    )
    parser.add_argument("--arms", action="store_true", help="a line for each arm")
    parser.add_argument(
        "--csv", type=Path, help="also write the table, by stage and arm, to a file"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print the table; return the exit status."""
    try:
        if options.study:
            root = Study.read(options.study).root
            rows = of_study(root, provenances(root, damaged=warn))
        else:
            rows = of_folder()
    except (StudyError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    if not rows:
        print(f"{options.study}: no job of it has finished yet", file=sys.stderr)
        return 2
    if options.csv:
        write_csv(options.csv, [{k: _short(v) for k, v in row.items()} for row in rows])
    print("\n".join(usage.format_table(rows if options.arms else usage.summed(rows))))
    return 0


def of_folder() -> list[dict]:
    """Return hours of everything that was submitted from here.

    Raises:
        RuntimeError: nothing was, or there is no accounting to ask.
    """
    texts = runs.logs(Path.cwd())
    if not runs.names(texts):
        raise RuntimeError(
            "no run in this folder has submitted jobs to SLURM; what ran here is told of a study: "
            "valley cost STUDY"
        )
    try:
        return usage.table(accounts(texts))
    except RuntimeError as error:
        raise RuntimeError(f"{error}\nwithout accounting: valley cost STUDY") from error


def of_study(root: str, sidecars: Iterable[tuple[Path, dict]]) -> list[dict]:
    """Return hours of a study's jobs; what SLURM's accounting tells of them is kept for later.

    Args:
        root: the study's, as in the logs of runs: relative to the working directory.
        sidecars: those below it, each with what it says.
    """
    kept = Path(root) / KEPT
    records = {}
    with suppress(OSError, ValueError):
        records = read_json(kept)
    texts = [text for text in runs.logs(Path.cwd()) if f" {root}/" in text]
    if runs.names(texts):
        with suppress(RuntimeError):
            fresh = {f"{record['JobID']} {record['Start']}": record for record in accounts(texts)}
            records |= fresh
            ended = {key: r for key, r in records.items() if plain(r["State"]) in ENDED}
            if ended:
                write_json(kept, ended)
    return usage.table(records.values(), usage.finished(root, sidecars))


def accounts(texts: list[str]) -> list[dict]:
    """Return what SLURM's accounting says of each start of each job of some runs.

    Args:
        texts: the runs' logs, which say what each job was.

    Raises:
        RuntimeError: it does not answer.
    """
    known = runs.submissions(texts)
    printed = runs.ask(
        # Steps too: only with them does a job's own line tell their processor time.
        *("sacct", "-D", "-n", "-P", "--starttime=2000-01-01", "--endtime=now"),
        *(f"--name={','.join(runs.names(texts))}", f"--format={','.join(FIELDS)}"),
    )
    found = [dict(zip(FIELDS, line.split("|"), strict=True)) for line in printed.splitlines()]
    return [
        {**record, "stage": known[record["JobID"]].stage, "arm": known[record["JobID"]].arm}
        for record in found
        if record["JobID"] in known
    ]


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
