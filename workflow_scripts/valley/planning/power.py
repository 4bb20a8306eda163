"""What a study could decide before it is run: chances of its claims, what moves them, at what cost.

Pure but for reading arms that are finished. Chances are never a promise: they hold under a truth
and under assumptions, and what cannot be known stands in `notes`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from valley.analysis import assumptions, load
from valley.analysis.assumptions import Assumption
from valley.analysis.chances import DRAWS, Chance, chances
from valley.analysis.designs import Blueprint, blueprint
from valley.analysis.truths import (
    Student,
    Truth,
    asked_truth,
    levels_of,
    opposite_truth,
    paper_truth,
    students_of,
)
from valley.core import claims
from valley.core.layout import Layout
from valley.core.study import Study
from valley.planning.levers import (
    SAMPLES,
    SEEDS,
    Cost,
    Lever,
    cost,
    levers,
    problems_of,
    pulled,
    with_problems,
)

ENOUGH = 0.8  # a claim that is decided so often needs nothing more
TRIES = 8  # designs that a search for a budget simulates


@dataclass
class Asked:
    """What is asked of a study.

    Attributes:
        study: the study.
        benchmark: on which.
        problems: how many it has, and who says so; None: as the study says or as published.
        truth: the user's, as text.
        assume: the user's assumptions, as text.
        studies: simulated for each chance.
        each: called after each simulated study.
        root: folder of its results; by default where the study itself puts them.
    """

    study: Study
    benchmark: str
    problems: int | None = None
    truth: str | None = None
    assume: list[str] = field(default_factory=list)
    studies: int = 40
    each: Callable[[], object] = lambda: None
    root: str | None = None


class Power:
    """A study on one benchmark, ready to be simulated.

    Raises:
        ValueError: what is asked for does not read or does not fit the study.
    """

    def __init__(self, asked: Asked):
        self.asked = asked
        self.layout = Layout(asked.study, asked.root)
        finished = Path(f"{self.layout.root}/benchmarks/{asked.benchmark}.parquet")
        self.ids = load.problem_table(finished)[0] if finished.is_file() else []
        if asked.problems:
            self.problems, self.problems_from = asked.problems, "as you say"
        elif self.ids:
            self.problems, self.problems_from = len(self.ids), "this study's benchmark"
        else:
            self.problems, self.problems_from = problems_of(asked.study, asked.benchmark)
        study = with_problems(asked.study, asked.benchmark, self.problems)
        self.plan = blueprint(study, asked.benchmark, self.problems)
        self.config, self.seed = study.config, study.config["statistics"]["seed"]
        arms = self._finished()
        measured = {
            arm.setting["student"]: float(np.nanmean(arm.mean("pass@1")))
            for arm in arms
            if not arm.setting["size"]
        }
        source = f"{len(arms)} finished arms of this study"
        self.assumed: dict[str, Assumption] = (
            assumptions.defaults()
            | assumptions.measured(arms, source, self.seed)
            | assumptions.asked(asked.assume)
        )
        self.finished = len(arms)
        self.students: dict[str, Student] = students_of(self.plan, measured)
        first = asked_truth(asked.truth, self.config) if asked.truth else paper_truth(self.config)
        self.truths: list[Truth] = [first, opposite_truth(self.config)]

    def _finished(self) -> list[load.Evaluation]:
        """Return what the arms of the design have done that are judged already."""
        out = []
        for cell in self.plan.cells if self.ids else ():
            for number, place in enumerate(cell.places):
                path = self.layout.result("verdicts", place, self.asked.benchmark, "parquet")
                if Path(path).is_file():
                    setting = {**vars(cell.arm), "seed": number}
                    out.append(load.scored(self.ids, path, setting))
        return out

    def chances(
        self, plan: Blueprint, truth: Truth, first: int = 0, **chosen: float | str
    ) -> dict[str, Chance]:
        """Return how the claims of a design end under a truth.

        Args:
            plan: the design.
            truth: what holds.
            first: number of the first simulated study: others are other draws.
            chosen: assumptions in place of the middle ones.
        """
        samples = plan.study.config["sampling"]["samples"]
        design = assumptions.design(self.assumed, plan.problems, samples, **chosen)
        levels = levels_of(plan, truth, self.students)
        return chances(
            plan, levels, design,
            studies=self.asked.studies, seed=self.seed, first=first, each=self.asked.each,
        )  # fmt: skip

    def of_claim(self, name: str) -> Blueprint:
        """Return the part of the design that one claim rests on."""
        return blueprint(self.plan.study, self.plan.benchmark, self.plan.problems, [name])

    @property
    def unit(self) -> str:
        """Return the unit of costs: "gpuh" where anything runs on GPUs, else "cpuh"."""
        return "gpuh" if cost(self.plan.study).gpu else "cpuh"

    def to_come(self, budget: bool) -> int:
        """Return about how many studies will be simulated."""
        tested = [self.of_claim(name) for name in self.plan.names]
        pulls = sum(len(levers(plan)) for plan in tested if plan.axes)
        ends = 2 * sum(len(item.values) > 1 for item in self.assumed.values())
        return self.asked.studies * (2 + ends + pulls + (TRIES + 2) * budget)


def decided(chance: Chance) -> float:
    """Return how often a claim ended as supported or refuted."""
    return chance.share("supported") + chance.share("refuted")


def error(chance: Chance) -> float:
    """Return the standard error of `decided`, never 0."""
    share = (decided(chance) * chance.studies + 1) / (chance.studies + 2)
    return float(np.sqrt(share * (1 - share) / chance.studies))


def report(power: Power, budget: tuple[float, str] | None = None) -> dict:
    """Return everything that is asked of a study, as plain values.

    Args:
        power: the study.
        budget: hours and their unit, "gpuh" or "cpuh"; None: none is given.

    Raises:
        ValueError: the budget is not of what this study runs on, or costs are not known.
    """
    if budget:
        _check(power, budget)
    base = {truth.name: power.chances(power.plan, truth) for truth in power.truths}
    whole, unit = cost(power.plan.study), power.unit
    first = base[power.truths[0].name]
    known = claims.settings(power.config["claims"])
    moves = {
        name: moves_of(power, name, first[name], whole, unit)
        for name in power.plan.names
        if first[name].tested
    }
    return {
        "study": power.config["study"],
        "benchmark": power.plan.benchmark,
        "problems": {"count": power.problems, "source": power.problems_from},
        "samples": power.config["sampling"]["samples"],
        "simulation": {"studies": power.asked.studies, "draws": DRAWS, "seed": power.seed},
        "assumptions": [
            {**vars(item), "values": list(item.values), "interval": item.interval}
            for item in power.assumed.values()
        ],
        "students": {name: vars(student) for name, student in power.students.items()},
        "truths": [
            {
                "name": truth.name,
                "values": truth.values,
                "levels": {
                    cell: found["pass@1"]
                    for cell, found in levels_of(power.plan, truth, power.students).items()
                },
            }
            for truth in power.truths
        ],
        "cost": {"unit": unit, "hours": whole.of(unit), "unknown": whole.unknown},
        "claims": [
            {
                "name": name,
                "text": known[name]["text"],
                "cost": cost(power.plan.study, power.of_claim(name).own_places).of(unit),
                "chances": {truth: found[name].plain() for truth, found in base.items()},
                "levers": moves.get(name, []),
            }
            for name in power.plan.names
        ],
        "ranges": _ranges(power),
        "budget": budget and search(power, first, moves, budget),
        "notes": notes(power),
    }


def _check(power: Power, budget: tuple[float, str]) -> None:
    unknown = cost(power.plan.study).unknown
    if unknown:
        raise ValueError(f"--budget: no design can be priced: {unknown}")
    if budget[1] != power.unit:
        runs = "GPUs" if power.unit == "gpuh" else "cores"
        raise ValueError(
            f"--budget: this study trains and answers on {runs}; give {power.unit}, such as "
            f"--budget {budget[0]:g}{power.unit}"
        )


def moves_of(power: Power, name: str, base: Chance, whole: Cost, unit: str) -> list[dict]:
    """Return what each lever of a claim does, doubled: the chance after, and what it costs.

    None is tried where the claim is decided often enough as it is.
    """
    plan, out = power.of_claim(name), []
    for lever in levers(plan) if decided(base) < ENOUGH else ():
        more, edits = pulled(plan, {lever: 2})
        after = power.chances(more, power.truths[0])[name]
        extra = cost(more.study).of(unit) - whole.of(unit)
        gain = decided(after) - decided(base)
        sure = abs(gain) > 1.96 * np.hypot(error(base), error(after))
        out.append(
            {
                "lever": str(lever),
                "edits": edits,
                "chance": after.plain(),
                "decided": decided(after),
                "extra": extra,
                "gain": gain,
                "beyond_error": bool(sure),
                "gain_per_hour": gain / extra if extra > 0 else None,
                "kind": lever.kind,
                "axes": list(lever.axes),
            }
        )
    return sorted(out, key=lambda move: -(move["gain_per_hour"] or 0.0))


def afterwards(study: Study, benchmark: str, root: str, studies: int = 30) -> dict:
    """Return what chance a design had under the paper's truth, by what its arms measured.

    Args:
        study: as declared.
        benchmark: which.
        root: folder of its results.
        studies: to simulate.
    """
    power = Power(Asked(study, benchmark, studies=studies, root=root))
    found = power.chances(power.plan, power.truths[0])
    return {
        "studies": studies,
        "assumptions": list(power.assumed.values()),
        "chances": {name: chance.plain()["outcomes"] for name, chance in found.items()},
    }


def _ranges(power: Power) -> list[dict]:
    """Return the chances at both ends of each assumption that is a range."""
    out = []
    for item in power.assumed.values():
        for value in (item.values[0], item.values[-1]) if len(item.values) > 1 else ():
            found = power.chances(power.plan, power.truths[0], **{item.name: value})
            out.append(
                {
                    "assumption": item.name,
                    "value": value,
                    "chances": {name: chance.plain() for name, chance in found.items()},
                }
            )
    return out


def search(
    power: Power, base: dict[str, Chance], moves: dict[str, list[dict]], budget: tuple[float, str]
) -> dict:
    """Return the best design found within a budget, by the mean chance that claims are decided.

    From the study as declared: too dear, and answers and seeds are halved, whichever loses least;
    then levers are doubled, those that gave most per hour first, as long as they fit and each does
    better than the design before. The best is simulated once more with other draws, since the best
    of several simulations looks better than it is.

    Args:
        power: the study.
        base: the chances of the study as declared.
        moves: of each claim, as `report` has them.
        budget: hours and their unit.
    """
    hours, unit = budget
    tested = [name for name, chance in base.items() if chance.tested]

    def price(factors: dict[Lever, float]) -> float:
        return cost(pulled(power.plan, factors)[0].study).of(unit)

    def value(factors: dict[Lever, float], first: int = 0) -> tuple[float, dict]:
        found = power.chances(pulled(power.plan, factors)[0], power.truths[0], first)
        return float(np.mean([decided(found[name]) for name in tested])), found

    def answer(factors: dict | None, tried: int) -> dict:
        out = {"hours": hours, "unit": unit, "tried": tried, "design": None}
        if factors is None:
            return out
        mean, found = value(factors, first=power.asked.studies)
        design = {
            "edits": pulled(power.plan, factors)[1],
            "hours": price(factors),
            "decided": mean,
            "chances": {name: chance.plain() for name, chance in found.items()},
        }
        return {**out, "design": design}

    if not tested:
        return answer(None, 0)
    best: dict[Lever, float] = {}
    tried, score = 0, float(np.mean([decided(base[name]) for name in tested]))
    all_levers = {lever: 1.0 for name in tested for lever in levers(power.of_claim(name))}
    down = [lever for lever in all_levers if lever.kind in (SEEDS, SAMPLES)]
    while price(best) > hours:
        less = [{**best, lever: best.get(lever, 1.0) / 2} for lever in down]
        less = [factors for factors in less if price(factors) < price(best) * 0.999]
        if not less or tried >= TRIES:
            return answer(None, tried)
        fitting = [factors for factors in less if price(factors) <= hours]
        ranked = [(value(factors)[0], factors) for factors in fitting or less]
        tried += len(ranked)
        score, best = max(ranked, key=lambda pair: pair[0])
    wanted = sorted(
        (
            (move["gain_per_hour"] or 0.0, Lever(move["kind"], tuple(move["axes"])))
            for name in tested
            if decided(base[name]) < ENOUGH
            for move in moves[name]
        ),
        key=lambda pair: -pair[0],
    )
    queue = list(dict.fromkeys(lever for gain, lever in wanted if gain > 0))
    while queue and tried < TRIES:
        lever = queue.pop(0)
        more = {**best, lever: best.get(lever, 1.0) * 2}
        if price(more) > hours:
            continue
        tried += 1
        found = value(more)[0]
        if found > score:
            score, best = found, more
            queue.append(lever)
    return answer(best, tried)


def notes(power: Power) -> list[str]:
    """Return what the chances rest on that cannot be known, or is only assumed."""
    out = ["These are chances under the truths and assumptions above, no promise."]
    noise = power.assumed["run_sd"]
    alone = [
        axis
        for axis in power.plan.axes
        if len(power.config["axes"][axis]["seeds"]) == 1
        and any(size for size in power.config["axes"][axis]["sizes"])
    ]
    lent = power.config["statistics"]["training_noise"] is not None or any(
        len(axis["seeds"]) > 1 for axis in power.config["axes"].values()
    )
    if alone:
        axes = ", ".join(alone)
        said = f"One seed an arm on {axes}: a run's luck can't be told from an effect there"
        rule = "; claims that rest on it are at most undecided" if not lent else ""
        out.append(f"{said}{rule}.")
    if noise.source == assumptions.DEFAULT:
        out.append(
            f"How much two runs of one arm differ (run_sd) was not measured here: {noise.middle:g} "
            "is assumed. Nothing but replicates can say: see --pilot, or --assume "
            "run_sd=0.05..0.4 for how much hangs on it."
        )
    if "bank" not in power.config["benchmarks"][power.plan.benchmark]:
        out.append(
            f"{power.plan.benchmark} is a published benchmark: its {power.problems} problems can't "
            "be multiplied; more answers, seeds or sizes, or another benchmark beside it, can."
        )
    unknown = cost(power.plan.study).unknown
    return [*out, f"No costs: {unknown}."] if unknown else out
