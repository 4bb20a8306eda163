"""F1's rule: a fall by a share of the start, a rise from the low point, and a bend upwards."""

from valley.analysis import power, words
from valley.analysis.judge_parts import (
    SEED,
    Judged,
    against,
    assumed,
    matches,
    moved,
    part,
    too_few,
    untested,
    widened,
)
from valley.analysis.valleys import VALLEY_P


def valley_parts(curves: list, contrasts: list, rates: dict | None, settings: dict) -> list[dict]:
    """Fall by more than a share of the start; rise by more than the margin; bend upwards."""
    out = []
    for curve in curves:
        if not matches(curve, settings.get("where") or {}):
            continue
        rules = [_fall, _rise, *([_bend] if settings.get("sharper") else [])]
        out += [rule(curve, settings) for rule in rules]
    return out


def _about(curve: dict) -> dict:
    noise = curve["training_noise"]
    return {
        "where": f"{curve['title']}: ",
        "note": words.caveat(noise),
        "assumed": assumed(noise),
    }


def _unfit(curve: dict) -> str:
    """Return why a curve tests no valley at all, or ""."""
    few = too_few(curve.get("problems"))
    if few:
        return few
    if not curve["readouts"].get("valley"):
        return "a valley takes the start and two sizes above it"
    return "" if curve["readouts"].get("depth_share") else "the start scores 0, and can't fall"


def _against_line(read: dict, line: float, looks: int):
    """Return the rule "above (below) a line" as a function of a shift."""
    return lambda shift: against(
        moved(read["interval"], shift), line, read["estimate"] + shift, looks
    )


def _fall(curve: dict, settings: dict) -> dict:
    share, reads, about = settings["share"], curve["readouts"], _about(curve)
    rule = f"95 % interval of the fall, as a share of the start, wholly above (below) {share:g}"
    read, why = reads.get("depth_share"), _unfit(curve)
    if why:
        return untested(about["where"], rule, why)
    decide = _against_line(read, share, settings["looks"])
    status = decide(0.0)
    said = {
        "supported": f"the lowest size lies more than {share:.0%} below the start",
        "refuted": f"no size lies {share:.0%} below the start",
        "undecided": f"it is open whether any size lies more than {share:.0%} below the start",
    }[status]
    need = power.needed(read["parts"], read["estimate"], power.outside(share, share), SEED)
    return part(
        Judged(
            **about, rule=rule, status=status, said=said, what="fall as a share",
            estimate=read["estimate"], bounds=read["interval"], needed=need, decide=decide,
            parts=read["parts"],
        )
    )  # fmt: skip


def _rise(curve: dict, settings: dict) -> dict:
    reads, about, looks = curve["readouts"], _about(curve), settings["looks"]
    margin = (reads.get("valley") or {}).get("margin", 0.0)
    rule = (
        f"an interior size below the start, and a later one above it, both by more than {margin:g} "
        f"(p ≤ {VALLEY_P:g}); refuted if the 95 % interval of the fall, or of the rise from a size "
        f"that lies below the start, is wholly below {margin:g}"
    )
    why = _unfit(curve)
    start = None if why else reads["valley"].get("start")
    if start and start[1] <= margin:
        why = f"the start scores below {margin:g}, and can't fall by as much"
    if why:
        return untested(about["where"], rule, why)
    valley, fall, rise = reads["valley"], reads.get("fall"), reads.get("rise")
    fallen = valley.get("established", True)
    flat = fall and widened(fall["interval"], fall["estimate"], looks)[1] < margin
    if flat or not rise or not fallen:
        read, what = fall, "largest fall"
        status = "refuted" if flat else "undecided"
        said = (
            f"no size lies {margin:g} below the start: it does not fall"
            if flat
            else f"it is open whether any size lies {margin:g} below the start"
        )
    else:
        read, what = rise, "rise from the low point"
        status = against(rise["interval"], margin, rise["estimate"], looks)
        if status == "supported" and valley["p"] > VALLEY_P:
            status = "undecided"
        said = {
            "supported": "after a low point below the start it rises again",
            "refuted": f"after the low point it does not rise by as much as {margin:g}",
            "undecided": f"it falls, and whether it rises again by more than {margin:g} is open",
        }[status]
    decide = _against_line(read, margin, looks)
    if read is fall:  # only the fall is looked at here: alone it can refute, not support
        decide = _capped(decide)
    need = power.needed(read["parts"], read["estimate"], power.outside(margin, margin), SEED)
    return part(
        Judged(
            **about, rule=rule, status=status, said=said, what=what, estimate=read["estimate"],
            bounds=read["interval"], needed=need, decide=decide, parts=read["parts"],
        )
    )  # fmt: skip


def _capped(decide):
    return lambda shift: "refuted" if decide(shift) == "refuted" else "undecided"


def _bend(curve: dict, settings: dict) -> dict:
    about, read = _about(curve), curve["readouts"].get("curvature")
    rule = "95 % interval of the square term in log10 N from the bottom on, wholly above (below) 0"
    why = _unfit(curve) or ("" if read else "fewer than three sizes from the bottom on")
    if why:
        return untested(about["where"], rule, why)
    decide = _against_line(read, 0.0, settings["looks"])
    status = decide(0.0)
    said = {
        "supported": "the rise is sharper than log-linear",
        "refuted": "the rise is flatter than log-linear",
        "undecided": "it is open whether the rise is sharper or flatter than log-linear",
    }[status]
    need = power.needed(read["parts"], read["estimate"], power.outside(0, 0), SEED)
    return part(
        Judged(
            **about, rule=rule, status=status, said=said, what="square term",
            estimate=read["estimate"], bounds=read["interval"], needed=need, decide=decide,
            parts=read["parts"],
        )
    )  # fmt: skip
