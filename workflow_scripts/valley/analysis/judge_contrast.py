"""The rules of F2, F3 and interactions: verdicts from a paired difference and a margin.

A difference has four outcomes: within the margin, beyond it, there but not shown to be beyond it,
and open.
"""

from valley.analysis import power, words
from valley.analysis.judge_parts import (
    SEED,
    Judged,
    against,
    assumed,
    moved,
    part,
    too_few,
    untested,
    widened,
)


def _contrasts_of(contrasts: list, settings: dict) -> list[tuple[str, dict, dict]]:
    """Return (where, numbers, contrast) for each part: a student and a start, as asked for."""
    out = []
    for value in contrasts:
        if not _meant(value, settings) or not value["pooled"]:
            continue
        students = {} if settings.get("pool_students") else value.get("students") or {}
        sides = students.items() if len(students) > 1 else [("", value)]
        for student, one in sides:
            who = f"{student}: " if student else ""
            starts = one.get("starts") or {}
            if settings.get("by_start") and len(starts) > 1:
                out += [(f"{who}From {start}: ", found, value) for start, found in starts.items()]
            else:
                out.append((who, one["pooled"], value))
    return out


def _meant(value: dict, settings: dict) -> bool:
    """Say whether a claim is about a contrast, or about an interaction."""
    if "of" in settings:
        return value.get("interaction") == settings["of"]
    same = all(value[key] == settings[key] for key in ("field", "a", "b"))
    return same and "interaction" not in value


def _at_an_end(numbers: dict, margin: float) -> str:
    """Return a sentence where both sides score too low (high) to differ by the margin."""
    levels = numbers.get("levels")  # of four arms: two of their differences make the interaction
    if levels and max(levels) < margin / 2:
        return f"All arms score below {margin / 2:g}: their differences could not differ by more."
    if levels and min(levels) > 1 - margin / 2:
        return f"All arms score above {1 - margin / 2:g}: their differences could not differ more."
    means = None if levels else numbers.get("means")
    if means and max(means) < margin:
        return f"Both sides score below {margin:g}: they could not differ by that much."
    if means and min(means) > 1 - margin:
        return f"Both sides score above {1 - margin:g}: they could not differ by {margin:g}."
    return ""


def _comparison(value: dict) -> tuple[str, str]:
    """Return the words for the side that is ahead: arms score, differences are large."""
    return ("larger", "is larger") if "interaction" in value else ("better", "scores higher")


def at_looks(numbers: dict, looks: int) -> list:
    """Return the interval at the level 1 - 5 % / looks, or the next one wider that was kept.

    By its own draws and not by a stretched interval: with few replicates tails are heavier than
    normal.
    """
    if looks <= 1:
        return numbers["interval"]
    kept = sorted((float(level), ends) for level, ends in numbers.get("intervals", {}).items())
    wide = [ends for level, ends in kept if level >= 1 - 0.05 / looks - 1e-9]
    return wide[0] if wide else widened(numbers["interval"], numbers["estimate"], looks)


def more_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """a beats b by more than the margin, in each start."""
    return [_more(*found, settings) for found in _contrasts_of(contrasts, settings)]


def interaction_parts(
    curves: list, contrasts: list, rates: dict | None, settings: dict
) -> list[dict]:
    """The first difference is larger than the second by more than the margin, or (alike) is not."""
    judge = _equal if settings.get("alike") else _more
    return [judge(*found, settings) for found in _contrasts_of(contrasts, settings)]


def _more(where: str, numbers: dict, value: dict, settings: dict) -> dict:
    margin = settings.get("margin", value["margin"])
    a, b = value["a"], value["b"]
    better, higher = _comparison(value)
    rule = f"95 % interval of the paired difference wholly above (below) {margin:g}"
    wide = at_looks(numbers, settings["looks"])

    def decide(shift: float) -> str:
        if moved(numbers["interval"], shift)[0] > margin:
            return "supported"
        return against(moved(wide, shift), margin, None)

    status = decide(0.0)
    (low, high), tight = numbers["interval"], numbers["interval_90"]
    if status == "supported":
        said = f"{a} is {better} than {b} by more than {margin:g}"
    elif status == "refuted" and wide[1] < -margin:
        said = f"{b} {higher} than {a}, by more than {margin:g}"
    elif status == "refuted" and high < 0:
        said = f"{b} {higher} than {a}"
    elif status == "refuted" and -margin < tight[0] and tight[1] < margin:
        said = f"{a} and {b} differ by less than {margin:g}"
    elif status == "refuted":
        said = f"{a} is not {better} than {b} by as much as {margin:g}"
    elif low > 0:
        said = f"{a} is {better} than {b}, but whether by more than {margin:g} is open"
    else:
        said = f"it is open whether {a} is {better} than {b}"
    need = power.needed(numbers["parts"], numbers["estimate"], power.outside(margin, margin), SEED)
    pooled = settings.get("pool_students", False)
    judged = _judged(where, numbers, value, pooled, rule, status, said, need, decide)
    return _unless_stuck(judged, numbers, margin)


def equal_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """a and b differ by less than the margin (TOST), in each start; refuted if by more."""
    return [_equal(*found, settings) for found in _contrasts_of(contrasts, settings)]


def _equal(where: str, numbers: dict, value: dict, settings: dict) -> dict:
    margin = settings.get("margin", value["margin"])
    a, b = value["a"], value["b"]
    rule = (
        f"90 % interval of the paired difference inside ± {margin:g} (TOST at 5 %); refuted if the "
        f"95 % interval lies wholly beyond {margin:g} on one side"
    )
    wide = at_looks(numbers, settings["looks"])

    def decide(shift: float) -> str:
        tight = moved(numbers["interval_90"], shift)
        if -margin < tight[0] and tight[1] < margin:
            return "supported"
        low, high = moved(wide, shift)
        return "refuted" if low > margin or high < -margin else "undecided"

    status = decide(0.0)
    low, high = numbers["interval"]
    _, higher = _comparison(value)
    ahead, behind = (a, b) if numbers["estimate"] > 0 else (b, a)
    differ = low > 0 or high < 0
    if status == "supported":
        also = ", though they do differ" if differ else ""
        said = f"{a} and {b} differ by less than {margin:g}{also}"
    elif status == "refuted":
        said = f"{ahead} {higher} than {behind}, by more than {margin:g}"
    elif differ:
        said = f"{ahead} {higher} than {behind}, but whether by more than {margin:g} is open"
    else:
        said = (
            f"neither a difference between {a} and {b} nor its absence (within {margin:g}) is shown"
        )
    need = power.needed(numbers["parts"], numbers["estimate"], power.inside_or_beyond(margin), SEED)
    pooled = settings.get("pool_students", False)
    judged = _judged(where, numbers, value, pooled, rule, status, said, need, decide)
    if status == "supported":
        judged.bounds, judged.what = numbers["interval_90"], "difference (90 % interval)"
    return _unless_stuck(judged, numbers, margin)


def _judged(where, numbers, value, pooled, rule, status, said, need, decide) -> Judged:
    noise, alike = value["training_noise"], value.get("alike")
    return Judged(
        where=where,
        rule=rule,
        status=status,
        said=said,
        what="difference",
        estimate=numbers["estimate"],
        bounds=numbers["interval"],
        note=words.join(
            words.caveat(noise, value["training_noise_from"]),
            words.pooled(alike if pooled else None),
        ),
        needed=need,
        decide=decide,
        parts=numbers["parts"],
        assumed=assumed(noise),
    )


def _unless_stuck(judged: Judged, numbers: dict, margin: float) -> dict:
    """Return the part; so few problems test nothing, and so extreme scores decide nothing."""
    few = too_few(numbers.get("problems"))
    if few:
        return untested(judged.where, judged.rule, few)
    stuck = _at_an_end(numbers, margin)
    if stuck:
        judged.status, judged.needed, judged.decide = "undecided", None, None
        judged.said = f"no difference of {margin:g} could show"
        judged.note = words.join(stuck, judged.note)
        judged.bounds = numbers["interval"]
    return part(judged)
