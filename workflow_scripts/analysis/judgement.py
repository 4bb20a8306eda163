"""Judging claims: supported, refuted or undecided, each by a rule stated beforehand.

A claim has parts (one a curve and feature, one a start, one a rate). It is supported only if every
part is, refuted if any part is, and otherwise undecided: an intersection-union test, which needs no
correction for the number of parts to support a claim. Refuting by any of m parts does: there each
part is judged at 5 % / m (Bonferroni) by widening its interval.
"""

from analysis import words
from analysis.judge_parts import equal_parts, follow_parts, more_parts, valley_parts

DEFAULTS = {
    "F1": {
        "kind": "valley",
        "text": "performance first falls by more than half, then rises, sharper than log-linearly",
        "share": 0.5,
        "sharper": True,
        "where": {"slice": "all.any", "start": "base"},
    },
    "F2": {
        "kind": "more",
        "text": "training on easier questions helps much more than on harder ones",
        "field": "slice",
        "a": "easy.any",
        "b": "hard.any",
        "by_start": True,
    },
    "F3": {
        "kind": "equal",
        "text": "whether the training outputs are correct makes no difference",
        "field": "slice",
        "a": "all.correct",
        "b": "all.incorrect",
        "by_start": True,
    },
    "F4": {
        "kind": "follow",
        "text": "completion and think-tag rate follow data quantity closely, performance weakly",
        "rates": ["completion", "think_tag"],
        "close": 0.8,
        "weak": 0.5,
    },
}
KINDS = {
    "valley": valley_parts,
    "more": more_parts,
    "equal": equal_parts,
    "follow": follow_parts,
}
NOTHING = "This study has no arms that bear on it."


def judge_claims(curves: list, contrasts: list, rates: dict | None, config: dict) -> list[dict]:
    """Return one judgement a claim, in the order declared.

    `config` maps a claim's name to its settings; F1 to F4 have defaults, and only what differs need
    be given. Another name declares a claim of its own and must say its `kind` and `text`.
    """
    out = []
    names = [*DEFAULTS, *(name for name in config if name not in DEFAULTS)]
    for name in names:
        given = config.get(name) or {}
        settings = {**DEFAULTS.get(name, {}), **given}
        if settings.get("kind") not in KINDS:
            known = ", ".join(KINDS)
            raise ValueError(f"claim {name}: kind {settings.get('kind')!r} is not one of {known}")
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
