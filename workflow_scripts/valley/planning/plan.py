"""`./valley plan`: what would run, why, and what it would cost, before anything does."""

import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

import yaml

from valley.core.sidecars import provenance, warn
from valley.core.text import duration
from valley.planning import compare_plans as compare
from valley.planning.cost import Cost
from valley.planning.dag import PlannedJob
from valley.planning.edits import edited
from valley.planning.errors import one_line_errors
from valley.planning.notes import notes
from valley.planning.plans import Plan
from valley.planning.simulate import makespan
from valley.planning.words import arm_of, hours, size
from valley.workflow.job import determining, is_code
from valley.workflow.records import differences

STATES = ("done", "missing", "stale", "blocked")
FOLLOWS = "Input files updated by another job"
PARAMS = "Params have changed since last execution"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "plan",
        help="what would run, why, and what it would cost",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 nothing would run, 1 something would, 2 an error.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("targets", nargs="*", help="files or named targets [the whole study]")
    parser.add_argument(
        "--with",
        dest="edits",
        action="append",
        default=[],
        metavar="EDIT",
        help="what this edit of the study file would change: sizes+=100000, "
        "sampling.temperature=0.9, axes.scaling.seeds-=1; may be given several times",
    )
    parser.add_argument(
        "--against", metavar="STUDY", help="what this other study file would change"
    )
    parser.add_argument("--gpus", type=int, help="GPUs of your partition: how long it would take")
    parser.add_argument("--cores", type=int, help="its processor cores [8 for each GPU, or 1]")
    parser.add_argument("--arms", action="store_true", help="list the arms that would run")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """Print the plan; return the exit status."""
    study, targets = Path(options.study), options.targets
    if options.edits and options.against:
        print("give either --with or --against, not both", file=sys.stderr)
        return 2
    plan, other = Plan(study, targets), None
    if options.against:
        other = Plan(Path(options.against), targets, [plan.study.root])
    elif options.edits:
        other = _edited(study, plan, options.edits, targets)
    if options.json:
        value = as_json(plan, options)
        if other:
            change = compare.changes(plan, other)
            value = {"before": value, "after": as_json(other, options), "changes": change}
        print(json.dumps(value, default=str))
    elif other:
        changes = compare.format_changes(
            plan, other, partition(plan, options), partition(other, options)
        )
        print("\n".join([*changes, *noted(other)]))
    else:
        shown = arms(plan) if options.arms else []
        print("\n".join([*summary(plan, options), *noted(plan), *shown]))
    return int(bool((other or plan).waiting))


def noted(plan: Plan) -> list[str]:
    """Return notes on results that would differ if they were made now."""
    found = notes(plan.study, plan.jobs)
    return ["", *(f"Note: {note}" for note in found)] if found else []


def _edited(study: Path, plan: Plan, edits: list[str], targets: list[str]) -> Plan:
    config = yaml.safe_load(study.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / study.name
        changed = edited(config, plan.study.config, edits)
        path.write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
        return Plan(path, targets, [plan.study.root])


def partition(plan: Plan, options) -> float | None:
    """Return the seconds on the user's partition; None if none was given.

    Raises:
        ValueError: a job asks for more GPUs than there are.
    """
    if options.gpus is None and options.cores is None:
        return None
    gpus = options.gpus or 0
    return makespan(plan.tasks(), gpus=gpus, cores=options.cores or 8 * gpus or 1)


def as_json(plan: Plan, options) -> dict:
    """Return everything that is known of a plan, as plain values."""
    jobs = [
        {**vars(job), "state": state, "arm": arm_of(job), **vars(cost)}
        for job, state, cost in zip(plan.jobs, plan.states, plan.costs, strict=True)
    ]
    chain = [plan.jobs[number].outputs[0] for number in plan.chain()]
    return {
        "study": plan.study.config["study"],
        "totals": plan.totals(),
        "partition_seconds": partition(plan, options),
        "critical_path": chain,
        "critical_path_seconds": plan.chain_seconds(),
        "not_known": plan.unknown,
        "counted": {student: vars(found) for student, found in plan.counted.items()},
        "notes": notes(plan.study, plan.jobs),
        "jobs": jobs,
    }


def summary(plan: Plan, options) -> list[str]:
    """Return the plan by stage, with reasons and expected costs."""
    on_gpu = any(cost.gpu_seconds for cost in plan.costs)
    head = f"{'stage':<12}" + "".join(f"{name:>9}" for name in STATES)
    gpu_hours = f"{'GPU-hours':>12}" if on_gpu else ""
    lines = [f"{head}{gpu_hours}{'time':>10}{'disk':>9}  figures"]
    rows = list(zip(plan.jobs, plan.states, plan.costs, strict=True))
    for rule in stages(plan.jobs):
        own = [(job, state, cost) for job, state, cost in rows if job.rule == rule]
        count = Counter(_column(job, state) for job, state, _ in own)
        todo = [(job, cost) for job, _, cost in own if job.state != "done"]
        lines.append(
            f"{rule:<12}"
            + "".join(f"{count[s] or '.':>9}" for s in STATES)
            + _figures(todo, on_gpu)
        )
    waiting = plan.waiting
    if not waiting:
        return [*lines, "", "Nothing would run."]
    lines += ["", f"{len(waiting)} of {len(plan.jobs)} jobs would run."]
    lines += costs(plan, options, on_gpu)
    stale = [(job.rule, cause(job)) for job, _ in waiting if job.state == "stale"]
    roots = Counter((rule, why) for rule, why in stale if why != FOLLOWS)
    if roots:
        lines += ["", "Existing results that must be made again, and why:"]
        lines += [f"  {count} {rule}: {why}" for (rule, why), count in roots.items()]
        lines.append(f"  and {len(stale) - roots.total()} that follow from these or from new ones")
    wrong = [job for job, state in zip(plan.jobs, plan.states, strict=True) if state == "failed"]
    if wrong:
        lines += ["", f"{len(wrong)} failed when they last ran (see ./valley status), among them"]
        lines += [f"  {job.outputs[0]}" for job in wrong[:5]]
    return lines


def stages(jobs: list[PlannedJob]) -> list[str]:
    """Return the rules in the order in which their last jobs could run."""
    return list(dict.fromkeys(job.rule for job in reversed(jobs)))[::-1]


def costs(plan: Plan, options, on_gpu: bool) -> list[str]:
    """Return what all that would run costs together."""
    total, chain = plan.totals(), plan.chain()
    sources = Counter(cost.source for _, cost in plan.waiting)
    lines = []
    if on_gpu:
        lines.append(f"GPU-hours: {hours(total['gpu_seconds'])}")
    lines.append(f"Core time of jobs without a GPU: {duration(total['core_seconds'])}")
    least = duration(plan.chain_seconds())
    lines.append(
        f"At least {least} on any number of machines: the longest chain has {len(chain)} jobs"
    )
    spent = partition(plan, options)
    if spent is not None:
        cores = options.cores or 8 * (options.gpus or 0) or 1
        where = f"{options.gpus} GPUs and {cores} cores" if options.gpus else f"{cores} cores"
        lines.append(f"On {where}: {duration(spent)} (jobs as long as expected, no queue)")
    else:
        lines.append("On your partition: give --gpus and --cores")
    lines.append(
        f"Disk: {size(total['disk_bytes'])} that stay"
        + (f" ({size(total['encoded_bytes'])} of encoded shards)" if total["encoded_bytes"] else "")
        + (f", {size(total['resume_bytes'])} for each running training" if on_gpu else "")
    )
    parts = [f"{count} jobs {name}" for name, count in sources.items()]
    lines.append(f"Figures: {', '.join(parts)} (see docs/plan.md)")
    return [*lines, *counted(plan), *plan.unknown]


def counted(plan: Plan) -> list[str]:
    """Return how long the traces are that the costs rest on, a line a student."""
    return [
        f"Tokens of {student}: {fmean(found.traces):,.0f} a trace, {fmean(found.prompts):,.0f} of "
        f"them the question, counted by its tokenizer in {len(found.traces)} rows of the pool"
        for student, found in sorted(plan.counted.items())
    ]


def _column(job: PlannedJob, state: str) -> str:
    """Return the table's heading of a job, which may also be running or have failed."""
    return state if state in STATES else job.state


def _figures(todo: list[tuple[PlannedJob, Cost]], on_gpu: bool) -> str:
    if not todo:
        return ""
    known = [cost for _, cost in todo if cost.seconds is not None]
    gpu = sum(cost.gpu_seconds for cost in known)
    time = sum(cost.seconds for cost in known)
    new = sum(cost.disk_bytes for job, cost in todo if job.state == "missing")
    sources = " and ".join(sorted({cost.source for _, cost in todo}))
    time_text = duration(time) if known else "?"
    gpu_hours = f"{hours(gpu) if gpu else '':>12}" if on_gpu else ""
    return f"{gpu_hours}{time_text:>10}{size(new) if new else '':>9}  {sources}"


def cause(job: PlannedJob) -> str:
    """Return a job's reason without the names of files, so that like jobs count together."""
    kinds = [part.split(":")[0].strip() for part in re.split(r"; (?=[A-Z])", job.reason)]
    return "; ".join(changes(job) or kind if kind == PARAMS else kind for kind in kinds)


def changes(job: PlannedJob) -> str:
    """Return which settings of a job differ from those that made its results, and its code."""
    about = provenance(job.outputs[0], damaged=warn)
    names = differences(about, determining(job.params)) if about else {}
    settings = [name for name in names if not is_code(name)]
    code = len(names) > len(settings)
    return "; ".join(
        [f"changed settings: {', '.join(settings)}"] * bool(settings)
        + ["its code has changed (./valley accept, if the results are still valid)"] * code
    )


def arms(plan: Plan) -> list[str]:
    """Return the arms of which something would run, each with its stages and cost."""
    stages: dict[str, list] = defaultdict(list)
    for job, state, cost in zip(plan.jobs, plan.states, plan.costs, strict=True):
        checkpoint = arm_of(job)
        if job.state != "done" and checkpoint:
            stages[checkpoint].append(
                (job.rule + ("" if state in STATES[:3] else f" ({state})"), cost)
            )
    width = max(map(len, stages), default=0)
    lines = [""]
    for checkpoint, own in stages.items():
        gpu, time = sum(c.gpu_seconds for _, c in own), sum(c.seconds or 0 for _, c in own)
        amount = f"{hours(gpu)} GPU-hours" if gpu else duration(time)
        lines.append(f"{checkpoint:<{width}}  {', '.join(rule for rule, _ in own)}  {amount}")
    return lines
