"""What of Snakemake is replaced, or used though Snakemake does not promise it; and its taking.

Nothing of Snakemake is imported with this module: see `seams.py`.
"""

import logging
from importlib import metadata

from valley.workflow.seams import PAGE, Seam, SeamError, check, check_version


def _group(module: str):
    """Return a shorthand for the seams of a module."""
    return lambda name, kind, shape, use, why: Seam(module, name, kind, shape, use, why)


_dag = _group("snakemake.dag")
_file = _group("snakemake.persistence.file")
_records = _group("snakemake.persistence")
_workflow = _group("snakemake.workflow")
_jobs = _group("snakemake.jobs")
_logging = _group("snakemake.logging")
_events = _group("snakemake_interface_logger_plugins.common")

ORDER_ONLY = (
    _workflow("DAG", "class", "snakemake.dag.DAG", "replaced", "the DAG that is built"),
    _dag(
        "DAG.update_needrun",
        "call",
        "(self, create_inventory=False)",
        "extended",
        "decides what runs, here without the edges of inputs that are only waited for",
    ),
    _dag("DAG.__init__", "assigns", ("depending",), "used", "the edges of the DAG, by job"),
    _dag(
        "DAG.postprocess",
        "call",
        "(self, update_needrun=True, update_incomplete_input_expand_jobs=True, "
        "check_initial=False)",
        "extended",
        "requests are held against the cluster when it is decided what runs",
    ),
    _dag("DAG.update_groups", "call", "(self)", "extended", "groups are bounded before they form"),
    _dag("DAG.update_groups", "assigns", ("_group",), "used", "the group of each job"),
    _dag("DAG._ready", "call", "(self, job)", "extended", "a group is not compared with itself"),
    _dag("DAG._ready", "assigns", ("_n_until_ready",), "used", "how many jobs each waits for"),
    _dag("DAG._check_groups", "call", "(self)", "extended", "each group is checked once"),
    Seam(
        "snakemake.io",
        "_IOFile.is_ancient",
        "type",
        "property",
        "used",
        "tells an input that is only waited for",
    ),
)

RECORDS = (
    _workflow(
        "FilePersistence",
        "class",
        "snakemake.persistence.file.FilePersistence",
        "replaced",
        "the backend that is asked what made a file",
    ),
    _file(
        "FilePersistence.__init__",
        "call",
        "(self, nolock=False, dag=None, conda_prefix=None, singularity_prefix=None, "
        "shadow_prefix=None, warn_only=False, path=None)",
        "extended",
        "sets the largest size of which checksums count",
    ),
    _dag(
        "DAG.__init__",
        "assigns",
        ("max_checksum_file_size",),
        "replaced",
        "inputs of any size are compared by their bytes",
    ),
    _file(
        "FilePersistence.params_changed",
        "call",
        "(self, job, file=None)",
        "extended",
        "params are compared by name",
    ),
    _file(
        "FilePersistence.incomplete",
        "call",
        "(self, job)",
        "extended",
        "a result that was altered is made again",
    ),
    _file(
        "FilePersistence._read_record",
        "call",
        "(self, key)",
        "extended",
        "a record is made from the sidecar",
    ),
    _file(
        "FilePersistence._input",
        "call",
        "(self, job)",
        "extended",
        "inputs that a job only waits for are no inputs",
    ),
    _file(
        "FilePersistence._io_write",
        "call",
        "(self, subject, json_value, id, mode=432)",
        "extended",
        "a full disk is named",
    ),
    _file(
        "FilePersistence._clear_cache",
        "call",
        "(self)",
        "extended",
        "what was read is forgotten with Snakemake's own cache",
    ),
    _jobs(
        "Job.cleanup",
        "call",
        "(self, skip_outputs)",
        "replaced",
        "what a job of a failed group had finished is kept",
    ),
    _jobs(
        "GroupJob.get_target_spec",
        "call",
        "(self)",
        "replaced",
        "a group that is tried again runs what is left of it",
    ),
    _records("MetadataRecord.model_copy", "parameters", ("self",), "used", "copies a record"),
    _records(
        "MetadataRecord",
        "parameters",
        ("record_format_version", "rule", "input", "input_checksums"),
        "used",
        "what of a record is made from the sidecar",
    ),
    _records(
        "ParamsChange",
        "parameters",
        ("only_old", "only_new", "files"),
        "used",
        "the answer on params that have changed",
    ),
    _records(
        "NO_PARAMS_CHANGE", "type", "ParamsChange", "used", "the answer on params that have not"
    ),
    _records("RECORD_FORMAT_VERSION", "type", "int", "used", "the form of a record"),
    Seam(
        "snakemake.settings.types",
        "WorkflowSettings",
        "parameters",
        ("persistence_backend",),
        "used",
        "another backend is refused: it knows nothing of sidecars",
    ),
    Seam(
        "snakemake.settings.enums",
        "PersistenceBackend.FILE",
        "type",
        "PersistenceBackend",
        "used",
        "the backend that is replaced",
    ),
)

CONSOLE = (
    _logging("logger", "type", "Logger", "used", "Snakemake's logger; its handler is looked for"),
    _logging(
        "LoggerManager._default_streamhandler",
        "constants",
        ("DefaultStreamHandler",),
        "used",
        "the name of the handler for the terminal, which is given another format",
    ),
    _events(
        "LogEvent",
        "members",
        (
            *("WORKFLOW_STARTED", "RUN_INFO", "JOB_INFO", "JOB_FINISHED", "JOB_ERROR"),
            *("GROUP_INFO", "GROUP_ERROR", "PROGRESS"),
        ),
        "used",
        "the kinds of messages",
    ),
    _jobs(
        "Job.log_info",
        "constants",
        ("event", "jobid", "rule_msg", "rule_name"),
        "used",
        "what the message on a job carries",
    ),
    _jobs(
        "Job.get_log_error_info",
        "constants",
        ("event", "rule_msg", "rule_name", "jobid", "log", "aux", "indent"),
        "used",
        "what the message on a failed job carries",
    ),
    _jobs(
        "GroupJob.log_error",
        "constants",
        ("event", "aux_logs", "job_error_info"),
        "used",
        "what the message on a failed group carries",
    ),
    Seam(
        "snakemake.scheduling.job_scheduler",
        "JobScheduler.progress",
        "constants",
        ("event", "done", "total"),
        "used",
        "what the message on progress carries",
    ),
)

RULES = (
    *(
        _workflow(f"Workflow.{name}", "type", "property", "used", why)
        for name, why in (
            ("basedir", "the folder of the workflow"),
            ("is_main_process", "tells the run from its jobs"),
            ("local_exec", "tells a cluster from this machine"),
            ("overwrite_configfiles", "tells whether --configfile is given"),
            ("executor_plugin", "tells a cluster from this machine"),
            ("rules", "the rules whose partitions a profile names"),
        )
    ),
    _workflow(
        "Workflow",
        "annotations",
        ("output_settings", "workflow_settings", "group_settings"),
        "used",
        "tells a dry-run, the backend of records and how many jobs share a group",
    ),
    _workflow(
        "Workflow.__post_init__",
        "assigns",
        ("global_resources",),
        "used",
        "what a group may ask for; bounded by what nodes have",
    ),
    _dag("DAG.needrun_jobs", "call", "(self, exclude_finished=True)", "used", "jobs that will run"),
    Seam(
        "snakemake.rules",
        "Rule.expand_resources",
        "call",
        "(self, wildcards, input, attempt, skip_evaluation=None)",
        "used",
        "what a job asks for, before anything is submitted",
    ),
)

SCHEDULING = (
    Seam(
        "snakemake.scheduling.job_scheduler",
        "JobScheduler._schedule_reevalutation",
        "call",
        "(self, delay)",
        "replaced",
        "the scheduler looks once for jobs to start, not once for each job that has ended",
    ),
)

# What `Job.restart_times` is replaced by is set in valley/cluster/slurm_patches.py.
RETRIES = tuple(
    _jobs(
        f"{kind}.restart_times",
        "type",
        "property",
        "replaced",
        "the Snakemake inside a SLURM job retries nothing",
    )
    for kind in ("Job", "GroupJob")
)

READER = (
    Seam(
        "snakemake.api",
        "WorkflowApi._workflow",
        "type",
        "property",
        "used",
        "the workflow behind the interface, with its DAG",
    ),
    _workflow(
        "Workflow._prepare_dag",
        "call",
        "(self, forceall, ignore_incomplete, lock_warn_only, nolock=False, shadow_prefix=None)",
        "used",
        "makes the DAG without a lock",
    ),
    _workflow("Workflow._build_dag", "call", "(self)", "used", "fills the DAG with jobs"),
    _workflow("Workflow.async_run", "call", "(self, coro)", "used", "runs a step of the DAG"),
    *(
        _workflow(f"Workflow.{name}", "type", "property", "used", why)
        for name, why in (("dag", "the jobs"), ("persistence", "the marks of running jobs"))
    ),
    _dag(
        "DAG.postprocess",
        "call",
        "(self, update_needrun=True, update_incomplete_input_expand_jobs=True, "
        "check_initial=False)",
        "used",
        "checks the DAG as a dry-run does",
    ),
    _dag(
        "DAG.toposorted",
        "call",
        "(self, jobs=None, inherit_pipe_dependencies=False)",
        "used",
        "the order of jobs",
    ),
    _dag("DAG.needrun", "call", "(self, job)", "used", "whether a job is to run"),
    _dag("DAG.reason", "call", "(self, job)", "used", "why a job is to run"),
    _dag("DAG.dependencies", "type", "property", "used", "the jobs that a job waits for"),
    *(
        _jobs(f"Job.{name}", "type", kind, "used", "describes a job")
        for name, kind in (
            *(("rule", "member_descriptor"), ("wildcards_dict", "member_descriptor")),
            *((name, "property") for name in ("input", "output", "log", "params")),
            *((name, "property") for name in ("threads", "resources", "priority")),
        )
    ),
    _file("FilePersistence._read_locks", "call", "(self)", "used", "the outputs of running jobs"),
    _file(
        "FilePersistence._filter_incomplete_keys",
        "call",
        "(self, keys)",
        "used",
        "the outputs of jobs that have begun",
    ),
    _file("FilePersistence._get_key", "call", "(self, f)", "used", "an output's name in the marks"),
)

FILES = (
    _logging(
        "LoggerManager.setup_logfile",
        "constants",
        (".snakemake", "log", ".snakemake.log"),
        "used",
        "where the logs of runs lie, which `status` and the cluster's commands read",
    ),
    _file(
        "FilePersistence.__init__",
        "constants",
        ("locks",),
        "used",
        "where locks lie: `prune` spares the files of a run",
    ),
)

# By the heading of the page's section on them.
SEAMS = {
    "What is only waited for": ORDER_ONLY,
    "What made a file": RECORDS,
    "What a run prints": CONSOLE,
    "What rules ask": RULES,
    "When the scheduler looks again": SCHEDULING,
    "Retries inside a job": RETRIES,
    "The DAG as data": READER,
    "Files of a run": FILES,
}


def refuse_other_backends(workflow) -> None:
    """Refuse records that are kept otherwise than in files: they would bypass the sidecars.

    Args:
        workflow: Snakemake's.

    Raises:
        SeamError: `--persistence-backend` asks for another.
    """
    backend = workflow.workflow_settings.persistence_backend
    if backend.name != "FILE":
        raise SeamError(
            f"--persistence-backend {backend.name.lower()}: only `file` works here. What made a "
            "result is read from the sidecar beside it, and another backend would not ask there, "
            f"so that stale results would be kept ({PAGE}). Leave the option out."
        )


def apply_patches(workflow, logger: logging.Logger) -> None:
    """Check Snakemake and put the project's DAG, records and console in place of its own.

    Args:
        workflow: Snakemake's, as the Snakefile has it.
        logger: Snakemake's.

    Raises:
        SeamError: see `check`, `check_version` and `refuse_other_backends`.
    """
    warning = check_version(metadata.version("snakemake"))
    if warning and workflow.is_main_process:
        logger.warning(warning)
    for seams in SEAMS.values():
        check(seams)
    refuse_other_backends(workflow)
    # Only now: these modules need the names that were checked.
    from snakemake import jobs
    from snakemake import workflow as theirs
    from snakemake.scheduling.job_scheduler import JobScheduler

    from valley.workflow import console, scheduling
    from valley.workflow.order_only import OrderOnlyDAG
    from valley.workflow.records import SidecarPersistence, sparing, unfinished

    theirs.DAG, theirs.FilePersistence = OrderOnlyDAG, SidecarPersistence
    if not hasattr(jobs.Job.cleanup, "__wrapped__"):  # in one process the rules may be read twice
        jobs.Job.cleanup = sparing(jobs.Job.cleanup)
        jobs.GroupJob.get_target_spec = unfinished(jobs.GroupJob.get_target_spec)
        JobScheduler._schedule_reevalutation = scheduling.once(JobScheduler._schedule_reevalutation)
    # A dry-run prints its reasons in Snakemake's own format.
    if not workflow.output_settings.dryrun and not workflow.output_settings.verbose:
        console.install(logger)
