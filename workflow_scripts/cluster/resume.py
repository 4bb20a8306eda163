"""`./valley resume`: bring back a run whose Snakemake was killed; never two jobs on one file."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from cluster import runs

POLL_SECONDS = 10


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "resume",
        help="bring a run on SLURM back whose Snakemake was killed",
        description="Finds the SLURM jobs that earlier runs in this folder left behind, waits for "
        "them (or cancels them), unlocks the folder and starts Snakemake again.",
        epilog="Exit status: Snakemake's; 2 if a Snakemake is still at work here.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("--profile", default="profiles/slurm", help="profile [profiles/slurm]")
    parser.add_argument("--cancel", action="store_true", help="cancel orphans, don't wait for them")
    parser.add_argument(
        "--more", nargs=argparse.REMAINDER, default=[], help="all that follows is for Snakemake"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Do it; return the exit status."""
    folder = Path.cwd()
    if others := runs.masters(folder):
        print(
            f"Snakemake is still at work here (process {', '.join(map(str, others))}): let it, or "
            f"stop it first: kill {' '.join(map(str, others))}",
            file=sys.stderr,
        )
        return 2
    try:
        settle(folder, options.cancel)
    except RuntimeError as error:
        print(f"{error}\nNothing was started: orphans might still write.", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "snakemake", "--configfile", options.study]
    command += ["--workflow-profile", options.profile, *options.more]
    subprocess.run([*command, "--unlock"], check=True, capture_output=True)
    return subprocess.run([*command, "--rerun-incomplete"]).returncode


def settle(folder: Path, cancel: bool) -> None:
    """Return when no job of an earlier run is left.

    Args:
        folder: where Snakemake ran.
        cancel: cancel jobs instead of waiting for them; a training saves its state even so.

    Raises:
        RuntimeError: SLURM does not answer.
    """
    known, told = runs.names(runs.logs(folder)), ""
    while left := runs.alive(known):
        if cancel:
            runs.ask("scancel", *left)
        text = f"{len(left)} orphaned jobs: {', '.join(left)}"
        if text != told:
            print(f"{text}; {'cancelled' if cancel else 'waiting'} …", flush=True)
            told = text
        time.sleep(1 if cancel else POLL_SECONDS)
