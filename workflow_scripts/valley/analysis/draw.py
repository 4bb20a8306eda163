"""What the figures share: point marks with intervals, label spacing."""

import itertools

from valley.analysis import style, words
from valley.core.arms import GROUP
from valley.core.spending import size_of


def bars(
    axes,
    x: list,
    points: list[dict],
    color: str,
    marker: str,
    what: str = "pass@1",
    group: dict | None = None,
    unit: str = "examples",
) -> None:
    """Draw points (dicts with size, estimate and interval) at x, with their intervals as bars.

    Args:
        axes: where.
        x: the points' positions.
        points: what is drawn.
        color, marker: how.
        what: what is estimated, for those who point at one.
        group: student, recipe, start and slice of the points' arms, where they are arms of this
            study.
        unit: what their sizes count.
    """
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
    )
    for position, point in zip(x, points, strict=True):
        at = f"{point['size']:,} {unit}" if point["size"] else "the start"
        said = words.interval(point["estimate"], point["interval"])
        arms = arms_path(group, size_of(point)) if group else ""
        style.hint(axes, position, point["estimate"], f"{what} at {at}: {said}", arms)


def arms_path(group: dict, size: int) -> str:
    """Return the path of a group's arms of one size, as in the results, without a replicate."""
    return "/".join([*(group[name] for name in GROUP), f"n{size}"])


def row_label(axes, label: str, y: float, weight: str = "normal") -> None:
    """Write a row's label to the left of the axes."""
    axes.annotate(
        label,
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontweight=weight,
    )


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
    lift = max(0.0, -min(out, default=0.0))  # never below the axis, among its labels
    return [value + lift for value in out]
