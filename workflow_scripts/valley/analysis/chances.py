"""How often a design's claims end in each word under a truth: by simulation, with its error."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from valley.analysis.designs import Blueprint, drawn, judged
from valley.analysis.resample import wilson
from valley.analysis.simulate import Design
from valley.analysis.words import NOT_TESTED

DRAWS = 200  # of each interval in a simulated study
ONE_SEED = "undecided (one seed)"
OUTCOMES = ("supported", "refuted", "undecided", ONE_SEED, NOT_TESTED)


@dataclass(frozen=True)
class Chance:
    """How one claim ended over simulated studies.

    Attributes:
        claim: its name.
        studies: how many were simulated.
        counts: how often it ended in each of OUTCOMES.
        why: of studies that did not test it, what the first said.
    """

    claim: str
    studies: int
    counts: Counter = field(default_factory=Counter)
    why: str = ""

    def share(self, outcome: str) -> float:
        """Return how often an outcome fell."""
        return self.counts[outcome] / self.studies

    def interval(self, outcome: str) -> list[float]:
        """Return Wilson's 95 % interval of that: the simulation's own error."""
        return wilson(self.share(outcome), self.studies)

    @property
    def tested(self) -> bool:
        """Whether any study tested the claim."""
        return self.counts[NOT_TESTED] < self.studies

    def plain(self) -> dict:
        """Return the chance as plain values."""
        outcomes = {
            name: {"chance": self.share(name), "interval": self.interval(name)} for name in OUTCOMES
        }
        said = {"why": self.why} if not self.tested else {}
        return {"claim": self.claim, "studies": self.studies, "outcomes": outcomes, **said}


def chances(
    plan: Blueprint,
    levels: dict[str, dict[str, float]],
    design: Design,
    *,
    studies: int,
    seed: int,
    first: int = 0,
    each: Callable[[], object] = lambda: None,
) -> dict[str, Chance]:
    """Return how each claim of a blueprint ends over simulated studies.

    Args:
        plan: the design, on one benchmark.
        levels: the truth, see `truths.levels_of`.
        design: problems, samples and assumptions.
        studies: how many to simulate.
        seed: of all draws.
        first: number of the first study: others are other draws.
        each: called after each study.
    """
    counts = {name: Counter() for name in plan.names}
    why: dict[str, str] = {}
    for study in range(first, first + studies):
        arms = drawn(plan, levels, design, seed, study)
        for claim in judged(plan, arms, DRAWS, plan.study.config["statistics"]["seed"]):
            word = ONE_SEED if claim["one_seed"] else claim["status"]
            counts[claim["name"]][word] += 1
            why.setdefault(claim["name"], claim["sentence"] if word == NOT_TESTED else "")
        each()
    return {name: Chance(name, studies, counts[name], why.get(name, "")) for name in plan.names}
