"""Judging one program in a sandbox: its tests in order, each run held against what is expected."""

import os
import re
import signal
from collections.abc import Iterator

from valley.judging import compare
from valley.judging.checking import Checker, CheckerError, checker_of
from valley.judging.dialogue import converse, is_published
from valley.judging.packages import without_one
from valley.judging.problems import Problem
from valley.judging.published import SHADOWED
from valley.judging.sandbox import MOST_SHARING, Program, Refused, Run
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.verdicts import (
    ACCEPTED,
    COMPILE_ERROR,
    MEMORY_LIMIT,
    NO_CODE,
    OUTPUT_LIMIT,
    RUNTIME_ERROR,
    TIME_LIMIT,
    WRONG_ANSWER,
    Limits,
    Options,
    Verdict,
)

LONGEST_SOURCE = 1 << 20
LONGEST_DETAIL = 200
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def judge_program(
    sandboxes: SandboxPool, program: str | None, problem: Problem, options: Options
) -> Verdict:
    """Run a program on its problem's tests and say what became of it."""
    if program is None or not program.strip():
        return Verdict(NO_CODE)
    source = program.encode("utf-8", "surrogatepass")
    if len(source) > LONGEST_SOURCE:
        return Verdict(COMPILE_ERROR, detail=f"longer than {LONGEST_SOURCE} bytes")
    limits = limits_of(problem, options)
    if is_published(problem):
        return _judge_published(sandboxes, source, problem, limits)
    box = sandboxes.of(source, problem.function_name is not None)
    passed, failed, first = 0, None, (ACCEPTED, "")
    cpu = wall = peak = 0.0
    with (
        box.program(source, limits, problem.function_name) as ready,
        checker_of(problem, sandboxes.checking) as checker,
    ):
        if isinstance(ready, Refused):
            return Verdict(COMPILE_ERROR, detail=_short(ready.reason))
        for number, run in _runs(ready, problem, limits, checker):
            cpu, wall, peak = cpu + run.cpu_s, wall + run.wall_s, max(peak, run.peak_mb)
            word, detail = _verdict(run, limits, problem, number, checker)
            if word == ACCEPTED:
                passed += 1
                continue
            if failed is None:
                failed, first = number, (word, _short(detail))
            if options.stop_at_first_failure:
                break
    return Verdict(first[0], failed, passed, first[1], cpu, wall, peak)


def _judge_published(
    sandboxes: SandboxPool, source: bytes, problem: Problem, limits: Limits
) -> Verdict:
    box = sandboxes.of(source, functions=True)
    with box.program(source, limits, problem.function_name, "called") as ready:
        if isinstance(ready, Refused):
            return Verdict(COMPILE_ERROR, detail=_short(ready.reason))
        run, tested, said, called = converse(sandboxes, ready, problem, limits)
        if said == ["passed", SHADOWED]:
            # As published, a program's own `range` is the test's: it may pass for that alone.
            run, tested, said, called = converse(sandboxes, ready, problem, limits, plain=True)
    word, detail = _beyond(run, limits) or _test_said(run, tested, said, called, limits)
    failed, passed = (None, 1) if word == ACCEPTED else (0, 0)
    spent = (run.cpu_s + tested.cpu_s, max(run.wall_s, tested.wall_s), run.peak_mb)
    return Verdict(word, failed, passed, _short(detail), *spent)


def _test_said(
    run: Run, tested: Run, said: list[str], called: bool, limits: Limits
) -> tuple[str, str]:
    """Return the verdict that a published test's end means."""
    word, detail = said or ("", "")
    if word == "passed":
        return (ACCEPTED, "") if called else (WRONG_ANSWER, "the test ended without a call")
    if word == "missing":
        return RUNTIME_ERROR, f"the program defines no {detail!r}"
    if word == "failed":
        return WRONG_ANSWER, detail
    if word == "raised":
        memory = detail.startswith("MemoryError")
        return (MEMORY_LIMIT if memory else RUNTIME_ERROR), _ADDRESS.sub("0x…", detail)
    if word == "closed":
        return _ended_badly(run, limits) if run.status else (RUNTIME_ERROR, detail)
    if not called:
        why = detail or tested.killed or tested.stderr.decode("utf-8", "replace")[-200:]
        raise CheckerError(f"the test failed before it called the program: {why}")
    # The test itself was ended, by what the program gave it to look at.
    if tested.killed:
        return TIME_LIMIT, "the test did not come to an end with what the program returned"
    return WRONG_ANSWER, "the test could not cope with what the program returned"


def _runs(
    program: Program, problem: Problem, limits: Limits, checker: Checker | None
) -> Iterator[tuple[int, Run]]:
    """Yield each test's run: a process a test, or fewer where nothing but right answers come out.

    The first test always has its own process, so that a wrong program is told at once. Those that
    follow may share one if the program keeps nothing between them; should any of their answers
    not be right, all of them are run again, each alone, and only that counts.
    """
    tests = problem.tests
    yield 0, program.run(tests[0].stdin)
    start = 1
    while start < len(tests):
        part = tests[start : start + MOST_SHARING]
        runs = None
        if program.shareable and len(part) > 1:
            runs = program.run_all([test.stdin for test in part])
            if runs is not None and any(
                _verdict(run, limits, problem, start + index, checker)[0] != ACCEPTED
                for index, run in enumerate(runs)
            ):
                runs = None
        for index, test in enumerate(part):
            yield start + index, program.run(test.stdin) if runs is None else runs[index]
        start += len(part)


def limits_of(problem: Problem, options: Options) -> Limits:
    """Return the limits for one test; longer answers may take more room."""
    cpu = problem.time_limit_s * options.time_factor
    longest = max(len(test.expected) for test in problem.tests)
    return Limits(
        cpu_s=cpu,
        memory_mb=problem.memory_limit_mb,
        output_bytes=max(options.output_limit_mb << 20, 2 * longest),
        wall_s=cpu * options.wall_factor + options.wall_extra_s,
    )


def _verdict(
    run: Run, limits: Limits, problem: Problem, number: int, checker: Checker | None
) -> tuple[str, str]:
    test = problem.tests[number]
    if beyond := _beyond(run, limits):
        return beyond
    if run.status:
        return _ended_badly(run, limits)
    if problem.function_name is not None and not run.result:
        return RUNTIME_ERROR, "it ended before its function had returned"
    if checker is not None:
        output = run.stdout if problem.function_name is None else run.result
        difference = checker.mismatch(test, output)
    elif problem.function_name is None:
        difference = compare.outputs_differ(run.stdout, test.expected, problem.rules)
    else:
        difference = compare.values_differ(run.result, test.value, problem.rules)
    return (ACCEPTED, "") if difference is None else (WRONG_ANSWER, difference)


def _beyond(run: Run, limits: Limits) -> tuple[str, str] | None:
    """Return the verdict where a run went beyond a limit."""
    # Memory first: a program that exceeds both is found out by either, as fast as the machine is.
    if run.peak_mb > limits.memory_mb:
        return MEMORY_LIMIT, f"more than {limits.memory_mb} MB"
    if run.killed == "cpu" or run.cpu_s > limits.cpu_s:
        return TIME_LIMIT, f"more than {limits.cpu_s:g} s of processor time"
    if run.too_much:
        return OUTPUT_LIMIT, f"more than {limits.output_bytes} bytes of output"
    if run.killed == "wall":
        return TIME_LIMIT, f"idle: more than {limits.wall_s:g} s passed"
    return None


def _ended_badly(run: Run, limits: Limits) -> tuple[str, str]:
    lines = run.stderr.decode("utf-8", "backslashreplace").strip().split("\n")
    last = _ADDRESS.sub("0x…", lines[-1].strip())
    if last.split(":")[0].endswith("MemoryError"):  # numpy has a kind of its own
        return MEMORY_LIMIT, f"no more memory within {limits.memory_mb} MB"
    if os.WIFSIGNALED(run.status):
        number = os.WTERMSIG(run.status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return RUNTIME_ERROR, f"ended by {name}"
    code = os.WEXITSTATUS(run.status)
    return RUNTIME_ERROR, without_one(last) or last or f"exit status {code}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"
