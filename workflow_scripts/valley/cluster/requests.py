"""What a job asks of a cluster: GPUs, nodes, cores, memory and time.

From what it has to do (valley/planning/estimates.py), corrected by what finished jobs took,
with a margin, and more on every retry. The study file's `resources` overrides any of it.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from valley.core import snapshots
from valley.core.arms import Arm
from valley.core.parts import JUDGING, judging_parts, judging_rules, sampling_rule, wildcards_of
from valley.core.sidecars import SUFFIX, provenances, warn
from valley.planning.estimates import EstimateError, estimate, parameters_of

MARGIN = 2.0  # of time, over what is expected
SPARE_MINUTES = 10  # for starting, on a busy file system
SPARE_MB = 2000  # Python, its libraries and a table
JUDGE_MINUTES = 30  # a judge gets as many cores as make it end in about that time
MOST_CORES = 16
UNKNOWN = 1 << 40  # cores and memory of nodes that nobody has described
UNKNOWN_MINUTES = 24 * 60  # for a training that can't be estimated


@dataclass(frozen=True)
class Request:
    """What one job asks for.

    Attributes:
        gpus: of the whole job; 0 is none.
        nodes: machines that it spans.
        cpus: cores on each node.
        mem_mb: memory on each node.
        runtime: minutes.
    """

    gpus: int
    nodes: int
    cpus: int
    mem_mb: int
    runtime: int


@dataclass(frozen=True)
class Room:
    """What a node has: cores, and memory in MB."""

    cpus: int
    mem_mb: int


def request(
    config: dict,
    rule: str,
    wildcards: dict,
    attempt: int = 1,
    seen: dict | None = None,
    room: Room | None = None,
) -> Request:
    """Return what a job asks for.

    Args:
        config: a completed study file.
        rule: the job's rule.
        wildcards: the job's.
        attempt: 1 at first; time and memory grow with it.
        seen: from `measured`: how much longer than expected finished jobs took.
        room: of the nodes that it may run on; None is not known. What follows from estimates keeps
            within it, and so does what grows on a retry; what the study file says does not.
    """
    most = room or Room(UNKNOWN, UNKNOWN)
    # Where a snapshot's state is lost, its job trains.
    wildcards = snapshots.as_whole(config, wildcards)
    student = wildcards.get("student") or str(wildcards.get("checkpoint", "")).split("/")[0]
    described = config["students"].get(student, {})
    samples = sampling_rule(config)
    own = config["resources"].get(rule.removesuffix("_part"), {})
    gpus = int(rule in ("train", samples) and not described.get("scratch"))
    if rule == samples:
        gpus *= config["sampling"]["tensor_parallel"]
    first = Request(gpus=gpus, nodes=1, cpus=8 if gpus else 1, mem_mb=SPARE_MB, runtime=0)
    first = replace(first, **{k: own[k] for k in ("gpus", "nodes", "cpus") if k in own})
    if "cpus" not in own and first.gpus:
        first = replace(first, cpus=min(most.cpus, 8 * math.ceil(first.gpus / first.nodes)))
    if "cpus" not in own and rule == "train" and not first.gpus:
        processes = config["training"]["processes"]
        first = replace(first, cpus=math.ceil(processes / first.nodes))
    try:
        expected = estimate(config, rule, _judged(config, rule, wildcards))
        seconds = expected.wall_seconds(first.gpus, 1)
        if "cpus" not in own and rule in JUDGING:
            wanted = math.ceil(expected.core_seconds / (60 * JUDGE_MINUTES))
            first = replace(first, cpus=max(1, min(MOST_CORES, most.cpus, wanted)))
            seconds = expected.wall_seconds(0, first.cpus)
        seconds *= max(1.0, (seen or {}).get((rule, student), 1.0))
    except (EstimateError, KeyError):
        seconds = 60 * UNKNOWN_MINUTES
    minutes = own.get("runtime") or SPARE_MINUTES + math.ceil(MARGIN * seconds / 60)
    memory = own.get("mem_mb") or SPARE_MB + _model_mb(config, rule, wildcards, student, first)
    longest = config["resources"]["longest"]
    return replace(
        first,
        mem_mb=min(memory * attempt, max(memory, most.mem_mb)),
        runtime=min(minutes * attempt, longest) if longest else minutes * attempt,
    )


def _judged(config: dict, rule: str, wildcards: dict) -> dict:
    """Return the wildcards of the job whose time and cores a job asks for.

    Where parts judge, who reads their verdicts asks for as much as the first of them: what took too
    long on one type of processor, or what the judge failed on, it judges again.
    """
    first = [str(part) for part in judging_parts(config)[:1]] if rule in JUDGING else []
    return {**wildcards, "part": wildcards.get("part", *first)} if first else wildcards


def group_bounds(asked: list[Request], cores: int, room: Room | None) -> Room:
    """Return what a group may ask for: what the profile says, and no more than a node has.

    A job that asks for more than that is a group of its own size.

    Args:
        asked: what its jobs ask for.
        cores: of a group, by the profile.
        room: of the nodes that it may run on; None is not known.
    """
    most = room or Room(UNKNOWN, UNKNOWN)
    return Room(
        max([min(cores, most.cpus), *(one.cpus for one in asked)]),
        max([most.mem_mb, *(one.mem_mb for one in asked)]),
    )


def side_by_side(asked: list[Request], bounds: Room, longest: int, after: int, most: int) -> int:
    """Return how many jobs may share a group without asking for longer than is allowed.

    Args:
        asked: what the jobs ask for; the largest of them counts.
        bounds: of the group.
        longest: minutes that it may ask for.
        after: minutes of the job of one core that follows on each.
        most: at most so many.
    """
    if not asked:
        return most
    cpus, mem_mb, minutes = (
        max(getattr(one, name) for one in asked) for name in ("cpus", "mem_mb", "runtime")
    )
    width = max(1, min(bounds.cpus // cpus, bounds.mem_mb // mem_mb))

    def takes(jobs: int) -> int:
        return math.ceil(jobs / width) * minutes + math.ceil(jobs / bounds.cpus) * after

    return next((n for n in range(most, 1, -1) if takes(n) <= longest), 1)


def _model_mb(config: dict, rule: str, wildcards: dict, student: str, asked: Request) -> int:
    """Return the memory on each node that a model takes.

    To load it, a copy of its weights in single precision: one however many processes train, one for
    each engine that answers. While it trains, a copy of this node's part of the state that is being
    written, on cores also weights, gradients and moments themselves; and for each process its
    libraries.
    """
    if rule not in ("train", sampling_rule(config), "student") or not student:
        return 0
    each, processes = 4.0, 1
    if rule == sampling_rule(config):
        processes = max(1, asked.gpus // config["sampling"]["tensor_parallel"])
        each *= processes
    if rule == "train":
        processes = math.ceil(max(asked.gpus, config["training"]["processes"]) / asked.nodes)
        recipe = config["recipes"].get(wildcards.get("recipe"), {})
        state = 0 if recipe.get("lora") else {"bf16": 6}.get(recipe.get("weights"), 12)
        each = max(each, (state if asked.gpus else 16 + state) / asked.nodes)
    try:
        parameters = parameters_of(config, student)
    except EstimateError:
        return 62000
    return processes * SPARE_MB + math.ceil(parameters * each * 1.25 / 1e6)


def measured(config: dict, root: Path) -> dict[tuple[str, str], float]:
    """Return how much longer finished jobs took than was expected, by (rule, student); the worst.

    Args:
        config: a completed study file.
        root: its results; sidecars say what jobs took.
    """
    found: dict[tuple[str, str], float] = {}
    kinds = {"checkpoints": "train", "generations": sampling_rule(config)}
    kinds |= {"verdicts": judging_rules(config)[0]}
    for kind, rule in kinds.items():
        for path, about in provenances(root / kind, damaged=warn):
            took = about["measured"].get("wall_seconds")
            if about.get("restored") or about["rule"] != rule or took is None:
                continue
            checkpoint = path.relative_to(root / kind).parent.as_posix()
            name = path.name.removesuffix(SUFFIX)
            wildcards = {"checkpoint": checkpoint, "benchmark": name}
            if rule == "answer":
                wildcards = {"checkpoint": checkpoint, **wildcards_of(name)}
            if rule == "judge_part":
                benchmark, dot, part = name.partition(".")
                wildcards = {"checkpoint": checkpoint, "benchmark": benchmark, "part": dot + part}
            if rule == "train" and (arm := Arm.parsed(checkpoint)):
                wildcards = vars(arm)
            plan = request(config, rule, wildcards)
            try:
                whole = snapshots.as_whole(config, wildcards)
                expected = estimate(config, rule, whole).wall_seconds(plan.gpus, plan.cpus)
            except (EstimateError, KeyError):
                continue
            ratio = took / expected
            key = rule, checkpoint.partition("/")[0]
            found[key] = max(found.get(key, 0.0), ratio)
    return found
