"""How LiveCodeBench's evaluator compares and runs, as far as its verdicts can differ from ours.

Written anew from what it is known to do; `docs/judge.md`'s table of differences is held against it.
"""

import ast
import io
import signal
import sys
from contextlib import redirect_stdout, suppress
from decimal import Decimal, InvalidOperation
from types import ModuleType
from unittest.mock import mock_open, patch

from valley.judging.calling import contest_names

RECURSION = 50_000


class TimedOut(Exception):
    """Raised in a program whose time is over; the program may catch it."""


def outputs_agree(output: str, expected: str) -> bool:
    """Both stripped and split into lines; each line the same text, or the same decimals."""
    ours, theirs = (
        [line.strip() for line in text.strip().split("\n")] for text in (output, expected)
    )
    return len(ours) == len(theirs) and all(map(_lines_agree, ours, theirs))


def _lines_agree(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        numbers = [[Decimal(token) for token in line.split()] for line in (one, other)]
    except InvalidOperation:
        return False
    return numbers[0] == numbers[1]


def values_agree(value: object, expected: object) -> bool:
    """Python's equality, with an outer tuple taken as a list; `expected` is read from JSON."""
    return (list(value) if isinstance(value, tuple) else value) == expected


def printed(program: str, given: str, seconds: float) -> str:
    """Run a harmless program as a function's body and return what it prints.

    Standard input and `open` are replaced, an alarm raises an exception, an exit is ignored.
    Whatever else the program raises is raised.
    """
    tree = ast.parse(program)
    last = tree.body[-1]
    if isinstance(last, ast.If) and ast.unparse(last.test) == "__name__ == '__main__'":
        tree.body[-1:] = last.body
    taken = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    rest = [node for node in tree.body if node not in taken]
    wrapped = ast.parse("def wrapped(): pass").body[0]
    wrapped.body = rest
    tree.body = [*taken, wrapped]
    module = ModuleType("solution")
    vars(module).update(contest_names(), quit=None)
    exec(compile(ast.fix_missing_locations(tree), "solution", "exec"), vars(module))
    return _captured(module.wrapped, given, seconds)


def _captured(function, given: str, seconds: float) -> str:
    lines = iter(given.split("\n"))
    stdin = io.StringIO(given)
    stdin.readline = lambda *_: next(lines)
    stdin.readlines = lambda *_: given.split("\n")
    stdin.read = lambda *_: given
    captured = io.StringIO()

    def late(*_: object) -> None:
        raise TimedOut

    limit, before = sys.getrecursionlimit(), signal.signal(signal.SIGALRM, late)
    sys.setrecursionlimit(RECURSION)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with (
            patch("builtins.open", mock_open(read_data=given)),
            patch("sys.stdin", stdin),
            redirect_stdout(captured),
            suppress(SystemExit),
        ):
            function()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.setrecursionlimit(limit)
    return captured.getvalue()
