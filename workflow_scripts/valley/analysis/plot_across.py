"""The figure of several students together, and of the joint fit over parameters and data."""

from pathlib import Path

import numpy as np

from valley.analysis import style
from valley.core.files import read_json, write_csv
from valley.core.spending import FLOPS

LABELS = {FLOPS: "training compute (FLOP)", "parameters": "parameters"}


def across(fit_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw pass@1 over compute or parameters, a line each, and the joint fit."""
    fit = read_json(fit_json)
    with style.figure(height=2.8) as (drawn, axes):
        above = [point["x"] for line in fit["lines"] for point in line["points"] if point["x"]]
        axes.set_xscale("symlog" if not above else "log")
        left = min(above, default=1.0) / 3  # what took no training stands left of all others
        for i, line in enumerate(fit["lines"]):
            _line(axes, line, i, left)
        axes.set_xlabel(LABELS[fit["x"]] + (", the start at the left" if fit["x"] == FLOPS else ""))
        axes.set_ylabel("pass@1")
        axes.set_ylim(bottom=0)
        axes.set_title(fit["title"], loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=3)
        style.save(drawn, svg, pdf)
    write_csv(csv_path, _rows(fit))


def _line(axes, line: dict, number: int, left: float) -> None:
    color = style.SERIES[number % len(style.SERIES)]
    points = line["points"]
    x = np.array([point["x"] or left for point in points])
    y = np.array([point["estimate"] for point in points])
    ends = np.array([point["interval"] for point in points])
    axes.errorbar(
        x,
        y,
        yerr=[np.maximum(y - ends[:, 0], 0), np.maximum(ends[:, 1] - y, 0)],
        fmt=style.MARKERS[number % len(style.MARKERS)],
        color=color,
        elinewidth=0.8,
        capsize=1.5,
        ls=style.DASHES[number % len(style.DASHES)],
        lw=0.7,
        label=line["name"],
    )
    for position, point in zip(x, points, strict=True):
        low, high = point["interval"]
        said = f"{point['student']}, {point['size']:,} examples, {point['x']:.3g}"
        style.hint(
            axes,
            position,
            point["estimate"],
            f"{said}: {point['estimate']:.3f} [{low:.3f}, {high:.3f}]",
        )


def _rows(fit: dict) -> list[dict]:
    """Return each cell with the joint fits' predictions, then these fits' parameters."""
    columns = ("student", "parameters", "size", "tokens", "flops")
    joint = fit["joint"]
    fitted = {name: one for name, one in joint["families"].items() if not one["reason"]}
    indices = {(c["student"], c["size"]): at for at, c in enumerate(joint["cells"])}
    rows = []
    for cell in fit["cells"]:
        at = indices.get((cell["student"], cell["size"]))
        predicted = {
            name: one["predicted"][at]["estimate"] if at is not None else ""
            for name, one in fitted.items()
        }
        low, high = cell["interval"]
        mark = {"estimate": cell["estimate"], "low": low, "high": high}
        rows.append({"what": "cell", **{n: cell[n] for n in columns}, **mark, **predicted})
    blank = dict.fromkeys(rows[0], "") if rows else {}
    for name, one in fitted.items():
        for parameter, value in one["parameters"].items():
            low, high = value["interval"]
            mark = {"estimate": value["estimate"], "low": low, "high": high}
            rows.append({**blank, "what": f"{name}: {parameter}", **mark})
        rows += [{**blank, "what": f"{name}: {word}"} for word in one["words"]]
    if joint["reason"]:
        rows.append({**blank, "what": joint["reason"]})
    return rows
