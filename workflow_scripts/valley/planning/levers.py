"""What can be changed in a design, what that costs, and the edit of the study file that does it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from valley.analysis.designs import Blueprint, blueprint
from valley.core.arms import BASE, Arm
from valley.core.parts import answer_jobs, judging_parts, sampling_rule
from valley.core.published import origin
from valley.core.study import Study
from valley.planning.edits import edited
from valley.planning.estimates import EstimateError, estimate

SEEDS, SAMPLES, PROBLEMS, SIZES = "seeds", "samples", "problems", "sizes"


class UnknownProblems(ValueError):
    """A benchmark's number of problems is unknown; the message says how to give it."""


@dataclass(frozen=True)
class Cost:
    """Device time of arms: trainings, answers and verdicts, as `valley plan` estimates them.

    Attributes:
        gpu: GPU-hours.
        core: hours of cores, of jobs without a GPU.
        unknown: what the study file would have to say, where it does not say enough.
    """

    gpu: float
    core: float
    unknown: str = ""

    def of(self, unit: str) -> float:
        """Return the hours in a unit: "gpuh" or "cpuh"."""
        return self.gpu if unit == "gpuh" else self.core


@dataclass(frozen=True)
class Lever:
    """One thing to have more or fewer of.

    Attributes:
        kind: seeds, samples, problems or sizes.
        axes: whose, for seeds and sizes.
    """

    kind: str
    axes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} of {', '.join(self.axes)}" if self.axes else self.kind


def problems_of(study: Study, benchmark: str) -> tuple[int, str]:
    """Return how many problems a benchmark has before it is made, and who says so.

    Raises:
        UnknownProblems: nobody does.
    """
    described = study.config["benchmarks"][benchmark]
    if "bank" in described:
        return described["bank"]["problems"], "declared"
    source = described["source"]
    if source["count"]:
        return source["count"], "declared"
    chosen = [key for key in ("from", "to", "platforms", "difficulties") if source[key]]
    count = origin(source["format"], source["release"]).count
    if chosen or not count:
        why = f"it leaves out problems by {', '.join(chosen)}" if chosen else "its files are yours"
        raise UnknownProblems(
            f"benchmarks.{benchmark}: how many problems it has is not known before it is read "
            f"({why}); give it, such as --problems {benchmark}=164"
        )
    return count, "as published"


def with_problems(study: Study, benchmark: str, problems: int) -> Study:
    """Return the study with a benchmark of so many problems, for its costs too."""
    bank = "bank" in study.config["benchmarks"][benchmark]
    key = "bank.problems" if bank else "source.count"
    made = [f"benchmarks.{benchmark}.{key}={problems}"]
    return with_edits(study, made if bank else [*made, f"estimates.problems={problems}"])


def with_edits(study: Study, edits: Iterable[str]) -> Study:
    """Return the study with its file edited."""
    return Study(edited(study.config, study.config, list(edits)))


def levers(plan: Blueprint) -> list[Lever]:
    """Return the levers of a claim's design; a published benchmark has the problems that it has."""
    axes = plan.study.config["axes"]
    found = [Lever(SEEDS, plan.axes), Lever(SAMPLES)]
    if "bank" in plan.study.config["benchmarks"][plan.benchmark]:
        found.append(Lever(PROBLEMS))
    if any(_denser(axes[axis]["sizes"]) != axes[axis]["sizes"] for axis in plan.axes):
        found.append(Lever(SIZES, plan.axes))
    return found


def _denser(sizes: list[int]) -> list[int]:
    """Return sizes with one half-way (in log) between each two neighbours above 0."""
    above = sorted(size for size in sizes if size)
    middle = {round(sqrt(a * b)) for a, b in pairwise(above)}
    return sorted({*sizes, *middle})


def edits(study: Study, benchmark: str, factors: dict[Lever, float]) -> list[str]:
    """Return the edits of the study file that multiply levers by factors (of 1, none).

    Seeds and samples take any factor (one of each stays), problems too; sizes are only ever made
    denser, whatever the factor above 1.
    """
    config, out = study.config, {}
    for lever, factor in factors.items():
        if factor == 1:
            continue
        for axis in lever.axes:
            old = config["axes"][axis][lever.kind]
            new = _denser(old) if lever.kind == SIZES else _more(old, factor)
            out[f"axes.{axis}.{lever.kind}"] = new
        if lever.kind == SAMPLES:
            own = "samples" in config["benchmarks"][benchmark]["sampling"]
            key = f"benchmarks.{benchmark}.sampling.samples" if own else "sampling.samples"
            out[key] = max(round(study.sampling(benchmark)["samples"] * factor), 1)
        if lever.kind == PROBLEMS:
            now = config["benchmarks"][benchmark]["bank"]["problems"]
            out[f"benchmarks.{benchmark}.bank.problems"] = round(now * factor)
    return [f"{key}={value}" for key, value in sorted(out.items())]


def _more(seeds: list[int], factor: float) -> list[int]:
    count = max(round(len(seeds) * factor), 1)
    return [*seeds, *(max(seeds) + 1 + i for i in range(count - len(seeds)))][:count]


def pulled(plan: Blueprint, factors: dict[Lever, float]) -> tuple[Blueprint, list[str]]:
    """Return the design with levers multiplied, and the edits of the study file that do it."""
    found = edits(plan.study, plan.benchmark, factors)
    if not found:
        return plan, []
    study, problems = with_edits(plan.study, found), plan.problems
    for lever, factor in factors.items():
        problems = round(problems * factor) if lever.kind == PROBLEMS else problems
    return blueprint(study, plan.benchmark, problems, plan.names), found


def cost(study: Study, checkpoints: Iterable[str] | None = None) -> Cost:
    """Return what arms cost together: those of some checkpoints with their starts, or all arms."""
    evaluated = {study.checkpoint_name(arm) for arm in study.evaluated()}
    checkpoints = evaluated if checkpoints is None else evaluated & set(checkpoints)
    trained, todo = set(), [Arm.parsed(checkpoint) for checkpoint in sorted(checkpoints)]
    while todo:
        arm = todo.pop()
        if arm is not None and arm not in trained:
            trained.add(arm)
            todo.append(study.start_of(arm))
    try:
        jobs = list(_jobs(study, checkpoints, trained))
    except EstimateError as error:
        return Cost(0.0, 0.0, str(error))
    gpu = sum(job.gpu_seconds for job in jobs)
    core = sum(job.core_seconds + job.start_seconds for job in jobs if not job.gpu_seconds)
    return Cost(gpu / 3600, core / 3600)


def _jobs(study: Study, checkpoints: set[str], trained: set[Arm]):
    """Yield the estimate of each job that makes and scores these arms."""
    config, made = study.config, {}

    def estimated(rule: str, **wildcards):
        key = (rule, *wildcards.values())
        if key not in made:
            made[key] = estimate(config, rule, wildcards)
        return made[key]

    for arm in sorted(trained):
        yield estimated("train", student=arm.student, recipe=arm.recipe, size=arm.size)
    for checkpoint in sorted(checkpoints):
        student, answering = checkpoint.split("/")[0], sampling_rule(config) == "answer"
        here = f"{student}/{BASE}"  # every arm of a student answers at the same cost
        if answering:
            for job in answer_jobs(config):
                yield estimated("answer", checkpoint=here, **job)
        for benchmark in study.benchmarks:
            if not answering:
                yield estimated("generate", checkpoint=here, benchmark=benchmark)
            for part in judging_parts(config):
                yield estimated("judge_part", checkpoint=here, benchmark=benchmark, part=str(part))
            yield estimated("judge", checkpoint=here, benchmark=benchmark)
