# What jobs request from a cluster; on this machine only the number of threads matters.

import functools
import inspect

from valley.cluster import slurm_patches, requests
from valley.cluster.site import Site, checked
from valley.workflow.order_only import OrderOnlyDAG

LONGEST = STUDY.config["resources"]["longest"]
SITE = Site(workflow, LONGEST, logger)
OrderOnlyDAG.grouping = staticmethod(lambda: bound_groups())
OrderOnlyDAG.decided = staticmethod(checked(SITE.check, WorkflowError))
slurm_patches.apply(SITE.limit, LEASE.submitting)

# Short jobs share submissions. Labels and the pool are short where the whole corpus comes from the
# bundled generator; a real corpus' are jobs of their own, and so its shards a group of theirs. Labels
# that are judged in parts are, too: the parts read traces and are no jobs of a group, so labels and
# traces can't be of one.
SHORT_CORPUS = not STUDY.all_corpora and set(STUDY.teachers) == set(STUDY.procedural)
BUNDLED = "corpus" if SHORT_CORPUS and STUDY.config["judge"]["jobs"] == 1 else None


@functools.cache
def measured_costs():
    """Return how finished jobs' time compares with the estimates; not needed on this machine."""
    return {} if workflow.local_exec else requests.measured(STUDY.config, Path(ROOT))


# What jobs of all other rules ask for, as default-resources in profiles/slurm.
SHORT_MINUTES = 10
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
    measured, room = measured_costs(), SITE.room(rule)
    return requests.request(STUDY.config, rule, wildcards, attempt, measured, room)


def at_most(minutes):
    """Return a fixed time, or what the study file allows one job if that is less."""
    return min(minutes, LONGEST or minutes)


@functools.cache
def bound_groups():
    """Fit groups to the cluster's nodes and limits, before Snakemake sorts jobs into them."""
    judged = {
        (arm.student, benchmark): STUDY.checkpoint_name(arm)
        for arm in STUDY.evaluated()
        for benchmark in STUDY.benchmarks
    }
    SITE.bound_groups(
        "verdicts",
        "judge",
        (
            request_of("judge", 1, checkpoint=checkpoint, benchmark=benchmark)
            for (_, benchmark), checkpoint in judged.items()
        ),
        at_most(SHORT_MINUTES),
    )


def asks(rule, what):
    """Return a function for a rule's `threads` or `resources`: what its job asks for."""

    def ask(wildcards, attempt):
        return getattr(request_of(rule, attempt, **wildcards), what)

    ask.__signature__ = ASK_SIGNATURE
    return ask
