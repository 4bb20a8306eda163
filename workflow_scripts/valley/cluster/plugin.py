"""What of the SLURM executor plugin `slurm_patches.py` replaces, or uses though it is private."""

from valley.workflow.seams import Seam

OUTER, INNER = "snakemake_executor_plugin_slurm", "snakemake_executor_plugin_slurm_jobstep"


def _outer(name: str, kind: str, shape, use: str, why: str) -> Seam:
    return Seam(OUTER, name, kind, shape, use, why, "2.8.0", "snakemake-executor-plugin-slurm")


def _inner(name: str, why: str) -> Seam:
    package = "snakemake-executor-plugin-slurm-jobstep"
    return Seam(INNER, name, "call", "(job)", "replaced", why, "0.6.1", package)


SUBMITTING = (
    _outer("query_job_status", "call", "(command, logger)", "replaced", "what has become of jobs"),
    _outer("get_min_job_age", "call", "()", "replaced", "the controller is asked once a poll"),
    _outer(
        "Executor.get_status_command",
        "call",
        "(self)",
        "replaced",
        "why a job failed is not asked of the accounting, ten times for each",
    ),
    _outer(
        "subprocess",
        "type",
        "module",
        "replaced",
        "a submission that SLURM can't take now, or whose answer is lost",
    ),
    _outer(
        "get_submit_command",
        "call",
        "(job, params, settings=None, failed_nodes=None, array_job=False)",
        "replaced",
        "a warning before the time limit; jobs of several nodes",
    ),
    _outer("set_gres_string", "call", "(job)", "replaced", "GPUs are asked for in the site's way"),
    _outer("Executor.get_account_arg", "call", "(self, job)", "replaced", "no account is guessed"),
    _outer(
        "Executor.format_job_exec",
        "call",
        "(self, job)",
        "replaced",
        "the jobs of a group run side by side",
    ),
    _outer(
        "Executor.additional_general_args",
        "call",
        "(self)",
        "used",
        "the part of a job's command that says how it runs its own jobs",
    ),
    _outer(
        "Executor.run_job", "call", "(self, job)", "replaced", "a submission that fails is reported"
    ),
    _outer(
        "Executor.cancel_jobs",
        "call",
        "(self, active_jobs)",
        "replaced",
        "an interrupted run submits nothing more, and leaves no job",
    ),
    _outer(
        "Executor.__post_init__",
        "assigns",
        ("_job_submission_executor", "_submitted_job_clusters", "run_uuid"),
        "used",
        "what waits to be submitted; the name of the run's jobs",
    ),
    _outer(
        "Executor.report_job_error",
        "call",
        "(self, job_info, msg=None, **kwargs)",
        "replaced",
        "the failure of a group is printed",
    ),
    _outer(
        "Executor._report_job_error_threadsafe",
        "call",
        "(self, job_info, msg)",
        "used",
        "a failed submission is told from another thread",
    ),
    _outer(
        "Executor.next_seconds_between_status_checks",
        "type",
        "property",
        "replaced",
        "the pauses between two polls are even",
    ),
    _outer(
        "ExecutorSettings",
        "annotations",
        ("init_seconds_before_status_checks",),
        "used",
        "the first pause between two polls",
    ),
)

STEPS = (
    _inner("get_gpu_setting", "the job's own step takes the GPUs of one node"),
    _inner("get_node_setting", "the job's own step is on one node"),
)

# By the heading of the page's section on them.
SEAMS = {"Submitting to SLURM": SUBMITTING, "A job's step on its node": STEPS}
