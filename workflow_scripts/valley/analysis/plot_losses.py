"""Figure of the losses that arms were trained on, update by update."""

import json
from pathlib import Path

from valley.analysis import style
from valley.core.files import write_csv

SHOWN = 120  # points of a training at which a loss is drawn: means of the updates around


def losses(title: str, arms: list[dict], svg: Path, pdf: Path, table: Path) -> None:
    """Draw training loss against the share of the training done, a line an arm.

    Args:
        title: what the arms have in common.
        arms: size, seed and the path of the losses (a JSON object a line: step, loss).
        svg, pdf, table: files to write.
    """
    sizes, rows = sorted({arm["size"] for arm in arms}), []
    with style.figure(height=2.4) as (drawn, axes):
        for arm in arms:
            at, seen = sizes.index(arm["size"]), _thinned(Path(arm["losses"]))
            last = seen[-1][0]
            axes.plot(
                [step / last for step, _ in seen],
                [loss for _, loss in seen],
                color=style.SERIES[at % len(style.SERIES)],
                ls=style.DASHES[at // len(style.SERIES) % len(style.DASHES)],
                lw=0.9,
                label=style.short(arm["size"]) if arm["seed"] == arms[0]["seed"] else None,
            )
            said = f"{arm['size']:,} examples, replicate {arm['seed']}"
            style.hint(axes, 1.0, seen[-1][1], f"{said}: loss {seen[-1][1]:.3f} at the end")
            rows += [
                {"size": arm["size"], "seed": arm["seed"], "update": step, "loss": loss}
                for step, loss in seen
            ]
        axes.set_xlabel("share of the training")
        axes.set_ylabel("training loss (nats a token)")
        axes.legend(ncols=2, title="examples", title_fontsize=6, handlelength=2.4)
        axes.set_title(title, loc="left")
        style.save(drawn, svg, pdf)
    write_csv(table, rows)


def _thinned(path: Path) -> list[tuple[int, float]]:
    """Return (update, mean loss) at no more points than are drawn."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    width = -(-len(lines) // SHOWN)
    parts = [lines[at : at + width] for at in range(0, len(lines), width)]
    return [(part[-1]["step"], sum(line["loss"] for line in part) / len(part)) for part in parts]
