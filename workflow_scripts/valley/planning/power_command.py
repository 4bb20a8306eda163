"""`./valley power`: could this study answer its question, and what would it take?"""

import json
import os
import re
import sys
from pathlib import Path

from valley.core.config import nearest
from valley.core.study import Study
from valley.planning.errors import one_line_errors

BUDGET = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*(gpuh|cpuh)")
LEAST_STUDIES = 5


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "power",
        help=__doc__.partition(": ")[2],
        description="Simulate the study as it is declared, under stated truths and assumptions, "
        "judge every simulated study by the study's own rules, and say how often each claim would "
        "be supported, refuted or undecided, and which lever moves that at what cost.",
        epilog="Exit status: 0, or 2 where the study can't be simulated. See docs/power.md.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument(
        "--truth",
        metavar="CLAIM=TRUTH,…",
        help="what is true, in place of the paper's figures: a shape (F1=valley, rising, flat, "
        "plateau, …), a difference in pass@1 (F2=0.04), or rates (F4=rising, falling, flat)",
    )
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an assumption: run_sd=0.2, run_sd=0.1..0.4 (both ends and the middle are shown), "
        "problem_sd, interaction_sd, world=beta; may be given several times",
    )
    parser.add_argument(
        "--problems",
        action="append",
        default=[],
        metavar="BENCHMARK=N",
        help="how many problems a benchmark has",
    )
    parser.add_argument("--benchmark", help="one of the study's [all]")
    parser.add_argument("--budget", metavar="HOURS", help="find a design: 2000gpuh, or 40cpuh")
    parser.add_argument(
        "--pilot",
        nargs="?",
        const="",
        metavar="SIZES",
        help=(
            "what a pilot of these sizes would show, such as --pilot 1000,10000 [the two middle "
            "sizes]"
        ),
    )
    parser.add_argument(
        "--studies",
        type=int,
        default=40,
        help="studies simulated for each chance [40]; more narrow its error",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, as JSON")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="chance against cost, as FILE.svg and FILE.pdf"
    )
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """Print what the study could decide; return the exit status."""
    # Products of small matrices: threads would only wait for each other. Before NumPy is there.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if options.studies < LEAST_STUDIES:
        raise ValueError(f"--studies: {options.studies} are too few; give {LEAST_STUDIES} or more")
    study = Study.read(options.study)
    chosen = [options.benchmark] if options.benchmark else study.benchmarks
    for name in [*chosen, *given_problems(options.problems)]:
        if name not in study.benchmarks:
            raise ValueError(
                f"there is no benchmark {name!r}{nearest(name, study.benchmarks)}; "
                f"choose from: {', '.join(study.benchmarks)}"
            )
    budget, sizes = budget_of(options.budget), pilot_sizes(options.pilot)
    found = [_one(options, study, name, budget, sizes) for name in chosen]
    from valley.planning.power_text import text

    print("\n\n".join("\n".join(text(one)) for one in found))
    if options.json:
        _write(options.json, found)
    if options.figure:
        from valley.analysis import plot_power

        stem = options.figure.with_suffix("")
        plot_power.figure(found, stem.with_suffix(".svg"), stem.with_suffix(".pdf"))
    return 0


def _one(options, study: Study, benchmark: str, budget, sizes) -> dict:
    from tqdm import tqdm

    from valley.planning import pilot, power, power_report

    with tqdm(unit="study", disable=None, leave=False, file=sys.stderr) as bar:
        power_options = power.PowerOptions(
            study,
            benchmark,
            given_problems(options.problems).get(benchmark),
            options.truth,
            options.assume,
            options.studies,
            lambda: bar.update(),
        )
        ready = power.Power(power_options)
        bar.total = power_report.to_come(ready, budget is not None, sizes is not None)
        first = pilot.pilot(ready, sizes) if sizes is not None else None
        found = power_report.report(ready, budget)
    return {**found, "file": str(options.study), "pilot": first}


def given_problems(items: list[str]) -> dict[str, int]:
    """Return the problems by benchmark: "humaneval=164".

    Raises:
        ValueError: one does not read.
    """
    out = {}
    for item in items:
        name, _, number = item.partition("=")
        if not number.isdigit() or not int(number):
            raise ValueError(f"--problems: {item!r} is not valid; write --problems humaneval=164")
        out[name.strip()] = int(number)
    return out


def budget_of(text: str | None) -> tuple[float, str] | None:
    """Return hours and their unit: "2000gpuh" or "40cpuh".

    Raises:
        ValueError: it does not read.
    """
    if text is None:
        return None
    form = BUDGET.fullmatch(text.strip().lower())
    if not form:
        raise ValueError(
            f"--budget: {text!r} is not valid; write 2000gpuh (GPU-hours) or 40cpuh (core-hours)"
        )
    return float(form[1].replace(",", "").replace("_", "")), form[2]


def pilot_sizes(text: str | None) -> list[int] | None:
    """Return a pilot's sizes; an empty list is the two middle ones, None no pilot.

    Raises:
        ValueError: they don't read.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise ValueError(f"--pilot: {text!r} is not valid; write sizes, such as --pilot 1000,10000")
    return [int(part) for part in parts]


def _write(path: Path, found: list[dict]) -> None:
    from valley.analysis.plain import plain
    from valley.core.files import write_text

    write_text(path, json.dumps(plain(found), indent=1, sort_keys=True) + "\n")
