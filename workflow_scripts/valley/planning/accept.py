"""`./valley accept`: a change was cosmetic, results stay valid, nothing runs.

A digest can't tell a new log text from new logic. Whoever can says so: what the sidecars of results
say of the code that made them is brought up to the present. No result's bytes or times change.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from valley.core.config import defaults
from valley.core.files import digest, write_json
from valley.core.recipes import as_recorded_now
from valley.core.sidecars import provenance, sidecar, warn
from valley.core.store import Store
from valley.core.study import Study
from valley.planning.answer_caches import cache_of_job
from valley.planning.dag import PlannedJob, planned
from valley.planning.errors import one_line_errors
from valley.workflow.job import determining, is_code
from valley.workflow.records import differences


@dataclass(frozen=True)
class Change:
    """A result that would be made again for its params, and the obstacles to accepting it.

    Attributes:
        job: the job that makes it.
        about: content of its sidecar.
        differing: the params that differ, each with its value then and now.
        obstacles: differences that were not said to be cosmetic; settings that the code takes anew,
            at their defaults, or takes no more, are differences of code.
    """

    job: PlannedJob
    about: dict
    differing: dict[str, tuple]
    obstacles: list[str]


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "accept",
        help="mark a code change as cosmetic: results stay valid, nothing runs",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 done (or nothing to do), 1 --all left some results as they are, "
        "2 refused: nothing was changed.",
    )
    parser.add_argument("file", nargs="*", help="result files to accept")
    parser.add_argument("--rule", action="append", default=[], help="all results of a rule")
    parser.add_argument("--all", action="store_true", help="all whose code alone has changed")
    parser.add_argument(
        "--also", action="append", default=[], metavar="PARAM", help="a setting that didn't matter"
    )
    parser.add_argument("--study", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only show what would be done")
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """Accept what was asked for; return the exit status."""
    if not (options.all or options.rule or options.file):
        print("say what to accept: files, --rule RULE, or --all", file=sys.stderr)
        return 2
    study = Study.read(options.study)
    jobs = planned(Path(options.study))
    chosen = jobs if options.all else selected(jobs, options.file, options.rule)
    found = changes(chosen, {*options.also})
    blocked = [change for change in found if change.obstacles]
    if blocked:
        print("\n".join(["Not accepted:", *hindered(blocked)]), file=sys.stderr)
    if blocked and not options.all:
        print(
            "refused, nothing was changed; settings that didn't matter are named with --also",
            file=sys.stderr,
        )
        return 2
    accepted = [change for change in found if not change.obstacles]
    if any(change.job.locked for change in accepted):
        print("Snakemake is running on these results; accept when it has ended", file=sys.stderr)
        return 2
    print("\n".join(format_accepted(accepted, options.dry_run)))
    if not options.dry_run:
        for change in accepted:
            accept(change, Store(study.store))
    return int(bool(blocked))


def selected(jobs: list[PlannedJob], files: list[str], rules: list[str]) -> list[PlannedJob]:
    """Return the jobs of some rules, or that make some files.

    Raises:
        ValueError: no job has that rule, or makes that file.
    """
    unknown = {*rules} - {job.rule for job in jobs}
    if unknown:
        known = ", ".join(sorted({job.rule for job in jobs}))
        raise ValueError(f"no job of rule {', '.join(sorted(unknown))}; the study's are {known}")
    unmade = {*files} - {path for job in jobs for path in job.outputs}
    if unmade:
        raise ValueError(f"no job makes {', '.join(sorted(unmade))}")
    return [job for job in jobs if job.rule in rules or {*files} & {*job.outputs}]


def changes(jobs: Iterable[PlannedJob], cosmetic: set[str]) -> list[Change]:
    """Return the results whose params differ from the present ones.

    Args:
        jobs: jobs to look at.
        cosmetic: settings whose change is said not to matter, as that of code is.
    """
    found = []
    for job in jobs:
        about = provenance(job.outputs[0], damaged=warn)
        differing = differences(about, determining(job.params)) if about else {}
        if not differing:
            continue
        obstacles = [
            f"{name} {_short(then)} → {_short(now)}"
            for name, (then, now) in differing.items()
            if not (is_code(name) or name in cosmetic or _of_code(name, then, now))
        ]
        if set(about["inputs"]) != set(job.inputs):
            obstacles.append("it would be made from other files")
        found.append(Change(job, about, differing, obstacles))
    return found


def _of_code(name: str, then: object, now: object) -> bool:
    """Tell whether a setting differs for no other reason than that the code takes other settings.

    It takes this one no more; or it takes a new one, of which the study file says nothing yet: it
    stands at its default.
    """
    known = defaults(name) or [None]
    return now is ... or (then is ... and all(now == default for default in known))


def accept(change: Change, store: Store) -> None:
    """Bring what is recorded of a result up to the present: its sidecar, and its key in the store.

    The result is then found under its new key too, so that another study finds it there.
    """
    about, job = change.about, change.job
    cache = cache_of_job(job.rule, about["params"], about["inputs"], store.root)
    now = {name: value for name, (_, value) in change.differing.items() if value is not ...}
    then = as_recorded_now(about["params"], determining(job.params))
    kept = {name: value for name, value in then.items() if name not in change.differing}
    was = {name: then for name, (then, _) in change.differing.items() if then is not ...}
    about = {**about, "params": {**kept, **now}}
    about["accepted"] = [
        *about.get("accepted", []),
        {"was": was, "on": time.strftime("%Y-%m-%dT%H:%M:%S%z")},
    ]
    if store.has(about["key"]):
        noted = store.about(about["key"])
        contents = {"rule": job.rule, "params": about["params"], "inputs": noted["inputs"]}
        key = digest(contents)
        store.keep_as(about["key"], key, {**noted, **contents})
        about["key"] = key
    if cache:
        cache.open_as(cache_of_job(job.rule, about["params"], about["inputs"], store.root).about)
    write_json(sidecar(job.outputs[0]), about)


def format_accepted(accepted: list[Change], dry_run: bool) -> list[str]:
    """Return what is (or would be) accepted, like changes together."""
    if not accepted:
        return ["Nothing to accept."]
    lines = [
        (
            change.job.rule,
            "; ".join(f"{n} {_short(a)} → {_short(b)}" for n, (a, b) in change.differing.items()),
        )
        for change in accepted
    ]
    return ["Would be accepted:" if dry_run else "Accepted:", *_counted(lines)]


def hindered(blocked: list[Change]) -> list[str]:
    """Return the obstacles to accepting results, grouped by kind."""
    return _counted([(change.job.rule, "; ".join(change.obstacles)) for change in blocked])


def _counted(lines: list[tuple[str, str]]) -> list[str]:
    return [f"  {number} {rule}: {what}" for (rule, what), number in Counter(lines).items()]


def _short(value: object) -> str:
    text = "(none)" if value is ... else str(value)
    return text if len(text) <= 60 else f"({len(text)} characters)"
