"""What becomes of honest programs, right and wrong, in every tier that this machine has."""

import os
import subprocess
import sys

import pytest
from honest_programs import STDIN, SUM, problem
from paths import finding
from tiers import tiers
from valley.judging import isolation
from valley.judging.batch import Task, judge
from valley.judging.verdicts import Verdict


def verdict_of(program, of, **options) -> Verdict:
    return judge([Task(0, program, of)], **options)[0]


@pytest.fixture(scope="module")
def stdin_verdicts():
    """All programs, judged in one batch a tier."""
    tasks = [Task(name, program, of) for name, (program, of) in STDIN.items()]
    return {
        tier: dict(zip(STDIN, judge(tasks, jobs=2, isolation=tier), strict=True))
        for tier in tiers()
    }


@pytest.mark.parametrize("name", STDIN)
def test_right_programs_are_accepted(name, stdin_verdicts):
    for tier, verdicts in stdin_verdicts.items():
        assert verdicts[name].verdict == "accepted", (tier, verdicts[name])
        assert verdicts[name].tests_passed == len(STDIN[name][1]["tests"])


WRONG = {
    "own except does not swallow the time limit": (
        "while True:\n    try:\n        while True: pass\n    except Exception: print('caught')",
        "time_limit",
        0,
    ),
    "no memory limit is swallowed": ("a = [0] * 10**9", "memory_limit", 0),
    "dies without a word": ("import os\nos.abort()", "runtime_error", 0),
    "exit status": (
        "import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit(3)",
        "runtime_error",
        0,
    ),
    "wrong in the second test": ("input()\nprint(6)", "wrong_answer", 1),
    "fails in the second test": ("n = int(input())\nassert n == 3\nprint(6)", "runtime_error", 1),
    "does not parse": ("print(1", "compile_error", None),
    "raises": ("raise ValueError('no')", "runtime_error", 0),
    "prints too much": ("print(6)\nprint(7)", "wrong_answer", 0),
    "prints nothing": ("pass", "wrong_answer", 0),
    "reads too far": ("input()\ninput()\ninput()", "runtime_error", 0),
    "too deep": ("def f(): f()\nf()", "runtime_error", 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_programs_get_their_verdict(name):
    program, word, failed = WRONG[name]
    found = verdict_of(program, {**SUM, "time_limit_s": 0.5})
    assert (found.verdict, found.failed_test) == (word, failed), found
    assert found.tests_passed == (failed or 0)


def test_details_say_what_happened():
    details = {
        "raise ValueError('no')": "ValueError: no",
        "x = object()\nraise KeyError(x)": "KeyError: <object object at 0x…>",
        "print(7)": "line 1: '7', expected '6'",
        "import os\nos.abort()": "ended by SIGABRT",
        "import sys\nsys.exit(3)": "exit status 3",
        "import sys\nsys.exit('bad')": "bad",
        "print(1": "SyntaxError: '(' was never closed (solution.py, line 1)",
    }
    found = judge([Task(0, program, SUM) for program in details])
    assert [verdict.detail for verdict in found] == list(details.values())


FUNCTION = problem(("3\n4", "7"), ("1\n1", "2"), function_name="add")
FUNCTIONS = {
    "a function": ("def add(a, b): return a + b", "accepted"),
    "a method": (
        "class Solution:\n    def add(self, a: int, b: int) -> int: return a + b",
        "accepted",
    ),
    "contest imports": (
        "class Solution:\n    def add(self, a: int, b: int, c: Optional[List[int]] = None):\n"
        "        return sum(Counter({1: a, 2: b}).values()) + floor(0.5) + len(deque())",
        "accepted",
    ),
    "prints as it goes": ("def add(a, b):\n    print('debug')\n    return a + b", "accepted"),
    "a float": ("def add(a, b): return float(a + b)", "accepted"),
    "wrong": ("def add(a, b): return a - b", "wrong_answer"),
    "no such function": ("def plus(a, b): return a + b", "runtime_error"),
    "other arguments": ("def add(a): return a", "runtime_error"),
    "raises": ("def add(a, b): raise ValueError", "runtime_error"),
    "no value for JSON": ("def add(a, b): return add", "runtime_error"),
    "loops": ("def add(a, b):\n    while True: pass", "time_limit"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_get_their_verdict(name):
    program, word = FUNCTIONS[name]
    found = verdict_of(program, {**FUNCTION, "time_limit_s": 0.5})
    assert found.verdict == word, found


def test_values_of_functions_are_compared_as_json():
    cases = [
        ("def f(a): return (1, 2)", "[1, 2]"),
        ("def f(a): return {3, 1, 2}", "[1, 2, 3]"),
        ("def f(a): return {1: 'a'}", '{"1": "a"}'),
        ("def f(a): return None", "null"),
        ("def f(a): return 'é'", '"é"'),
        ("def f(a): return 0.1 + 0.2", "0.3"),
        ("def f(a): return 10 ** 6000", "1" + "0" * 6000),
        ("from collections import deque\ndef f(a): return deque(a)", "[5]"),
        ("def f(a): return a", "(5,)"),
    ]
    tasks = [
        Task(0, program, problem(("[5]", expected), function_name="f"))
        for program, expected in cases
    ]
    assert [verdict.verdict for verdict in judge(tasks)] == ["accepted"] * len(cases)


def test_no_program_and_bad_problems():
    tasks = [
        Task(0, None, SUM),
        Task(1, "  \n", SUM),
        Task(2, "print(1)", problem()),
        Task(3, "print(1)", problem(("1", None))),
        Task(4, "print(1)", {**SUM, "time_limit_s": 0}),
        Task(5, "print(1)", {**SUM, "memory_limit_mb": None}),
        Task(6, "print(1)", {"id": "gone"}),
        Task(7, "print(1)", {**SUM, "function_name": "not a name"}),
        Task(8, "def f(a): return 1", problem(("[1", "1"), function_name="f")),
    ]
    found = judge(tasks)
    assert [verdict.verdict for verdict in found] == ["no_code"] * 2 + ["judge_error"] * 7
    assert found[2].detail == "problem p: tests: there are none"
    assert found[3].detail == "problem p: tests[0].expected: None is no text"
    assert found[4].detail == "problem p: time_limit_s: 0 is no positive number"
    assert found[8].detail == "problem p: tests[0].input: '[1' is no value"


def test_all_tests_or_up_to_the_first_failure():
    program = "n = int(input())\nassert n != 1\nprint(sum(map(int, input().split())))"
    assert verdict_of(program, SUM).tests_passed == 1
    every = verdict_of(program, SUM, stop_at_first_failure=False)
    assert (every.verdict, every.failed_test, every.tests_passed) == ("runtime_error", 1, 2)


def test_the_time_limit_is_of_processor_time():
    busy = "import time\nwhile time.process_time() < 0.3: pass\ninput()\nprint(6)"
    one = problem(("1\n", "6\n"))
    assert verdict_of(busy, {**one, "time_limit_s": 1.0}).verdict == "accepted"
    assert verdict_of(busy, {**one, "time_limit_s": 0.2}).verdict == "time_limit"
    assert verdict_of(busy, {**one, "time_limit_s": 0.2}, time_factor=5.0).verdict == "accepted"
    asleep = "import time\ntime.sleep(0.6)\nprint(6)"
    assert verdict_of(asleep, {**one, "time_limit_s": 0.2}).verdict == "accepted"
    found = verdict_of(asleep, {**one, "time_limit_s": 0.2}, wall_factor=1.0, wall_extra_s=0.1)
    assert found.verdict == "time_limit" and found.detail.startswith("idle")


def test_a_busy_machine_makes_no_slow_programs():
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(6)"
    others = [  # each in a session of its own: the kernel may share the machine among sessions
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(3 * len(os.sched_getaffinity(0)))
    ]
    try:
        found = verdict_of(busy, {**problem(("", "6")), "time_limit_s": 0.5})
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert found.verdict == "accepted"
    assert found.wall_s > 0.5, "it was not slowed down, so this has shown nothing"


def test_measurements_are_told_and_not_compared():
    found = verdict_of(
        "x = bytearray(50 << 20)\nx[::4096] = b'1' * len(x[::4096])\nprint(6)", problem(("", "6"))
    )
    assert 50 < found.peak_mb < 120 and 0 < found.cpu_s < 2 and found.wall_s > 0
    assert found == Verdict("accepted", None, 1, "")


def test_same_input_same_verdicts():
    programs = [
        "import random\nprint(random.random())",
        "print(hash('a'), {'a', 'b', 'c'})",
        "print(id(object()))",
        "import os\nprint(os.getpid(), os.getcwd(), sorted(os.environ))",
        "import tempfile\nraise ValueError(tempfile.mkstemp()[0])",
    ]
    tasks = [Task(0, program, SUM) for program in programs]
    assert judge(tasks) == judge(tasks, jobs=2)


def test_a_program_is_judged_once(judged):
    found = judge([Task(n, f"print({n % 2})", SUM) for n in range(10)])
    assert len(found) == 10 and len(judged) == 2


CHECKER = """
def check(input, expected, output):
    words = output.split()
    if len(words) != 2:
        return False, f"{len(words)} numbers, not 2"
    return sum(map(int, words)) == int(input)
"""


def test_a_checker_decides_where_there_are_many_right_answers():
    of = problem(("10\n", "5 5"), ("7\n", "3 4"), checker=CHECKER)
    programs = {
        "n = int(input())\nprint(1, n - 1)": ("accepted", ""),
        "n = int(input())\nprint(n // 2, n // 2)": ("wrong_answer", "the checker says no"),
        "n = int(input())\nprint(n)": ("wrong_answer", "1 numbers, not 2"),
        # The checker fails on this output, and does not on the expected one.
        "n = int(input())\nprint('x', 'y')": ("wrong_answer", None),
    }
    for program, (word, detail) in programs.items():
        found = verdict_of(program, of)
        assert found.verdict == word, found
        assert detail is None or found.detail == detail
    called = problem(
        ("10", "null"),
        function_name="f",
        checker="import json\ndef check(i, e, o): return sum(json.loads(o)) == int(i)",
    )
    assert verdict_of("def f(n): return [1, n - 1]", called).verdict == "accepted"
    assert verdict_of("def f(n): return None", called).verdict == "judge_error"  # so does `null`
    known = {**called, "tests": [{"input": "10", "expected": "[3, 7]"}]}
    assert verdict_of("def f(n): return None", known).verdict == "wrong_answer"
    endless = "def check(i, e, o):\n    while o != e: pass\n    return True"
    stuck = problem(("10", "5"), checker=endless.replace("!= e", "== '7\\n'"))
    assert verdict_of("print(7)", stuck).verdict == "wrong_answer"
    unsure = {**of, "checker": "def check(i, e, o): return None"}
    assert verdict_of("print(5, 5)", unsure).verdict == "judge_error"
    broken = {**of, "checker": "def check(:"}
    found = verdict_of("print(1)", broken)
    assert (
        found.verdict == "judge_error" and "problem p: the checker does not compile" in found.detail
    )


def test_an_unusable_tier_is_refused_with_advice(monkeypatch):
    monkeypatch.setattr(isolation, "_failure", lambda name: "not allowed here")
    isolation.tier.cache_clear()
    try:
        with pytest.raises(isolation.NoIsolation, match="isolation: rlimits"):
            isolation.tier("auto")
        monkeypatch.setattr(isolation, "_failure", lambda n: "" if n == "landlock" else "forbidden")
        found = isolation.tier("auto")
        assert found.name == "landlock" and "no namespaces: forbidden" in found.reason
        with pytest.raises(ValueError, match="sandbox"):
            isolation.tier("sandbox")
    finally:
        isolation.tier.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a limit that only root may set")
def test_namespaces_forbidden_means_landlock(tmp_path):
    """With the kernel's own limit on user namespaces at 0, `auto` falls back and judges."""
    if "landlock" not in tiers():
        pytest.skip("this machine has no landlock")
    script = tmp_path / "run.py"
    script.write_text(
        "from valley.judging import kernel\n"
        "kernel.unshare(kernel.CLONE_NEWUSER)\n"
        "import os\n"
        "open('/proc/self/setgroups', 'w').write('deny')\n"
        "open('/proc/self/uid_map', 'w').write('0 0 1')\n"
        "open('/proc/self/gid_map', 'w').write('0 0 1')\n"
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0')\n"
        "from valley.judging import isolation\n"
        "from valley.judging.batch import Task, judge\n"
        "print(isolation.tier().name, isolation.tier().reason)\n"
        f"print(judge([Task(0, 'print(6)', {problem(('', '6'))!r})])[0].verdict)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=finding()
    )
    assert done.stdout.startswith("landlock no namespaces: "), done.stdout + done.stderr
    assert done.stdout.endswith("accepted\n"), done.stdout + done.stderr
