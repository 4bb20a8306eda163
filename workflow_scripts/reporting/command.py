"""`./valley report`: the report at any time, from what is finished, with what it cost."""

import sys
import tempfile
from pathlib import Path

from core.files import write_text
from core.study import StudyError


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "report",
        help="the report at any time, from what is finished, with what it cost",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 the study is finished, 1 the report is partial, 2 nothing to show.",
    )
    parser.add_argument(
        "study", nargs="?", default="config.yaml", help="study file or results [config.yaml]"
    )
    parser.add_argument(
        "-o", "--out", type=Path, help="page to write [report.measured.html in the results]"
    )
    parser.add_argument(
        "--problems", type=int, metavar="N", help="problems to embed answers to [what fits]"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Write the page, say where it is and what is missing; return the exit status."""
    from reporting import paper
    from reporting.measured import measured
    from reporting.partial import Gathered
    from reporting.studies import layout_of

    try:
        layout = layout_of(options.study)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    out = options.out or Path(layout.root) / "report.measured.html"
    with tempfile.TemporaryDirectory(prefix="valley-report-") as aside:
        found = Gathered(layout, Path(aside), options.problems)
        state = found.state
        if not state["finished"]:
            print(f"{layout.root}: no arm is finished yet, so there is nothing to report on")
            for row in state["missing"][:10]:
                print(f"  {row['arm']}: {row['why']}")
            return 2
        page = paper.page_of(
            layout.study.config,
            found.files,
            state=state,
            measured=measured(layout.root),
            aside=Path(aside),
        )
    write_text(out, page)
    print(f"Report: {out.resolve()}")
    if state["missing"]:
        print(f"Partial: {state['finished']} of {state['wanted']} results; missing are")
        for row in state["missing"][:20]:
            print(f"  {row['arm']} on {row['benchmark']}: {row['why']}")
        if len(state["missing"]) > 20:
            print(f"  and {len(state['missing']) - 20} more, all named in the report")
    return int(bool(state["missing"]))
