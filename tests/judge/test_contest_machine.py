"""What programs may rely on, as on a contest's machine, and what no published harness runs."""

import pytest
from valley.judging.batch import Task, judge


def problem(test_input: str, expected: str, function: str | None = None) -> dict:
    return {
        "id": "p",
        "tests": [{"input": test_input, "expected": expected, "public": True}],
        "function_name": function,
        "time_limit_s": 10.0,
        "memory_limit_mb": 512,
    }


DIGITS = 20_000
CASES = {
    "a main block of a function's program does not run": (
        'def f(x):\n    return x + 1\nif __name__ == "__main__":\n    input()\n    assert False',
        problem("1", "2", "f"),
    ),
    "a main block of a program that reads input does": (
        'if __name__ == "__main__":\n    print(input())',
        problem("x\n", "x\n"),
    ),
    "classes of a function's program can be pickled": (
        "import pickle\nclass P:\n    pass\n"
        "def f(x):\n    return type(pickle.loads(pickle.dumps(P()))) is P",
        problem("1", "true", "f"),
    ),
    "integers of 20,000 digits are printed": (
        f"print(10**{DIGITS})",
        problem("", f"{'1' + '0' * DIGITS}\n"),
    ),
    "and read": (
        "print(int(input()) % 7)",
        problem(f"{'1' * DIGITS}\n", f"{pow(10, DIGITS, 63) // 9 % 7}\n"),
    ),
    "and given to functions, and returned": (
        "def f(x):\n    return x",
        problem("1" * DIGITS, "1" * DIGITS, "f"),
    ),
    "in tuples, too": (
        "def f(x):\n    return x[0] + 1,",
        problem(f"({'1' * DIGITS},)", f"({'1' * (DIGITS - 1)}2,)", "f"),
    ),
    "a checker's integers are as long": (
        "def f(x):\n    return x + 1",
        problem("1" * DIGITS, "0", "f")
        | {
            "checker": "def check(given, expected, output):\n"
            "    return int(output) == int(given) + 1"
        },
    ),
    "the asked function may be one of a module": (
        "import math\ngcd = math.gcd",
        problem("4\n6", "2", "gcd"),
    ),
    "the input as a file": (
        "import sys\nsys.stdin = open('/dev/stdin')\nprint(input(), open('/dev/null').read())",
        problem("x\ny\n", "x \n"),
    ),
    "quit ends a program well": ("print(1)\nquit()", problem("", "1\n")),
    "a future import": ("from __future__ import annotations\nprint(1)", problem("", "1\n")),
    "a byte order mark": ("\ufeffprint(1)", problem("", "1\n")),
    "limits of its own": (
        "import resource\nresource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))\nprint(1)",
        problem("", "1\n"),
    ),
    "a temporary file": (
        "import tempfile\nwith tempfile.TemporaryFile('w+') as f:\n"
        "    f.write('1')\n    f.seek(0)\n    print(f.read())",
        problem("", "1\n"),
    ),
    "the default locale": (
        "import locale\nlocale.setlocale(locale.LC_ALL, '')\nprint(1)",
        problem("", "1\n"),
    ),
    "a time zone": (
        "from zoneinfo import ZoneInfo\nfrom datetime import datetime\n"
        "print(datetime(2020, 1, 1, tzinfo=ZoneInfo('Europe/Berlin')).utcoffset())",
        problem("", "1:00:00\n"),
    ),
}


# Without namespaces there is no folder to write to (docs/judge.md).
NAMESPACES_ONLY = {"a temporary file"}
TIERS = [("namespaces", name) for name in CASES]
TIERS += [("landlock", name) for name in CASES if name not in NAMESPACES_ONLY]


@pytest.mark.parametrize(("isolation", "name"), TIERS)
def test_a_right_program_is_accepted(isolation, name):
    program, asked = CASES[name]
    verdict = judge([Task(0, program, asked)], isolation=isolation)[0]
    assert verdict.verdict == "accepted", verdict.detail


WRONG = {
    "a library's function is no answer": ("import math", problem("4\n6", "2", "gcd")),
    "a float that cannot hold the integer": (
        "def f():\n    return 9007199254740992.0",
        problem("", "9007199254740993", "f"),
    ),
    "leading zeros are another word": ('print("00101")', problem("", "101\n")),
    "an integer beyond 50,000 digits": ("print(10**60000)", problem("", "1\n")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_is_not(name):
    program, asked = WRONG[name]
    assert judge([Task(0, program, asked)])[0].verdict in ("wrong_answer", "runtime_error")
