"""F4's rule: does a rate follow the data size closely, and pass@1 only weakly.

First whether the rate moves at all by more than the margin: what stands still follows nothing.
"""

from valley.analysis import words
from valley.analysis.correlate import STILL, bonett_wright
from valley.analysis.judge_parts import (
    Judged,
    against,
    assumed,
    matches,
    moved,
    part,
    too_few,
    untested,
)

FEW_SIZES = 5
COUNTS = (5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)


def follow_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """A rate's rank correlation with size is close, and that with pass@1 weak."""
    few = too_few((rates or {}).get("problems"))
    out = []
    for group in (rates or {}).get("groups", []):
        if not matches(group, settings.get("where") or {}):
            continue
        for item in group["correlations"]:
            if item["rate"] in settings["rates"]:
                out.append(_follow(group, item, settings, few))
    return out


def _follow(group: dict, item: dict, settings: dict, few: str) -> dict:
    close = item["with"] == "size"
    line = settings["close"] if close else settings["weak"]
    name = f"the {item['rate'].replace('_', '-')} rate"
    other, word = ("the data size", "closely") if close else ("pass@1", "only weakly")
    side = "above (below)" if close else "below (above)"
    where, rho = f"{group['student']}: ", item["estimate"]
    rule = (
        f"the wider of both 95 % intervals of Spearman's rho wholly {side} {line:g}, "
        f"with {FEW_SIZES} sizes or more, where both move by more than {STILL:g}"
    )
    moves = [(name, item.get("moves")), *([] if close else [("pass@1", item.get("moves_other"))])]
    why = few or next(filter(None, (_still(*move) for move in moves)), "")
    if why:
        return untested(where, rule, why)
    about = {
        "where": where,
        "rule": rule,
        "note": words.caveat(group["training_noise"]),
        "assumed": assumed(group["training_noise"]),
    }
    for what, move in moves:
        if move and move["interval"][0] <= move["margin"]:
            said = f"it is open whether {what} moves by more than {move['margin']:g} at all"
            found = {"what": "largest difference", "estimate": move["estimate"]}
            return part(
                Judged(**about, status="undecided", said=said, bounds=move["interval"], **found)
            )
    bounds = wider(item["interval"], item["interval_sizes"])
    decide = _rule(bounds, rho, line, close, settings["looks"])
    enough = item["sizes"] >= FEW_SIZES and rho is not None and bounds is not None
    status = decide(0.0) if enough else "undecided"
    said = {
        "supported": f"{name} follows {other} {word}",
        "refuted": f"{name} does not follow {other} {word}",
        "undecided": f"it is open whether {name} follows {other} {word}",
    }[status]
    if item["sizes"] < FEW_SIZES:
        left = " before the rate stands still" if item.get("left_out") else ""
        few_sizes = f"{item['sizes']} sizes{left} are too few for a rank correlation."
        about["note"] = words.join(few_sizes, about["note"])
    made = part(
        Judged(
            **about, status=status, said=said, what="rho", estimate=rho, bounds=bounds,
            decide=decide if enough else None,
        )
    )  # fmt: skip
    if made["status"] == "undecided" and not made["one_seed"]:
        made["needed"] = sizes_needed(rho, line)
        if made["needed"]:
            made["sentence"] = words.join(made["sentence"], made["needed"]["sentence"])
    return made


def _rule(bounds: list | None, rho: float | None, line: float, close: bool, looks: int):
    """Return the rule as a function of a shift of rho."""

    def decide(shift: float) -> str:
        ends = moved(bounds, shift)
        if close:
            return against(ends, line, rho + shift, looks)
        return against([-end for end in ends[::-1]], -line, -rho - shift, looks)

    return decide


def _still(what: str, move: dict | None) -> str:
    """Return that something moves by less than the margin over all sizes, or ""."""
    if not move or move["interval"][1] >= move["margin"]:
        return ""
    low, high = move["range"]
    return f"{what} stands at {low:.2f} to {high:.2f} at every size"


def wider(first: list | None, second: list | None) -> list | None:
    """Return the hull of two intervals, or the one there is."""
    if not first or not second:
        return first or second
    return [min(first[0], second[0]), max(first[1], second[1])]


def sizes_needed(rho: float | None, line: float) -> dict | None:
    """Return how many sizes would put the interval of this rho clear of the line."""
    for count in COUNTS if rho is not None else ():
        bounds = bonett_wright(rho, count)
        if bounds and (bounds[0] > line or bounds[1] < line):
            text = f"If rho were {rho:.3f}, about {count} sizes would decide it."
            return {"sizes": count, "assuming": rho, "sentence": text}
    return None
