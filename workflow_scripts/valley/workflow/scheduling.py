"""When Snakemake's scheduler looks again for jobs to start.

While jobs are ready and may not start yet, Snakemake 9.27.1 looks again after the time of its rate
limit. Each look asks for the next one, and each job that ends for a look too, so that there are as
many looks in that time as jobs have ended since. Each goes through all ready jobs and the sizes of
their inputs: on a login node that takes a whole core after some hundred jobs.
"""

import functools
import time
from collections.abc import Callable


def once(again: Callable) -> Callable:
    """Ask for one look at a time: who asks while there is to be one gets that one."""

    @functools.wraps(again)
    def ask(self, delay: float) -> None:
        due = vars(self).setdefault("_looks_due", {})  # by the delay
        now = time.monotonic()
        if due.get(delay, now) <= now:
            due[delay] = now + delay
            again(self, delay)

    return ask
