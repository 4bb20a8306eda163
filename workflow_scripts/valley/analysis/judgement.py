"""Judging claims: supported, refuted, undecided or not tested, by a rule stated beforehand.

A claim has parts (one a curve and feature, one a student and start, one a rate). It is supported
only if every part is, refuted if any part is, and otherwise undecided: an intersection-union test,
which needs no correction for the number of parts to support a claim. Refuting by any of m parts
does: there each part is judged at 5 % / m (Bonferroni) by widening its interval.
"""

import math

from valley.analysis import words
from valley.analysis.judge_contrast import equal_parts, interaction_parts, more_parts
from valley.analysis.judge_follow import follow_parts
from valley.analysis.judge_valley import valley_parts
from valley.analysis.words import NOT_TESTED
from valley.core import claims

KINDS = {
    "valley": valley_parts,
    "more": more_parts,
    "equal": equal_parts,
    "interaction": interaction_parts,
    "follow": follow_parts,
}
EDGE = 0.2  # a verdict that would be another one more often than this is marked
DRAWN, REDRAWN = "another study of this size", "another draw of answers"
NOTHING = "This study has no arms that bear on it."


def judge_claims(curves: list, contrasts: list, rates: dict | None, declared: dict) -> list[dict]:
    """Return one judgement a claim: the paper's four, then the study's own, in the order declared.

    `declared` maps a claim's name to its settings as the study file gives them; of the paper's only
    what differs.
    """
    out = []
    for name, settings in claims.settings(declared).items():
        judge = KINDS[settings["kind"]]
        looks = len(judge(curves, contrasts, rates, {**settings, "looks": 1}))
        parts = judge(curves, contrasts, rates, {**settings, "looks": looks})
        out.append(verdict(name, settings, parts))
    return out


def verdict(name: str, settings: dict, parts: list[dict]) -> dict:
    """Combine a claim's parts into its status and one sentence.

    Supported if every part is, refuted if any is, not tested if none was, else undecided.
    """
    statuses = [part["status"] for part in parts]
    if all(item == NOT_TESTED for item in statuses):
        status = NOT_TESTED
    elif "refuted" in statuses:
        status = "refuted"
    elif all(item == "supported" for item in statuses):
        status = "supported"
    else:
        status = "undecided"
    telling = [part for part in parts if part["status"] == status] or parts
    one_seed = status == "undecided" and any(part["one_seed"] for part in parts)
    chances, redrawn = _combined(parts, "chances"), _combined(parts, "redrawn")
    edge = ""
    if status != NOT_TESTED and not one_seed:
        likely, by = (redrawn, REDRAWN) if redrawn else (chances, DRAWN)
        other = 1 - likely.get(status, 0.0) if likely else 0.0
        edge = words.edge(other, by) if other > EDGE else ""
    word = f"{status} (one seed)" if one_seed else status
    said = [part["sentence"] for part in telling] or [NOTHING]
    first = telling[0] if telling else {}
    return {
        "name": name,
        "kind": settings["kind"],
        "text": settings["text"],
        "status": status,
        "one_seed": one_seed,
        "rule": first.get("rule", NOTHING),
        "estimate": first.get("estimate"),
        "interval": first.get("interval"),
        "needed": first.get("needed") if status == "undecided" else None,
        "chances": chances,
        "redrawn": redrawn,
        "on_edge": bool(edge),
        "sentence": words.join(f"{word.capitalize()}.", *dict.fromkeys(said), edge),
        "parts": parts,
    }


def _combined(parts: list[dict], key: str) -> dict[str, float] | None:
    """Return how often each status would fall, the parts taken as independent of one another.

    None where a part does not say (a part that was not tested would not be, again).
    """
    if not parts or any(part[key] is None and part["status"] != NOT_TESTED for part in parts):
        return None
    known = [part[key] or {NOT_TESTED: 1.0} for part in parts]
    refuted = 1.0 - math.prod(1 - one.get("refuted", 0.0) for one in known)
    supported = math.prod(one.get("supported", 0.0) for one in known)
    return {
        "supported": supported,
        "refuted": refuted,
        "undecided": max(1.0 - supported - refuted, 0.0),
    }
