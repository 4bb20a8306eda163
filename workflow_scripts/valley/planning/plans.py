"""A study's jobs with their states and expected costs: what plans and status pages show."""

from pathlib import Path

from valley.core.study import Study
from valley.planning import progress
from valley.planning.cost import Cost, Costs
from valley.planning.dag import PlannedJob, planned
from valley.planning.simulate import Task, critical_path


class Plan:
    """A study's jobs with their states and expected costs.

    Attributes:
        jobs: every job of the DAG, in an order in which they could run.
        states: of each; see `progress`.
        costs: of each.
        unknown: what the study file would have to say for the costs that are not known.
        counted: by student, the lengths of traces that the costs rest on.
    """

    def __init__(self, study: Path, targets: list[str] = (), learn: list[str] = ()):
        self.study = Study.read(study)
        self.jobs = planned(study, targets)
        self.states = progress.states(self.jobs)
        costs = Costs(self.study, [self.study.root, *learn])
        self.costs = [costs.of(job) for job in self.jobs]
        self.unknown = sorted(costs.unknown)
        self.counted = costs.counted

    @property
    def waiting(self) -> list[tuple[PlannedJob, Cost]]:
        """The jobs that would run."""
        return [(j, c) for j, c in zip(self.jobs, self.costs, strict=True) if j.state != "done"]

    def tasks(self) -> list[Task]:
        """Return all jobs for a scheduler; those that are done take no time."""
        return [
            Task(0.0, 0, 0, job.needs)
            if job.state == "done"
            else Task(cost.seconds or 0.0, job.gpus, max(1, job.threads), job.needs, job.priority)
            for job, cost in zip(self.jobs, self.costs, strict=True)
        ]

    def totals(self) -> dict[str, float]:
        """Return jobs, hours and bytes of all that would run; disk_bytes hold encoded_bytes."""
        waiting = self.waiting
        # Recipes and starts share a shard's token ids.
        encoded = {
            tuple(job.wildcards[key] for key in ("student", "slice", "size", "seed")): cost
            for job, cost in waiting
            if job.rule == "train" and job.state == "missing"
        }
        encoded_bytes = sum(cost.encoded_bytes for cost in encoded.values())
        trainings = [cost.resume_bytes for job, cost in waiting if cost.resume_bytes]
        return {
            "jobs": len(waiting),
            "gpu_seconds": sum(cost.gpu_seconds for _, cost in waiting),
            "core_seconds": sum((c.seconds or 0) * j.threads for j, c in waiting if not j.gpus),
            "disk_bytes": encoded_bytes
            + sum(cost.disk_bytes for job, cost in waiting if job.state == "missing"),
            "encoded_bytes": encoded_bytes,
            "resume_bytes": max(trainings, default=0.0),
        }

    def chain(self) -> list[int]:
        """Return the positions of the jobs of the longest chain that would run, first to last."""
        return [n for n in critical_path(self.tasks()) if self.jobs[n].state != "done"]

    def chain_seconds(self) -> float:
        """Return how long that chain takes: no number of machines is faster."""
        return sum(self.costs[number].seconds or 0.0 for number in self.chain())
