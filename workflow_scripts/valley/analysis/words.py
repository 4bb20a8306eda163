"""Sentences made from numbers: they say what the interval says, and no more."""

NOT_TESTED = "not tested"


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
    condition = f"If the truth were the estimate ({number(need['assuming'])}), "
    if levers:
        return f"{condition}{' or '.join(levers)} would decide it with 80 % power."
    factor = need.get("problems_and_seeds_times")
    if factor:
        return f"{condition}{factor:g} times the problems and the seeds together would decide it."
    return (
        "The estimate lies on the line that the rule draws, where more of the same decides "
        f"nothing; a true value {number(need['decidable'])} away from that line would be decided "
        "with 80 % power as the study stands."
    )


def caveat(noise: dict | None, source: str | None = None) -> str:
    """Return what the interval leaves out or assumes, if anything."""
    if noise is None:
        return "One run an arm: training noise is not in the interval."
    source = source or noise.get("source")
    if source == "assumed":
        return (
            f"One run an arm: a training noise of {noise['shift_sd']:g} in log-odds is assumed, "
            "not measured."
        )
    if source == "the study file":
        return (
            f"A training noise of {noise['shift_sd']:g} in log-odds is taken from the study file."
        )
    if source == "another axis":
        levels = ", whose scores are far from these" if noise.get("far") else ""
        return f"Training noise is taken from another axis{levels}."
    return ""


def pooled(alike: dict | None) -> str:
    """Return what pooling over students hides, if they were pooled."""
    if not alike:
        return ""
    word = "differ among themselves" if alike["p"] <= 0.05 else "are not shown to differ"
    return f"Pooled over {alike['groups']} students, which {word} (p = {alike['p']:.3f})."


def edge(share: float, by: str) -> str:
    """Return the mark of a verdict that would often have been another."""
    return f"On an edge: {by} would give another verdict in {100 * share:.0f} % of cases."


def verdict(claim: dict) -> str:
    """Return a claim's verdict as pages and findings show it."""
    seed = " (one seed)" if claim.get("one_seed") else ""
    return f"{claim['status']}{seed}" + (", on an edge" if claim.get("on_edge") else "")


def join(*parts: str) -> str:
    """Join sentences, leaving out empty ones."""
    return " ".join(part for part in parts if part)
