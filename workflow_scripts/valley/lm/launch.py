"""Starting a training's processes: on this machine, or on all nodes of a SLURM job.

A training in several processes is `torch.distributed.run` over `train.py WORKER --job FILE`; on
several nodes, one such launcher a node, started by `srun` inside the job that Snakemake submitted.
Command and environment are pure functions; imports nothing heavy.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from valley.core.files import read_json
from valley.core.resume import Stopped, stop_signals

ERROR_ABOVE = "its error is printed above"  # what failed has said so itself, in the job's log
SCRIPT = Path(__file__).resolve().parents[2] / "train.py"
# Launchers must outlive the signals of a scheduler: they would kill their processes half a minute
# later, and a large model's state takes longer to save. Those processes heed the wish to stop.
SHELTERED = ["sh", "-c", 'trap "" TERM USR1; exec "$@"', "launcher"]
# What the outer job step says about itself; the inner one asks for other things.
OUTER_STEP = re.compile(
    r"SLURM_(STEP|TASK|NTASKS|NPROCS|TRES_PER_TASK|CPU_BIND|CPUS_PER_TASK|MEM_PER|DISTRIBUTION|"
    r"NNODES|GPUS|GTIDS|LOCALID|NODEID|PROCID|SRUN_|LAUNCH_|PMI|EXACT|WHOLE|OVERCOMMIT|UMASK)\w*"
)


@dataclass(frozen=True)
class Layout:
    """Where a training's processes run.

    Attributes:
        nodes: machines.
        each: processes on each of them.
    """

    nodes: int = 1
    each: int = 1

    @property
    def processes(self) -> int:
        return self.nodes * self.each


def layout(gpus: int, nodes: int, processes: int) -> Layout:
    """Return the layout for a rule's resources.

    Args:
        gpus: of the whole job: one process each; 0 for a training on cores.
        nodes: machines of the job.
        processes: on cores, of the whole job.

    Raises:
        ValueError: they don't divide evenly among the nodes.
    """
    wanted = gpus or processes
    if wanted % nodes:
        what = "gpus" if gpus else "processes"
        raise ValueError(
            f"{wanted} {what} can't be divided evenly among {nodes} nodes; "
            f"give a multiple of {nodes}"
        )
    return Layout(nodes, wanted // nodes)


def first_host(nodelist: str) -> str:
    """Return the first host of a SLURM node list, such as n1 of "n[1-4,7],m2"."""
    name = re.match(r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,]*)", nodelist.strip())
    if not name:
        raise ValueError(f"not a list of nodes: {nodelist!r}")
    return name[1] + (name[2] or "") + name[3]


def command(
    job: str | Path,
    where: Layout,
    environment: dict[str, str],
    worker: str,
    python: str = sys.executable,
) -> list[str]:
    """Return the command that starts a training's processes.

    Args:
        job: file that describes the work; on several nodes, where all of them see it.
        where: the layout.
        environment: of this job; on several nodes SLURM's variables in it name them.
        worker: name of the function of `train.py` that each process runs.
        python: the interpreter, likewise.

    Raises:
        RuntimeError: several nodes are wanted, but this is not a SLURM job that has them.
    """
    torchrun = [*SHELTERED, python, "-m", "torch.distributed.run"]
    each = ["--nproc-per-node", str(where.each), "--max-restarts", "0"]
    work = [str(SCRIPT), worker, "--job", str(job)]
    if where.nodes == 1:
        return [*torchrun, "--standalone", *each, *work]
    has = int(environment.get("SLURM_JOB_NUM_NODES", "1"))
    if has != where.nodes or "SLURM_JOB_NODELIST" not in environment:
        raise RuntimeError(
            f"the training needs {where.nodes} nodes, but this job has {has}: run it by SLURM, "
            "whose jobs get as many, or take `nodes` out of the study file's `resources: train:`"
        )
    head = first_host(environment["SLURM_JOB_NODELIST"])
    number = environment["SLURM_JOB_ID"]
    srun = ["srun", f"--nodes={where.nodes}", f"--ntasks={where.nodes}", "--ntasks-per-node=1"]
    # --overlap: the step that this job itself is holds all of its processors, memory and GPUs.
    srun += ["--overlap", "--kill-on-bad-exit=1", "--cpu-bind=none"]
    meeting = [
        f"--nnodes={where.nodes}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={head}:{20000 + int(number) % 20000}",
        f"--rdzv-id={number}",
    ]
    return [*srun, *torchrun, *meeting, *each, *work]


def environment(outer: dict[str, str], threads: int) -> dict[str, str]:
    """Return the environment of a training's processes.

    Args:
        outer: this job's.
        threads: of each process.
    """
    kept = {name: value for name, value in outer.items() if not OUTER_STEP.fullmatch(name)}
    return {**kept, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def allocation() -> dict[str, str]:
    """Return SLURM's variables that name this job's nodes; nothing outside of SLURM.

    Snakemake's executor takes them from the environment of the step that this process runs in.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number:
        return {}
    command = ["squeue", "--noheader", f"--jobs={number}", "--format=%D %N"]
    printed = subprocess.run(command, capture_output=True, text=True).stdout.split()
    return dict(zip(("SLURM_JOB_NUM_NODES", "SLURM_JOB_NODELIST"), printed, strict=False))


def run(job: Path, where: Layout, threads: int, worker: str) -> dict:
    """Run a training's processes to their end; return what the first of them reported.

    When this process is asked to stop, it asks them by a file beside the job's, and waits.

    Raises:
        Stopped: they were asked to stop and have saved their state.
        RuntimeError: one of them failed; what it said stands above, in the same log. Or one hangs:
            the message names it.
    """
    outcome, wish = outcome_file(job), stop_file(job)
    outcome.unlink(missing_ok=True)
    wish.unlink(missing_ok=True)
    outer = {**os.environ, **allocation()}
    with stop_signals() as asked:
        started = subprocess.Popen(
            command(job, where, outer, worker),
            env=environment(outer, threads),
            preexec_fn=die_with_parent,
        )
        try:
            while started.poll() is None:
                if asked():
                    wish.touch()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.wait(0.5)
        finally:
            if started.poll() is None:
                started.kill()
    report = read_json(outcome) if outcome.is_file() else {}
    if "hangs" in report:
        raise RuntimeError(report["hangs"])
    if started.returncode or not report:
        raise RuntimeError(
            f"a process of this training failed (status {started.returncode}); {ERROR_ABOVE}"
        )
    if "stopped" in report:
        raise Stopped(report["stopped"], report["limit"])
    return report["measured"]


def outcome_file(job: Path) -> Path:
    """Return the file in which a training's first process reports."""
    return job.with_suffix(".outcome.json")


def stop_file(job: Path) -> Path:
    """Return the file whose presence asks a training's processes to stop."""
    return job.with_suffix(".stop")


def orphaned(parent: int) -> bool:
    """Tell whether the launcher that started this process is gone (then its work is not needed)."""
    return os.getppid() != parent


def die_with_parent() -> None:
    """End the launcher when this process is killed outright (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
