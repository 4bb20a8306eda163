"""What becomes of honest programs, right and wrong, in every tier that this machine has."""

import os
import subprocess
import sys

import pytest
from judging import isolation
from judging.batch import Task, judge
from judging.verdicts import Verdict


def problem(*tests, **more) -> dict:
    return {
        "id": "p",
        "function_name": None,
        "tests": [{"input": given, "expected": expected} for given, expected in tests],
        "time_limit_s": 2.0,
        "memory_limit_mb": 256,
        **more,
    }


def tiers() -> list[str]:
    found = []
    for name in isolation.TIERS:
        try:
            isolation.tier(name)
        except isolation.NoIsolation:
            continue
        found.append(name)
    return found


def verdict_of(program, of, **options) -> Verdict:
    return judge([Task(0, program, of)], **options)[0]


ECHO = problem(("1\n2 3\nend", "1\n2 3\nend\n"), ("x\r\ny\r\n", "x\ny\n"), ("ä€𝄞\n", "ä€𝄞\n"))
SUM = problem(("3\n1 2 3\n", "6\n"), ("1\n5", "5"), ("2\n1 1\n", "2"))
FLOATS = problem(("1 3\n", "0.333333"), ("2 4\n", "0.5"))
READS_LINES = problem(("2\n1\n2\n", "3"), ("1\n7\n", "7"))
DEEP = problem(("100000\n", "100000"))

STDIN = {
    "iterates stdin": (
        "import sys\nlines = [line for line in sys.stdin]\nprint(sum(map(int, lines[1:])))",
        READS_LINES,
    ),
    "writes to the buffer": (
        "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())",
        ECHO,
    ),
    "readline of the buffer, twice": (
        "import sys\nread = sys.stdin.buffer.readline\nn = int(read())\n"
        "print(sum(map(int, read().split())))",
        SUM,
    ),
    "input mixed with read": (
        "import sys\nn = int(input())\nprint(sum(map(int, sys.stdin.read().split())))",
        SUM,
    ),
    "open(0)": ("n, *rest = map(int, open(0).read().split())\nprint(sum(rest))", SUM),
    "open(0) in bytes": ("n, *r = open(0, 'rb').read().split()\nprint(sum(map(int, r)))", SUM),
    "os.read": ("import os\nn, *r = os.read(0, 10**6).split()\nprint(sum(map(int, r)))", SUM),
    "global": (
        "total = 0\ndef add(x):\n    global total\n    total += x\n"
        "def main():\n    input()\n    for x in map(int, input().split()): add(x)\n"
        "    print(total)\nmain()",
        SUM,
    ),
    "main guard": (
        "def main():\n    input()\n    print(sum(map(int, input().split())))\n"
        "if __name__ == '__main__':\n    main()",
        SUM,
    ),
    "sys.exit": ("import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit()", SUM),
    "sys.exit(0) in a function": (
        "import sys\ndef f():\n    input()\n    print(sum(map(int, input().split())))\n"
        "    sys.exit(0)\nf()\nprint('never')",
        SUM,
    ),
    "exit()": ("input()\nprint(sum(map(int, input().split())))\nexit()", SUM),
    "os._exit after a flush": (
        "import os\ninput()\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)",
        SUM,
    ),
    "atexit": (
        "import atexit\nout = []\natexit.register(lambda: print(*out))\ninput()\n"
        "out.append(sum(map(int, input().split())))",
        SUM,
    ),
    "a class with state": (
        "class T:\n    seen = []\n    def __init__(self):\n        self.total = 0\n"
        "t = T()\ninput()\nfor x in input().split():\n    t.total += int(x)\n    T.seen.append(x)\n"
        "print(t.total)\nassert len(T.seen) < 4",
        SUM,
    ),
    "cache": (
        "from functools import lru_cache\n@lru_cache(None)\ndef f(i): return a[i] + f(i + 1)"
        " if i < len(a) else 0\ninput()\na = [*map(int, input().split())]\nprint(f(0))",
        SUM,
    ),
    "standard modules": (
        "import sys, math, re, json, random, decimal, fractions, heapq, bisect, collections\n"
        "import itertools, functools, string, datetime, time, copy, operator, statistics, typing\n"
        "import queue, array, dataclasses, enum, threading, asyncio, hashlib, zlib, ctypes\n"
        "input()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
    "asyncio": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    input()\n"
        "    print(sum(map(int, input().split())))\nasyncio.run(f())",
        SUM,
    ),
    "a thread with a larger stack": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 27)\n"
        "def f(n): return n and 1 + f(n - 1)\n"
        "t = threading.Thread(target=lambda: print(f(int(input()))))\nt.start()\nt.join()",
        DEEP,
    ),
    "a thread of the usual size": (
        "import threading\nt = threading.Thread(target=lambda: print(input()))\nt.start()",
        DEEP,
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\n"
        "print(f(int(input())))",
        DEEP,
    ),
    "deep recursion through C": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return 0 if n == 0 else 1 + max(map(f, [n - 1]))\nprint(5 * f(20000))\n"
        "input()",
        DEEP,
    ),
    "raises the stack limit": (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 29, resource.RLIM_INFINITY))\n"
        "input()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
    "every print flushed": (
        "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)",
        ECHO,
    ),
    "no newline at the end": ("import sys\nsys.stdout.write(sys.stdin.read().rstrip())", ECHO),
    "decimals": ("a, b = map(int, input().split())\nprint('%.9f' % (a / b))", FLOATS),
    "reads to the end by exception": (
        "t = []\ntry:\n    while True: t.append(input())\nexcept EOFError: pass\n"
        "print(sum(map(int, ' '.join(t[1:]).split())))",
        SUM,
    ),
    "prints to stderr": (
        "import sys\ninput()\nprint('debug', file=sys.stderr)\n"
        "print(sum(map(int, input().split())))",
        SUM,
    ),
    "replaces stdin and stdout": (
        "import io, sys\nsys.stdin = io.StringIO(sys.stdin.read())\nout = io.StringIO()\n"
        "sys.stdout, real = out, sys.stdout\ninput()\nprint(sum(map(int, input().split())))\n"
        "real.write(out.getvalue())",
        SUM,
    ),
    "a writer of its own, left open": (
        "out = open(1, 'w')\ninput()\nprint(sum(map(int, input().split())), file=out)",
        SUM,
    ),
    "prints in __del__": (
        "class A:\n    def __init__(self, x): self.x = x\n    def __del__(self): print(self.x)\n"
        "input()\na = A(sum(map(int, input().split())))",
        SUM,
    ),
    "the usual fast output": (
        "import os, sys\nfrom io import BytesIO, IOBase\nclass FastIO(IOBase):\n"
        "    def __init__(self, file):\n        self._fd = file.fileno()\n"
        "        self.buffer = BytesIO()\n        self.write = self.buffer.write\n"
        "    def flush(self):\n        os.write(self._fd, self.buffer.getvalue())\n"
        "        self.buffer.truncate(0), self.buffer.seek(0)\n"
        "class IOWrapper(IOBase):\n    def __init__(self, file):\n"
        "        self.buffer = FastIO(file)\n        self.flush = self.buffer.flush\n"
        "        self.write = lambda s: self.buffer.write(s.encode('ascii'))\n"
        "sys.stdout = IOWrapper(sys.stdout)\ninput()\n"
        "print(sum(map(int, input().split())))",
        SUM,
    ),
    "a fast reader": (
        "import io, os, sys\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        "input()\nsys.stdout.write(str(sum(map(int, input().split()))))",
        SUM,
    ),
    "several megabytes": (
        "import sys\nd = sys.stdin.read()\nsys.stdout.write(d)",
        problem(("1234567\n" * 500_000, "1234567\n" * 500_000)),
    ),
    "many tests": (
        "print(int(input()) ** 2)",
        problem(*((f"{n}\n", f"{n * n}\n") for n in range(40))),
    ),
    "windows line ends in the source": (
        "input()\r\nprint(sum(map(int, input().split())))\r\n",
        SUM,
    ),
    "an encoding line": (
        "# -*- coding: utf-8 -*-\ninput()\nprint(sum(map(int, input().split())))",
        SUM,
    ),
}


if sys.version_info >= (3, 12):
    # The interpreter itself counts C calls since, and ends it by an exception.
    del STDIN["deep recursion through C"]


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
def test_wrong_programs(name):
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
def test_functions(name):
    program, word = FUNCTIONS[name]
    found = verdict_of(program, {**FUNCTION, "time_limit_s": 0.5})
    assert found.verdict == word, found


def test_values_of_functions():
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
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
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


def test_a_program_is_judged_once(monkeypatch):
    import judging.batch as batch

    seen = []
    original = batch.judge_program

    def counted(boxes, program, *rest):
        seen.append(program)
        return original(boxes, program, *rest)

    monkeypatch.setattr(batch, "judge_program", counted)
    found = judge([Task(n, f"print({n % 2})", SUM) for n in range(10)])
    assert len(found) == 10 and len(seen) == 2


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
        "n = int(input())\nprint('x', 'y')": ("judge_error", None),
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
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from judging import kernel\n"
        "kernel.unshare(kernel.CLONE_NEWUSER)\n"
        "import os\n"
        "open('/proc/self/setgroups', 'w').write('deny')\n"
        "open('/proc/self/uid_map', 'w').write('0 0 1')\n"
        "open('/proc/self/gid_map', 'w').write('0 0 1')\n"
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0')\n"
        "from judging import isolation\n"
        "from judging.batch import Task, judge\n"
        "print(isolation.tier().name, isolation.tier().reason)\n"
        f"print(judge([Task(0, 'print(6)', {problem(('', '6'))!r})])[0].verdict)\n"
    )
    scripts = os.path.join(os.path.dirname(__file__), "..", "..", "workflow_scripts")
    done = subprocess.run(
        [sys.executable, str(script), os.path.abspath(scripts)], capture_output=True, text=True
    )
    assert done.stdout.startswith("landlock no namespaces: "), done.stdout + done.stderr
    assert done.stdout.endswith("accepted\n"), done.stdout + done.stderr
