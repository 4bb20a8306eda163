"""Judging claims: supported, refuted or undecided, each by a rule stated beforehand.

A claim has parts (one a curve and feature, one a start, one a rate). It is supported only if every
part is, refuted if any part is, and otherwise undecided: an intersection-union test, which needs no
correction for the number of parts to support a claim. Refuting by any of m parts does: there each
part is judged at 5 % / m (Bonferroni) by widening its interval.
"""

from valley.analysis import words
from valley.analysis.judge_parts import equal_parts, follow_parts, more_parts, valley_parts
from valley.core import claims

KINDS = {
    "valley": valley_parts,
    "more": more_parts,
    "equal": equal_parts,
    "follow": follow_parts,
}
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
    """Combine a claim's parts into its status and one sentence."""
    statuses = [part["status"] for part in parts]
    if not parts:
        status = "undecided"
    elif "refuted" in statuses:
        status = "refuted"
    elif all(item == "supported" for item in statuses):
        status = "supported"
    else:
        status = "undecided"
    telling = [part for part in parts if part["status"] == status] or parts
    if not parts:
        sentence = f"Undecided: {NOTHING}"
    else:
        shown = telling if status != "supported" else parts
        sentence = words.join(
            f"{status.capitalize()}.", *dict.fromkeys(part["sentence"] for part in shown)
        )
    first = telling[0] if telling else {}
    return {
        "name": name,
        "kind": settings["kind"],
        "text": settings["text"],
        "status": status,
        "rule": first.get("rule", NOTHING),
        "estimate": first.get("estimate"),
        "interval": first.get("interval"),
        "needed": first.get("needed") if status == "undecided" else None,
        "sentence": sentence,
        "parts": parts,
    }
