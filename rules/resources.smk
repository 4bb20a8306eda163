# What jobs ask of a cluster; on this machine only the number of threads matters.

import functools

from cluster import mend, requests

mend.mend()

# Short jobs share submissions. Labels and the pool are short where the whole corpus comes from the
# bundled generator; a real corpus' are jobs of their own, and so its shards a group of theirs.
BUNDLED = None if STUDY.all_corpora or set(STUDY.teachers) != set(STUDY.procedural) else "corpus"


@functools.cache
def costs_seen():
    """Return how finished jobs' time compares with the estimates; on this machine nobody asks."""
    return {} if workflow.local_exec else requests.measured(STUDY.config, Path(ROOT))


def asks(rule, what):
    """Return a function for a rule's `threads` or `resources`: what its job asks for."""

    def ask(wildcards, attempt):
        asked = requests.request(STUDY.config, rule, dict(wildcards), attempt, costs_seen())
        return getattr(asked, what)

    return ask
