"""The DAG as Snakemake itself builds it, with the state of every job.

Nothing is decided here: whether a job runs, and why, is Snakemake's word, by the triggers of the
default profile.
"""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class PlannedJob:
    """One job of the DAG.

    Attributes:
        rule: its rule.
        wildcards: what tells it from the rule's other jobs.
        params: its params, digests of code included.
        inputs, outputs: its files.
        state: "done", "missing" (no output is there) or "stale" (it must run again).
        reason: Snakemake's reason to run it; empty when done.
        threads, gpus: what it asks for.
    """

    rule: str
    wildcards: dict
    params: dict = field(hash=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    state: str
    reason: str
    threads: int
    gpus: int


def planned(study: Path, targets: list[str] = (), folder: Path | None = None) -> list[PlannedJob]:
    """Return every job of a study's DAG, in the order in which they could run.

    Args:
        study: study file.
        targets: files or rules wanted; the whole study by default.
        folder: working directory in which results/ lies; this one by default.

    Raises:
        Exception: whatever Snakemake says of a wrong study file or an unknown target.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    triggers = frozenset(RerunTrigger.parse_choice(name) for name in profile["rerun-triggers"])
    quiet = OutputSettings(
        dryrun=True, quiet=frozenset({Quietness.ALL}), log_level_override=logging.ERROR
    )
    with SnakemakeApi(quiet) as api:
        workflow = api.workflow(
            snakefile=ROOT / "Snakefile",
            workdir=folder,
            config_settings=ConfigSettings(configfiles=[Path(study).resolve()]),
            resource_settings=ResourceSettings(cores=1),
        )
        dag = workflow.dag(DAGSettings(targets=frozenset(targets), rerun_triggers=triggers))
        dag.execute_workflow(executor="dryrun")
        built = workflow._workflow.dag
        jobs = [_described(job, built) for level in built.toposorted() for job in sorted(level)]
    return [job for job in jobs if job.outputs]  # named targets make nothing


def _described(job, dag) -> PlannedJob:
    state = "done"
    if dag.needrun(job):
        gone = any(not Path(path).exists() for path in job.output)
        state = "missing" if gone else "stale"
    return PlannedJob(
        rule=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        params=dict(job.params.items()),
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        state=state,
        reason=re.sub(r"^Finished \(was: (.*)\)$", r"\1", str(dag.reason(job)), flags=re.DOTALL)
        if state != "done"
        else "",
        threads=job.threads,
        gpus=int(job.resources.get("gpu", 0) or 0),
    )
