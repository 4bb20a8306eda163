"""Where the judge differs from EvalPlus's own evaluator: each row of the page's table, both ways.

The evaluator's way is written here anew: every input has a limit of wall time of its own, the
larger of a least one and a multiple of what the reference took; outputs near the expected ones must
have their type. It is scaled down: a tenth of a second stands for a second.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_material import HARNESS
from valley.judging.batch import Task, judge
from valley.judging.forms import convert

WAY = """
import json, math, signal, sys
program, name, inputs, expected, taken, atol, timer = json.loads(sys.argv[1])
timer = getattr(signal, f"ITIMER_{timer}")
LEAST, FACTOR = 0.1, 4.0

def stop(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, stop)
signal.signal(signal.SIGPROF, stop)
space = {}
exec(program, space)
for given, wanted, seconds in zip(inputs, expected, taken):
    signal.setitimer(timer, max(LEAST, FACTOR * seconds))
    found = space[name](*given)
    signal.setitimer(timer, 0)
    near = 1e-6 if atol == 0 and isinstance(wanted, float) else atol
    if found != wanted:
        assert near and type(found) is type(wanted)
        assert math.isclose(found, wanted, rel_tol=1e-7, abs_tol=near)
print("passed")
"""
SPIN = (
    "import time\ndef spin(s):\n    end = time.process_time() + s\n"
    "    while time.process_time() < end: pass\n"
)
# name: (program, inputs, seconds that the reference took on each, there, here)
ROWS = {
    "longer than an input's limit on one input": (
        f"{SPIN}def f(x):\n    spin(0.25 if x == 1 else 0)\n    return x",
        ([[0], [1]], [0, 0]),
        (False, "accepted"),
    ),
    "as slow as the reference": (
        f"{SPIN}def f(x):\n    spin(0.25)\n    return x",
        ([[0]], [0.25]),
        (True, "accepted"),
    ),
    "short on each of many inputs, more than 6 s in all": (
        f"{SPIN}def f(x):\n    spin(0.03)\n    return x",
        ([[n] for n in range(40)], [0] * 40),
        (True, "time_limit"),
    ),
    "no end on one input": (
        "def f(x):\n    while x == 1: pass\n    return x",
        ([[0], [1]], [0, 0]),
        (False, "time_limit"),
    ),
    "waiting on one input": (
        "import time\ndef f(x):\n    time.sleep(0.3 * x)\n    return x",
        ([[0], [1]], [0, 0]),
        (False, "accepted"),
    ),
}


def there(
    program: str, inputs: list, expected: list, taken: list, atol: float = 0, timer: str = "PROF"
) -> bool:
    """Tell whether the evaluator accepts; PROF is what REAL measures on a machine with no load."""
    task = json.dumps([program, "f", inputs, expected, taken, atol, timer])
    command = [sys.executable, "-I", "-c", WAY, task]
    return subprocess.run(command, capture_output=True, text=True).stdout == "passed\n"


def here(program: str, inputs: list, expected: list, atol: float = 0) -> str:
    test = HARNESS + (
        f"def check(candidate):\n    inputs = {inputs!r}\n    results = {expected!r}\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
        f"        assertion(candidate(*inp), exp, {atol})\n"
    )
    row = {"task_id": "HumanEval/0", "prompt": "def f(x):\n", "test": test, "entry_point": "f"}
    problem = convert(row) | {"time_limit_s": 0.6}  # for the 6 s that such rows have
    return judge([Task(0, program, problem)])[0].verdict


@pytest.mark.parametrize("name", ROWS)
def test_time(name):
    program, (inputs, taken), expected = ROWS[name]
    results = [given[0] for given in inputs]
    timer = "REAL" if "waiting" in name else "PROF"
    accepted = there(program, inputs, results, taken, timer=timer)
    assert (accepted, here(program, inputs, results)) == expected


@pytest.mark.parametrize(
    ("value", "atol", "expected"),
    [
        ("2.0000001", 1e-6, (True, "accepted")),
        ("2.1", 1e-6, (False, "wrong_answer")),
        # The published test file knows nothing of types where a tolerance holds.
        ("complex(2, 0) * (1 + 1e-8)", 1e-6, (False, "accepted")),
        ("2", 0, (True, "accepted")),
    ],
)
def test_types_and_tolerances(value, atol, expected):
    program = f"def f(x): return {value}"
    assert (there(program, [[0]], [2.0], [0], atol), here(program, [[0]], [2.0], atol)) == expected


def test_the_page_has_these_rows():
    page = Path(__file__).resolve().parents[2] / "docs/judge.md"
    text = page.read_text(encoding="utf-8").split("from EvalPlus's evaluator\n\n")[1]
    table = [line.split(" | ") for line in text.split("\n\n")[1].split("\n")[2:]]
    told = {row[0].removeprefix("| "): row[1] == "right" for row in table}
    kinds = [name for name in told if name in ROWS]
    assert {name: ROWS[name][2][0] for name in kinds} == {name: told[name] for name in kinds}
    assert {*told} - {*kinds} == {"a complex number within the tolerance of a float"}


def test_rows_without_a_limit_have_six_seconds_for_the_whole_test():
    row = {"task_id": "HumanEval/0", "prompt": "def f(x):\n", "test": "x", "entry_point": "f"}
    assert convert(row)["time_limit_s"] == 6.0
