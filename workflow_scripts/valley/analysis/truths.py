"""What is taken as the truth of a study that has not been run: a level for each arm, stated.

The paper's truth is its published scores, straight in log N between its sizes. What it does not say
is assumed here, and stands in every output: nothing happens below 100 examples, the curve goes on
as it last rose above 30,000, and a student that the paper does not have falls and rises by as much
as its two students on average, over the sizes of its own axis.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from valley.analysis.designs import Blueprint, Cell
from valley.analysis.simulate import SHAPES, shape
from valley.core import claims, interactions
from valley.core.arms import BASE
from valley.core.config import nearest
from valley.core.layout import Layout

PUBLISHED = Path(__file__).resolve().parents[3] / "studies" / "published"
FIRST = 100  # examples that change nothing yet: a decade before the paper's first size
HIGHEST = 0.9
FEWEST = 0.003
VALLEY, RISING, FLAT, FALLING = "valley", "rising", "flat", "falling"
# The simulator's shapes, by names that a shell leaves alone.
HARD = {name.translate({ord(","): "", ord("'"): "", ord(" "): "-"}): name for name in SHAPES}
CURVES = (VALLEY, RISING, FLAT, *HARD)
RATES = (RISING, FALLING, FLAT)
PAPER, OPPOSITE, YOURS = "the paper's", "the opposite", "yours"
BETTER = 0.03  # by how much more than the margin a is better, where the paper says nothing of it
APART = 3  # margins between arms that a claim calls equal, in its opposite


class TruthError(ValueError):
    """A truth that is asked for does not fit the claim; the message says what does."""


@dataclass(frozen=True)
class Truth:
    """A truth of every claim.

    Attributes:
        name: whose it is.
        values: by claim: the name of a shape, or a difference by start ("" is any start).
    """

    name: str
    values: dict[str, str | dict[str, float]]


@cache
def figures() -> tuple[dict, dict, dict]:
    """Return the paper's scores {student: {size: pass@1}}, rates and scores of subsets."""
    scores: dict = {}
    rates: dict = {}
    for row in rows_of("valley_scores.csv"):
        scores.setdefault(row["student"], {})[int(row["size"])] = float(row["pass@1"])
    for row in rows_of("valley_rates.csv"):
        found = {name: float(row[name]) for name in ("completion", "think_tag")}
        rates.setdefault(row["student"], {})[int(row["size"])] = found
    subsets = {
        (row["start"], row["slice"]): float(row["pass@1"]) for row in rows_of("valley_subsets.csv")
    }
    return scores, rates, subsets


def rows_of(name: str) -> list[dict]:
    """Return the rows of a published table."""
    with open(PUBLISHED / name, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def paper_truth(config: dict) -> Truth:
    """Return what the paper found; of claims that are not in the paper, that they hold."""
    subsets, values = figures()[2], {}
    for name, claim in claims.settings(config["claims"]).items():
        if claim["kind"] == "valley":
            values[name] = VALLEY
        elif claim["kind"] == "follow":
            values[name] = RISING
        elif claim["kind"] == "interaction":
            gap = 0.0 if claim.get("alike") else _margin(config, claim) + BETTER
            values[name] = {"": gap}
        elif ("base", claim["a"]) in subsets and ("base", claim["b"]) in subsets:
            values[name] = {
                start: round(subsets[at, claim["a"]] - subsets[at, claim["b"]], 4)
                for start, at in ((BASE, "base"), ("", "mid"))
            }
        else:
            values[name] = {"": _margin(config, claim) + BETTER if claim["kind"] == "more" else 0.0}
    return Truth(PAPER, values)


def opposite_truth(config: dict) -> Truth:
    """Return the opposite of every claim: no fall, no difference, a difference, falling rates."""
    values = {}
    for name, claim in claims.settings(config["claims"]).items():
        if claim["kind"] in ("valley", "follow"):
            values[name] = RISING if claim["kind"] == "valley" else FALLING
        else:
            alike = claim["kind"] == "equal" or claim.get("alike")
            gap = APART * _margin(config, claim) if alike else 0.0
            values[name] = {"": round(gap, 4)}
    return Truth(OPPOSITE, values)


def _margin(config: dict, claim: dict) -> float:
    return claim.get("margin", config["statistics"]["margin"])


def parse_truth(text: str, config: dict) -> Truth:
    """Return a user's truth: "F1=valley,F2=0.04"; claims that it does not name are the paper's.

    Raises:
        TruthError: what is asked for does not read, is no claim, or does not fit the claim.
    """
    known, values = claims.settings(config["claims"]), dict(paper_truth(config).values)
    for item in text.split(","):
        name, sign, said = (part.strip() for part in item.partition("="))
        if not sign or not said:
            raise TruthError(f"--truth: {item!r} is not CLAIM=TRUTH, such as F1=valley or F2=0.04")
        if name not in known:
            raise TruthError(
                f"--truth: there is no claim {name!r}{nearest(name, list(known))}; "
                f"choose from: {', '.join(known)}"
            )
        values[name] = _value(name, known[name]["kind"], said)
    return Truth(YOURS, values)


def _value(name: str, kind: str, said: str) -> str | dict[str, float]:
    shapes = {"valley": CURVES, "follow": RATES}.get(kind)
    if shapes:
        if said not in shapes:
            raise TruthError(
                f"--truth: {name} has no truth {said!r}{nearest(said, list(shapes))}; "
                f"choose from: {', '.join(shapes)}"
            )
        return said
    try:
        gap = float(said)
    except ValueError:
        gap = np.nan
    if not -1 < gap < 1:
        raise TruthError(
            f"--truth: {name} is about a difference in pass@1, and {said!r} is not one; "
            f"write a number between -1 and 1, such as {name}=0.04"
        )
    return {"": gap}


@dataclass(frozen=True)
class Student:
    """What levels of a student rest on.

    Attributes:
        start: its level undistilled.
        source: of that.
        published: its name in the paper, "" where the paper does not have it.
        low, high: the smallest and the largest size of its curve.
    """

    start: float
    source: str
    published: str
    low: float
    high: float


def students_of(plan: Blueprint, measured: dict[str, float]) -> dict[str, Student]:
    """Return what the levels of each student rest on.

    Args:
        plan: the design.
        measured: pass@1 of the undistilled students that are scored already.
    """
    config, scores = plan.study.config, figures()[0]
    out = {}
    for name in sorted({cell.arm.student for cell in plan.cells}):
        own = [cell.arm.size for cell in plan.cells if cell.arm.student == name and cell.arm.size]
        described = config["students"][name]
        hub = str((described.get("hub") or {}).get("id", "")).rpartition("/")[2]
        claimed = described.get("published") or {}
        if hub in scores:
            start, source = scores[hub][0], "the paper"
        elif name in measured:
            start, source = measured[name], "this study's finished arm"
        elif claimed.get("benchmark") == plan.benchmark:
            start, source = claimed["pass_at_1"], f"students.{name}.published"
        else:
            start = float(np.mean([levels[0] for levels in scores.values()]))
            source = "assumed: the mean of the paper's two students"
        start = float(np.clip(start, FEWEST, HIGHEST))
        known = hub if hub in scores else ""
        out[name] = Student(start, source, known, min(own, default=1), max(own, default=1))
    return out


def _logit(level: float) -> float:
    return float(np.log(level / (1 - level)))


def _decades(student: Student, size: float) -> float:
    """Return log10 of a size of the paper: a student that it does not have is stretched over it."""
    low, high = np.log10(FIRST), np.log10(max(next(iter(figures()[0].values()))))
    if student.published or student.high <= student.low:
        return float(np.log10(max(size, 1)))
    share = np.log(max(size, 1) / student.low) / np.log(student.high / student.low)
    return float(low + share * (high - low))


def _knots(student: Student) -> tuple[list[float], list[float]]:
    """Return log10 sizes and levels of the paper's valley for a student."""
    scores = figures()[0]
    sizes = sorted(size for size in next(iter(scores.values())) if size)
    levels = [student.start]
    for size in sizes:
        if student.published:
            levels.append(scores[student.published][size])
            continue
        low = float(np.mean([found[size] / found[0] for found in scores.values()]))
        lift = float(np.mean([_logit(found[size]) - _logit(found[0]) for found in scores.values()]))
        up = 1 / (1 + np.exp(-(_logit(student.start) + lift)))
        levels.append(student.start * low if low < 1 else float(up))
    return [float(np.log10(FIRST)), *(float(np.log10(size)) for size in sizes)], levels


def curve(name: str, student: Student) -> Callable[[float], float]:
    """Return a curve by its name: from sizes to levels, the start at 0."""
    x, y = _knots(student)
    if name in HARD:
        grid = np.geomspace(max(student.low, 1), max(student.high, 2), len(SHAPES[HARD[name]]) - 1)
        drawn = shape(HARD[name], np.concatenate([[0.0], grid]))
        return lambda size: float(drawn(size))
    if name == FLAT:
        return lambda _size: student.start

    def at(size: float) -> float:
        if not size:
            return student.start
        where = _decades(student, size)
        if name == RISING:
            level = student.start + (y[-1] - student.start) * (where - x[0]) / (x[-1] - x[0])
        else:
            level = float(np.interp(where, x, y))
            if where > x[-1]:
                level = y[-1] + (y[-1] - y[-2]) * (where - x[-1]) / (x[-1] - x[-2])
        return float(np.clip(level, student.start if name == RISING else FEWEST, HIGHEST))

    return at


def rate(name: str, metric: str, student: Student) -> Callable[[float], float]:
    """Return a rate's levels by size as the paper has them, straight in log-odds and log N."""
    published, known = figures()[1], "think_tag" if metric == "well_formed" else metric
    models = [student.published] if student.published else list(published)
    sizes = sorted(published[models[0]])
    x = np.log10(np.array(sizes, float))
    y = np.mean([[_logit(published[one][size][known]) for size in sizes] for one in models], axis=0)

    def at(size: float) -> float:
        if name == FLAT:
            odds = y.mean()
        else:
            low, high = _decades(student, student.low), _decades(student, student.high)
            where = _decades(student, size)
            where = low + high - where if name == FALLING else where
            after, before = where > x[-1], where < x[0]
            slope = (y[-1] - y[-2]) / (x[-1] - x[-2]) if after else (y[1] - y[0]) / (x[1] - x[0])
            odds = np.interp(where, x, y) + slope * (
                (where - x[-1]) * after + (where - x[0]) * before
            )
        return float(np.clip(1 / (1 + np.exp(-odds)), 0.005, 0.995))

    return at


def levels_of(
    plan: Blueprint, truth: Truth, students: dict[str, Student]
) -> dict[str, dict[str, float]]:
    """Return the true level of pass@1 and of each rate, by the cell's name."""
    known = claims.settings(plan.study.config["claims"])
    bent = next((truth.values[n] for n, c in known.items() if c["kind"] == "valley"), VALLEY)
    moved = next((truth.values[n] for n, c in known.items() if c["kind"] == "follow"), RISING)
    curves = {name: curve(bent, student) for name, student in students.items()}
    on_curve = [point for point in Layout(plan.study).rate_points() if point["size"]]
    out = {}
    for cell in plan.cells:
        student = students[cell.arm.student]
        level = _level(plan, cell, truth, student, curves[cell.arm.student], on_curve)
        out[cell.name] = {"pass@1": float(np.clip(level, FEWEST, 1 - FEWEST))} | {
            metric: rate(moved, metric, student)(cell.arm.size) if cell.arm.size else 0.5
            for metric in ("completion", "think_tag", "well_formed")
        }
    return out


def _level(
    plan: Blueprint, cell: Cell, truth: Truth, student: Student, at: Callable, on_curve: list[dict]
) -> float:
    """Return the level of an arm: the curve's at its examples in all, apart by the claims' truth.

    Sides of a contrast lie as far above as below; a side that a curve is made of stays there. The
    paper's own students take the paper's own scores of its subsets.
    """
    arm = cell.arm
    seen, start = arm.size, plan.study.start_of(arm) if arm.size else None
    while start is not None:
        seen, start = seen + start.size, plan.study.start_of(start)
    level, subsets = at(seen), figures()[2]
    where = "base" if arm.start == BASE else "mid"
    crossed = interactions.declared(plan.study.config)
    for name, claim in claims.settings(plan.study.config["claims"]).items():
        if claim["kind"] == "interaction" and arm.size:
            sign = interactions.of_arm(vars(arm), crossed[claim["of"]][1])
            level += (sign or 0) * truth.values[name][""] / 4
        if claim["kind"] not in ("more", "equal"):
            continue
        side = getattr(arm, claim["field"])
        if not arm.size or side not in (claim["a"], claim["b"]):
            continue
        pair = [subsets.get((where, claim[key])) for key in "ab"]
        if student.published and None not in pair:
            level = sum(pair) / 2
        gap = truth.values[name]
        gap = gap.get(arm.start, gap.get("", 0.0))
        stays = {point[claim["field"]] for point in on_curve}
        above = 0.0 if claim["a"] in stays else 1.0 if claim["b"] in stays else 0.5
        level += gap * above if side == claim["a"] else gap * (above - 1)
    return level
