"""The rules behind each kind of claim; each part carries its rule, numbers and sentence."""

from statistics import NormalDist

from valley.analysis import power, words
from valley.analysis.readouts import VALLEY_P

FEW_SIZES = 5
SEED = 0


def part(rule, status, estimate, bounds, what, said, noise_note="", needed=None, where="") -> dict:
    """Build one part; `said` is the plain statement of what the status means."""
    sentence = words.join(
        f"{where}{said}: {what} {words.interval(estimate, bounds)}.",
        noise_note,
        words.would_decide(needed) if status == "undecided" else "",
    )
    return {
        "rule": rule,
        "status": status,
        "estimate": estimate,
        "interval": bounds,
        "needed": needed if status == "undecided" else None,
        "sentence": sentence,
        "where": where.strip(" :"),
    }


def against(bounds: list | None, line: float, estimate: float | None, looks: int = 1) -> str:
    """Return where an interval lies: above the line, below it, or neither.

    Below must hold for the interval widened for the number of looks: any part may refute a claim.
    """
    if not bounds:
        return "undecided"
    if bounds[0] is not None and bounds[0] > line:
        return "supported"
    high = widened(bounds, estimate, looks)[1]
    return "refuted" if high is not None and high < line else "undecided"


def widened(bounds: list, estimate: float | None, looks: int) -> list:
    """Return a 95 % interval stretched about its estimate to the level 1 - 5 % / looks."""
    if looks <= 1 or estimate is None:
        return bounds
    factor = NormalDist().inv_cdf(1 - 0.025 / looks) / NormalDist().inv_cdf(0.975)
    return [None if b is None else estimate + (b - estimate) * factor for b in bounds]


def matches(curve: dict, where: dict) -> bool:
    """Say whether a curve has the fields that a claim asks for."""
    return all(curve.get(key) == value for key, value in where.items())


def valley_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """Fall by more than a share of the start; rise by more than the margin; bend upwards."""
    out = []
    for curve in curves:
        if not matches(curve, settings.get("where") or {}):
            continue
        reads = curve["readouts"]
        if not reads.get("valley"):
            continue
        note = words.caveat(curve["training_noise"])
        where = f"{curve['title']}: "
        looks = settings["looks"]
        out.append(_fall(reads, settings["share"], looks, note, where))
        out.append(_rise(reads, looks, note, where))
        if settings.get("sharper"):
            out.append(_bend(reads, looks, note, where))
    return out


def _fall(reads: dict, share: float, looks: int, note: str, where: str) -> dict:
    read = reads["depth_share"] or {"estimate": None, "interval": None, "parts": None}
    status = against(read["interval"], share, read["estimate"], looks)
    said = {
        "supported": f"the lowest size lies more than {share:.0%} below the start",
        "refuted": f"no size lies {share:.0%} below the start",
        "undecided": f"it is open whether any size lies more than {share:.0%} below the start",
    }[status]
    rule = f"95 % interval of the fall, as a share of the start, wholly above (below) {share:g}"
    need = power.needed(read["parts"], read["estimate"], power.outside(share, share), SEED)
    return part(
        rule, status, read["estimate"], read["interval"], "fall as a share", said, note, need, where
    )


def _rise(reads: dict, looks: int, note: str, where: str) -> dict:
    margin = reads["valley"]["margin"]
    read = reads["rise"]
    status = against(read["interval"], margin, read["estimate"], looks)
    valley = reads["valley"]
    if status == "supported" and valley["p"] > VALLEY_P:
        status = "undecided"
    said = {
        "supported": "after a low point below the start it rises again",
        "refuted": f"after the lowest size it does not rise by as much as {margin:g}",
        "undecided": "it is open whether it falls and then rises again",
    }[status]
    rule = (
        f"largest rise between sizes: 95 % interval above (below) {margin:g}, and an interior size "
        f"below the start by {margin:g} and below a later size (p ≤ {VALLEY_P:g})"
    )
    need = power.needed(read["parts"], read["estimate"], power.outside(margin, margin), SEED)
    return part(rule, status, read["estimate"], read["interval"], "rise", said, note, need, where)


def _bend(reads: dict, looks: int, note: str, where: str) -> dict:
    read = reads["curvature"]
    rule = "95 % interval of the square term in log10 N from the bottom on, wholly above (below) 0"
    if read is None:
        return {
            "rule": rule,
            "status": "undecided",
            "estimate": None,
            "interval": None,
            "needed": None,
            "sentence": f"{where}fewer than three sizes from the bottom on: no bend can be told.",
            "where": where.strip(" :"),
        }
    status = against(read["interval"], 0.0, read["estimate"], looks)
    said = {
        "supported": "the rise is sharper than log-linear",
        "refuted": "the rise is flatter than log-linear",
        "undecided": "it is open whether the rise is sharper or flatter than log-linear",
    }[status]
    need = power.needed(read["parts"], read["estimate"], power.outside(0, 0), SEED)
    return part(
        rule, status, read["estimate"], read["interval"], "square term", said, note, need, where
    )


def _contrasts_of(contrasts: list, settings: dict) -> list[tuple[str, dict, dict]]:
    """Return (where, numbers, contrast) for each part: a start, or the pooled difference."""
    out = []
    for value in contrasts:
        same = all(value[key] == settings[key] for key in ("field", "a", "b"))
        if not same or not value["pooled"]:
            continue
        starts = value.get("starts") or {}
        if settings.get("by_start") and len(starts) > 1:
            out += [(f"From {start}: ", numbers, value) for start, numbers in starts.items()]
        else:
            out.append(("", value["pooled"], value))
    return out


def _at_an_end(numbers: dict, margin: float) -> str:
    """Return a sentence where both sides score too low (high) to differ by the margin."""
    means = numbers.get("means")
    if means and max(means) < margin:
        return f"Both sides score below {margin:g}: they could not differ by that much."
    if means and min(means) > 1 - margin:
        return f"Both sides score above {1 - margin:g}: they could not differ by {margin:g}."
    return ""


def more_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """a beats b by more than the margin, in each start."""
    out = []
    for where, numbers, value in _contrasts_of(contrasts, settings):
        margin = settings.get("margin", value["margin"])
        status = against(numbers["interval"], margin, numbers["estimate"], settings["looks"])
        stuck = _at_an_end(numbers, margin)
        status = "undecided" if stuck else status
        ahead = numbers["interval"][0] > 0
        said = {
            "supported": f"{value['a']} is better than {value['b']} by more than {margin:g}",
            "refuted": f"{value['a']} is not better than {value['b']} by as much as {margin:g}",
            "undecided": (
                f"{value['a']} is better than {value['b']}, but whether by more than "
                f"{margin:g} is open"
                if ahead
                else f"it is open whether {value['a']} is better than {value['b']}"
            ),
        }[status]
        rule = f"95 % interval of the paired difference wholly above (below) {margin:g}"
        need = power.needed(
            numbers["parts"], numbers["estimate"], power.outside(margin, margin), SEED
        )
        note = words.join(
            stuck, words.caveat(value["training_noise"], value["training_noise_from"])
        )
        need = None if stuck else need
        out.append(
            part(
                rule,
                status,
                numbers["estimate"],
                numbers["interval"],
                "difference",
                said,
                note,
                need,
                where,
            )
        )
    return out


def equal_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """a and b differ by less than the margin (TOST), in each start; refuted by a difference."""
    out = []
    for where, numbers, value in _contrasts_of(contrasts, settings):
        margin = settings.get("margin", value["margin"])
        low, high = numbers["interval_90"]
        # By p, not by a widened interval: with few replicates the tails are heavier than normal.
        outside = numbers["interval"][0] > 0 or numbers["interval"][1] < 0
        apart = outside and numbers["p"] <= 0.05 / settings["looks"]
        if -margin < low and high < margin:
            status = "supported"
        else:
            status = "refuted" if apart else "undecided"
        stuck = _at_an_end(numbers, margin)
        status = "undecided" if stuck else status
        said = {
            "supported": f"{value['a']} and {value['b']} differ by less than {margin:g}",
            "refuted": f"{value['a']} and {value['b']} differ",
            "undecided": (
                f"neither a difference between {value['a']} and {value['b']} nor its absence "
                f"(within {margin:g}) is shown"
            ),
        }[status]
        rule = (
            f"90 % interval of the paired difference inside ± {margin:g} (TOST at 5 %); refuted if "
            "it is not and the 95 % interval leaves out 0"
        )
        need = power.needed(
            numbers["parts"], numbers["estimate"], power.inside_or_apart(margin), SEED
        )
        note = words.join(
            stuck, words.caveat(value["training_noise"], value["training_noise_from"])
        )
        need = None if stuck else need
        shown = numbers["interval_90"] if status == "supported" else numbers["interval"]
        what = "difference (90 % interval)" if status == "supported" else "difference"
        out.append(part(rule, status, numbers["estimate"], shown, what, said, note, need, where))
    return out


def follow_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """A rate's rank correlation with size is close, and that with pass@1 weak."""
    out = []
    for group in (rates or {}).get("groups", []):
        if not matches(group, settings.get("where") or {}):
            continue
        for item in group["correlations"]:
            if item["rate"] in settings["rates"]:
                out.append(_follow(group, item, settings))
    return out


def _follow(group: dict, item: dict, settings: dict) -> dict:
    close = item["with"] == "size"
    line = settings["close"] if close else settings["weak"]
    bounds = wider(item["interval"], item["interval_sizes"])
    enough = item["sizes"] >= FEW_SIZES
    rho = item["estimate"]
    if not enough or rho is None:
        status = "undecided"
    elif close:
        status = against(bounds, line, rho, settings["looks"])
    else:
        status = against([-b for b in bounds[::-1]], -line, -rho, settings["looks"])
    name = item["rate"].replace("_", "-")
    other = "the data size" if close else "pass@1"
    word = "closely" if close else "only weakly"
    said = {
        "supported": f"the {name} rate follows {other} {word}",
        "refuted": f"the {name} rate does not follow {other} {word}",
        "undecided": f"it is open whether the {name} rate follows {other} {word}",
    }[status]
    side = "above (below)" if close else "below (above)"
    rule = (
        f"the wider of both 95 % intervals of Spearman's rho wholly {side} {line:g}, "
        f"with {FEW_SIZES} sizes or more"
    )
    note = words.join(
        "" if enough else f"{item['sizes']} sizes are too few for a rank correlation.",
        words.caveat(group["training_noise"]),
    )
    where = f"{group['student']}: "
    made = part(rule, status, item["estimate"], bounds, "rho", said, note, None, where)
    if status == "undecided":
        made["needed"] = sizes_needed(item["estimate"], line)
        if made["needed"]:
            made["sentence"] = words.join(made["sentence"], made["needed"]["sentence"])
    return made


def wider(first: list | None, second: list | None) -> list | None:
    """Return the hull of two intervals, or the one there is."""
    if not first or not second:
        return first or second
    return [min(first[0], second[0]), max(first[1], second[1])]


def sizes_needed(rho: float | None, line: float) -> dict | None:
    """Return how many sizes would put the interval of this rho clear of the line."""
    from valley.analysis.correlate import bonett_wright

    if rho is None:
        return None
    for count in (5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128):
        low, high = bonett_wright(rho, count)
        if low > line or high < line:
            text = f"If rho were {rho:.3f}, about {count} sizes would decide it."
            return {"sizes": count, "assuming": rho, "sentence": text}
    return None
