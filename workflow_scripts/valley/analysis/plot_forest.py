"""The figure of paired differences: a forest plot."""

from pathlib import Path

from valley.analysis import style, words
from valley.analysis.draw import arms_path, row_label
from valley.core.files import read_json, write_csv


def forest(contrast_jsons: list[Path], svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw paired differences as a forest plot: each setting, the pooled one, the margin."""
    values = [read_json(path) for path in contrast_jsons]
    lines = []
    for value in values:
        lines.append(("head", _title(value), None, value))
        for row in value["settings"]:
            lines.append(("row", setting_label(row["setting"], value), row, value))
        if value["pooled"]:
            lines.append(("pooled", "pooled", value["pooled"], value))
    rows = []
    with style.figure(height=0.45 + 0.155 * max(len(lines), 4)) as (drawn, axes):
        for i, (kind, label, row, value) in enumerate(lines):
            y = -i
            row_label(axes, label, y, "bold" if kind == "head" else "normal")
            if kind == "head":
                continue
            low, high = row["interval"]
            bold = kind == "pooled"
            axes.plot([low, high], [y, y], color=style.INK, lw=1.6 if bold else 0.8)
            axes.plot(
                [row["estimate"]],
                [y],
                "D" if bold else "o",
                color=style.BLUE if bold else style.INK,
                ms=4 if bold else 3,
            )
            said = words.interval(row["estimate"], row["interval"])
            text = f"{_title(value)}, {label}: {said}"
            style.hint(axes, row["estimate"], y, text, _both(row, value))
            rows.append(_forest_row(kind, row, value))
        margin = min((value["margin"] for value in values), default=0.0)
        axes.axvspan(-margin, margin, color=style.PALE, lw=0, zorder=0)
        axes.axvline(0, color=style.GREY, lw=0.6, zorder=1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-len(lines) + 0.4, 0.6)
        axes.set_xlabel(f"difference in pass@1 (grey: ± {margin:g})", x=1.0, ha="right")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)


def _title(value: dict) -> str:
    """Return what a contrast is of; an interaction's sides are differences themselves."""
    if "interaction" in value:
        return f"({value['a']}) minus ({value['b']})"
    return f"{value['a']} minus {value['b']}"


def _both(row: dict, value: dict) -> str:
    """Return the paths of the arms on both sides of a setting; none for the pooled difference."""
    setting = row.get("setting")
    if not setting or not setting.get("student") or "interaction" in value:
        return ""  # pooled, between two studies, or four arms
    sides = ({**setting, value["field"]: value[side]} for side in ("a", "b"))
    return " ".join(arms_path(side, side["size"]) for side in sides)


def setting_label(setting: dict, value: dict) -> str:
    """Return what distinguishes one setting of a contrast from the others, in a few words."""
    parts = []
    if setting.get("size") is not None:
        parts.append(f"N = {style.short(setting['size'])}")
    if setting.get("start") and value["field"] != "start":
        parts.append(f"from {setting['start']}")
    if setting.get("slice") and value["field"] != "slice" and setting["slice"] != "all.any":
        parts.append(setting["slice"])
    if len({row["setting"].get("student") for row in value["settings"]}) > 1:
        parts.append(str(setting.get("student")))
    return ", ".join(parts)


def _forest_row(kind: str, row: dict, value: dict) -> dict:
    setting = row.get("setting", {})
    return {
        "a": value["a"],
        "b": value["b"],
        "kind": "setting" if kind == "row" else "pooled",
        "student": setting.get("student", ""),
        "start": setting.get("start", ""),
        "size": setting.get("size", ""),
        "estimate": row["estimate"],
        "low": row["interval"][0],
        "high": row["interval"][1],
        "p": row["p"],
        "p_holm": row.get("p_holm", ""),
        "p_permutation": row["p_permutation"],
        "p_equivalence": row["p_equivalence"],
        "margin": value["margin"],
    }
