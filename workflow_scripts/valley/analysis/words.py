"""Sentences made from numbers: they say what the interval says, and no more."""


def number(value: float | None) -> str:
    """Return a number with three decimals; None is an end that is not bounded."""
    return "unbounded" if value is None else f"{value:.3f}"


def interval(estimate: float | None, bounds: list | None) -> str:
    """Return "0.312 [0.270, 0.351]"."""
    if estimate is None:
        return "not estimated"
    if bounds is None:
        return f"{number(estimate)} (no interval)"
    return f"{number(estimate)} [{number(bounds[0])}, {number(bounds[1])}]"


def would_decide(need: dict | None) -> str:
    """Return what it would take to decide, from a power calculation."""
    if not need:
        return ""
    levers = [
        f"{need[lever]} {lever} (now {need['now'][lever]})"
        for lever in ("seeds", "samples", "problems")
        if need.get(lever)
    ]
    given = f"If the truth were the estimate ({number(need['assuming'])}), "
    if levers:
        return f"{given}{' or '.join(levers)} would decide it with 80 % power."
    factor = need.get("problems_and_seeds_times")
    if factor:
        return f"{given}{factor:g} times the problems and the seeds together would decide it."
    return f"{given}not even 64 times the problems, samples or seeds would decide it."


def caveat(noise: dict | None, source: str | None = None) -> str:
    """Return what the interval leaves out, if anything."""
    if noise is None:
        return "One run an arm: training noise is not in the interval."
    if source == "another axis":
        return "Training noise is taken from another axis."
    return ""


def join(*parts: str) -> str:
    """Join sentences, leaving out empty ones."""
    return " ".join(part for part in parts if part)
