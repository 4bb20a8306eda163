"""Snakemake's DAG, where what a job only waits for is no reason to run it.

An input marked `ancient` is waited for when both jobs run; newer, or made again, it ages nothing.
Where Snakemake 9.27.1 decides what runs, it follows such edges all the same: it takes whatever lies
below a job that is to run for decided, and never looks whether that is stale for a reason of its
own; and an ancient input that is not there yet makes the job below run when it is made.
"""

from collections import defaultdict

from snakemake.dag import DAG


class GatedDAG(DAG):
    """A DAG in which reasons to run don't pass through inputs that are only waited for."""

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
