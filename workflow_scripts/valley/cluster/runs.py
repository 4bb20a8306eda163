"""What Snakemake's logs tell of a folder's runs on SLURM: their names, which job was what."""

import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from valley.core.arms import FIELDS, Arm

RUN = re.compile(r"^SLURM run ID: (\S+)$", re.MULTILINE)
SUBMITTED = re.compile(
    r"^Job (?P<job>\S+) has been submitted with SLURM jobid (?P<slurm>\d+) "
    r"\(log: \S*?/(?P<kind>rule|group)_(?P<name>[^/]+)/",
    re.MULTILINE,
)
DESCRIBED = re.compile(
    r"^ *jobid: (?P<job>\d+)\n(?:(?! *jobid:|\n).*\n)*? *wildcards: (?P<wildcards>.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Submission:
    """One SLURM job of a run.

    Attributes:
        stage: its rule; of a group, the group.
        wildcards: its rule's; a group has none.
    """

    stage: str
    wildcards: dict[str, str]

    @property
    def arm(self) -> str:
        """The arm that it works for, as a path; empty for what all arms share."""
        have = self.wildcards
        for name in ("checkpoint", "place"):  # "place": in logs of 0.1.0
            if name in have:
                return have[name]
        if set(FIELDS) <= have.keys():
            return Arm.named(have).path
        return have.get("student", "")


def logs(folder: Path) -> list[str]:
    """Return the logs of the runs in a working directory, oldest first."""
    files = sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"))
    return [path.read_text(encoding="utf-8", errors="replace") for path in files]


def names(texts: list[str]) -> list[str]:
    """Return the names of all runs; every SLURM job of a run has its name."""
    return [name for text in texts for name in RUN.findall(text)]


def on_slurm(texts: list[str]) -> bool:
    """Tell whether the last run that came to its jobs was on SLURM; unlocking is no run."""
    ran = [text for text in texts if "Job stats:" in text]
    return bool(ran) and ("Provided remote nodes:" in ran[-1] or bool(RUN.search(ran[-1])))


def submissions(texts: list[str]) -> dict[str, Submission]:
    """Return what each SLURM job was, by its number."""
    found = {}
    for text in texts:
        described = {
            match["job"]: dict(pair.split("=", 1) for pair in match["wildcards"].split(", "))
            for match in DESCRIBED.finditer(text)
        }
        for match in SUBMITTED.finditer(text):
            single = match["kind"] == "rule"
            stage = match["name"] if single else match["name"].split("_")[0]
            wildcards = described.get(match["job"], {}) if single else {}
            found[match["slurm"]] = Submission(stage, wildcards)
    return found


def ask(*command: str, **environment: str) -> str:
    """Return what a SLURM command prints.

    Args:
        command: its words.
        environment: variables for it, and for the job that it starts.

    Raises:
        RuntimeError: it failed, or is not there.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def alive(runs: list[str]) -> dict[str, str]:
    """Return the jobs of runs that are waiting or running, with their states."""
    if not runs:
        return {}
    printed = ask("squeue", "--noheader", f"--name={','.join(runs)}", "--format=%i %T")
    return dict(line.split()[:2] for line in printed.splitlines() if line.strip())


def submitting(runs: list[str]) -> list[int]:
    """Return the processes of this host that are submitting a job of a run (Linux).

    They outlive a Snakemake that is killed, and SLURM knows nothing of their jobs yet.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            if "sbatch" in line and any(run in line for run in runs):
                found.append(int(entry.name))
    return found


def masters(folder: Path) -> list[int]:
    """Return the processes of this host that run Snakemake in a folder (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            # Not the Snakemake inside a job, which is told to run just that.
            snakemake = any(part.endswith("snakemake") for part in line[:4])
            here = Path(os.readlink(entry / "cwd")) == folder.resolve()
        except OSError:
            continue
        if snakemake and here and "--target-jobs" not in line:
            found.append(int(entry.name))
    return found
