"""`valley judge`: judge a file of answers against a file of problems, from the shell."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from valley.core.files import write_json, write_text
from valley.core.rows import read_rows
from valley.judging import isolation as isolating
from valley.judging.answer_files import Answers, evaluation, read_answers
from valley.judging.answers import PUBLISHED, Extraction
from valley.judging.batch import Task, cores, judge
from valley.judging.cache import Cache
from valley.judging.packages import PackagesError, missing_package, pinned, provided
from valley.judging.reasoning import table
from valley.judging.references import proved
from valley.judging.sources import Problems, read_problems
from valley.judging.verdicts import ACCEPTED, JUDGE_ERROR, VERDICTS, Verdict

_MARKS_SHOWN = 20
_FIELDS = ("verdict", "failed_test", "tests_passed", "detail", "cpu_s", "wall_s", "peak_mb")


def add_parser(commands) -> None:
    """Add the subcommand to `valley`'s."""
    parser = commands.add_parser(
        "judge",
        help="judge answers against problems",
        description="Run the program in each answer, isolated, on its problem's tests.",
        epilog="Exit status: 0 all judged, 1 bad rows or judge errors (all else is judged), "
        "2 nothing could be judged.",
    )
    parser.add_argument("problems", nargs="?", type=Path, help="JSONL or Parquet, any known form")
    parser.add_argument(
        "answers",
        nargs="?",
        type=Path,
        help="JSONL or Parquet with problem_id and text (or program), or question_id and code_list",
    )
    parser.add_argument("-o", "--out", type=Path, help="verdicts, JSONL [ANSWERS.verdicts.jsonl]")
    parser.add_argument(
        "--evaluation", type=Path, metavar="FILE", help="also write LiveCodeBench's eval_all JSON"
    )
    parser.add_argument("-j", "--jobs", type=int, default=cores(), help="cores to use [all]")
    parser.add_argument("--isolation", choices=isolating.CHOICES, default="auto")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of known verdicts")
    parser.add_argument(
        "--extraction",
        choices=("robust", *PUBLISHED),
        default="robust",
        help="how the program in an answer is found: robust, or as that benchmark's own code does",
    )
    parser.add_argument(
        "--reasoning",
        nargs=2,
        action="append",
        default=[],
        metavar=("OPEN", "CLOSE"),
        help="marks that set reasoning off, beside those known; may be given again",
    )
    parser.add_argument("--resume", action="store_true", help="keep what a killed run had judged")
    parser.add_argument("--all-tests", action="store_true", help="go on after a failed test")
    parser.add_argument("--time-factor", type=float, default=1.0, metavar="X")
    parser.add_argument("--output-limit-mb", type=int, default=16, metavar="MB")
    parser.add_argument(
        "--recheck-slow",
        action="store_true",
        help="run programs over their time limit once more at the end, one at a time",
    )
    parser.add_argument(
        "--packages",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAMES",
        help="packages that programs may import, with commas between (or livecodebench); they are "
        "installed once beside the folder of --cache",
    )
    parser.add_argument(
        "--trusted-only", action="store_true", help="leave out problems marked as not to be trusted"
    )
    parser.add_argument(
        "--verify", type=int, metavar="N", help="re-judge N cached answers and compare"
    )
    parser.add_argument(
        "--prune", type=float, metavar="DAYS", help="first drop cached verdicts older than that"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line says and return the exit status."""
    if options.prune is not None:
        if options.cache is None:
            return _fail("--prune needs --cache")
        removed = Cache(options.cache).prune(older_than_s=options.prune * 86400)
        print(f"{removed} verdicts removed from {options.cache}")
    if options.problems is None or options.answers is None:
        return 0 if options.prune is not None else _fail("problems and answers are needed")
    if options.packages and options.cache is None:
        return _fail("--packages needs --cache: they are installed beside it")
    if options.jobs < 1 or not options.time_factor > 0 or options.output_limit_mb < 1:
        return _fail("--jobs, --time-factor and --output-limit-mb have to be positive")
    try:
        tier = isolating.tier(options.isolation)
        provided(_packages_in(options), pinned(options.packages))
        problems = read_problems(options.problems)
        marks = {
            mark[0]: dict(zip(("open", "close"), mark, strict=True)) for mark in options.reasoning
        }
        how = "robust" if options.extraction == "robust" else "published"
        finding = Extraction(how, options.extraction, table(marks))
        answers = read_answers(options.answers, problems.by_id, finding)
    except (OSError, isolating.NoIsolation, PackagesError, ValueError) as error:
        return _fail(str(error))
    known = {row["problem_id"] for row in answers.rows}
    refused = _proved(problems, known, options)
    rows, left_out = _chosen(problems, answers, options.trusted_only)
    bad_rows = problems.bad_rows + answers.bad_rows
    for complaint in bad_rows[:20]:
        print(complaint, file=sys.stderr)
    if len(bad_rows) > 20:
        print(f"… and {len(bad_rows) - 20} more of that kind", file=sys.stderr)
    if not rows:
        return _fail("no answer is left to be judged")
    if options.verify is not None:
        return _verify(rows, problems, options)
    if options.out is None:
        options.out = options.answers.with_suffix(".verdicts.jsonl")
    verdicts = _judge(rows, problems, options)
    lines = [
        {"problem_id": row["problem_id"], "sample": row["sample"]} | _as_row(verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
    ]
    lines.sort(key=lambda line: (line["problem_id"], line["sample"]))
    write_text(options.out, "".join(json.dumps(line) + "\n" for line in lines))
    _partial(options.out).unlink(missing_ok=True)
    if options.evaluation is not None:
        write_json(options.evaluation, evaluation(rows, verdicts))
    if not options.quiet:
        _table(rows, verdicts, tier, len(bad_rows), left_out)
        _marks(problems, known, refused)
        print(f"verdicts in {options.out}")
    failed = any(verdict.verdict == JUDGE_ERROR for verdict in verdicts)
    return 1 if failed or bad_rows else 0


def _proved(problems: Problems, known: set[str], options: argparse.Namespace) -> int:
    """Judge the own solutions of problems that have answers, as a study does; mark what fails."""
    asked = [(name, row) for name, row in problems.by_id.items() if name in known]
    refused = 0
    for name, row, why in proved(asked, cache=options.cache, **_how(options)):
        problems.by_id[name] = row
        refused += why is not None
    return refused


def _marks(problems: Problems, known: set[str], refused: int) -> None:
    """Print which problems are marked and why, the first few of them."""
    rows = [row for name, row in problems.by_id.items() if name in known]
    doubtful = [row for row in rows if row.get("trusted") is False]
    if not doubtful:
        return
    told = f", {refused} of them since their own solution is not accepted" if refused else ""
    print(f"problems whose verdicts can't be trusted: {len(doubtful)}{told}")
    for row in doubtful[:_MARKS_SHOWN]:
        print(f"  {row['id']}: {row.get('mark') or 'its file says so'}")
    if len(doubtful) > _MARKS_SHOWN:
        print(f"  … and {len(doubtful) - _MARKS_SHOWN} more")


def _how(options: argparse.Namespace) -> dict:
    """Return the settings that all programs are judged with."""
    return {
        "jobs": options.jobs,
        "isolation": options.isolation,
        "stop_at_first_failure": not options.all_tests,
        "time_factor": options.time_factor,
        "output_limit_mb": options.output_limit_mb,
        "packages": options.packages,
        "packages_in": _packages_in(options),
    }


def _packages_in(options: argparse.Namespace) -> Path | None:
    return options.cache and options.cache.absolute().parent / "packages"


def _fail(message: str) -> int:
    print(f"valley judge: {message}", file=sys.stderr)
    return 2


def _chosen(problems: Problems, answers: Answers, trusted_only: bool) -> tuple[list[dict], int]:
    """The answers to be judged; those without a problem are complained of."""
    rows, left_out = [], 0
    for row in answers.rows:
        problem = problems.by_id.get(row["problem_id"])
        if problem is None:
            answers.bad_rows.append(
                f"{row['location']}: problem_id: no {row['problem_id']!r} known"
            )
        elif trusted_only and problem.get("trusted") is False:
            left_out += 1
        else:
            rows.append(row)
    return rows, left_out


def _as_row(verdict: Verdict) -> dict:
    return {name: getattr(verdict, name) for name in _FIELDS}


def _partial(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def _judge(rows: list[dict], problems: Problems, options: argparse.Namespace) -> list[Verdict]:
    """Judge, writing each verdict aside at once, so that a killed run can be taken up again."""
    partial = _partial(options.out)
    known: dict[str, Verdict] = {}
    if options.resume and partial.exists():
        # The last line may be cut; it is judged again.
        for _, line in read_rows(partial, lambda _: None):
            key = line.pop("key")
            known[key] = Verdict(**line)
    verdicts: list[Verdict | None] = [known.get(row["key"]) for row in rows]
    waiting = [index for index, verdict in enumerate(verdicts) if verdict is None]
    tasks = [
        Task(rows[n]["key"], rows[n]["program"], problems.by_id[rows[n]["problem_id"]])
        for n in waiting
    ]
    partial.parent.mkdir(parents=True, exist_ok=True)
    bar = None
    if not options.quiet and sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(total=len(rows), initial=len(rows) - len(tasks), unit="answer")
    with open(partial, "a" if options.resume else "w", encoding="utf-8") as file:
        if known and file.tell():
            file.write("\n")

        def each(index: int, verdict: Verdict) -> None:
            verdicts[waiting[index]] = verdict
            if verdict.verdict != JUDGE_ERROR:
                file.write(json.dumps({"key": tasks[index].key} | _as_row(verdict)) + "\n")
                file.flush()
            if bar is not None:
                bar.update()

        judge(
            tasks,
            cache=options.cache,
            recheck_time_limits=options.recheck_slow,
            each=each,
            **_how(options),
        )
    if bar is not None:
        bar.close()
    return verdicts


def _verify(rows: list[dict], problems: Problems, options: argparse.Namespace) -> int:
    """Judge a sample both with the cache and without it, and compare."""
    if options.cache is None:
        return _fail("--verify needs --cache")
    sample = sorted(rows, key=lambda row: row["key"])[: options.verify]
    tasks = [Task(row["key"], row["program"], problems.by_id[row["problem_id"]]) for row in sample]
    remembered = judge(tasks, cache=options.cache, **_how(options))
    fresh = judge(tasks, **_how(options))
    differ = 0
    for row, old, new in zip(sample, remembered, fresh, strict=True):
        if old != new:
            differ += 1
            print(f"{row['problem_id']} sample {row['sample']}: cached {old}, now {new}")
    print(f"{len(sample)} verdicts compared, {differ} differ")
    return 1 if differ else 0


def _table(rows: list, verdicts: list, tier: isolating.Tier, bad: int, left_out: int) -> None:
    for word in VERDICTS:
        count = sum(verdict.verdict == word for verdict in verdicts)
        if count:
            print(f"{word:15} {count:7} {100 * count / len(verdicts):6.1f} %")
    shares: dict[str, list[bool]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        # The judge's own failures say nothing about a program.
        if verdict.verdict != JUDGE_ERROR:
            shares.setdefault(row["problem_id"], []).append(verdict.verdict == ACCEPTED)
    if shares:
        mean = sum(sum(right) / len(right) for right in shares.values()) / len(shares)
        print(f"pass@1 {mean:.4f} over {len(shares)} problems")
    notes = [f"isolation: {tier.name} ({tier.reason})"]
    notes += [f"bad rows: {bad}"] * bool(bad)
    notes += [f"left out, their problems are not to be trusted: {left_out}"] * bool(left_out)
    lacking = Counter(filter(None, (missing_package(verdict.detail) for verdict in verdicts)))
    notes += [f"programs without {name}: {count}" for name, count in sorted(lacking.items())]
    print("\n".join(notes))
    if tier.name == "rlimits":
        print("WARNING: programs were limited in time and memory only, not isolated")
