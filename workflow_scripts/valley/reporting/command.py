"""`./valley report | compare | export`: a study's results for people and for other tools."""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from valley.core.files import write_text
from valley.core.study import StudyError


def add_parser(commands) -> None:
    """Add the subcommands to the command line."""
    parser = commands.add_parser(
        "report",
        help="a report of the finished results, at any time, with their cost",
        description="Write the report from what is finished, with costs; name what is missing.",
        epilog="Exit status: 0 the study is finished, 1 the report is partial, 2 nothing to show.",
    )
    parser.add_argument(
        "study", nargs="?", default="config.yaml", help="study file or results [config.yaml]"
    )
    parser.add_argument(
        "-o", "--out", type=Path, help="page to write [report.measured.html in the results]"
    )
    parser.add_argument(
        "--problems",
        type=int,
        metavar="N",
        help="problems whose answers the page embeds [as many as fit]",
    )
    parser.set_defaults(run=report)

    parser = commands.add_parser(
        "compare",
        help="two studies in one page: whether their claims agree, curves, paired differences",
        description="Compare two studies claim by claim and arm by arm, on the problems that "
        "both share.",
        epilog="Exit status: 0 compared, 2 there is nothing to compare.",
    )
    parser.add_argument("first", help="study file, or the folder of a study's results")
    parser.add_argument("second", help="a second study file, or folder of results")
    parser.add_argument("-o", "--out", type=Path, help="page to write [compare-FIRST-SECOND.html]")
    parser.add_argument(
        "--json", action="store_true", help="claims and differences as JSON, no page"
    )
    parser.set_defaults(run=compare)

    parser = commands.add_parser(
        "export",
        help="results as tables, LiveCodeBench files, data sets, models and LaTeX",
        description="Write what is finished in the forms that other tools read; with --hub, "
        "upload models and data sets to the Hugging Face hub as well. Its token comes from "
        "HF_TOKEN or from `hf auth login`.",
        epilog="Exit status: 0 written, 1 not uploaded, 2 there is nothing to write.",
    )
    parser.add_argument(
        "study", nargs="?", default="config.yaml", help="study file or results [config.yaml]"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=("tables", "livecodebench", "datasets", "models", "latex"),
        help="these parts [all]",
    )
    parser.add_argument(
        "--hub",
        type=_repository,
        metavar="OWNER/NAME",
        help="upload models and data sets there: two repositories, private if they are new",
    )
    parser.add_argument("--public", action="store_true", help="with --hub: make them public")
    parser.add_argument(
        "--dry",
        action="store_true",
        help="with --hub: only print what would be uploaded",
    )
    parser.set_defaults(run=export)


def _repository(name: str) -> str:
    """Return the name of a repository of the hub.

    Raises:
        ArgumentTypeError: it is none.
    """
    part = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
    if not re.fullmatch(f"{part}/{part}", name) or len(name.partition("/")[2]) > 96:
        raise argparse.ArgumentTypeError(
            f"{name!r} is not a repository of the hub; write OWNER/NAME, of letters, digits, . _ "
            "and -"
        )
    return name


def report(options) -> int:
    """Write the page, say where it is and what is missing; return the exit status."""
    from valley.pages import paper
    from valley.reporting.measured import measured
    from valley.reporting.partial import Gathered
    from valley.reporting.studies import layout_of

    try:
        layout = layout_of(options.study)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    out = options.out or Path(layout.root) / "report.measured.html"
    with tempfile.TemporaryDirectory(prefix="valley-report-") as scratch:
        found = Gathered(layout, Path(scratch), options.problems)
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
            measured={
                **measured(layout.root),
                "notes": _notes(layout),
                "designs": _designs(layout),
            },
            scratch=Path(scratch),
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


def _designs(layout) -> dict[str, dict]:
    """Return what chance the design had on each benchmark whose problems are there."""
    from valley.planning.power import afterwards

    return {
        name: afterwards(layout.study, name, layout.root)
        for name in layout.study.benchmarks
        if Path(f"{layout.root}/benchmarks/{name}.parquet").is_file()
    }


def _notes(layout) -> list[str]:
    """Return what the plan notes of the results: frozen, adopted, made by other versions."""
    from valley.core.versions import moved
    from valley.planning.notes import notes

    if layout.root == layout.study.root:
        return notes(layout.study, [])
    return [
        f"{entry['results']} results of {entry['rule']} were made with {entry['library']} "
        f"{entry['then']}; {entry['now']} is installed here"
        for entry in moved(layout.root)
    ]


def compare(options) -> int:
    """Write the page that compares two studies, or print it as JSON; return the exit status."""
    from valley.reporting import comparing
    from valley.reporting.studies import layout_of

    try:
        first, second = layout_of(options.first), layout_of(options.second)
        if options.json:
            print(json.dumps(comparing.as_json(first, second), indent=2))
            return 0
        with tempfile.TemporaryDirectory(prefix="valley-compare-") as scratch:
            page = comparing.page_of(first, second, Path(scratch))
    except (StudyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    names = "-".join(layout.study.config["study"] for layout in (first, second))
    out = options.out or Path(f"compare-{names}.html")
    write_text(out, page)
    print(f"Comparison: {out.resolve()}")
    return 0


def export(options) -> int:
    """Write the exports; return the exit status."""
    from valley.reporting import exporting
    from valley.reporting.finished import state_of
    from valley.reporting.studies import layout_of

    try:
        layout = layout_of(options.study)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    state = state_of(layout)
    if not state["finished"]:
        print(f"{layout.root}: no arm is finished yet, so there is nothing to export")
        return 2
    with tempfile.TemporaryDirectory(prefix="valley-export-") as scratch:
        parts = tuple(options.only or exporting.PARTS)
        said, folders = exporting.export(layout, options.to, Path(scratch), parts)
    for line in said:
        print(f"{options.to}/{line}")
    if state["missing"]:
        print(f"{len(state['missing'])} of {state['wanted']} results are missing, so left out")
    return upload(options, layout.study.config["study"], folders) if options.hub else 0


def upload(options, study: str, folders: dict[str, list[str]]) -> int:
    """Upload what was exported, or print what would be; return the exit status.

    Args:
        options: of `export`.
        study: its name.
        folders: folders of models and data sets, by part.
    """
    from valley.planning.words import size
    from valley.reporting import pushing

    found = pushing.uploads(options.hub, study, options.to, folders)
    if not found:
        print("nothing to upload: no model and no data set was exported", file=sys.stderr)
        return 2
    try:
        if not options.dry:
            pushing.check(options.hub.partition("/")[0])
        for each in found:
            files = each.files()
            what = f"{len(files)} files, {size(sum(path.stat().st_size for path in files))}"
            if options.dry:
                print(f"would be uploaded to {each.address} ({each.kind}): {what}")
                for path in files:
                    print(f"  {path.relative_to(each.folder)}")
            else:
                print(f"{each.kind}: {what} to {each.address} …", flush=True)
                print(f"  {pushing.push(each, study, public=options.public)}")
    except pushing.Unpushed as error:
        print(error, file=sys.stderr)
        return 1
    return 0
