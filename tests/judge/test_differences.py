"""Every row of docs/judge.md's table of differences, tried in both ways.

The first word is the row's text in the page; then come what is judged, and the verdicts of
LiveCodeBench's way (`livecodebench_way`) and of ours.
"""

import json
import os
import signal
from pathlib import Path

import livecodebench_way as other
import pytest
from valley.judging.batch import Task, judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "judge.md"
RIGHT, WRONG = True, False

OUTPUTS = [
    ("`0.3333333333` for `0.333333`", "0.3333333333", "0.333333", WRONG, RIGHT),
    ("`YES 0.50` for `YES 0.5`", "YES 0.50", "YES 0.5", WRONG, RIGHT),
    ("`a  b` for `a b`", "a  b", "a b", WRONG, RIGHT),
    ("`00101` for `101`", "00101", "101", RIGHT, WRONG),
    ("`1_000` for `1000`, `٣` for `3`", "1_000", "1000", RIGHT, WRONG),
    ("`1_000` for `1000`, `٣` for `3`", "٣", "3", RIGHT, WRONG),
    ("`Infinity` for `inf`", "Infinity", "inf", RIGHT, WRONG),
    ("a no-break space at a line's end", "1\u00a0", "1", RIGHT, WRONG),
]
THE_SAME = [
    ("2.9999999", "3", WRONG),
    ("9007199254740992.0", "9007199254740993", WRONG),
    ("1.00", "1", RIGHT),
    ("1  2", "1 2", RIGHT),
    ("1e3", "1000", RIGHT),
    ("\n\n1 \r\n\n", "1", RIGHT),
    ("  1", "1", RIGHT),
    ("1\n\n2", "1\n2", WRONG),
    ("1 2", "1\n2", WRONG),
    ("yes", "YES", WRONG),
]
VALUES = [
    ("`0.1 + 0.2` for `0.3`", "0.1 + 0.2", "0.3", WRONG, RIGHT),
    ("NaN for NaN", "float('nan')", "NaN", WRONG, RIGHT),
    ("`[(1, 2)]`, `{1, 2}`, `range(2)` for lists", "[(1, 2)]", "[[1, 2]]", WRONG, RIGHT),
    ("`[(1, 2)]`, `{1, 2}`, `range(2)` for lists", "{1, 2}", "[1, 2]", WRONG, RIGHT),
    ("`[(1, 2)]`, `{1, 2}`, `range(2)` for lists", "range(2)", "[0, 1]", WRONG, RIGHT),
    ('`{1: 2}` for `{"1": 2}`', "{1: 2}", '{"1": 2}', WRONG, RIGHT),
    ("`Decimal(1)` for `1`", "__import__('decimal').Decimal(1)", "1", RIGHT, WRONG),
    (
        "an object that equals everything",
        "type('A', (), {'__eq__': lambda *_: True})()",
        "1",
        RIGHT,
        WRONG,
    ),
]
VALUES_THE_SAME = [
    ("(1, 2)", "[1, 2]", RIGHT),
    ("True", "1", RIGHT),
    ("1.0", "1", RIGHT),
    ("9007199254740992.0", "9007199254740993", WRONG),
    ("[2, 1]", "[1, 2]", WRONG),
    ("'1'", "1", WRONG),
]
MIXED = "`input()` and `sys.stdin.read()`, or a loop over `sys.stdin`, mixed"
EXITS = "an exit status that is not 0"
RUNS = [
    (MIXED, "import sys\ninput()\nprint(sys.stdin.read())", "1\n2", "2", WRONG, RIGHT),
    (MIXED, "import sys\ninput()\nfor x in sys.stdin:\n    print(x)", "1\n2", "2", WRONG, RIGHT),
    (
        "writing to `sys.stdout.buffer` or descriptor 1",
        "import sys\nsys.stdout.buffer.write(b'1')",
        "",
        "1",
        WRONG,
        RIGHT,
    ),
    (
        "writing to `sys.stdout.buffer` or descriptor 1",
        "import os\nos.write(1, b'1')",
        "",
        "1",
        WRONG,
        RIGHT,
    ),
    (
        "`global`",
        "n = 0\ndef f():\n    global n\n    n += 1\nf()\nprint(n)",
        "",
        "1",
        WRONG,
        RIGHT,
    ),
    ("`return` outside of a function", "print(1)\nreturn", "", "1", RIGHT, WRONG),
    (
        "a main block before the last statement",
        "if __name__ == '__main__':\n    print(1)\nx = 2",
        "",
        "1",
        WRONG,
        RIGHT,
    ),
    ("`quit()`", "print(1)\nquit()", "", "1", WRONG, RIGHT),
    (EXITS, "import sys\nprint(1)\nsys.exit(1)", "", "1", RIGHT, WRONG),
    (
        "`except Exception` around a loop",
        "try:\n    while True:\n        pass\nexcept Exception:\n    print(1)",
        "",
        "1",
        RIGHT,
        WRONG,
    ),
    (
        "a program that waits",
        "import time\ntime.sleep(0.7)\nprint(1)",
        "",
        "1",
        WRONG,
        RIGHT,
    ),
    ("memory beyond the limit", "x = b'1' * (100 << 20)\nprint(1)", "", "1", RIGHT, WRONG),
    ("names imported beforehand", "print(int(sqrt(4)))", "", "2", RIGHT, WRONG),
    (
        "recursion deeper than 1,000, no limit set",
        "def f(n):\n    return n and 1 + f(n - 1)\nprint(f(2000))",
        "",
        "2000",
        RIGHT,
        WRONG,
    ),
]
DIES = "a program that ends its own process by a signal"
PACKAGES = "installed packages (numpy)"  # tried in test_packages


def accepted(program: str, given: str, expected: str, function: str | None = None, **limits):
    problem = {"id": "p", "tests": [{"input": given, "expected": expected}]}
    problem |= {"function_name": function, "time_limit_s": 0.4, "memory_limit_mb": 64} | limits
    return judge([Task(0, program, problem)])[0].verdict == "accepted"


@pytest.mark.parametrize(("row", "output", "expected", "theirs", "ours"), OUTPUTS)
def test_outputs(row, output, expected, theirs, ours):
    assert other.outputs_agree(output, expected) == theirs
    assert accepted(f"print({output!r})", "", expected) == ours


@pytest.mark.parametrize(("output", "expected", "right"), THE_SAME)
def test_outputs_that_both_see_alike(output, expected, right):
    assert other.outputs_agree(output, expected) == right
    assert accepted(f"print({output!r})", "", expected) == right


@pytest.mark.parametrize(("row", "value", "expected", "theirs", "ours"), VALUES)
def test_values(row, value, expected, theirs, ours):
    assert other.values_agree(eval(value), json.loads(expected)) == theirs
    assert accepted(f"def f():\n    return {value}", "", expected, "f") == ours


@pytest.mark.parametrize(("value", "expected", "right"), VALUES_THE_SAME)
def test_values_that_both_see_alike(value, expected, right):
    assert other.values_agree(eval(value), json.loads(expected)) == right
    assert accepted(f"def f():\n    return {value}", "", expected, "f") == right


@pytest.mark.parametrize(("row", "program", "given", "expected", "theirs", "ours"), RUNS)
def test_runs(row, program, given, expected, theirs, ours):
    try:
        right = other.outputs_agree(other.printed(program, given, 0.4), expected)
    except Exception:
        right = False
    assert right == theirs
    assert accepted(program, given, expected) == ours


def test_a_program_that_ends_its_own_process():
    program = "import os\nos.abort()"
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        other.printed(program, "", 5.0)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)  # the evaluator's own process, with all its tests
    problem = {"id": "p", "tests": [{"input": "", "expected": ""}], "function_name": None}
    problem |= {"time_limit_s": 5.0, "memory_limit_mb": 64}
    verdict = judge([Task(0, program, problem)])[0]
    assert (verdict.verdict, verdict.detail) == ("runtime_error", "ended by SIGABRT")


def test_the_page_has_these_rows_and_no_others():
    text = PAGE.read_text(encoding="utf-8").split("evaluator\n\n")[1].split("\n\n")[0]
    rows = [line.split(" | ") for line in text.split("\n")[2:]]
    page = {row[0].removeprefix("| "): tuple(row[1:3]) for row in rows}
    tried = {row[0]: (row[-2], row[-1]) for row in (*OUTPUTS, *VALUES, *RUNS)}
    assert page.keys() == {*tried, DIES, PACKAGES}
    for name, verdicts in tried.items():
        for told, right in zip(page[name], verdicts, strict=True):
            assert told.startswith("right" if right else ("wrong", "`")), (name, told)
