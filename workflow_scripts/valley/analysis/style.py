"""One look for all figures: column width, colours that survive greyscale and colour blindness."""

from contextlib import contextmanager
from pathlib import Path

# Okabe & Ito's colours, picked so that their greys differ too; markers and dashes back them up.
INK = "#1a1a1a"
GREY = "#8c8c8c"
PALE = "#d9d9d9"
BLUE = "#0072b2"
ORANGE = "#e69f00"
RED = "#d55e00"
GREEN = "#009e73"
SKY = "#56b4e9"
SERIES = (BLUE, RED, GREEN, ORANGE, SKY, INK)
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
WIDTH = 3.4  # inches: one column of a two-column page
RC = {
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.visible": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.fontsize": 6,
    "svg.hashsalt": "valley",
    # Text stays text: searchable, read aloud, and in the page's own font.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@contextmanager
def figure(rows: int = 1, columns: int = 1, height: float = 2.4, width: float = WIDTH, **more):
    """Yield (figure, axes) in the house style, with the off-screen backend; closed afterwards."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with matplotlib.rc_context(RC):
        drawn, axes = plt.subplots(
            rows, columns, figsize=(width, height), layout="constrained", **more
        )
        try:
            yield drawn, axes
        finally:
            plt.close(drawn)


def save(drawn, svg: str | Path, pdf: str | Path) -> None:
    """Write the figure twice, without date or version: the same data give the same bytes."""
    import io

    from valley.core.files import atomic_write, write_text

    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    write_text(svg, _with_hints(buffer.getvalue(), getattr(drawn, "hints", [])))
    blank = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
    with atomic_write(pdf) as temporary:
        drawn.savefig(temporary, format="pdf", metadata=blank)


def hint(axes, x: float, y: float, text: str, arms: str = "") -> None:
    """Let a point say its values to who points at it: unseen, larger than its mark.

    `arms` is the path of the arms that it shows, without their replicate (or two, with a blank
    between them): the report leads from there to their answers.
    """
    drawn = axes.get_figure()
    drawn.hints = [*getattr(drawn, "hints", []), (text, arms)]
    mark = axes.plot([x], [y], "o", ms=9, mew=0, alpha=0.0, zorder=9, scalex=False, scaley=False)
    mark[0].set_gid(f"hint-{len(drawn.hints)}")


def _with_hints(svg: str, hints: list[tuple[str, str]]) -> str:
    """Return the SVG with each hint as the title of its mark, and its arms beside it."""
    from html import escape

    for number, (text, arms) in enumerate(hints, 1):
        shown = f' data-arms="{escape(arms)}"' if arms else ""
        svg = svg.replace(
            f'<g id="hint-{number}">',
            f'<g id="hint-{number}"{shown}>\n<title>{escape(text)}</title>',
        )
    return svg


def size_axis(
    axes, sizes: list[int], base: bool, label: str = "training examples"
) -> dict[int, float]:
    """Put sizes on a log axis with the start at its left, apart; return each size's position.

    Returns positions in log10 units. The break between the start and the first size is marked: the
    start is not the log of anything.
    """
    import math

    above = sorted({size for size in sizes if size > 0})
    if not above:
        axes.set_xticks([0.0], ["start"])
        return {0: 0.0}
    low, high = math.log10(above[0]), math.log10(above[-1])
    gap = max(0.12 * max(high - low, 1.0), 0.15)
    positions = {size: math.log10(size) for size in above}
    ticks = _thin(above, high - low + gap)
    marks = [positions[size] for size in ticks]
    labels = [short(size) for size in ticks]
    if base:
        positions[0] = low - gap
        marks, labels = [positions[0], *marks], ["start", *labels]
        axes.text(
            low - gap / 2,
            0,
            "//",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=6,
            color=INK,
            backgroundcolor="white",
            zorder=5,
        ).set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.2})
    axes.set_xticks(marks, labels)
    axes.set_xticks([positions[size] for size in above], minor=True)
    axes.set_xlabel(label)
    return positions


def _thin(sizes: list[int], span: float) -> list[int]:
    """Return the sizes whose labels fit side by side, the largest always among them."""
    import math

    least = span / 8.5
    kept = [sizes[-1]]
    for size in reversed(sizes[:-1]):
        if math.log10(kept[-1] / size) >= least:
            kept.append(size)
    return kept[::-1]


def short(size: float) -> str:
    """Return a size as people write it: 512, 1K, 4.1K, 30K."""
    size = round(size)
    if size < 1000:
        return str(size)
    text = f"{size / 1000:.1f}".rstrip("0").rstrip(".") if size < 10_000 else f"{size / 1000:.0f}"
    return f"{text}K"
