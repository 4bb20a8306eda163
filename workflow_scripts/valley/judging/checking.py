"""Problems with a checker of their own: a Python function that says whether an output is right.

It runs in the same isolation as programs do, in a process of its own, after the program's has
ended: the program never meets it, nor the expected output that it is given.
"""

import json
from contextlib import contextmanager

from valley.judging import compare
from valley.judging.problems import Problem
from valley.judging.problems import Test as ProblemTest
from valley.judging.sandbox import Program, Refused, Sandbox
from valley.judging.verdicts import Limits

FUNCTION = "check"
LIMITS = Limits(cpu_s=20, memory_mb=1024, output_bytes=1 << 16, wall_s=120)


class CheckerError(RuntimeError):
    """The checker failed; that is the problem's fault, never the program's."""


class Checker:
    """A problem's `check(input, expected, output)`, ready to be asked."""

    def __init__(self, program: Program, of_functions: bool) -> None:
        self._program = program
        self._of_functions = of_functions

    def mismatch(self, test: ProblemTest, output: bytes) -> str | None:
        """Return None if the output is right, else why not.

        The function returns true or false, or a pair of that and a reason. Where it fails instead,
        the output is wrong, unless it fails on the expected one too: CheckerError.
        """
        try:
            return self._said(test, output)
        except CheckerError as error:
            if test.expected.strip():
                self._said(test, _as_output(test.expected, self._of_functions))
            return f"{error}, on this output only"[:200]

    def _said(self, test: ProblemTest, output: bytes) -> str | None:
        texts = (test.stdin, test.expected, output)
        lines = [json.dumps(text.decode("utf-8", "surrogateescape")) for text in texts]
        run = self._program.run("\n".join(lines).encode())
        if run.status or run.killed or run.too_much or not run.result:
            lines = run.stderr.decode("utf-8", "replace").strip().split("\n")
            raise CheckerError(f"the checker failed: {lines[-1] or run.killed or run.status}")
        said = json.loads(run.result)
        right, reason = said if isinstance(said, list) and len(said) == 2 else (said, "")
        if not isinstance(right, bool):
            raise CheckerError(f"the checker said {str(said)[:60]!r}, not true or false")
        return None if right else str(reason) or "the checker says no"


def _as_output(expected: bytes, of_functions: bool) -> bytes:
    """Return the expected answer as a program would give it: for functions a JSON value."""
    if not of_functions:
        return expected
    try:
        return compare.as_json(expected.decode()).encode()
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return expected


@contextmanager
def checker_of(problem: Problem, box: Sandbox):
    """Give the problem's checker; None if it has none."""
    if problem.checker is None:
        yield None
        return
    with box.program(problem.checker.encode(), LIMITS, FUNCTION) as program:
        if isinstance(program, Refused):
            raise CheckerError(f"the checker does not compile: {program.reason}")
        yield Checker(program, problem.function_name is not None)
