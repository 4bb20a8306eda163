"""`./valley plan`: what would run, why, and what it would cost, before anything does."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import yaml
from core.study import Study

from planning.cost import estimator
from planning.dag import PlannedJob, planned

STATES = ("done", "missing", "stale")
FOLLOWS = "Input files updated by another job"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "plan",
        help="what would run, why, and what it would cost",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 nothing would run, 1 something would, 2 it can't be told.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("targets", nargs="*", help="files or named targets [the whole study]")
    parser.add_argument("--arms", action="store_true", help="list the arms that would run")
    parser.add_argument("--json", action="store_true", help="every job, as JSON")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print the plan; return the exit status."""
    try:
        study = Study(yaml.safe_load(Path(options.study).read_text(encoding="utf-8")))
        jobs = planned(Path(options.study), options.targets)
    except Exception as error:  # Snakemake's own errors have no common kind
        print(f"{options.study}: {error}", file=sys.stderr)
        return 2
    cost = estimator(Path(study.root))
    if options.json:
        print(json.dumps([{**vars(job), "seconds": cost(job)} for job in jobs], default=str))
    else:
        print("\n".join([*summary(jobs, cost), *(arms(jobs) if options.arms else [])]))
    return int(any(job.state != "done" for job in jobs))


def summary(jobs: list[PlannedJob], cost) -> list[str]:
    """Return the plan by stage, with reasons and expected time.

    Args:
        jobs: every job of the DAG.
        cost: from a job to its expected seconds, or None.
    """
    lines = [f"{'rule':<12}{'done':>7}{'missing':>9}{'stale':>7}{'to run':>12}"]
    waiting = [job for job in jobs if job.state != "done"]
    for rule in dict.fromkeys(job.rule for job in jobs):
        count = Counter(job.state for job in jobs if job.rule == rule)
        times = [cost(job) for job in waiting if job.rule == rule]
        known = [seconds for seconds in times if seconds is not None]
        told = "" if not times else duration(sum(known)) if len(known) == len(times) else "?"
        lines.append(
            f"{rule:<12}"
            + "".join(f"{count[s]:>{7 + 2 * (s == 'missing')}}" for s in STATES)
            + f"{told:>12}"
        )
    if not waiting:
        return [*lines, "", "Nothing would run."]
    times = [cost(job) for job in waiting]
    known = [seconds for seconds in times if seconds is not None]
    lines += ["", f"{len(waiting)} of {len(jobs)} jobs would run."]
    if known:
        lines.append(
            f"Time of the jobs: {duration(sum(known))}, from what jobs of this study took."
        )
    if len(known) < len(times):
        unknown = sorted({job.rule for job in waiting if cost(job) is None})
        lines.append(f"Not measured yet, and so not counted (?): {', '.join(unknown)}.")
    stale = [(job.rule, cause(job)) for job in waiting if job.state == "stale"]
    roots = Counter((rule, why) for rule, why in stale if why != FOLLOWS)
    if roots:
        lines += ["", "Results that are there but must be made again, and why:"]
        lines += [f"  {count} {rule}: {why}" for (rule, why), count in roots.items()]
        lines.append(f"  and {len(stale) - roots.total()} that follow from these or from new ones")
    return lines


def cause(job: PlannedJob) -> str:
    """Return a job's reason without the names of files, so that like jobs count together."""
    kinds = [part.split(":")[0].strip() for part in re.split(r"; (?=[A-Z])", job.reason)]
    return "; ".join(kinds)


def arms(jobs: list[PlannedJob]) -> list[str]:
    """Return the arms of which something would run, each with its stages."""
    stages: dict[str, list[str]] = {}
    for job in jobs:
        if job.state == "done":
            continue
        place = job.wildcards.get("place")
        if job.rule == "train":
            place = job.outputs[0].split("/checkpoints/")[1].rsplit("/", 1)[0]
        if place:
            stages.setdefault(place, []).append(job.rule)
    width = max(map(len, stages), default=0)
    return ["", *(f"{place:<{width}}  {', '.join(rules)}" for place, rules in stages.items())]


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
