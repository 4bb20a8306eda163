"""Figures of the rates: against size, and their rank correlations."""

from pathlib import Path

from valley.analysis import style, words
from valley.analysis.draw import bars, row_label, spread
from valley.core.arms import GROUP
from valley.core.files import read_json, write_csv

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
                            **{name: group[name] for name in GROUP},
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
    positions = style.size_axis(axes, sizes, 0 in sizes)
    ends = []
    for metric, (label, color, marker, dash) in RATE_LOOK.items():
        levels = group["levels"][metric]
        x = [positions[item["size"]] for item in levels]
        above = [i for i, item in enumerate(levels) if item["size"] > 0]
        y = [item["estimate"] for item in levels]
        axes.plot([x[i] for i in above], [y[i] for i in above], ls=dash, color=color, lw=0.9)
        bars(axes, x, levels, color, marker, label, group)
        ends.append((y[-1], label, color))
    right = max(positions.values())
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
    axes.set_title(f"{group['student']}, {group['slice']}, from {group['start']}", loc="left")


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
                said = words.interval(item["estimate"], item["interval"])
                name = f"{RATE_LOOK[item['rate']][0]} with {item['with']}"
                style.hint(axes, item["estimate"], y, f"{name}: rho {said}, {item['sizes']} sizes")
            else:
                axes.text(0, y, "does not vary", ha="center", va="center", fontsize=6)
            name = RATE_LOOK[item["rate"]][0]
            label = f"{name} with {item['with']}"
            row_label(axes, f"{group['student']}: {label}" if several else label, y)
            rows.append(
                {
                    **{name: group[name] for name in GROUP},
                    **{k: item[k] for k in ("rate", "with", "sizes", "estimate")},
                    "low": item["interval"][0] if item["interval"] else "",
                    "high": item["interval"][1] if item["interval"] else "",
                }
            )
        axes.axvline(0, color=style.GREY, lw=0.6, zorder=0)
        axes.set_xlim(-1.05, 1.05)
        axes.set_ylim(-len(lines) - 0.4 * (len(lines) // 2) + 0.2, 0.8)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("Spearman's rho (thin: sizes as a sample)", x=1.0, ha="right")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)
