"""Figure of the losses on held-out problems: while arms train, and at their ends."""

from pathlib import Path

from valley.analysis import style
from valley.core.files import read_json, write_csv


def learning(learning_json: Path, svg: Path, pdf: Path, csv_path: Path) -> None:
    """Draw held-out loss against tokens trained on, a line an arm, and the last one against size.

    Both panels have the start's loss as a line. The loss is a mean over response tokens, so it is
    comparable between arms of one student, not between students of other tokenizers.
    """
    value = read_json(learning_json)
    arms = value["arms"]
    sizes = sorted({arm["size"] for arm in arms})
    with style.figure(1, 2, height=2.2, width=2 * style.WIDTH, sharey=True) as (drawn, axes):
        for arm in arms:
            at = sizes.index(arm["size"])
            axes[0].plot(
                [max(look["tokens"], 1) for look in arm["looks"][1:]],
                [look["loss"] for look in arm["looks"][1:]],
                color=style.SERIES[at % len(style.SERIES)],
                ls=style.DASHES[at // len(style.SERIES) % len(style.DASHES)],
                lw=0.9,
                marker="." if len(arm["looks"]) < 12 else None,
                ms=2.5,
                label=style.short(arm["size"]) if arm["seed"] == arms[0]["seed"] else None,
            )
        axes[0].set_xscale("log")
        axes[0].set_xlabel("tokens trained on")
        axes[0].set_ylabel("held-out loss (nats a token)")
        axes[0].legend(ncols=2, title="examples", title_fontsize=6, handlelength=2.4)
        axes[0].set_title(value["title"], loc="left")
        positions = style.size_axis(axes[1], [0, *sizes], True)
        start = arms[0]["looks"][0]["loss"]
        axes[1].plot([positions[0]], [start], "D", color=style.GREY)
        axes[1].plot(
            [positions[arm["size"]] for arm in arms],
            [arm["looks"][-1]["loss"] for arm in arms],
            "o",
            color=style.INK,
        )
        for panel in axes:
            panel.axhline(start, color=style.GREY, lw=0.6, zorder=0)
        style.save(drawn, svg, pdf)
    write_csv(
        csv_path,
        [
            {"size": arm["size"], "seed": arm["seed"], **look}
            for arm in arms
            for look in arm["looks"]
        ],
    )
