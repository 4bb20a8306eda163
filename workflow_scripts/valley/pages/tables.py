"""Tables of a study, and its findings in a few lines."""

from pathlib import Path

from valley.analysis import words
from valley.core.arms import FIELDS
from valley.core.files import read_json, write_csv


def table(scored: list[dict], scores: Path, verdicts: Path) -> None:
    """Write every score and every count of verdicts as tidy CSV.

    Args:
        scored: arms, each with its benchmark and the path of its score.
        scores: CSV to write, a row per arm, benchmark, group of problems and quantity.
        verdicts: CSV to write, a row per arm, benchmark and verdict.
    """
    named_by = [*FIELDS, "benchmark"]
    rows, mixes = [], []
    for arm in scored:
        score = read_json(arm["path"])
        named = {name: arm[name] for name in named_by}
        groups = {"all": score["overall"], **score["by_difficulty"], **score.get("by_cutoff", {})}
        for group, quantities in groups.items():
            for quantity, value in quantities.items():
                low, high = value["interval"] or (None, None)
                numbers = {"estimate": value["estimate"], "low": low, "high": high}
                rows.append(
                    {**named, "problems": group, "quantity": quantity}
                    | {**numbers, "n": value["samples"]}
                )
        for verdict, number in sorted(score["verdicts"].items()):
            mixes.append({**named, "verdict": verdict, "answers": number})
    write_csv(scores, rows, [*named_by, "problems", "quantity", "estimate", "low", "high", "n"])
    write_csv(verdicts, mixes, [*named_by, "verdict", "answers"])


def findings(claims: list[dict], curves: list[dict]) -> str:
    """Return the findings in a few lines: the main curve, then one line a claim that was tested."""
    lines = []
    if curves:
        points = curves[0]["points"]
        shown = "  ".join(f"{point['size']}: {point['estimate']:.3f}" for point in points)
        lines.append(f"pass@1 by {curves[0].get('x', 'size')}   {shown}")
    for claim in claims:
        if claim["status"] != words.NOT_TESTED:
            lines.append(f"{claim['name']} {words.verdict(claim):<10} {claim['text']}")
    return "\n".join(lines) + "\n"
