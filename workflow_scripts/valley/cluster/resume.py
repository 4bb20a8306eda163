"""`./valley resume`: bring back a run whose Snakemake was killed; never two jobs on one file."""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from valley.cluster import runs
from valley.core import processes
from valley.core.lease import Holder, Lease, LeaseTaken

POLL_SECONDS = 10  # at first; a site is asked once a minute at most in the long run
LONGEST_POLL_SECONDS = 60
NAMED = 5  # of many jobs
# From asking a job of this machine to end until it is killed: it may have a large state to save.
GRACE_SECONDS = 600


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "resume",
        help="bring a run back whose Snakemake was killed, here or on SLURM",
        description="Finds the jobs that killed runs in this folder left behind, on this machine "
        "and on SLURM, waits for them (or ends them), unlocks the folder and starts Snakemake "
        "again. A run that is alive, also another user's or on another host, is left alone.",
        epilog="Exit status: Snakemake's; 2 if another run is working on this study.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument(
        "--profile", help="profile [profiles/slurm if the last run was on SLURM, else none]"
    )
    parser.add_argument("--cancel", action="store_true", help="end orphans, don't wait for them")
    parser.add_argument(
        "--more", nargs=argparse.REMAINDER, default=[], help="all that follows is for Snakemake"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Do it; return the exit status."""
    folder = Path.cwd()
    (folder / ".snakemake").mkdir(exist_ok=True)
    with open(folder / ".snakemake" / "resuming", "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with this process
        except BlockingIOError:
            print("`valley resume` is already running here; wait for it to end", file=sys.stderr)
            return 2
        return _resume(options, folder)


def _resume(options, folder: Path) -> int:
    root = root_of(options.study)
    if busy(folder):
        return 2
    try:
        held = held_by(root)
        settle(folder, options.cancel, [held.slurm] if held and held.slurm else [])
        settle_here(folder, options.cancel)
    except LeaseTaken as other:
        print(
            f"{other} is already running on {root}: wait for it, or stop it there first. Nothing "
            "was started.",
            file=sys.stderr,
        )
        return 2
    except RuntimeError as error:
        print(f"{error}\nNothing was started: orphans might still write.", file=sys.stderr)
        return 2
    if busy(folder):  # started while this one waited
        return 2
    on_slurm = runs.on_slurm(runs.logs(folder))
    profile = options.profile or ("profiles/slurm" if on_slurm else None)
    command = [sys.executable, "-m", "snakemake", "--configfile", options.study]
    command += [*(["--workflow-profile", profile] if profile else []), *options.more]
    unlocked = subprocess.run([*command, "--unlock"], capture_output=True, text=True)
    if unlocked.returncode:
        print(unlocked.stdout + unlocked.stderr, file=sys.stderr)
        return unlocked.returncode
    return subprocess.run([*command, "--rerun-incomplete"]).returncode


def busy(folder: Path) -> bool:
    """Tell, also on the terminal, whether Snakemake is running in a folder."""
    others = " ".join(map(str, runs.masters(folder)))
    if others:
        print(
            f"Snakemake is still running here (process {others}): wait for it, or stop it first: "
            f"kill {others}",
            file=sys.stderr,
        )
    return bool(others)


def root_of(study: str) -> Path | None:
    """Return the folder of a study's results; None if the file does not say which."""
    try:
        said = yaml.safe_load(Path(study).read_text(encoding="utf-8"))
        return Path(said.get("results", "results"), said["study"])
    except (OSError, ValueError, KeyError, AttributeError, yaml.YAMLError):
        return None  # Snakemake says what is wrong with it


def held_by(root: Path | None) -> Holder | None:
    """Return whose lease a dead run has left on a study's results; None if there is none.

    Raises:
        Taken: that run is alive, here or on another host, maybe another user's.
    """
    held = Lease(root).holder() if root else None
    if held:
        print(f"{root} is held by {held}; looking whether that is alive …", flush=True)
        if Lease(root).lives(held):
            raise LeaseTaken(str(held))
    return held


def settle(folder: Path, cancel: bool, more: Sequence[str] = ()) -> None:
    """Return when no SLURM job of an earlier run is left.

    Args:
        folder: where Snakemake ran.
        cancel: cancel jobs instead of waiting for them; a training saves its state even so.
        more: names of further runs, such as another user's.

    Raises:
        RuntimeError: SLURM does not answer.
    """
    known, told = [*dict.fromkeys([*runs.names(runs.logs(folder)), *more])], ""
    pause = 1 if cancel else POLL_SECONDS
    while True:
        coming = runs.submitting(known)  # before SLURM is asked: it then has their jobs
        left = list(runs.alive(known))
        if not coming and not left:
            return
        if cancel and left:
            runs.ask("scancel", *left)
        parts = ["jobs that are still being submitted"] if coming else []
        if left:
            more_left = " …" if len(left) > NAMED else ""
            parts.insert(0, f"{len(left)} orphaned jobs: {', '.join(left[:NAMED])}{more_left}")
        text = "; ".join(parts)
        if text != told:
            print(f"{text}; {'cancelled' if cancel else 'waiting'} …", flush=True)
            told = text
        time.sleep(1 if coming else pause)
        pause = pause if cancel else min(LONGEST_POLL_SECONDS, pause + POLL_SECONDS)


def settle_here(folder: Path, cancel: bool) -> None:
    """Return when no process of a killed run's jobs is left on this machine.

    Args:
        folder: where Snakemake ran.
        cancel: ask jobs to end instead of waiting for them; a training saves its state even so.
    """
    begun, told, asked = time.monotonic(), "", set()
    while left := processes.orphans(folder):
        # A job's own process; what that has started it ends itself.
        jobs = sorted(pid for pid, parent in left.items() if parent not in left)
        late = time.monotonic() - begun > GRACE_SECONDS
        for pid in jobs if cancel else ():
            if late or pid not in asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(pid)
        text = f"{len(jobs)} orphaned jobs on this machine: process {', '.join(map(str, jobs))}"
        if text != told:
            print(f"{text}; {'asked to end' if cancel else 'waiting'} …", flush=True)
            told = text
        time.sleep(0.2 if cancel or time.monotonic() - begun < POLL_SECONDS else 2)
