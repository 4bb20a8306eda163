"""Seams of the SLURM executor plugin, mended where it would hang or give up.

docs/slurm.md lists the defects with reproductions. Each is met at one function of the plugin that
is replaced when the Snakefile is read; nothing of it is copied. `plugin.py` declares what is
replaced, and each is checked before.
"""

import asyncio
import functools
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType

from valley.cluster import plugin as seams
from valley.cluster import submissions
from valley.cluster.states import JobWatch
from valley.workflow import console
from valley.workflow.seams import check
from valley.workflow.snakemake_patches import RETRIES

ANSWER_SECONDS = 60  # for one question to SLURM
WARNING = "stop_warning"  # a rule's resource: seconds before the limit at which its job is told
REFUSAL = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.?\n", re.DOTALL)
UNEXPLAINED = re.compile(r" Detailed failure reason unavailable \(status command is not .*?\)\.")
GRES = "gpus_as_gres"  # a site's resource: 1 asks for GPUs by --gres, not by --gpus


def apply(
    limit: Callable[[str | None], int | None] = lambda partition: None,
    submitting: Callable[[str], None] = lambda run: None,
) -> None:
    """Replace the plugin's functions, if it is there; jobs ignore the warning meant for scripts.

    Args:
        limit: from a partition, None for SLURM's default, to the minutes that a group may ask for.
        submitting: called with the name of the run's jobs before each is submitted.

    Raises:
        SeamError: a function is not there, or not as expected.
    """
    if "SLURM_JOB_ID" in os.environ:
        # Sent to every process of a job: Snakemake would die of it, bash too. A stage that can stop
        # sets a handler of its own.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    _retry_outside()
    inner = sys.modules.get(seams.INNER)
    if inner is not None and not hasattr(inner, "mended"):
        check(seams.STEPS)
        inner.mended = True
        inner.get_gpu_setting = _on_first_node(inner.get_gpu_setting, "gpus")
        inner.get_node_setting = _on_first_node(inner.get_node_setting, "nodes")
    plugin = sys.modules.get(seams.OUTER)
    if plugin is None or hasattr(plugin, "mended"):
        return
    check(seams.SUBMITTING)
    plugin.mended = True
    plugin.query_job_status = query
    plugin.get_min_job_age = lambda: math.inf
    plugin.Executor.get_status_command = lambda self: "squeue"
    plugin.subprocess = _patient(plugin.subprocess)
    plugin.get_submit_command = _more_options(plugin.get_submit_command, limit)
    plugin.set_gres_string = _gpus(plugin.set_gres_string)
    plugin.Executor.get_account_arg = _no_guess(plugin.Executor.get_account_arg)
    plugin.Executor.format_job_exec = _side_by_side(plugin.Executor.format_job_exec)
    plugin.Executor.run_job = _submission(plugin.Executor.run_job, submitting)
    plugin.Executor.cancel_jobs = _cancelling(plugin.Executor.cancel_jobs)
    plugin.Executor.report_job_error = _telling(plugin.Executor.report_job_error)
    plugin.Executor.next_seconds_between_status_checks = _even_pauses(plugin.Executor)


def composing() -> tuple[Callable, Callable]:
    """Return the plugin's functions, mended, that say how a job is submitted.

    Returns:
        What makes the command of a job, its params and the executor's settings; and what adds GPUs.

    Raises:
        ImportError: the plugin is not installed.
    """
    import snakemake_executor_plugin_slurm as plugin

    apply()
    return plugin.get_submit_command, plugin.set_gres_string


# --- seam 1: what has become of the jobs ---

_WATCHES: dict[str, JobWatch] = {}
_SILENT = [False]


async def query(command: str, logger) -> tuple[dict[str, str], float]:
    """Return the states of a run's jobs and how long it took to ask.

    In place of the plugin's own, which takes one source's words as they are, and forgets all jobs
    when that source is silent five times. It believes that it asks squeue only: of a job that sacct
    tells it has failed it would ask sacct ten times more, one after the other and without a limit,
    while no other job is looked at.

    Args:
        command: the plugin's question; the run's name is taken from it.
        logger: Snakemake's.
    """
    begun = time.monotonic()
    run = re.search(r"--name[ =](\S+)", command)[1]
    watch = _WATCHES.setdefault(run, JobWatch())
    accounting = shutil.which("sacct") is not None
    # In this order: what the controller says is then the newer.
    accounted = None
    if accounting:
        accounted, said = await _rows(*_sacct(run).split())
        accounting = "accounting storage is disabled" not in said
    current, _ = await _rows(
        "squeue", "--noheader", "--states=all", f"--name={run}", "--format=%i|%T|%r"
    )
    if accounted is None and current is None:
        if not _SILENT[0]:
            logger.warning("SLURM does not answer; its jobs go on, and are asked for again.")
        _SILENT[0] = True
        return {}, time.monotonic() - begun
    _SILENT[0] = False
    for complaint in watch.warnings(row for row in current or () if len(row) == 3):
        logger.warning(complaint)
    states = watch.settle(
        None if accounted is None else [row[:2] for row in accounted if len(row) >= 2],
        None if current is None else [row[:2] for row in current if len(row) >= 2],
        accounting=accounting,
    )
    return states, time.monotonic() - begun


def _sacct(run: str) -> str:
    return f"sacct -X -n -P --starttime=now-2days --format=JobIdRaw,State --name {run}"


async def _rows(*command: str) -> tuple[list[tuple[str, ...]] | None, str]:
    """Return what a command printed, split at bars, and its errors; None if it failed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        return None, str(error)
    try:
        out, err = await asyncio.wait_for(process.communicate(), ANSWER_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):  # it has just ended, or what it started holds its output
            process.kill()
        return None, "no answer"
    if process.returncode:
        return None, err.decode(errors="replace")
    lines = out.decode(errors="replace").splitlines()
    return [tuple(part.strip() for part in line.split("|")) for line in lines if line], ""


# --- seam 2: what the plugin can't be told to ask for ---


def _more_options(submit_command, limit):
    """Add a warning before the time limit; spread a job of several nodes evenly over them.

    A group asks for no longer than its partition allows.
    """

    @functools.wraps(submit_command)
    def with_options(job, *arguments, **named):
        call, asked = submit_command(job, *arguments, **named), job.resources
        longest = limit(asked.get("slurm_partition")) if job.is_group() else None
        if longest:
            call = re.sub(r"(?<= -t )\d+", lambda at: str(min(int(at[0]), longest)), call, count=1)
        if asked.get(WARNING):
            call += f" --signal=USR1@{int(asked.get(WARNING))}"
        nodes, gpus = (asked.get(name) or 0 for name in ("nodes", "gpu"))
        if nodes > 1 and gpus and not asked.get(GRES):
            call += f" --gpus-per-node={_of_model(job, gpus // nodes)}"
        elif nodes > 1 and not gpus:
            call += f" --ntasks={nodes} --ntasks-per-node=1"
        return call

    return with_options


def _gpus(gres_string):
    """Ask for GPUs in the site's way; a job without any asks for none of a model either."""

    @functools.wraps(gres_string)
    def options(job):
        nodes, gpus = (job.resources.get(name) or 0 for name in ("nodes", "gpu"))
        if not gpus:
            other = job.resources.get("gres")
            return f" --gres={shlex.quote(other)}" if other else ""
        if gpus and job.resources.get(GRES):
            return f" --gres=gpu:{_of_model(job, gpus // max(1, nodes))}"
        return gres_string(job)

    return options


def _no_guess(account_arg):
    """Give the account that a job names; else none, without a word: SLURM has a default.

    The plugin's guess never succeeds, and where there is no sacct it prevents every submission.
    """

    @functools.wraps(account_arg)
    def argument(self, job):
        return account_arg(self, job) if job.resources.get("slurm_account") else iter([""])

    return argument


def _of_model(job, gpus: int) -> str:
    model = job.resources.get("gpu_model")
    return f"{model}:{gpus}" if model else str(gpus)


def _on_first_node(setting, what: str):
    """Let the job's own step be on one node, which starts steps on all of them itself.

    The plugin asks for one task on all nodes with all GPUs: no such step can be had.
    """

    @functools.wraps(setting)
    def of_first(job):
        nodes, gpus = (job.resources.get(name) or 0 for name in ("nodes", "gpu"))
        if nodes <= 1:
            return setting(job)
        if what == "nodes":
            return "--nodes=1"
        return f"--gpus={gpus // nodes}" if gpus else ""

    return of_first


def _side_by_side(format_job_exec):
    """Let the jobs of a group run at once, as many as fit what the group has asked for.

    The plugin has a Snakemake in the job that starts one step of `srun` at a time, whatever was
    asked for. Here that Snakemake runs the jobs itself.
    """

    @functools.wraps(format_job_exec)
    def formatted(self, job):
        command = format_job_exec(self, job)
        if not job.is_group():
            return command
        memory = job.resources.get("mem_mb")
        here = f"--executor local{f' --resources mem_mb={memory}' if memory else ''}"
        command = command.replace(self.additional_general_args(), here)
        return re.sub(r"(?<=--cores )\S+", str(job.threads), command, count=1)

    return formatted


# --- seam 3: a submission that fails is that job's failure, and waits for a controller ---


def _patient(module: ModuleType) -> ModuleType:
    """Return `subprocess` as the plugin uses it to submit, for a SLURM that says "later"."""
    ours = ModuleType(module.__name__, module.__doc__)
    vars(ours).update({**vars(module), "Popen": submissions.Submission})
    return ours


def _submission(run_job, submitting):
    @functools.wraps(run_job)
    def submit(self, job):
        from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

        try:
            submitting(self.run_uuid)
            run_job(self, job)
        except Exception as error:
            # A group's is swallowed by another one, raised while it is told, and the group waits
            # for ever.
            why = error.__context__ or error
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"submission failed: {why}")

    return submit


def _cancelling(cancel_jobs):
    """Cancel also what is being submitted when a run is interrupted, and submit nothing more.

    The plugin cancels the jobs that it knows of; then it waits until all that wait to be submitted
    have been, and leaves these to SLURM.
    """

    @functools.wraps(cancel_jobs)
    def cancel(self, active_jobs):
        submissions.OVER.set()
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        named = ["scancel", "--quiet", f"--name={self.run_uuid}"]
        try:
            subprocess.run(named, capture_output=True, check=True, timeout=ANSWER_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            self.logger.warning(f"Jobs may be left (scancel --name={self.run_uuid}): {error}")
        if self._submitted_job_clusters:  # on others the plugin knows where
            cancel_jobs(self, active_jobs)

    return cancel


def _telling(report_job_error):
    """Say why a group failed: Snakemake prints the message of single jobs only.

    Of a submission that was refused SLURM's own words are enough; the plugin adds its script.
    """

    @functools.wraps(report_job_error)
    def report(self, job_info, msg=None, **named):
        job = job_info.job
        if job.restart_times > job.attempt - 1:
            console.RETRIED.update(one.jobid for one in (job.jobs if job.is_group() else [job]))
        if refused := REFUSAL.match(msg or ""):
            self.logger.debug(msg)
            why = re.sub(r"^sbatch: error: ", "", refused[1], flags=re.MULTILINE)
            msg = console.REFUSED + " ".join(why.split())
        msg = UNEXPLAINED.sub("", msg) if msg else msg
        if msg and job.is_group():
            self.logger.error(msg)
        report_job_error(self, job_info, msg=msg, **named)

    return report


# --- seam 4: even pauses between two polls ---


def _even_pauses(executor) -> property:
    """Let all pauses be as long as the first one.

    The plugin lets them grow to three minutes while nothing ends: a job that was stopped is noticed
    late, and a site that allows a poll a minute is asked no less often while jobs end.
    """
    grown = executor.next_seconds_between_status_checks

    def keep(self, seconds: float) -> None:
        grown.fset(self, self.workflow.executor_settings.init_seconds_before_status_checks)

    return grown.setter(keep)


# --- seam 5: a job that fails is tried again by who submitted it, and by nobody else ---


def _retry_outside() -> None:
    """Let the Snakemake inside a job retry nothing: it would, for rules with `retries`."""
    if "--target-jobs" in sys.argv:
        from snakemake import jobs

        check(RETRIES)
        jobs.Job.restart_times = jobs.GroupJob.restart_times = 0
