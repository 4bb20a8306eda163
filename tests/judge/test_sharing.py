"""One process for several tests: only for programs that keep nothing, and never to their favour."""

import opcode

import pytest
from valley.judging import sandbox, sharing, trial
from valley.judging.batch import Task, judge

OPCODES = {name: opcode.opmap[name] for name in sandbox._NAMING}

SHAREABLE = [
    "n = int(input())\nprint(sum(map(int, input().split())))",
    "import sys\ninput = sys.stdin.readline\ndef main():\n    print(int(input()) + 1)\nmain()",
    "from collections import defaultdict, Counter\nd = defaultdict(list)\nprint(len(d))",
    "import heapq\nh = []\nheapq.heappush(h, 1)\nprint(heapq.heappop(h))",
    "class A:\n    def __init__(self, x):\n        self.x = x\nprint(A(1).x)",
    "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(n): return n\nprint(f(1))",
    "if __name__ == '__main__':\n    print([x for x in range(3)])",
]
NOT_SHAREABLE = [
    "import os\nprint(1)",
    "import random\nprint(random.random())",
    "import sys\nsys.stdout = sys.stderr",
    "import math\nmath.pi = 3",
    "import collections as c\nc.Counter.x = 1",
    "import sys\nsys.modules['math'] = None",
    "import sys\nsys.path.append('x')",
    "print(open('x'))",
    "exec('import os')",
    "eval('1')",
    "__import__('os')",
    "globals()['__builtins__'].x = 1",
    "print.__self__.x = 1",
    "().__class__.__bases__",
    "import string\nstring.__dict__['x'] = 1",
    "setattr(int, 'x', 1)",
    "getattr(int, 'x')",
    "import decimal\ndecimal.getcontext().prec = 3",
    "from os import *\nprint(1)",
    "import threading",
    "import typing.io",
    "def f(x):\n    x.y = 1",
    "vars()['x'] = 1",
    "breakpoint()",
]


def shareable(program: str) -> bool:
    code = compile(program, "x", "exec")
    return sharing.keeps_to_itself(code, sharing.harmless_names(), OPCODES)


@pytest.mark.parametrize("program", SHAREABLE)
def test_programs_that_keep_to_themselves(program):
    assert shareable(program)


@pytest.mark.parametrize("program", NOT_SHAREABLE)
def test_programs_that_may_leave_something(program):
    assert not shareable(program)


def problem(count: int) -> dict:
    return {
        "id": "p",
        "function_name": None,
        "tests": [{"input": f"{n}\n", "expected": f"{n + 1}\n"} for n in range(count)],
        "time_limit_s": 1.0,
        "memory_limit_mb": 128,
    }


@pytest.fixture
def shared(monkeypatch):
    """Count the tests that were run in company."""
    counts = []
    original = sandbox.Program.run_all

    def counted(program, inputs):
        runs = original(program, inputs)
        counts.append((len(inputs), runs is not None))
        return runs

    monkeypatch.setattr(sandbox.Program, "run_all", counted)
    return counts


def test_right_programs_share_and_are_accepted(shared):
    found = judge([Task(0, "print(int(input()) + 1)", problem(40))])[0]
    assert (found.verdict, found.tests_passed) == ("accepted", 40)
    assert shared == [(15, True), (15, True), (9, True)]


@pytest.mark.parametrize(
    ("program", "verdict", "failed"),
    [
        ("n = int(input())\nprint(n + (n != 7))", "wrong_answer", 7),
        ("n = int(input())\nassert n != 7\nprint(n + 1)", "runtime_error", 7),
        ("n = int(input())\nwhile n == 7: pass\nprint(n + 1)", "time_limit", 7),
        ("n = int(input())\nx = [0] * (10**9 if n == 7 else 1)\nprint(n + 1)", "memory_limit", 7),
        ("import sys\nn = int(input())\nif n == 7: sys.exit(1)\nprint(n + 1)", "runtime_error", 7),
    ],
)
def test_a_failure_in_company_is_judged_alone(program, verdict, failed):
    alone = judge([Task(0, "import os\n" + program, problem(10))])[0]
    found = judge([Task(0, program, problem(10))])[0]
    assert (found.verdict, found.failed_test) == (verdict, failed)
    assert (found.verdict, found.failed_test, found.tests_passed) == (
        alone.verdict,
        alone.failed_test,
        alone.tests_passed,
    )


def test_limits_hold_for_each_test_not_for_all(shared):
    """Ten tests of a quarter of the limit each: too much together, so each is run alone."""
    busy = "n = int(input())\nfor _ in range(10**7): pass\nprint(n + 1)"
    found = judge([Task(0, busy, problem(16))])[0]
    assert found.verdict == "accepted"
    assert shared == [(15, False)]


def test_last_words_are_heard_in_company_too(shared):
    """A suspended generator prints when it goes, which makes the output wrong, or right."""
    program = (
        "def f(x):\n    try:\n        yield x\n    finally:\n        print(x{})\n"
        "n = int(input())\ng = f(n + 1)\nnext(g)\n"
    )
    assert shareable(program.format(""))
    right = judge([Task(0, program.format(""), problem(10))])[0]
    assert (right.verdict, shared) == ("accepted", [(9, True)])
    # Too much is printed in one later test: that must not go unheard.
    program = (
        "def f(x):\n    try:\n        yield x\n    finally:\n        if x == 4: print('late')\n"
        "n = int(input())\ng = f(n)\nprint(next(g) + 1)\n"
    )
    assert shareable(program)
    found = judge([Task(0, program, problem(10)), Task(1, "import os\n" + program, problem(10))])
    assert found[0] == found[1]
    assert (found[0].verdict, found[0].failed_test) == ("wrong_answer", 4)


def test_nothing_of_one_test_is_there_in_the_next():
    program = "import sys\nn = int(input())\nk = sys.getrecursionlimit\nprint(n + 1)"
    assert not shareable(program)
    program = (
        "import sys\nx = globals if False else None\nseen = []\nseen.append(input())\n"
        "print(int(seen[0]) + len(seen))"
    )
    assert judge([Task(0, program, problem(20))])[0].verdict == "accepted"
    assert trial.MOST_SHARING * 3 + 1 < 60
