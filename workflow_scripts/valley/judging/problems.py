"""A problem as the judge needs it: checked, and its expected answers read once."""

import math
from dataclasses import dataclass
from functools import cached_property

from valley.judging import compare
from valley.judging.calling import parse_argument

# A checker that begins so is none: the problem's one test is a published test's own text.
PUBLISHED = "# run the test as published\n"


class BadProblem(ValueError):
    """A problem that cannot be judged; the message names it and the field."""


@dataclass(frozen=True)
class Test:
    """One input and its answer: for functions the arguments, a JSON value a line, and a value."""

    __test__ = False  # for pytest: not a test case

    stdin: bytes
    expected: bytes
    value: object = None


@dataclass(frozen=True)
class Problem:
    """What is needed to judge a program."""

    id: str
    function_name: str | None
    tests: tuple[Test, ...]
    time_limit_s: float
    memory_limit_mb: int
    rules: compare.Rules = compare.PLAIN
    checker: str | None = None

    @cached_property
    def content(self) -> list:
        """Everything that a verdict depends on, as plain values; not the id."""
        return [
            self.function_name,
            [
                [
                    test.stdin.decode("utf-8", "surrogateescape"),
                    test.expected.decode("utf-8", "surrogateescape"),
                ]
                for test in self.tests
            ],
            self.time_limit_s,
            self.memory_limit_mb,
            self.checker,
            vars(self.rules),
        ]


def read_problem(row: dict) -> Problem:
    """Check a problem's row and return the problem; BadProblem says what is wrong with it."""
    name = row.get("id")
    if not isinstance(name, str) or not name:
        raise BadProblem("a problem without an id")

    def bad(field: str, why: str) -> BadProblem:
        return BadProblem(f"problem {name}: {field}: {why}")

    function = row.get("function_name")
    if function is not None and (not isinstance(function, str) or not function.isidentifier()):
        raise bad("function_name", f"{function!r} is no name of a function")
    time_limit, memory_limit = row.get("time_limit_s"), row.get("memory_limit_mb")
    for field, value in (("time_limit_s", time_limit), ("memory_limit_mb", memory_limit)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise bad(field, f"{value!r} is no positive number")
    rows = row.get("tests")
    if not rows:
        why = f"; {row['mark']}" if row.get("mark") else ""
        raise bad("tests", f"there are none{why}")
    checker = row.get("checker")
    published = isinstance(checker, str) and checker.startswith(PUBLISHED)
    if published and len(rows) != 1:
        raise bad("tests", "a published test is one test")
    tests = []
    for number, test in enumerate(rows):
        given, expected = test.get("input"), test.get("expected")
        for field, value in (("input", given), ("expected", expected)):
            if not isinstance(value, str):
                raise bad(f"tests[{number}].{field}", f"{value!r} is no text")
        tests.append(_read_test(given, expected, function, number, bad, bool(checker), published))
    return Problem(
        id=name,
        function_name=function,
        tests=tuple(tests),
        time_limit_s=float(time_limit),
        memory_limit_mb=int(memory_limit),
        rules=_rules(row, bad),
        checker=checker or None,
    )


def _rules(row: dict, bad) -> compare.Rules:
    case, tolerance = row.get("case"), row.get("tolerance")
    if case not in (None, "exact", "ignore"):
        raise bad("case", f"{case!r} is neither exact nor ignore")
    if tolerance is not None:
        number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
        if not number or not 0 <= tolerance < math.inf:
            raise bad("tolerance", f"{tolerance!r} is no number from 0 on")
        tolerance = float(tolerance)
    return compare.Rules(row.get("keep_lines") is not False, case == "ignore", tolerance)


def _read_test(
    given: str,
    expected: str,
    function: str | None,
    number: int,
    bad,
    checked: bool,
    published: bool,
) -> Test:
    stdin = given.encode("utf-8", "surrogateescape")
    wanted = expected.encode("utf-8", "surrogateescape")
    if function is None:
        return Test(stdin, wanted)
    if published:
        return Test(stdin, wanted)
    for line in given.split("\n"):
        if line.strip():
            try:
                _require_value(line)
            except (ValueError, SyntaxError, RecursionError):
                raise bad(f"tests[{number}].input", f"{line[:60]!r} is no value") from None
    if checked:
        return Test(stdin, wanted)  # what it means is the checker's affair
    try:
        value = compare.parse_value(expected)
    except ValueError:
        try:
            value = compare.parse_value(compare.as_json(expected))
        except (ValueError, SyntaxError, RecursionError, TypeError):
            why = f"{expected[:60]!r} is no value"
            raise bad(f"tests[{number}].expected", why) from None
    return Test(stdin, wanted, value)


def _require_value(line: str) -> None:
    """Raise ValueError or SyntaxError if a line is no value; long integers stay unconverted."""
    try:
        compare.parse_value(line)
    except ValueError:
        with compare.long_integers():
            parse_argument(line)
