"""What a stopped job continues from: its state; and requests to stop.

The state lies in an undeclared folder beside the store, since Snakemake deletes a failed job's
outputs. Its name is made of the settings and input bytes that determine the result, not of the
code: after a fix in the code the study file's `resume` decides whether the old state is good.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from valley.core.files import digest, write_text

_HEARD: set[int] = set()


class Stopped(SystemExit):
    """A job was asked to stop and has saved its state; the same job continues from it.

    Args:
        message: what was saved, and where it goes on.
        limit: it stopped by itself, since the end of the job's time is near.
    """

    STATUS = 75  # EX_TEMPFAIL: nothing is wrong, try again

    def __init__(self, message: str, limit: bool = False):
        super().__init__(self.STATUS)
        self.message, self.limit = message, limit
        print(f"stopped on request: {message}", flush=True)


def state_path(store: str | Path, contents: dict[str, Any]) -> Path:
    """Return where a job's resumable state lies, if there is any; for arguments see below."""
    params = {name: value for name, value in contents["params"].items() if name != "code"}
    return Path(store) / "resume" / digest({**contents, "params": params})


def state_folder(store: str | Path, contents: dict[str, Any], policy: str) -> Path:
    """Return the folder of a job's resumable state, made if need be.

    Args:
        store: root of the store.
        contents: what determines the job's result: rule, params, digests of inputs.
        policy: for state that other code has written: "ask" refuses and says what to do, "keep"
            goes on from it, "discard" begins anew.

    Raises:
        RuntimeError: there is state by other code, and the policy is to ask.
    """
    code = str(contents["params"].get("code", ""))
    folder = state_path(store, contents)
    stamp = folder / "code"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") != code:
        if policy == "ask":
            raise RuntimeError(
                f"{folder} holds a stopped job's state, written before the code was changed. Put "
                "`resume: keep` in the study file to continue from it, or `resume: discard` to "
                "start again"
            )
        if policy == "discard":
            shutil.rmtree(folder)
    write_text(stamp, code)
    return folder


@contextlib.contextmanager
def stop_signals(*signals: int) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether the process has been asked to stop.

    A job then ends where it suits, its state saved, with `Stopped`; the signal itself ends nothing.

    Args:
        signals: those to heed; by default SIGTERM (a scheduler's preemption, a cancelled job) and
            SIGUSR1 (a scheduler's warning before the time limit).
    """
    received = []

    def note(number: int, _frame: object) -> None:
        received.append(number)
        _HEARD.add(number)

    previous = {
        number: signal.signal(number, note)
        for number in signals or (signal.SIGTERM, signal.SIGUSR1)
    }
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def queue_again(limit: bool = False) -> None:
    """Have SLURM start this job again if it was stopped by its time limit: a chain of one job.

    Only after the warning (SIGUSR1), or where the job saw the limit itself: a cancelled job must
    not come back, and one that is preempted or whose node is taken SLURM queues itself. Where
    requeueing is not allowed the job just ends, and Snakemake's next try goes on from the saved
    state.

    Args:
        limit: the job saw the limit itself.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number or not (limit or signal.SIGUSR1 in _HEARD):
        return
    done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True)
    said = f": {done.stderr.strip()}" if done.returncode else ""
    print(f"job {number} {'could not be' if said else 'is'} queued again{said}", flush=True)
