"""Hostile programs beside honest ones: every verdict as expected, and nothing left behind."""

import os
import secrets
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from hostile_programs import CASES, SEARCHES
from paths import finding
from tiers import tiers
from valley.judging.batch import Task, judge
from valley.judging.sandbox import Sandbox

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
LIMITS = {"time_limit_s": 0.5, "memory_limit_mb": 128}
STDIN = {
    "id": "stdin",
    "function_name": None,
    "tests": [
        {"input": "1\n", "expected": "safe\n"},
        {"input": "2\n", "expected": "safe\n"},
    ],
    **LIMITS,
}
SECRET = f"expected-{secrets.token_hex(12)}"
HIDDEN = {**STDIN, "id": "hidden", "tests": [{"input": "1\n", "expected": SECRET}] * 2}
CALLED = {
    "id": "called",
    "function_name": "f",
    "tests": [{"input": "3", "expected": "6"}],
    **LIMITS,
}
HONEST = [
    ("print('safe')", STDIN, "accepted"),
    ("print('sorry')", STDIN, "wrong_answer"),
    ("import tempfile\nprint('safe')", STDIN, "accepted"),
    ("1/0", STDIN, "runtime_error"),
    ("def f(x): return 2 * x", CALLED, "accepted"),
    ("class Solution:\n    def f(self, x): return x", CALLED, "wrong_answer"),
    ("for i in range(10**6): pass\nprint('safe')", STDIN, "accepted"),
]


def processes(sessions: list[int]) -> list[str]:
    """What still runs in these sessions; no judged program can leave its own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            except OSError:
                continue
            if session in sessions:
                found.append(entry.name)
    return found


@pytest.fixture
def sessions(monkeypatch):
    """The sessions of all sandboxes that are started in the test."""
    seen: list[int] = []
    start = Sandbox.start

    def recorded(box):
        start(box)
        seen.append(box._process.pid)

    monkeypatch.setattr(Sandbox, "start", recorded)
    return seen


@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_hostile_programs_beside_honest_ones(tier, tmp_path, monkeypatch, sessions):
    if tier not in tiers():
        pytest.skip(f"this machine has no {tier}")
    monkeypatch.setenv("JUDGE_TEST_SECRET", "1")
    secret = tmp_path / "secret"
    secret.write_text("the expected output")
    mounts = Path("/proc/self/mountinfo").read_text()
    judge_file = SCRIPTS / "judging" / "zygote.py"
    tasks, wanted, names = [], [], []
    for number, case in enumerate(CASES):
        program = (
            case.program.replace("{secret}", str(secret))
            .replace("{folder}", str(tmp_path))
            .replace("{judge}", str(judge_file))
            .replace("{packages}", sysconfig.get_path("purelib"))
        )
        of = CALLED if case.function else HIDDEN if case in SEARCHES else STDIN
        tasks.append(Task(case.name, program, of))
        wanted.append(case.landlock if tier == "landlock" and case.landlock else case.verdict)
        names.append(case.name)
        program, problem, verdict = HONEST[number % len(HONEST)]
        tasks.append(Task(number, f"{program}\n# {number}", problem))
        wanted.append(verdict)
        names.append(f"honest {number % len(HONEST)}")

    verdicts = judge(
        tasks, jobs=2, isolation=tier, output_limit_mb=1, wall_factor=1.0, wall_extra_s=1.5
    )

    wrong = [
        f"{name}: {verdict.verdict} ({verdict.detail}), expected {want}"
        for name, verdict, want in zip(names, verdicts, wanted, strict=True)
        if verdict.verdict != want
    ]
    assert not wrong, "\n".join(wrong)
    assert secret.read_text() == "the expected output"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert len(set(sessions)) >= 4
    for _ in range(50):
        if not processes(sessions):
            break
        time.sleep(0.1)
    assert not processes(sessions)


def test_the_searches_would_find_what_is_there():
    """With the answer in the program's own memory both kinds of search hit."""
    for case in SEARCHES[:2]:
        program = f"hidden = {{'x': '{SECRET}'}}\n{case.program}"
        assert judge([Task(0, program, HIDDEN)])[0].verdict == "accepted"


def test_enough_programs():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


ORDINARY = """
import json, os, sys
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""
JUDGING = """
import sys
from hostile_programs import CASES, SEARCHES
from valley.judging.problems import read_problem
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.trial import judge_program
from valley.judging.verdicts import Options
rows = eval(sys.argv[3])
options = Options(output_limit_mb=1, wall_factor=1.0, wall_extra_s=1.5)
problems = [read_problem(row) for row in rows]
with SandboxPool(sys.argv[2]) as boxes:
    for case in CASES:
        program = case.program.replace("{secret}", "/etc/passwd").replace("{folder}", "/var/log")
        program = program.replace("{judge}", sys.argv[1] + "/valley/judging/zygote.py")
        problem = problems[1 if case.function else 2 if case in SEARCHES else 0]
        verdict = judge_program(boxes, program, problem, options)
        if verdict.verdict != case.verdict:
            print(case.name, verdict, "expected", case.verdict)
print("done")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user, the tests above do this")
@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_hostile_programs_as_an_ordinary_user(tier):
    interpreter = "/usr/bin/python3"
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(interpreter) or subprocess.run([interpreter, "-c", version]).returncode:
        pytest.skip("needs a system Python >= 3.11, which an ordinary user may read")
    done = subprocess.run(
        [
            interpreter,
            "-c",
            ORDINARY,
            JUDGING,
            str(SCRIPTS),
            tier,
            repr([STDIN, CALLED, HIDDEN]),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        env=finding(Path(__file__).parent),
    )
    if "SandboxError" in done.stderr and tier not in tiers():
        pytest.skip(f"this machine has no {tier}")
    assert done.stdout == "done\n", done.stdout + done.stderr[-2000:]
