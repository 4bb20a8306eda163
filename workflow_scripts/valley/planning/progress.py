"""How far jobs are, by what Snakemake leaves behind: running, failed, cut off, blocked.

- *running*: Snakemake has marked the outputs as incomplete and holds their lock. A Snakemake that
  was killed outright leaves both; `snakemake --unlock` takes the lock away.
- *cut off*: marked as incomplete, and nobody holds a lock: the run was killed.
- *failed*: not done, and the last that Snakemake's logs (.snakemake/log) say of it is an error.
- *blocked*: would run, and waits for one that failed or was cut off.
"""

import re
from pathlib import Path

from valley.planning.dag import PlannedJob

LOGS = 20  # of Snakemake's logs, the newest, are read
TAIL = 12  # lines of a failed job's log
STARTED = re.compile(r"^(?:local)?(?:rule|checkpoint) (\S+):$")
FAILED = re.compile(r"^Error in (?:rule|group) (\S+):$")
FIELD = re.compile(r"^    (output|log): (.*)$")


def states(jobs: list[PlannedJob], folder: Path = Path()) -> list[str]:
    """Return each job's state: done, missing, stale, running, failed or blocked.

    Args:
        jobs: every job of the DAG, in an order in which they could run.
        folder: where .snakemake lies.
    """
    failures = failed(folder)
    found: list[str] = []
    for job in jobs:
        state = job.state
        if job.begun:
            state = "running" if job.locked else "failed"
        elif state != "done":
            if failures & set(job.outputs):
                state = "failed"
            elif any(found[before] in ("failed", "blocked") for before in job.needs):
                state = "blocked"
        found.append(state)
    return found


def failed(folder: Path = Path()) -> set[str]:
    """Return the outputs of which the last that Snakemake's logs say is an error."""
    last: dict[str, bool] = {}
    logs = sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"))
    for path in logs[-LOGS:]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if "This was a dry-run" not in text:
            last.update(_mentions(text))
    return {output for output, wrong in last.items() if wrong}


def _mentions(text: str) -> dict[str, bool]:
    """Return, for each output that a log names, whether its last mention is an error."""
    found, wrong = {}, None
    for line in text.splitlines():
        if STARTED.match(line):
            wrong = False
        elif FAILED.match(line):
            wrong = True
        elif wrong is not None and (field := FIELD.match(line)) and field[1] == "output":
            found.update(dict.fromkeys(field[2].split(", "), wrong))
    return found


def last_lines(job: PlannedJob, folder: Path = Path()) -> list[str]:
    """Return the last lines of a job's log; empty if it has none."""
    for name in job.logs:
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 8000))
                text = file.read().decode("utf-8", errors="replace")
            return [line for line in text.splitlines() if line.strip()][-TAIL:]
    return []
