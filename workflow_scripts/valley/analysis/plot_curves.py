"""Figures of one axis with a grid of sizes: the scaling curve and the forecast."""

import math
from pathlib import Path

import numpy as np

from valley.analysis import style
from valley.analysis.draw import bars
from valley.core.files import read_json, write_csv
from valley.core.spending import size_of, unit

LABELS = {
    "examples": "training examples",
    "problems": "problems trained on",
    "tokens": "training tokens",
    "updates": "updates",
}
SHOWN = 2  # families drawn in the scaling figure


def scaling(curve_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw pass@1 against size: points, seeds, the start as a band, the best families, marks."""
    curve = read_json(curve_json)
    points = curve["points"]
    with style.figure(height=2.6) as (drawn, axes):
        has_base = points[0]["size"] == 0
        positions = style.size_axis(
            axes, [point["size"] for point in points], has_base, LABELS[unit(curve)]
        )
        x = [positions[point["size"]] for point in points]
        if has_base:
            axes.axhspan(*points[0]["interval"], color=style.PALE, lw=0, zorder=0)
            axes.axhline(points[0]["estimate"], color=style.GREY, lw=0.6, zorder=1)
        _families(axes, curve)
        for position, point in zip(x, points, strict=True):
            if len(point["seeds"]) > 1:
                axes.plot(
                    [position] * len(point["seeds"]),
                    [seed["estimate"] for seed in point["seeds"]],
                    "_",
                    color=style.GREY,
                    ms=5,
                    mew=0.8,
                    zorder=3,
                )
        bars(axes, x, points, style.INK, "o", group=curve, unit=unit(curve))
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
    # A curve of its start alone has no size to draw to, and nothing to mark.
    largest = math.log10(max(1, *(point["size"] for point in curve["points"])))
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


def _point_rows(curve: dict) -> list[dict]:
    rows = []
    for point in curve["points"]:
        base = {"size": size_of(point)} | ({curve["x"]: point["size"]} if "x" in curve else {})
        low, high = point["interval"]
        rows.append({**base, "seed": "", "pass@1": point["estimate"], "low": low, "high": high})
        for seed in point["seeds"] if len(point["seeds"]) > 1 else []:
            rows.append(
                {**base, "seed": seed["seed"], "pass@1": seed["estimate"], "low": "", "high": ""}
            )
    return rows


def fan(curve_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw the forecast: bands of the families' mixture and the interval of one new run."""
    curve = read_json(curve_json)
    rows = []
    with style.figure(height=2.4) as (drawn, axes):
        points = curve["points"]
        ahead = curve["forecast"]
        sizes = [point["size"] for point in points] + ([ahead["size"]] if ahead else [])
        positions = style.size_axis(axes, sizes, points[0]["size"] == 0, LABELS[unit(curve)])
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
        x = [positions[point["size"]] for point in points]
        bars(axes, x, points, style.INK, "o", group=curve, unit=unit(curve))
        if ahead:
            low, high = ahead["interval"]
            at, y = positions[ahead["size"]], ahead["estimate"]
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
            style.hint(
                axes,
                at,
                y,
                f"one new run at {ahead['size']:,} {unit(curve)}: {y:.3f} [{low:.3f}, {high:.3f}]",
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
        top = max([p["interval"][1] for p in points] + ([ahead["interval"][1]] if ahead else []))
        axes.set_ylim(-0.02 * top, 1.25 * top)
        axes.set_title(curve["title"], loc="left")
        style.save(drawn, svg, pdf)
    write_csv(csv_path, rows)
