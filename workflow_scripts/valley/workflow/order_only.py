"""Snakemake's DAG, in which an order-only input is no reason to run a job.

An input marked `ancient` is waited for when both jobs run; newer, or made again, it ages nothing.
Where Snakemake 9.27.1 decides what runs, it follows such edges all the same: it takes whatever lies
below a job that is to run for decided, and never looks whether that is stale for a reason of its
own; and an ancient input that is not there yet makes the job below run when it is made.
"""

from collections import defaultdict
from collections.abc import Callable

from snakemake.dag import DAG


class OrderOnlyDAG(DAG):
    """A DAG in which reasons to run don't pass through inputs that are only waited for.

    Attributes:
        grouping: called before jobs are sorted into groups.
        decided: called with the DAG when it is decided what runs.
    """

    grouping: Callable[[], None] = staticmethod(lambda: None)
    decided: Callable[[DAG], None] = staticmethod(lambda dag: None)

    def update_groups(self) -> None:
        """Sort jobs into groups, when these are bounded."""
        self.grouping()
        super().update_groups()
        self._within = {
            job: sum(other in group.jobs for other in self.dependencies[job])
            for job, group in self._group.items()
        }

    def _ready(self, job) -> bool:
        """Tell whether a job may begin, and all of its group's with it.

        As Snakemake's own, which compares whole groups for each input of each job of a group: of a
        group of a thousand jobs that took minutes.
        """
        group = self._group.get(job)
        if group is None:
            return super()._ready(job)
        return all(self._n_until_ready[one] == self._within[one] for one in group.jobs)

    def _check_groups(self) -> None:
        """Check that no group depends on itself, in a time that grows with the DAG.

        Snakemake does it for each job of a group once for each of the group's jobs. Here its own
        check, with its message, comes after only where there is such a group.
        """
        if any(map(self._comes_back, set(self._group.values()))):
            super()._check_groups()

    def _comes_back(self, group) -> bool:
        """Tell whether a job of a group depends on one of its jobs by way of one outside."""
        inside = set(group.jobs)
        below = (other for job in inside for other in self.dependencies[job])
        waiting = [job for job in below if job not in inside]
        seen = set(waiting)
        while waiting:
            for job in self.dependencies[waiting.pop()]:
                if job in inside:
                    return True
                if job not in seen:
                    seen.add(job)
                    waiting.append(job)
        return False

    async def postprocess(self, *args, **kwargs) -> None:
        """Decide and order what runs, as ever; then have it looked at."""
        await super().postprocess(*args, **kwargs)
        self.decided(self)

    async def update_needrun(self, create_inventory: bool = False) -> None:
        """Decide what runs. A job that does still waits for its gates, and has them made."""
        whole = self.depending
        self.depending = defaultdict(dict)
        for job, others in whole.items():
            self.depending[job] = {
                other: files
                for other, files in others.items()
                if not all(file.is_ancient for file in files)
            }
        try:
            await super().update_needrun(create_inventory)
        finally:
            self.depending = whole
