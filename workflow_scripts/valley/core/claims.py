"""Claims that a study judges: the paper's four, and those that a study file declares."""

from typing import Any

from valley.core.arms import BASE
from valley.core.config import nearest

PAPER = {
    "F1": {
        "kind": "valley",
        "text": "performance first falls by more than half, then rises, sharper than log-linearly",
        "share": 0.5,
        "sharper": True,
        "where": {"slice": "all.any", "start": BASE},
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
# What a claim of each kind must say, and what it may say.
KEYS = {
    "valley": (("share",), ("sharper", "where")),
    "more": (("field", "a", "b"), ("by_start", "margin", "pool_students")),
    "equal": (("field", "a", "b"), ("by_start", "margin", "pool_students")),
    "interaction": (("of",), ("alike", "by_start", "margin", "pool_students")),
    "follow": (("rates", "close", "weak"), ("where",)),
}


def settings(declared: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each claim's settings by name: the paper's first, as the study file changes them."""
    names = [*PAPER, *(name for name in declared if name not in PAPER)]
    return {name: {**PAPER.get(name, {}), **declared.get(name, {})} for name in names}


def mistakes(declared: dict[str, dict[str, Any]]) -> list[str]:
    """Return what is wrong with a study file's claims, each with how to fix it."""
    found = []
    for name, claim in settings(declared).items():
        where = f"claims.{name}"
        missing = [key for key in ("kind", "text") if key not in claim]
        if missing:
            found.append(
                f"{where}.{missing[0]}: is missing; a claim other than the paper's "
                f"{', '.join(PAPER)} "
                f"needs its kind ({', '.join(KEYS)}) and its text{nearest(name, list(PAPER))}"
            )
            continue
        must, may = KEYS[claim["kind"]]
        allowed = ("kind", "text", *must, *may)
        found += [
            f"{where}.{key}: is missing; a claim of kind {claim['kind']} needs {', '.join(must)}"
            for key in must
            if key not in claim
        ]
        found += [
            f"{where}.{key}: does not apply to a claim of kind {claim['kind']}; "
            f"allowed there: {', '.join(allowed)}"
            for key in declared.get(name, {})
            if key not in allowed
        ]
    return found
