"""The DAG as Snakemake itself builds it, with the state of every job.

Nothing is decided here: whether a job runs, and why, is Snakemake's word, by the triggers of the
default profile. No lock is taken, so that one may look while a run is going on.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from valley.planning.errors import PlanError
from valley.workflow.seams import check
from valley.workflow.snakemake_patches import READER

ROOT = Path(__file__).resolve().parents[3]
MANY = 1 << 20  # cores: what jobs ask for is not cut to what this machine has


@dataclass(frozen=True)
class PlannedJob:
    """One job of the DAG.

    Attributes:
        rule: its rule.
        wildcards: what tells it from the rule's other jobs.
        params: its params, digests of code included.
        inputs, outputs, logs: its files.
        state: "done", "missing" (an output is not there) or "stale" (it must run again).
        reason: Snakemake's reason to run it; empty when done.
        threads, gpus: what it asks for.
        priority: Snakemake's, higher first.
        needs: positions, in the list that `planned` returns, of the jobs whose outputs it reads.
        begun: Snakemake has marked its outputs as incomplete: it is running, or was cut off.
        locked: a Snakemake that is running (or was killed) holds its outputs.
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
    logs: tuple[str, ...] = ()
    priority: int = 0
    needs: tuple[int, ...] = ()
    begun: bool = False
    locked: bool = False

    @property
    def identity(self) -> tuple:
        """The job's identity, independent of the study's name."""
        return self.rule, tuple(sorted(self.wildcards.items()))


@contextmanager
def built(
    study: Path,
    targets: list[str] = (),
    folder: Path | None = None,
    snakefile: Path = ROOT / "Snakefile",
) -> Iterator[object]:
    """Yield Snakemake's workflow of a study, with its `dag` built and nothing run.

    Args:
        study: study file.
        targets: files or rules wanted; the whole study by default.
        folder: working directory in which results/ lies; this one by default.
        snakefile: the workflow.

    Raises:
        SeamError: Snakemake lacks what is used here.
        Exception: whatever Snakemake says of a wrong study file or an unknown target.
    """
    check(READER)
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
    settings = DAGSettings(
        targets=frozenset(targets), rerun_triggers=triggers, force_incomplete=True
    )
    with SnakemakeApi(quiet) as api:
        workflow = api.workflow(
            snakefile=snakefile,
            workdir=folder,
            config_settings=ConfigSettings(configfiles=[Path(study).resolve()]),
            resource_settings=ResourceSettings(cores=MANY),
        )
        workflow.dag(settings)
        inner = workflow._workflow
        # What a dry-run does before it goes through the jobs one by one.
        inner._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        inner._build_dag()
        inner.async_run(inner.dag.postprocess(update_needrun=False, check_initial=True))
        yield inner


def planned(study: Path, targets: list[str] = (), folder: Path | None = None) -> list[PlannedJob]:
    """Return every job of a study's DAG, in an order in which they could run.

    Args: as for `built`.

    Raises:
        Unplanned: there is no such DAG; the message is Snakemake's.
    """
    try:
        return _planned(study, targets, folder)
    except Exception as error:  # Snakemake's own errors have no common kind
        raise PlanError(str(error)) from error


def _planned(study: Path, targets: list[str], folder: Path | None) -> list[PlannedJob]:
    with built(study, targets, folder) as workflow:
        dag, marks = workflow.dag, workflow.persistence
        locked = {name for kind, name in marks._read_locks() if kind == "output"}
        jobs = [
            job
            for level in dag.toposorted()
            for job in sorted(level)
            if job.output  # named targets make nothing
        ]
        numbers = {job: number for number, job in enumerate(jobs)}
        begun = marks._filter_incomplete_keys(marks._get_key(f) for job in jobs for f in job.output)
        return [_described(job, dag, numbers, marks, begun, locked) for job in jobs]


def _described(job, dag, numbers: dict, marks, begun: set, locked: set) -> PlannedJob:
    state, reason = "done", ""
    if dag.needrun(job):
        gone = any(not Path(path).exists() for path in job.output)
        state = "missing" if gone else "stale"
        reason = re.sub(r"^Finished \(was: (.*)\)$", r"\1", str(dag.reason(job)), flags=re.DOTALL)
    outputs = tuple(map(str, job.output))
    return PlannedJob(
        rule=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        params=dict(job.params.items()),
        inputs=tuple(map(str, job.input)),
        outputs=outputs,
        state=state,
        reason=reason,
        threads=job.threads,
        gpus=int(job.resources.get("gpu", 0) or 0),
        logs=tuple(map(str, job.log)),
        priority=job.priority if state != "done" else 0,
        needs=tuple(sorted(numbers[other] for other in dag.dependencies[job] if other in numbers)),
        begun=any(marks._get_key(path) in begun for path in job.output),
        locked=any(path in locked for path in outputs),
    )
