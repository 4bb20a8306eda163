"""Engines side by side in one job: a process each, on GPUs of its own, and one cache for all.

Imports nothing heavy.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from valley.core.files import read_json, write_json
from valley.core.resume import Stopped
from valley.lm.launch import die_with_parent

SCRIPT = Path(__file__).resolve().parents[2] / "generate.py"
GRACE_SECONDS = 120  # for the others to save what they have, when one has failed
VISIBLE = "CUDA_VISIBLE_DEVICES"


def engines(gpus: int, tensor_parallel: int) -> int:
    """Return how many engines a job with so many GPUs runs side by side.

    Raises:
        ValueError: some GPUs would be left over.
    """
    if gpus % tensor_parallel:
        raise ValueError(
            f"this job holds {gpus} GPUs, which are not a multiple of sampling.tensor_parallel: "
            f"{tensor_parallel}; ask for a multiple (`resources` in the study file)"
        )
    return max(1, gpus // tensor_parallel)


def cards(number: int, each: int, environment: dict[str, str]) -> str:
    """Return the GPUs of an engine, as CUDA_VISIBLE_DEVICES has them.

    Args:
        number: of the engine, from 0.
        each: GPUs of each engine.
        environment: of this job: it may hold some of the machine's GPUs only.
    """
    named = [name for name in environment.get(VISIBLE, "").split(",") if name]
    own = range(number * each, (number + 1) * each)
    return ",".join(named[at] if at < len(named) else str(at) for at in own)


def run(
    shares: list[dict],
    each: int,
    threads: int,
    worker: str,
    stopping: Callable[[], bool],
) -> list[dict]:
    """Run one process for each share; return what each of them measured.

    Args:
        shares: plain values, what each process gets.
        each: GPUs of each process.
        threads: processor cores of each.
        worker: name of the function of `generate.py` that they run.
        stopping: tells whether to stop; then so do they.

    Raises:
        Stopped: they were asked to stop, and have saved what they had.
        RuntimeError: one has failed; the others have saved what they had, and ended.
    """
    with tempfile.TemporaryDirectory(prefix="valley-engines-") as folder:
        jobs = [Path(folder) / f"{number}.json" for number in range(len(shares))]
        started = []
        try:
            for number, (job, share) in enumerate(zip(jobs, shares, strict=True)):
                write_json(job, share)
                own = {VISIBLE: cards(number, each, os.environ), "OMP_NUM_THREADS": str(threads)}
                started.append(
                    subprocess.Popen(
                        [sys.executable, str(SCRIPT), worker, "--job", str(job)],
                        env={**os.environ, **own},
                        preexec_fn=die_with_parent,
                    )
                )
            _wait(started, stopping)
        finally:
            _end(started)
        for number, process in enumerate(started):
            if process.returncode not in (0, Stopped.STATUS):
                raise RuntimeError(
                    f"engine {number + 1} of {len(started)} (GPU {cards(number, each, os.environ)})"
                    f" {_ended(process.returncode)}; its output is above. Finished answers are "
                    "kept, and the same job continues with the rest"
                )
        if any(process.returncode for process in started):
            raise Stopped(f"{len(started)} engines have saved their answers")
        return [read_json(outcome_of(job)) for job in jobs]


def outcome_of(job: Path) -> Path:
    """Return the file in which a process reports what it measured."""
    return job.with_suffix(".outcome.json")


def _wait(started: list[subprocess.Popen], stopping: Callable[[], bool]) -> None:
    """Wait until all have ended, one has failed, or all are to stop."""
    while any(process.poll() is None for process in started):
        failed = any(process.poll() not in (None, 0) for process in started)
        if failed or stopping():
            return
        time.sleep(0.2)


def _end(started: list[subprocess.Popen]) -> None:
    """Ask those that still run to save and stop; kill what does not."""
    running = [process for process in started if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
        if process.poll() is None:
            process.kill()
            process.wait()


def _ended(status: int) -> str:
    return f"was killed (signal {-status})" if status < 0 else f"failed (status {status})"
