"""Snakemake with its clock put forward: pauses last a part of their time, work lasts all of it.

    python tests/bench/hurried.py FACTOR USED.json SNAKEMAKE'S ARGUMENTS…

What is divided by the factor: the pause between two polls, the time given to an answer of SLURM,
the pauses before a submission is tried again, the time in which the scheduler submits at most so
many jobs, and after which it looks again. All else is as it is: the scheduler's work, Snakemake's
records, the lease. At the end the file gets the processor seconds of this process and of the
commands that it started, and its peak memory.
"""

import asyncio
import json
import resource
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace


def hurry(factor: float) -> None:
    """Divide the pauses by a factor; `slurm_patches` must be applied later, by the Snakefile."""
    import snakemake.api  # noqa: F401  (before its other modules, which import each other)
    from snakemake.scheduling import job_scheduler
    from snakemake_interface_executor_plugins.executors import remote
    from valley.cluster import slurm_patches, submissions
    from valley.workflow import scheduling

    clock = {
        **vars(time),
        "time": lambda: time.time() * factor,
        "monotonic": lambda: time.monotonic() * factor,
        "sleep": lambda seconds: time.sleep(seconds / factor),
    }

    def timer(seconds, function):
        return threading.Timer(seconds / factor, function)

    def sleep(seconds):
        return asyncio.sleep(seconds / factor)

    throttler = remote.Throttler
    remote.asyncio = SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
    remote.Throttler = lambda rate_limit, period: throttler(rate_limit, period / factor)
    job_scheduler.threading = SimpleNamespace(**{**vars(threading), "Timer": timer})
    job_scheduler.time = scheduling.time = slurm_patches.time = SimpleNamespace(**clock)
    slurm_patches.ANSWER_SECONDS /= factor
    submissions.CONTROLLER_SECONDS /= factor
    submissions.PAUSES = tuple(pause / factor for pause in submissions.PAUSES)


def used() -> dict[str, float]:
    """Return processor seconds of this process and of its commands, and its peak MB."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "own": own.ru_utime + own.ru_stime,
        "commands": others.ru_utime + others.ru_stime,
        "mb": own.ru_maxrss / 1024,
    }


def main() -> None:
    """Run Snakemake so; its exit status is this one's."""
    factor, out, *arguments = sys.argv[1:]
    hurry(float(factor))
    from snakemake.cli import main as snakemake

    # The executor starts jobs by this, as Snakemake's own command would.
    sys.argv = ["snakemake", *arguments]
    try:
        snakemake(arguments)
    finally:
        Path(out).write_text(json.dumps(used()))


if __name__ == "__main__":
    main()
