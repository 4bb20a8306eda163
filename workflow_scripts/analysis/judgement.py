"""Judging claims: supported, refuted or undecided, by a rule stated beforehand."""


def judge_claims(curves: list, contrasts: list, rates: dict | None, config: dict) -> list[dict]:
    """Return one judgement a claim."""
    return []
