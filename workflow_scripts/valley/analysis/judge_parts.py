"""What the rules behind claims share: a part with its numbers and words, lines, looks, edges.

A part is supported, refuted, undecided, or not tested where the study could not show it either way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from valley.analysis import few, words
from valley.analysis.words import NOT_TESTED

SEED = 0
GRID = np.array([NormalDist().inv_cdf((i + 0.5) / 199) for i in range(199)])
STEP = NormalDist().inv_cdf(0.975)


@dataclass
class Judged:
    """The status of one part of a claim.

    Attributes:
        where: the curve, start or rate, as the sentence begins.
        rule: set beforehand.
        status: supported, refuted, undecided or not tested.
        said: what that means, in words.
        what: what is estimated.
        estimate: of it.
        bounds: its interval.
        note: what the interval leaves out.
        needed: what would decide it.
        decide: the rule as a function of a shift of estimate and interval.
        parts: the variance of the estimate, as `sample.variance_parts` gives it.
        assumed: the training noise in the interval is an assumption.
    """

    where: str
    rule: str
    status: str
    said: str
    what: str = ""
    estimate: float | None = None
    bounds: list | None = None
    note: str = ""
    needed: dict | None = None
    decide: Callable[[float], str] | None = None
    parts: dict | None = None
    assumed: bool = False


def part(item: Judged) -> dict:
    """Return a part as its artefact has it; no more than undecided where noise is assumed."""
    one_seed = item.assumed and item.status in ("supported", "refuted")
    status = "undecided" if one_seed else item.status
    needed = item.needed if status == "undecided" and not item.assumed else None
    numbers = ""
    if item.what and status != NOT_TESTED:
        numbers = f": {item.what} {words.interval(item.estimate, item.bounds)}"
    said = item.said
    if not item.where and said.startswith(("it ", "neither ", "no ")):
        said = said[0].upper() + said[1:]
    doubt = "by one run an arm this would be said, and another run might say otherwise: "
    sentence = words.join(
        f"{item.where}{doubt if one_seed else ''}{said}{numbers}.",
        item.note,
        words.would_decide(needed),
    )
    chances, redrawn = edges(item) if not one_seed else (None, None)
    return {
        "rule": item.rule,
        "status": status,
        "one_seed": one_seed,
        "what": item.what,
        "estimate": item.estimate,
        "interval": item.bounds,
        "needed": needed,
        "chances": chances,
        "redrawn": redrawn,
        "sentence": sentence,
        "where": item.where.strip(" :"),
    }


def edges(item: Judged) -> tuple[dict | None, dict | None]:
    """Return how often each status would fall: over bootstrap draws, and over redrawn answers.

    Both shift estimate and interval by what the first scatters (a normal law of the interval's
    width, either side), the second only by what another set of answers to the same problems from
    the same checkpoints would (None where the answers' part is not known).
    """
    if item.decide is None or item.estimate is None or not item.bounds or None in item.bounds:
        return None, None
    below, above = (abs(bound - item.estimate) / STEP for bound in item.bounds)
    chances = _shares(item.decide, np.where(GRID < 0, GRID * below, GRID * above))
    answers = (item.parts or {}).get("answers") or 0.0
    if answers <= 0:
        return chances, None
    return chances, _shares(item.decide, GRID * np.sqrt(2 * answers))  # new less old: both scatter


def _shares(decide: Callable[[float], str], shifts: np.ndarray) -> dict[str, float]:
    found = [decide(float(shift)) for shift in shifts]
    return {name: found.count(name) / len(found) for name in sorted(set(found))}


def untested(where: str, rule: str, why: str) -> dict:
    """Return a part that this study could not show either way."""
    return part(Judged(where, rule, NOT_TESTED, f"not tested: {why}"))


def too_few(problems: int | None) -> str:
    """Return why a fit of so few problems tests nothing, or ""."""
    return few.refusal(problems)


def against(bounds: list | None, line: float, estimate: float | None, looks: int = 1) -> str:
    """Return where an interval lies: above the line, below it, or neither.

    Below must hold for the interval widened for the number of looks: any part may refute a claim.
    """
    if not bounds:
        return "undecided"
    if bounds[0] is not None and bounds[0] > line:
        return "supported"
    high = widened(bounds, estimate, looks)[1]
    return "refuted" if high is not None and high < line else "undecided"


def widened(bounds: list, estimate: float | None, looks: int) -> list:
    """Return a 95 % interval stretched about its estimate to the level 1 - 5 % / looks."""
    if looks <= 1 or estimate is None:
        return bounds
    factor = NormalDist().inv_cdf(1 - 0.025 / looks) / NormalDist().inv_cdf(0.975)
    return [None if b is None else estimate + (b - estimate) * factor for b in bounds]


def moved(bounds: list, shift: float) -> list:
    """Return an interval shifted; an open end stays open."""
    return [None if bound is None else bound + shift for bound in bounds]


def matches(curve: dict, where: dict) -> bool:
    """Say whether a curve has the fields that a claim asks for."""
    return all(curve.get(key) == value for key, value in where.items())


def assumed(noise: dict | None) -> bool:
    """Say whether a training noise is nothing but an assumption."""
    return bool(noise) and noise.get("source") == "assumed"
