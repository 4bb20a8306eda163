"""`./valley dag`: the rules, or the jobs of one arm, as a picture with counts and states."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

from valley.core.config import nearest
from valley.core.files import write_text
from valley.core.text import duration
from valley.planning.errors import PlanError, one_line_errors
from valley.planning.overview import STATES
from valley.planning.plans import Plan
from valley.planning.words import arm_of

# Fill and ink of each state, and of what is partly done.
FILLS = {
    "done": ("#dcf2e8", "#1c7a57"),
    "running": ("#dbe9ff", "#1f5fc4"),
    "missing": ("#eef1f5", "#5d6877"),
    "stale": ("#fdf0d2", "#8a5a00"),
    "blocked": ("#eee5fa", "#6a3fa5"),
    "failed": ("#fde0da", "#b02d18"),
}
WORST = ("failed", "running", "blocked", "stale", "missing", "done")
FONT = 'fontname="Helvetica"'
HEAD = [
    "digraph study {",
    f'  graph [rankdir=LR, bgcolor="transparent", nodesep=0.18, ranksep=0.45, {FONT}];',
    f'  node [shape=box, style="rounded,filled", {FONT}, fontsize=11, margin="0.12,0.06"];',
    '  edge [color="#9aa5b4", arrowsize=0.6];',
]


class NoGraphviz(PlanError):
    """Graphviz, which draws, is not installed."""


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "dag",
        help="the rules, or one arm's jobs, as a picture with counts and states",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 drawn, 2 not drawn. Needs graphviz, except with --dot.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("--arm", help="draw the jobs of this arm, such as tiny/base")
    parser.add_argument("--out", type=Path, help="SVG to write [results/<study>/dag.svg]")
    parser.add_argument("--dot", action="store_true", help="print graphviz' language instead")
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """Draw; return the exit status."""
    plan = Plan(Path(options.study))
    text = of_arm(plan, options.arm) if options.arm else of_rules(plan)
    if options.dot:
        print(text)
        return 0
    out = options.out or Path(plan.study.root) / "dag.svg"
    write_text(out, drawn(text))
    print(out)
    return 0


def of_rules(plan: Plan) -> str:
    """Return the graph of rules, in graphviz' language: each with its jobs by state."""
    counts: dict[str, Counter] = {}
    edges = Counter()
    for job, state in zip(plan.jobs, plan.states, strict=True):
        counts.setdefault(job.rule, Counter())[state] += 1
        edges.update((plan.jobs[before].rule, job.rule) for before in job.needs)
    lines = list(HEAD)
    for rule, states in counts.items():
        counted = [f"{states[state]:,} {state}" for state in STATES if states[state]]
        worst = next(state for state in WORST if states[state])
        lines.append(_node(rule, [rule, *counted], worst, f"{rule}: {', '.join(counted)}"))
    lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in edges if a != b]
    return "\n".join([*lines, "}"])


def of_arm(plan: Plan, checkpoint: str) -> str:
    """Return the graph of the jobs that an arm's scores need, in graphviz' language.

    Raises:
        ValueError: the study has no such arm; the message names the nearest.
    """
    own = [n for n, job in enumerate(plan.jobs) if arm_of(job) == checkpoint]
    if not own:
        known = sorted({arm_of(job) for job in plan.jobs} - {None})
        raise ValueError(f"there is no arm {checkpoint!r}{nearest(checkpoint, known)}")
    wanted, todo = set(), own
    while todo:
        number = todo.pop()
        if number not in wanted:
            wanted.add(number)
            todo = [*todo, *plan.jobs[number].needs]
    lines = list(HEAD)
    for number in sorted(wanted):
        job, state, cost = plan.jobs[number], plan.states[number], plan.costs[number]
        arm = arm_of(job)
        named = [f"{v}" for k, v in job.wildcards.items() if k in ("benchmark", "teacher")]
        label = [" ".join([job.rule, *named]), *([arm] if arm and arm != checkpoint else []), state]
        if state != "done" and cost.seconds is not None:
            label[-1] += f", {duration(cost.seconds)}"
        tip = "\n".join(filter(None, [*job.outputs, job.reason]))
        lines.append(_node(str(number), label, state, tip))
        lines += [f'  "{before}" -> "{number}";' for before in job.needs if before in wanted]
    return "\n".join([*lines, "}"])


def drawn(text: str) -> str:
    """Return a graph as SVG.

    Raises:
        NoGraphviz: `dot` is not on the path; the message says what to do.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise NoGraphviz(
            "graphviz is not installed: install it (apt install graphviz, or conda install "
            "graphviz), or print the graph with --dot and draw it elsewhere"
        )
    done = subprocess.run([dot, "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def _node(name: str, label: list[str], state: str, tip: str) -> str:
    fill, ink = FILLS[state]
    shown = "\\n".join(_escaped(line) for line in label)
    return (
        f'  {_quoted(name)} [label="{shown}", fillcolor="{fill}", color="{ink}", '
        f'fontcolor="#1c2430", tooltip="{_escaped(tip)}"];'
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
