"""The figure of two studies' curves in one."""

from pathlib import Path

from valley.analysis import style
from valley.analysis.draw import bars
from valley.core.files import write_csv

APART = 0.012  # of the axis: so that two points at one size are both seen


def overlay(title: str, curves: dict[str, list[dict]], svg: Path, pdf: Path, table: Path) -> None:
    """Draw several curves' points in one figure.

    Args:
        title: what they have in common.
        curves: points (size, estimate, interval) by the curve's name.
        svg, pdf, table: files to write.
    """
    sizes = sorted({point["size"] for points in curves.values() for point in points})
    rows = []
    with style.figure(height=2.6) as (drawn, axes):
        positions = style.size_axis(axes, sizes, 0 in sizes)
        width = max(positions.values()) - min(positions.values()) or 1.0
        for i, (name, points) in enumerate(curves.items()):
            shift = (i - (len(curves) - 1) / 2) * APART * width
            color, marker = style.SERIES[i % len(style.SERIES)], style.MARKERS[i % 6]
            x = [positions[point["size"]] + shift for point in points]
            above = [at for at, point in zip(x, points, strict=True) if point["size"]]
            y = [point["estimate"] for point in points if point["size"]]
            axes.plot(above, y, ls=style.DASHES[i % 4], color=color, lw=0.9, label=name)
            bars(axes, x, points, color, marker, f"{name}: pass@1")
            rows += [
                {
                    "study": name,
                    "size": point["size"],
                    "pass@1": point["estimate"],
                    "low": point["interval"][0],
                    "high": point["interval"][1],
                    "replicates": point["replicates"],
                }
                for point in points
            ]
        top = max(row["high"] for row in rows)
        axes.set_ylim(-0.02 * top, top * 1.22)
        axes.legend(loc="upper center", ncols=2, handlelength=2.4)
        axes.set_ylabel("pass@1")
        axes.set_title(title, loc="left")
        style.save(drawn, svg, pdf)
    write_csv(table, rows)
