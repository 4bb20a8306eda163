"""The figure of a design: the chance that each claim is decided, against what the design costs."""

from pathlib import Path

from valley.analysis import style
from valley.analysis.resample import wilson

UNITS = {"gpuh": "GPU-hours", "cpuh": "core-hours"}
APART = 0.012  # of the axis
MARKS = {"declared": "o", "seeds": "^", "samples": "s", "problems": "D", "sizes": "v"}


def figure(found: list[dict], svg: Path, pdf: Path) -> None:
    """Draw each claim as declared and with more of each lever; bars are the simulation's error.

    Args:
        found: what `power.report` says, for each benchmark.
        svg, pdf: files to write.
    """
    panels = [(one, claim) for one in found for claim in one["claims"] if claim["levers"]]
    with style.figure(
        max(len(panels), 1), height=1.0 + 1.15 * max(len(panels), 1), squeeze=False, sharex=False
    ) as (drawn, grid):
        for number, (axes, (one, claim)) in enumerate(zip(grid[:, 0], panels, strict=False)):
            _panel(axes, one, claim, style.SERIES[number % len(style.SERIES)])
        if panels:
            shown = {move["kind"] for _, claim in panels for move in claim["levers"]}
            handles = [
                grid[0, 0].plot([], [], MARKS[kind], color=style.INK, ls="", label=label)[0]
                for kind, label in [
                    ("declared", "as declared"),
                    *((kind, f"more {kind}") for kind in MARKS if kind in shown),
                ]
            ]
            drawn.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.2)
        style.save(drawn, svg, pdf)


def _panel(axes, one: dict, claim: dict, color: str) -> None:
    whole = one["cost"]["hours"]
    base = claim["chances"][one["truths"][0]["name"]]
    points = [("declared", "as declared", whole, base)] + [
        (move["kind"], f"{move['lever']} x {move['factor']}", whole + move["extra"], move["chance"])
        for move in claim["levers"]
    ]
    reach = max(hours for _, _, hours, _ in points) - min(hours for _, _, hours, _ in points)
    for number, (kind, name, hours, chance) in enumerate(points):
        position = hours + APART * number * reach  # levers of one cost are both seen
        share = sum(chance["outcomes"][word]["chance"] for word in ("supported", "refuted"))
        low, high = wilson(share, chance["studies"])
        axes.errorbar(
            [position], [share], yerr=[[max(share - low, 0)], [max(high - share, 0)]],
            fmt=MARKS[kind], color=color, elinewidth=0.8, capsize=1.5,
        )  # fmt: skip
        said = f"{name}: decided in {100 * share:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
        style.hint(axes, position, share, f"{said} for {hours:,.3g} {UNITS[one['cost']['unit']]}")
    axes.set_ylim(-0.05, 1.08)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_ylabel("decided")
    axes.set_xlabel(f"{UNITS[one['cost']['unit']]} (estimated)")
    axes.set_title(f"{claim['name']} on {one['benchmark']}", loc="left")
