"""`./valley status`: a study's progress, in the terminal and as a page."""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from valley.core.files import write_text
from valley.core.text import duration
from valley.planning.errors import one_line_errors
from valley.planning.overview import STATES, overview
from valley.planning.plans import Plan
from valley.planning.words import hours, size

SIGNS = {
    "done": "✓",
    "running": "▶",
    "missing": "○",
    "stale": "↻",
    "blocked": "‖",
    "failed": "✗",
}
COLOURS = {
    "done": "32",
    "running": "36",
    "missing": "2",
    "stale": "33",
    "blocked": "35",
    "failed": "31;1",
}
ROWS = 40


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "status",
        help="the study's progress, as a page and in the terminal",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 all is done, 1 jobs are left to do, 2 an error, 3 jobs failed.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("--out", type=Path, help="the page [results/<study>/status.html]")
    parser.add_argument("--all", action="store_true", help=f"list every arm, not only {ROWS}")
    parser.add_argument("--json", action="store_true", help="the same as JSON, no page")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=30.0,
        metavar="SECONDS",
        help="update every so many seconds [30]; the page reloads itself",
    )
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """Look once, or again and again; return the exit status."""
    while True:
        status = _look(options)
        if options.watch is None or status == 2:
            return status
        try:
            time.sleep(max(1.0, options.watch))
        except KeyboardInterrupt:
            return status


def _look(options) -> int:
    plan = Plan(Path(options.study))
    view = overview(plan)
    if options.json:
        print(json.dumps(view))
    else:
        out = options.out or Path(plan.study.root) / "status.html"
        write_text(out, page(view, options.watch))
        if options.watch is not None and sys.stdout.isatty():
            print("\x1b[2J\x1b[H", end="")
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(
            "\n".join([*terminal(view, colour, None if options.all else ROWS), "", f"page: {out}"])
        )
    if view["failures"]:
        return 3
    return int(view["counts"].get("done", 0) < view["jobs"])


def page(view: dict, refresh: float | None = None) -> str:
    """Return the page: one file that needs nothing else.

    Args:
        view: what `overview` returns.
        refresh: seconds after which the page loads itself anew.
    """
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).resolve().parent
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True)
    # Inside a script element only `<` can end it; JSON has another way to write that.
    data = json.dumps({**view, "refresh": refresh}, separators=(",", ":")).replace("<", "\\u003c")
    script = (folder / "status.js").read_text(encoding="utf-8")
    template = environment.get_template("status.html.j2")
    return template.render(study=view["study"], data=data, script=script)


def terminal(view: dict, colour: bool = False, rows: int | None = None) -> list[str]:
    """Return the same as lines of text.

    Args:
        view: what `overview` returns.
        colour: mark states with colours too.
        rows: list at most so many arms, those that are not done first.
    """

    def sign(state: str) -> str:
        return f"\x1b[{COLOURS[state]}m{SIGNS[state]}\x1b[0m" if colour else SIGNS[state]

    counts, total = view["counts"], view["totals"]
    counted = ", ".join(f"{sign(s)} {counts[s]} {s}" for s in STATES if counts.get(s))
    lines = [f"{view['study']}: {view['jobs']} jobs: {counted}", ""]
    arms = view["arms"]
    if rows is not None and len(arms) > rows:
        open_first = sorted(arms, key=lambda arm: all(c is None or c[0] == 0 for c in arm["cells"]))
        arms = [arm for arm in arms if arm in open_first[:rows]] if rows else []
    several = len({column["benchmark"] for column in view["columns"]}) > 2
    heads = [
        c["rule"] + (f" {c['benchmark']}" if several and c["benchmark"] else "")
        for c in view["columns"]
    ]
    width = max([len(arm["checkpoint"]) for arm in arms] + [3])
    if arms:
        lines.append(f"{'arm':<{width}}  " + "  ".join(heads) + "   time  pass@1")
    for arm in arms:
        marks = "  ".join(
            " " * (len(head) // 2)
            + (sign(STATES[cell[0]]) if cell else " ")
            + " " * (len(head) - len(head) // 2 - 1)
            for head, cell in zip(heads, arm["cells"], strict=True)
        )
        time_spent = sum(cell[1] or 0 for cell in arm["cells"][1:] if cell)
        score = "  ".join("" if s is None else f"{s[0]:.3f}" for s in arm["scores"])
        lines.append(f"{arm['checkpoint']:<{width}}  {marks}  {duration(time_spent):>6}  {score}")
    if len(arms) < len(view["arms"]):
        lines.append(f"… {len(view['arms']) - len(arms)} more arms (--all, or the page)")
    rest = Counter((o["rule"], STATES[o["cell"][0]]) for o in view["others"])
    lines += ["", "whole study: " + ", ".join(f"{r} {sign(s)}{n}" for (r, s), n in rest.items())]
    for failure in view["failures"]:
        lines += [
            "",
            f"{sign('failed')} {failure['rule']}: {failure['path']}",
            f"  {failure['log']}",
        ]
        lines += [f"  | {line}" for line in failure["said"]]
    if view["path"]:
        lines += ["", f"Critical path: {duration(view['path_seconds'])}, {len(view['path'])} jobs"]
        lines += [
            f"  {duration(j['seconds'] or 0):>7}  {j['rule']:<9} {j['arm']}" for j in view["path"]
        ]
        spent = f"To do: {duration(total['core_seconds'])} of core time"
        if total["gpu_seconds"]:
            spent += f", {hours(total['gpu_seconds'])} GPU-hours"
        lines.append(f"{spent}, {size(total['disk_bytes'])} of disk")
    return lines
