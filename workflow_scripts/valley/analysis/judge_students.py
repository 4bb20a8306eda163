"""A claim on each student by itself, and what all of them say together.

Open rule over the students on which a claim was tested: it holds on all where it is supported on
each, on none where it is refuted on each; it is mixed where it is supported on some and refuted on
others, and open otherwise. Beside that word stands a pooled estimate, students weighing the same.
"""

from valley.analysis import words
from valley.analysis.judge_parts import matches
from valley.analysis.judgement import KINDS, verdict
from valley.analysis.words import NOT_TESTED
from valley.core import claims

ALL, NONE, MIXED, OPEN = "holds on all", "holds on none", "mixed", "open"
BY_CURVE = ("valley", "follow")  # kinds without a pooled fit: their estimates are averaged


def with_students(
    judged: list[dict], curves: list, contrasts: list, rates: dict | None, declared: dict
) -> list[dict]:
    """Return claims, those on several students with what each of them says (`by_student`).

    Args:
        judged: claims as `judge_claims` returns them.
        curves, contrasts, rates, declared: what they were judged from.
    """
    found = claims.settings(declared)
    out = []
    for claim in judged:
        said = by_student(claim, found[claim["name"]], curves, contrasts, rates)
        extra = {"by_student": said, "sentence": words.join(claim["sentence"], said["sentence"])}
        out.append({**claim, **extra} if said["students"] else claim)
    return out


def by_student(
    claim: dict, settings: dict, curves: list, contrasts: list, rates: dict | None
) -> dict:
    """Return a claim's verdict on each student, pooled verdict and estimates; empty with one."""
    judge, kind = KINDS[settings["kind"]], settings["kind"]
    names = _names(settings, curves, contrasts, rates)
    if len(names) < 2:
        return {"students": {}, "verdict": None, "pooled": [], "sentence": ""}
    single = {name: _of(name, curves, contrasts, rates) for name in names}
    apart = {**settings, "pool_students": False}
    looks = sum(len(judge(*fits, {**apart, "looks": 1})) for fits in single.values())
    each = {name: judge(*fits, {**apart, "looks": looks}) for name, fits in single.items()}
    status = {
        name: verdict(claim["name"], settings, parts)["status"] for name, parts in each.items()
    }
    students = {
        name: {"status": status[name], "parts": [_numbers(part) for part in parts]}
        for name, parts in each.items()
    }
    if kind in BY_CURVE:
        pooled = _averaged([one["parts"] for one in students.values()])
    else:
        together = judge(curves, contrasts, rates, {**apart, "pool_students": True, "looks": 1})
        pooled = [_numbers(part) for part in together]
    word = word_of([*status.values()])
    return {
        "students": students,
        "verdict": word,
        "pooled": pooled,
        "sentence": _sentence(word, students, pooled),
    }


def word_of(statuses: list[str]) -> str:
    """Return what the verdicts on several students say together."""
    tested = {status for status in statuses if status != NOT_TESTED}
    if not tested:
        return NOT_TESTED
    if tested in ({"supported"}, {"refuted"}):
        return ALL if "supported" in tested else NONE
    return MIXED if {"supported", "refuted"} <= tested else OPEN


def _names(settings: dict, curves: list, contrasts: list, rates: dict | None) -> list[str]:
    """Return the students that a claim's fits are about."""
    where, kind = settings.get("where") or {}, settings["kind"]
    if kind == "valley":
        return sorted({curve["student"] for curve in curves if matches(curve, where)})
    if kind == "follow":
        groups = (rates or {}).get("groups", [])
        return sorted({group["student"] for group in groups if matches(group, where)})
    judge = KINDS[kind]
    about = [one for one in contrasts if judge([], [one], None, {**settings, "looks": 1})]
    return sorted({name for one in about for name in one.get("students") or {}})


def _of(student: str, curves: list, contrasts: list, rates: dict | None) -> tuple:
    """Return the fits of one student."""
    own = [
        {**value, "students": {}, **value["students"][student]}
        for value in contrasts
        if student in (value.get("students") or {})
    ]
    groups = [group for group in (rates or {}).get("groups", []) if group["student"] == student]
    mine = [curve for curve in curves if curve.get("student") == student]
    return mine, own, rates and {**rates, "groups": groups}


def _numbers(part: dict) -> dict:
    return {name: part[name] for name in ("where", "what", "status", "estimate", "interval")}


def _averaged(each: list[list[dict]]) -> list[dict]:
    """Return the means over students of the estimates that all of them have.

    An interval is the mean of the students' ends. Students answer the same problems, so that their
    errors go together; the spread of a mean is at most the mean of the spreads, whatever their
    correlation, and such an interval covers at least as often as theirs do.
    """
    if len({len(parts) for parts in each}) > 1:
        return []
    out = []
    for row in zip(*each, strict=True):
        known = [part for part in row if part["estimate"] is not None and _bounded(part)]
        if len(known) < len(row) or len({part["what"] for part in row}) > 1:
            continue
        ends = zip(*(part["interval"] for part in row), strict=True)
        mean = sum(part["estimate"] for part in row) / len(row)
        out.append(
            {
                "where": "",
                "what": row[0]["what"],
                "status": None,
                "estimate": mean,
                "interval": [sum(end) / len(row) for end in ends],
            }
        )
    return out


def _bounded(part: dict) -> bool:
    return bool(part["interval"]) and None not in part["interval"]


def _sentence(word: str, students: dict, pooled: list[dict]) -> str:
    """Return in words for which students it holds, each with its interval."""
    each = []
    for name, one in students.items():
        telling = [part for part in one["parts"] if part["status"] == one["status"]]
        numbers = [_said(part) for part in telling[:1] if part["estimate"] is not None]
        each.append(f"{name}: {one['status']}" + "".join(f" ({said})" for said in numbers))
    together = [_said(part) for part in pooled if part["estimate"] is not None]
    mean = f"Students pooled: {'; '.join(together)}." if together else ""
    return words.join(f"By student: {word}; {'; '.join(each)}.", mean)


def _said(part: dict) -> str:
    where = f"{part['where']}: " if part["where"].startswith("From ") else ""
    return f"{where}{part['what']} {words.interval(part['estimate'], part['interval'])}"
