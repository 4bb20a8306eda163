"""`./valley findings`: where a study's report is, and what was found."""

import sys
from pathlib import Path

from valley.core.study import Study, StudyError


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser("findings", help=__doc__.partition(": ")[2])
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print the report's path and the findings; return the exit status."""
    try:
        root = Path(Study.read(options.study).root)
    except StudyError as error:
        print(f"{options.study}: {error}", file=sys.stderr)
        return 2
    found = root / "findings.txt"
    if not found.is_file():
        print(f"{found} is not there yet: run `snakemake --configfile {options.study}` first")
        return 1
    print(f"\nReport: {(root / 'report.html').resolve()}\n")
    print(found.read_text(encoding="utf-8"), end="")
    return 0
