"""Claims whose arms are not all finished: how far they have come, in place of a verdict."""

from valley.analysis.judge_parts import matches
from valley.core import claims, interactions
from valley.core.layout import Layout
from valley.reporting.finished import done

NOT_YET = "not yet"


def postponed(judged: list[dict], layout: Layout, benchmark: str) -> list[dict]:
    """Return a benchmark's claims, those without a verdict whose arms are not all finished.

    Estimates and intervals stay: they describe the arms that are there.

    Args:
        judged: claims as fitted on the finished arms.
        layout: the study.
        benchmark: on which they were judged.
    """
    declared = claims.settings(layout.study.config["claims"])
    out = []
    for claim in judged:
        points = _points(layout, declared[claim["name"]])
        left = {checkpoint for checkpoint in points if not done(layout, checkpoint, benchmark)}
        out.append(_without_verdict(claim, _progress(points, left)) if left else claim)
    return out


def _points(layout: Layout, settings: dict) -> dict[str, int]:
    """Return the checkpoints of the arms that a claim rests on, each with its size."""
    study, found = layout.study, []
    for name, axis in study.config["axes"].items():
        if settings["kind"] in ("valley", "follow"):
            where = settings.get("where") or {}
            points = study.points(name) if axis["curve"] else []
            found += [point for point in points if matches(point, where)]
        elif settings["kind"] == "interaction":
            declared = axis["interactions"].get(settings["of"])
            points = study.points(name) if declared else []
            found += [point for point in points if interactions.of_arm(point, declared)]
        else:
            field, sides = settings["field"], {settings["a"], settings["b"]}
            compared = [{one["field"], one["a"], one["b"]} for one in axis["contrasts"]]
            points = study.points(name) if {field, *sides} in compared else []
            found += [point for point in points if point[field] in sides]
    return {point["place"]: point["size"] for point in found}


def _progress(points: dict[str, int], left: set[str]) -> str:
    sizes, open_sizes = set(points.values()), {points[checkpoint] for checkpoint in left}
    arms = f"{len(points) - len(left)} of {len(points)} arms"
    if len(sizes) < 2:
        return f"{arms} are finished"
    return f"{len(sizes - open_sizes)} of {len(sizes)} sizes are finished ({arms})"


def _without_verdict(claim: dict, progress: str) -> dict:
    parts = [{**part, "status": NOT_YET} for part in claim["parts"]]
    kept = {name: value for name, value in claim.items() if name != "by_student"}
    return {
        **kept,
        "status": NOT_YET,
        "one_seed": False,
        "on_edge": False,
        "needed": None,
        "chances": None,
        "redrawn": None,
        "sentence": f"Not yet: {progress}.",
        "parts": parts,
    }
