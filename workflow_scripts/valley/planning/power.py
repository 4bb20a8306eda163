"""A study that is simulated before it is run: its design, its truths, what is assumed of it.

Pure but for reading arms that are finished. Chances are never a promise: they hold under a truth
and under assumptions, and what cannot be known stands in `power_report.notes`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from valley.analysis import assumptions, load
from valley.analysis.assumptions import Assumption
from valley.analysis.chances import Chance, chances
from valley.analysis.designs import Blueprint, blueprint
from valley.analysis.truths import (
    Student,
    Truth,
    levels_of,
    opposite_truth,
    paper_truth,
    parse_truth,
    students_of,
)
from valley.core.layout import Layout
from valley.core.study import Study
from valley.planning.levers import (
    cost,
    problems_of,
    with_problems,
)


@dataclass
class PowerOptions:
    """The options of a simulation.

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

    def __init__(self, options: PowerOptions):
        self.options = options
        self.layout = Layout(options.study, options.root)
        finished = Path(f"{self.layout.root}/benchmarks/{options.benchmark}.parquet")
        self.ids = load.problem_table(finished)[0] if finished.is_file() else []
        if options.problems:
            self.problems, self.problems_from = options.problems, "as you say"
        elif self.ids:
            self.problems, self.problems_from = len(self.ids), "this study's benchmark"
        else:
            self.problems, self.problems_from = problems_of(options.study, options.benchmark)
        study = with_problems(options.study, options.benchmark, self.problems)
        self.plan = blueprint(study, options.benchmark, self.problems)
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
            | assumptions.parse(options.assume)
        )
        self.finished = len(arms)
        self.students: dict[str, Student] = students_of(self.plan, measured)
        first = (
            parse_truth(options.truth, self.config) if options.truth else paper_truth(self.config)
        )
        self.truths: list[Truth] = [first, opposite_truth(self.config)]

    def _finished(self) -> list[load.Evaluation]:
        """Return what the arms of the design have done that are judged already."""
        out = []
        for cell in self.plan.cells if self.ids else ():
            for number, checkpoint in enumerate(cell.checkpoints):
                path = self.layout.result("verdicts", checkpoint, self.options.benchmark, "parquet")
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
        samples = plan.study.sampling(plan.benchmark)["samples"]
        design = assumptions.design(self.assumed, plan.problems, samples, **chosen)
        levels = levels_of(plan, truth, self.students)
        return chances(
            plan, levels, design,
            studies=self.options.studies, seed=self.seed, first=first, each=self.options.each,
        )  # fmt: skip

    def of_claim(self, name: str) -> Blueprint:
        """Return the part of the design that one claim rests on."""
        return blueprint(self.plan.study, self.plan.benchmark, self.plan.problems, [name])

    @property
    def unit(self) -> str:
        """Return the unit of costs: "gpuh" where anything runs on GPUs, else "cpuh"."""
        return "gpuh" if cost(self.plan.study).gpu else "cpuh"


def decided(chance: Chance) -> float:
    """Return how often a claim ended as supported or refuted."""
    return chance.share("supported") + chance.share("refuted")


def error(chance: Chance) -> float:
    """Return the standard error of `decided`, never 0."""
    share = (decided(chance) * chance.studies + 1) / (chance.studies + 2)
    return float(np.sqrt(share * (1 - share) / chance.studies))


def afterwards(study: Study, benchmark: str, root: str, studies: int = 30) -> dict:
    """Return what chance a design had under the paper's truth, by what its arms measured.

    Args:
        study: as declared.
        benchmark: which.
        root: folder of its results.
        studies: to simulate.
    """
    power = Power(PowerOptions(study, benchmark, studies=studies, root=root))
    found = power.chances(power.plan, power.truths[0])
    return {
        "studies": studies,
        "assumptions": list(power.assumed.values()),
        "chances": {name: chance.plain()["outcomes"] for name, chance in found.items()},
    }
