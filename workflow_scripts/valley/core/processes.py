"""Processes of this machine: who is alive, and which jobs a killed run has left behind.

A process has a name that no other one has, before or after it, here or elsewhere. It stands in
what the process leaves lying about while it works, so that others can tell whether it still does.
Without /proc (not Linux) names are weaker, and no job is ever found.
"""

import os
import platform
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

PROC = Path("/proc")
# In the environment of a run's jobs and of all that they start: the run, and its results.
MARK = "VALLEY_RUN"


@cache
def machine() -> str:
    """Return an id of this machine since it was started: 8 hex digits.

    Containers with processes of their own count as machines.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text()
        identity = f"{boot} {(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        identity = platform.node()
    return sha256(identity.encode()).hexdigest()[:8]


def name(pid: int | None = None) -> str:
    """Return the name of a process, by default of this one: `machine-pid-start`."""
    pid = pid or os.getpid()
    return f"{machine()}-{pid}-{_started(pid)}"


def alive(name: str) -> bool | None:
    """Tell whether the process of a name is alive; None if that can't be known here."""
    where, pid, started = name.split("-")
    if where != machine():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(int(pid)) == started and not _ended(int(pid))


def mark(root: str | Path) -> str:
    """Return what jobs of this run are marked with.

    Args:
        root: folder of the study's results.
    """
    return f"{name()} {Path(root).resolve()}"


def orphans(folder: str | Path) -> dict[int, int]:
    """Return the processes of jobs whose run was killed, each with its parent.

    Args:
        folder: folder of a study's results, or the working directory of runs (of any study).
    """
    wanted, found = str(Path(folder).resolve()), {}
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError, ValueError):
            environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            marked = [line for line in environment if line.startswith(f"{MARK}=")]
            if not marked:
                continue
            run, _, root = marked[0].partition("=")[2].partition(" ")
            if wanted in (root, os.readlink(entry / "cwd")) and alive(run) is False:
                found[int(entry.name)] = int(_stat(int(entry.name))[1])
    return found


def _started(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; "0" if that is not known."""
    with suppress(OSError, IndexError):
        return _stat(pid)[19]
    return "0"


def _ended(pid: int) -> bool:
    """Tell whether a process has ended, and its parent has not asked how yet."""
    with suppress(OSError, IndexError):
        return _stat(pid)[0] in "ZX"
    return False


def _stat(pid: int) -> list[str]:
    """Return the system's fields on a process, from its state on (its name may hold anything)."""
    return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
