"""The end of a job's time: how long before it a training must stop to have its state saved.

A scheduler's warning comes at a time that is fixed when the job is submitted, before anybody knows
how long an update and a state take. Where they take longer than the warning allows for, a training
looks at the clock itself.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

SPARE = 30.0  # seconds for ending processes and asking to be queued again: the least that is left


def end_of_job(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return when SLURM will end this job, in seconds since 1970; None if unknown.

    Args:
        environment: of this process. Where it doesn't say, as within Snakemake's jobs and in older
            versions, the controller is asked.
    """
    with suppress(KeyError, ValueError):
        return float(environment["SLURM_JOB_END_TIME"])
    number = environment.get("SLURM_JOB_ID")
    if not number:
        return None
    command = ["squeue", "--noheader", f"--jobs={number}", "--format=%e"]
    plain = {**environment, "SLURM_TIME_FORMAT": "standard"}
    with suppress(OSError, ValueError):
        printed = subprocess.run(command, capture_output=True, text=True, env=plain).stdout.strip()
        return time.mktime(time.strptime(printed, "%Y-%m-%dT%H:%M:%S"))
    return None


def needed(update: float, state: float) -> float:
    """Return how many seconds before its end a training must stop.

    Args:
        update: seconds of the longest update so far: another one may have begun.
        state: seconds of saving a state: one may be on its way.
    """
    return SPARE + 2 * update + 2 * state


class TimeLimit:
    """Tells when it is time to stop.

    Args:
        end: when the job ends, in seconds since 1970; None is never.
    """

    def __init__(self, end: float | None):
        self.end = end
        self._longest, self._begun = 0.0, None

    def near(self, state: float) -> bool:
        """Tell whether to stop now; called once before every update.

        Never before the first one: a job that is too short for anything would come back for ever
        without having done anything.

        Args:
            state: seconds of saving a state.
        """
        now, before = time.monotonic(), self._begun
        self._begun = now
        if before is None or self.end is None:
            return False
        self._longest = max(self._longest, now - before)
        return time.time() + needed(self._longest, state) >= self.end
