"""Designs whose power is asked: the smoke study, larger."""

from valley.core.study import Study
from valley.planning import levers as at
from valley.planning import power
from workspace import REPOSITORY, Workspace

PAPER = REPOSITORY / "studies" / "paper.yaml"


def study(problems=200, samples=4, seeds=(0, 1), sizes=(0, 32, 64, 128, 256, 512), **more) -> Study:
    """The smoke study with a longer curve, more problems and contrasts of two seeds."""
    config = Workspace.smoke()
    config["benchmarks"]["bank"]["bank"]["problems"] = problems
    config["sampling"]["samples"] = samples
    config["axes"]["scaling"] |= {"sizes": list(sizes), "seeds": list(seeds)}
    config["axes"]["difficulty"]["seeds"] = list(seeds)
    return Study({**config, **more})


def ready(made: Study, **asked) -> power.Power:
    return power.Power(power.PowerOptions(made, made.benchmarks[0], **{"studies": 12, **asked}))


def ended(made: Study, claim: str, truth: str, studies=12, **assumed) -> dict:
    one = ready(made, truth=truth, studies=studies)
    return one.chances(one.of_claim(claim), one.truths[0], **assumed)[claim]


def paper_part(**statistics):
    made = at.with_edits(
        Study.read(PAPER), [f"statistics.{key}={value}" for key, value in statistics.items()]
    )
    return ready(made, studies=50)
