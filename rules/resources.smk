# What jobs ask of a cluster; on this machine only the number of threads matters.

import functools
import inspect

from valley.cluster import mend, requests

mend.mend()

# Short jobs share submissions. Labels and the pool are short where the whole corpus comes from the
# bundled generator; a real corpus' are jobs of their own, and so its shards a group of theirs.
BUNDLED = None if STUDY.all_corpora or set(STUDY.teachers) != set(STUDY.procedural) else "corpus"


@functools.cache
def costs_seen():
    """Return how finished jobs' time compares with the estimates; on this machine nobody asks."""
    return {} if workflow.local_exec else requests.measured(STUDY.config, Path(ROOT))


ASK_SIGNATURE = inspect.signature(lambda wildcards, attempt: None)


def grouped(name):
    """Return the group of a short job's rule; in a dry-run none.

    Nothing is submitted then, and Snakemake would still sort all jobs into groups, which takes a
    time that grows with the square of their number.
    """
    return None if workflow.output_settings.dryrun else name


@functools.lru_cache(maxsize=256)  # the few things that a job asks for are asked one after another
def request_of(rule, attempt, **wildcards):
    """Return all that a job asks for."""
    return requests.request(STUDY.config, rule, wildcards, attempt, costs_seen())


def asks(rule, what):
    """Return a function for a rule's `threads` or `resources`: what its job asks for."""

    def ask(wildcards, attempt):
        return getattr(request_of(rule, attempt, **wildcards), what)

    ask.__signature__ = ASK_SIGNATURE
    return ask
