"""The figures, each drawn from one JSON and written as SVG, PDF and a tidy CSV beside them."""

import csv
import io
import itertools
import math
from pathlib import Path

import numpy as np
from core.files import read_json, write_text

from analysis import style

SHOWN = 2  # families drawn in the scaling figure


def write_csv(path: str | Path, rows: list[dict]) -> None:
    """Write rows of one shape as CSV; an empty list gives an empty file."""
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, buffer.getvalue())


def scaling(curve_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw pass@1 against size: points, seeds, the start as a band, the best families, marks."""
    curve = read_json(curve_json)
    points = curve["points"]
    with style.figure(height=2.6) as (drawn, axes):
        has_base = points[0]["size"] == 0
        places = style.size_axis(axes, [point["size"] for point in points], has_base)
        x = [places[point["size"]] for point in points]
        if has_base:
            axes.axhspan(*points[0]["interval"], color=style.PALE, lw=0, zorder=0)
            axes.axhline(points[0]["estimate"], color=style.GREY, lw=0.6, zorder=1)
        _families(axes, curve)
        for place, point in zip(x, points, strict=True):
            if len(point["seeds"]) > 1:
                axes.plot(
                    [place] * len(point["seeds"]),
                    [seed["estimate"] for seed in point["seeds"]],
                    "_",
                    color=style.GREY,
                    ms=5,
                    mew=0.8,
                    zorder=3,
                )
        _bars(axes, x, points, style.INK, "o")
        top = max(point["interval"][1] for point in points)
        axes.set_ylim(-0.02 * top, top * 1.28)
        _marks(axes, curve, top)
        axes.set_ylabel("pass@1")
        axes.set_title(curve["title"], loc="left")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, _point_rows(curve))


def _families(axes, curve: dict) -> None:
    fitted = [
        (item.get("aicc_weight") or 0.0, name, item)
        for name, item in curve["families"].items()
        if item.get("curve")
    ]
    largest = max(point["size"] for point in curve["points"])
    for i, (_, _, item) in enumerate(sorted(fitted, key=lambda f: (-f[0], f[1]))[:SHOWN]):
        size, value = np.array(item["curve"]["size"]), np.array(item["curve"]["value"])
        keep = (size > 0) & (size <= largest * 1.001)
        axes.plot(
            np.log10(size[keep]),
            value[keep],
            ls=style.DASHES[i],
            color=style.SERIES[i],
            lw=1.0,
            zorder=2,
            label=item["label"],
        )
    if fitted:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=2.4)


def _marks(axes, curve: dict, top: float) -> None:
    """Mark bottom and recovery with their intervals on rails above the data."""
    reads = curve["readouts"]
    largest = math.log10(max(point["size"] for point in curve["points"]))
    rails = []
    if reads.get("bottom"):
        rails.append(("bottom", reads["bottom"]["size"], reads["bottom"]["interval"]))
    back = reads.get("recovery")
    if back and (back["size"] or back["interval"][0]):
        rails.append(("start regained", back["size"], back["interval"]))
    for i, (name, size, (low, high)) in enumerate(rails):
        y = top * (1.05 + 0.065 * i)
        left = math.log10(low) if low else math.log10(size)
        right = math.log10(high) if high else largest
        axes.plot([left, right], [y, y], color=style.INK, lw=0.8, solid_capstyle="butt")
        if not high:
            axes.plot([right], [y], ">", color=style.INK, ms=3)
        if size:
            axes.plot([math.log10(size)], [y], "|", color=style.INK, ms=5, mew=1.2)
        axes.annotate(
            name,
            (left, y),
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=6,
        )


def _bars(axes, x: list, points: list[dict], color: str, marker: str, label: str = "") -> None:
    estimate = [point["estimate"] for point in points]
    below = [max(point["estimate"] - point["interval"][0], 0) for point in points]
    above = [max(point["interval"][1] - point["estimate"], 0) for point in points]
    axes.errorbar(
        x,
        estimate,
        yerr=[below, above],
        fmt=marker,
        color=color,
        ecolor=color,
        elinewidth=0.8,
        capsize=1.5,
        capthick=0.8,
        zorder=4,
        label=label or None,
    )


def _point_rows(curve: dict) -> list[dict]:
    rows = []
    for point in curve["points"]:
        base = {"size": point["size"]}
        low, high = point["interval"]
        rows.append({**base, "seed": "", "pass@1": point["estimate"], "low": low, "high": high})
        for seed in point["seeds"] if len(point["seeds"]) > 1 else []:
            rows.append(
                {**base, "seed": seed["seed"], "pass@1": seed["estimate"], "low": "", "high": ""}
            )
    return rows


RATE_LOOK = {
    "pass@1": ("pass@1", style.INK, "o", "-"),
    "completion": ("completion", style.BLUE, "s", style.DASHES[1]),
    "think_tag": ("think tag", style.RED, "^", style.DASHES[2]),
    "well_formed": ("well formed", style.GREEN, "D", style.DASHES[3]),
}


def rates(rates_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw completion, think-tag, well-formed rate and pass@1 against size, a panel a group."""
    value = read_json(rates_json)
    groups = value["groups"]
    rows = []
    with style.figure(len(groups), 1, height=2.3 * len(groups), squeeze=False) as (drawn, axes):
        for panel, group in zip(axes[:, 0], groups, strict=True):
            _rates_panel(panel, group)
            for metric, levels in group["levels"].items():
                for item in levels:
                    low, high = item["interval"]
                    rows.append(
                        {
                            **{k: group[k] for k in ("student", "recipe", "slice")},
                            "metric": metric,
                            "size": item["size"],
                            "estimate": item["estimate"],
                            "low": low,
                            "high": high,
                        }
                    )
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)


def _rates_panel(axes, group: dict) -> None:
    sizes = [item["size"] for item in group["levels"]["pass@1"]]
    places = style.size_axis(axes, sizes, 0 in sizes)
    ends = []
    for metric, (label, color, marker, dash) in RATE_LOOK.items():
        levels = group["levels"][metric]
        x = [places[item["size"]] for item in levels]
        above = [i for i, item in enumerate(levels) if item["size"] > 0]
        y = [item["estimate"] for item in levels]
        axes.plot([x[i] for i in above], [y[i] for i in above], ls=dash, color=color, lw=0.9)
        _bars(axes, x, levels, color, marker)
        ends.append((y[-1], label, color))
    right = max(places.values())
    for y, (_, label, color) in zip(spread([e[0] for e in ends], 0.07), ends, strict=True):
        axes.annotate(
            label,
            (right, y),
            xytext=(6, 0),
            textcoords="offset points",
            color=color,
            va="center",
            fontsize=6.5,
            annotation_clip=False,
        )
    axes.set_ylim(-0.03, 1.05)
    axes.set_ylabel("share of answers")
    axes.set_title(f"{group['student']}, {group['slice']}", loc="left")


def spread(values: list[float], gap: float) -> list[float]:
    """Return label heights near `values`, at least `gap` apart and in the same order."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out = list(values)
    for _ in range(200):
        moved = False
        for a, b in itertools.pairwise(order):
            lack = gap - (out[b] - out[a])
            if lack > 1e-9:
                out[a] -= lack / 2
                out[b] += lack / 2
                moved = True
        if not moved:
            break
    return out


def forest(contrast_jsons: list[Path], svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw paired differences as a forest plot: each setting, the pooled one, the margin."""
    values = [read_json(path) for path in contrast_jsons]
    lines = []
    for value in values:
        lines.append(("head", f"{value['a']} minus {value['b']}", None, value))
        for row in value["settings"]:
            lines.append(("row", setting_label(row["setting"], value), row, value))
        if value["pooled"]:
            lines.append(("pooled", "pooled", value["pooled"], value))
    rows = []
    with style.figure(height=0.45 + 0.155 * max(len(lines), 4)) as (drawn, axes):
        for i, (kind, label, row, value) in enumerate(lines):
            y = -i
            if kind == "head":
                axes.annotate(
                    label,
                    (0, y),
                    xycoords=("axes fraction", "data"),
                    xytext=(-4, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontweight="bold",
                )
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
            axes.annotate(
                label,
                (0, y),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
            )
            rows.append(_forest_row(kind, row, value))
        margins = sorted({value["margin"] for value in values})
        for margin in margins[:1]:
            axes.axvspan(-margin, margin, color=style.PALE, lw=0, zorder=0)
        axes.axvline(0, color=style.GREY, lw=0.6, zorder=1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-len(lines) + 0.4, 0.6)
        axes.set_xlabel("difference in pass@1 (grey: the margin of equivalence)")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)


def setting_label(setting: dict, value: dict) -> str:
    """Return what tells one setting from the others of a contrast, in a few words."""
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


def correlation(rates_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw Spearman's rho of each rate with size and with pass@1, with both intervals."""
    value = read_json(rates_json)
    rows = []
    lines = [(group, item) for group in value["groups"] for item in group["correlations"]]
    several = len(value["groups"]) > 1
    with style.figure(height=0.5 + 0.17 * max(len(lines), 4)) as (drawn, axes):
        for i, (group, item) in enumerate(lines):
            y = -i - 0.4 * (i // 2)
            color, marker = (style.BLUE, "s") if item["with"] == "size" else (style.RED, "o")
            if item["estimate"] is not None:
                for interval, width in (("interval_sizes", 0.7), ("interval", 2.0)):
                    if item[interval]:
                        axes.plot(item[interval], [y, y], color=color, lw=width)
                axes.plot([item["estimate"]], [y], marker, color=color, ms=4)
            else:
                axes.text(0, y, "does not vary", ha="center", va="center", fontsize=6)
            name = RATE_LOOK[item["rate"]][0]
            label = f"{name} with {item['with']}"
            axes.annotate(
                f"{group['student']}: {label}" if several else label,
                (0, y),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
            )
            rows.append(
                {
                    **{k: group[k] for k in ("student", "recipe", "slice")},
                    **{k: item[k] for k in ("rate", "with", "sizes", "estimate")},
                    "low": item["interval"][0] if item["interval"] else "",
                    "high": item["interval"][1] if item["interval"] else "",
                }
            )
        axes.axvline(0, color=style.GREY, lw=0.6, zorder=0)
        axes.set_xlim(-1.05, 1.05)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("Spearman's rho over sizes (thin: sizes as a sample)")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)


def fan(curve_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw the forecast: bands of the families' mixture and the interval of one new run."""
    curve = read_json(curve_json)
    rows = []
    with style.figure(height=2.4) as (drawn, axes):
        points = curve["points"]
        ahead = curve["forecast"]
        sizes = [point["size"] for point in points] + ([ahead["size"]] if ahead else [])
        places = style.size_axis(axes, sizes, points[0]["size"] == 0)
        if curve["fan"]:
            size = np.array(curve["fan"]["size"])
            keep = size > 0
            bands = {k: np.array(v)[keep] for k, v in curve["fan"]["percentiles"].items()}
            x = np.log10(size[keep])
            for low, high, shade in (("5", "95", 0.18), ("10", "90", 0.22), ("25", "75", 0.3)):
                axes.fill_between(x, bands[low], bands[high], color=style.BLUE, alpha=shade, lw=0)
            axes.plot(x, bands["50"], color=style.BLUE, lw=1.0)
            rows = [
                {"size": s, **{f"p{k}": float(v[i]) for k, v in bands.items()}}
                for i, s in enumerate(size[keep].tolist())
            ]
        _bars(axes, [places[p["size"]] for p in points], points, style.INK, "o")
        if ahead:
            low, high = ahead["interval"]
            at, y = places[ahead["size"]], ahead["estimate"]
            axes.errorbar(
                [at],
                [y],
                yerr=[[y - low], [high - y]],
                fmt="D",
                color=style.RED,
                mfc="white",
                elinewidth=1.0,
                capsize=2,
                zorder=5,
            )
            axes.annotate(
                f"one new run\n{y:.2f} [{low:.2f}, {high:.2f}]",
                (at, high),
                xytext=(-4, 2),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=6,
                color=style.RED,
            )
        axes.set_ylabel("pass@1")
        axes.set_ylim(bottom=-0.02)
        axes.margins(y=0.15)
        axes.set_title(curve["title"], loc="left")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)
