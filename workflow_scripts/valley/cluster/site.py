"""A run on a cluster: what its partitions offer, how large its groups are, whether its jobs fit.

The rules make one `Site`; it asks SLURM when a run begins, once. The jobs of the run are told the
room of their nodes by their environment, so that they see the requests that were made for them.
"""

import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from valley.cluster import offers
from valley.cluster.requests import Request, Room, group_bounds, side_by_side

# In the environment of a run's jobs: rooms by partition, as JSON.
ROOMS = "VALLEY_ROOMS"
UNKNOWN_YET = ("tmpdir", "disk", "disk_mb")
GROUPS = "group_cores"  # the profile's resource that bounds what a group asks for


class Site:
    """What a run knows of its cluster.

    Args:
        workflow: Snakemake's.
        longest: the study file's limit in minutes, or None.
        log: Snakemake's logger.
    """

    def __init__(self, workflow, longest: int | None, log):
        self._workflow, self._longest, self._log = workflow, longest, log
        self._checked = False

    @property
    def _asks(self) -> bool:
        """Whether this process submits jobs, or is a dry-run of one that does.

        A dry-run has no executor of SLURM's: what tells it is the profile, which bounds groups.
        """
        there = self._workflow.is_main_process and GROUPS in self._workflow.global_resources
        planned = self._workflow.executor_plugin is None  # the rules are being read
        return there and (planned or self._dry or not self._workflow.local_exec)

    @property
    def _dry(self) -> bool:
        return self._workflow.output_settings.dryrun

    @functools.cached_property
    def partitions(self) -> dict[str, offers.Partition]:
        """Every partition by name; none on one machine, in a job, or if SLURM does not answer."""
        if not self._asks:
            return {}
        try:
            found = offers.ask_slurm()
        except RuntimeError as error:
            said = str(error).splitlines()[0]
            self._log.warning(f"What jobs ask for is held against nothing: {said}.")
            return {}
        if self._dry:
            for one in found.values():
                self._log.info(f"Partition {'(default) ' if one.default else ''}{one}")
        rooms = {name: asdict(offers.room(one)) for name, one in found.items()}
        rooms[""] = rooms.get(next((o.name for o in found.values() if o.default), ""))
        os.environ[ROOMS] = json.dumps({k: v for k, v in rooms.items() if v and self._used(k)})
        return found

    def _used(self, partition: str) -> bool:
        """Tell whether any rule may go to a partition: only what is used is told to jobs."""
        return partition in {self._partition(rule.name) for rule in self._workflow.rules}

    def _partition(self, rule: str) -> str:
        """Return the partition that the profile names for a rule; empty for SLURM's default."""
        asked = self._workflow.get_rule(rule).resources.get("slurm_partition")
        value = asked.value if asked and not asked.is_evaluable() else None
        return str(value).strip("'\"") if value else ""

    @functools.cache  # noqa: B019  (one for a run)
    def room(self, rule: str) -> Room | None:
        """Return what every node has that a rule's jobs may come to; None if that is not known."""
        name = self._partition(rule)
        if self._workflow.is_main_process:
            where = offers.partition_of(self.partitions, name)
            return where and offers.room(where)
        told = json.loads(os.environ.get(ROOMS, "{}")).get(name)
        return Room(**told) if told else None

    def limit(self, partition: str | None) -> int | None:
        """Return the minutes that a job may ask for on a partition; None is no limit."""
        where = offers.partition_of(self.partitions, partition)
        known = [n for n in (self._longest, where and where.minutes) if n]
        return min(known, default=None)

    def bound_groups(self, group: str, rule: str, members: Iterable[Request], after: int) -> None:
        """Let no group ask for more than a node has, or for longer than its partition allows.

        Args:
            group: whose number of components is bounded by time.
            rule: its costly rule.
            members: what the jobs of that rule ask for.
            after: minutes that the short job after each of them asks for.
        """
        if not self._asks or self._dry:
            return
        asked = list(members)
        settings, limits = self._workflow.group_settings, self._workflow.global_resources
        room = self.room(rule)
        bounds = group_bounds(asked, limits[GROUPS].value, room)
        limits[GROUPS] = bounds.cpus
        if room:
            limits["mem_mb"] = bounds.mem_mb
        components = dict(settings.group_components)
        longest = self.limit(self._partition(rule))
        if longest and group in components:
            most = components[group]
            components[group] = side_by_side(asked, bounds, longest, after, most)
            settings.group_components = components

    def check(self, dag) -> None:
        """Hold the requests of all jobs that will run against what partitions offer.

        Args:
            dag: Snakemake's, when it is decided what runs.

        Raises:
            ValueError: a job could never run; the message says which ones, and what to do.
        """
        if self._checked or not self.partitions:
            return
        self._checked = any(dag.needrun_jobs())
        wrong = offers.misfits(self._wanted(dag), self.partitions)
        if wrong:
            raise ValueError(
                "Nothing was submitted: the cluster can't run what is asked for.\n"
                + "\n".join(f"  - {line}" for line in wrong)
            )

    def _wanted(self, dag) -> Iterator[tuple[str, offers.Demand]]:
        """Yield what each job asks for; groups of them are bounded by what nodes have."""
        for job in dag.needrun_jobs():
            if job.output:  # targets are no jobs of the cluster
                # Snakemake can't know sizes yet, and keeps what it has evaluated.
                asked = job.rule.expand_resources(
                    job.wildcards_dict, job.input, job.attempt, skip_evaluation=UNKNOWN_YET
                )
                request = Request(
                    gpus=asked.get("gpu") or 0,
                    nodes=asked.get("nodes") or 1,
                    cpus=asked["_cores"],
                    mem_mb=asked.get("mem_mb") or 0,
                    runtime=asked.get("runtime") or 0,
                )
                partition, model = asked.get("slurm_partition"), asked.get("gpu_model")
                yield job.rule.name, offers.Demand(request, partition, model)


def checked(check: Callable, error: type[Exception]) -> Callable:
    """Return a check that raises an error of Snakemake's, which is printed without a trace."""

    def look(dag) -> None:
        try:
            check(dag)
        except ValueError as wrong:
            raise error(str(wrong)) from None

    return look
