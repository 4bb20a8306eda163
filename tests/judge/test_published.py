"""Published tests: the verdict is what one process running program and test would give."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_material import HARNESS
from paths import finding
from published_programs import HOSTILE, HUMANEVAL, MBPP, SHADOWING
from test_hostile import ORDINARY
from tiers import tiers
from valley.judging.batch import Task, judge
from valley.judging.forms import convert
from valley.judging.references import proved


def humaneval(prompt: str, entry: str, test: str) -> dict:
    row = {"task_id": "HumanEval/1", "prompt": prompt or f"def {entry}():\n", "test": test}
    return row | {"entry_point": entry}


def mbpp(assertions: list[str], **more) -> dict:
    return {"task_id": 1, "text": "?", "code": "", "test_list": assertions} | more


def as_published(text: str) -> bool:
    """Whether program and test, in one process and namespace, come to their end."""
    code = (
        "import os, sys\nspace = {}\nexec(sys.argv[1], space)\nos.write(1, b'passed')\nos._exit(0)"
    )
    command = [sys.executable, "-I", "-c", code, text]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    return done.stdout.endswith(b"passed")


@pytest.mark.parametrize("name", HUMANEVAL)
def test_humanevals_verdicts_are_the_published_harnesss(name):
    prompt, entry, test, program = HUMANEVAL[name]
    body = f"{prompt}    pass\n" if prompt else ""
    published = as_published(f"{body}\n{program}\n{test}\ncheck({entry})")
    (verdict,) = judge([Task(0, program, convert(humaneval(prompt, entry, test)))])
    assert (verdict.verdict == "accepted") is published, verdict
    assert verdict.verdict in ("accepted", "wrong_answer", "runtime_error")


@pytest.mark.parametrize("name", MBPP)
def test_mbpps_verdicts_are_the_published_harnesss(name):
    assertions, program = MBPP[name]
    published = as_published("\n".join([program, *assertions]))
    (verdict,) = judge([Task(0, program, convert(mbpp(assertions, code=program)))])
    assert (verdict.verdict == "accepted") is published, verdict
    assert verdict.verdict in ("accepted", "wrong_answer", "runtime_error")


@pytest.mark.parametrize("name", SHADOWING)
def test_a_builtin_that_the_program_replaces_gains_nothing(name):
    program, word = SHADOWING[name]
    test = "def check(g):\n    for x in range(3):\n        assert abs(g(x) - x) < 1e-6\n"
    published = as_published(f"{program}\n{test}\ncheck(f)")
    (verdict,) = judge([Task(0, program, convert(humaneval("", "f", test)))])
    assert verdict.verdict == word
    assert published or word != "accepted"


@pytest.mark.parametrize("tier", tiers())
def test_no_attack_on_the_channel_gains_a_verdict(tier):
    test = "def check(candidate):\n    for _ in range(2):\n        assert candidate() == 42\n"
    problem = convert(humaneval("", "f", test)) | {"time_limit_s": 1.0, "memory_limit_mb": 512}
    tasks = [Task(name, program, problem) for name, program in HOSTILE.items()]
    tasks.append(Task("honest", "def f(): return 42", problem))
    found = judge(tasks, isolation=tier)
    words = {task.key: verdict.verdict for task, verdict in zip(tasks, found, strict=True)}
    assert words.pop("honest") == "accepted"
    failures = {"wrong_answer", "runtime_error", "memory_limit", "time_limit", "output_limit"}
    assert {name: word for name, word in words.items() if word not in failures} == {}


def test_looking_at_an_endless_value_is_the_programs_failure():
    problem = convert(
        humaneval("", "f", "def check(candidate):\n    assert list(candidate()) == [1]")
    )
    problem |= {"time_limit_s": 0.5}
    programs = ["def f():\n    while True: yield 1", "def f():\n    while True: pass"]
    found = judge([Task(name, program, problem) for name, program in enumerate(programs)])
    assert {verdict.verdict for verdict in found} <= {"time_limit", "memory_limit"}


def test_a_test_that_fails_before_it_calls_is_the_problems_fault():
    for test in ("import no_such_module\ndef check(candidate): pass", "def check(", "1 / 0"):
        (verdict,) = judge([Task(0, "def f(): return 1", convert(humaneval("", "f", test)))])
        assert verdict.verdict == "judge_error", test


@pytest.mark.parametrize(
    ("tolerance", "error", "word"), [(1e-4, 5e-5, "accepted"), (0, 5e-5, "wrong_answer")]
)
def test_evalpluss_tolerances_are_kept(tolerance, error, word):
    test = HARNESS + (
        "def check(candidate):\n    inputs = [[2.0], [3.0]]\n    results = [4.0, 9.0]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
        f"        assertion(candidate(*inp), exp, {tolerance})\n"
    )
    program = f"def f(x): return x * x + {error}"
    (verdict,) = judge([Task(0, program, convert(humaneval("", "f", test)))])
    assert verdict.verdict == word


def test_a_problems_own_solution_decides_whether_its_test_is_usable():
    good = convert(mbpp(["assert f(1) == 2"], code="def f(x): return x + 1"))
    bad = convert(mbpp(["assert f(1) == 3"], code="def f(x): return x + 1")) | {"id": "bad"}
    broken = convert(mbpp(["import no_module", "assert f(1)"], code="def f(x): return 1"))
    unknown = {name: value for name, value in good.items() if name != "reference"}
    items = [("a", unknown), ("b", good), ("c", bad), ("d", broken), ("e", unknown)]
    found = list(proved(items, isolation="auto"))
    assert [name for name, _, _ in found] == list("abcde")
    assert [problem["trusted"] for _, problem, _ in found] == [True, True, False, False, True]
    assert [(why or "").split(":")[0] for _, _, why in found] == [
        "", "", "wrong_answer", "judge_error", "",
    ]  # fmt: skip
    assert not any("reference" in problem for _, problem, _ in found)


def test_rows_that_nobody_can_run_are_kept():
    for lines in (["assert 1 == 1"], ["assert f("]):
        assert convert(mbpp(lines, code="def f(:"))["tests"]
    assert convert(mbpp([], code="def f(:"))["mark"] == "tests: there are none"
    prompt = "def f(x):\n    '''not closed"
    assert convert(humaneval(prompt, "f", "def check(candidate): pass"))["function_name"] == "f"


JUDGING = """
import sys
from published_programs import HOSTILE
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.problems import read_problem
from valley.judging.trial import judge_program
from valley.judging.verdicts import Options
problem = read_problem(eval(sys.argv[2]))
options = Options(wall_factor=1.0, wall_extra_s=1.5)
with SandboxPool(sys.argv[1]) as boxes:
    for name, program in [*HOSTILE.items(), ("honest", "def f(): return 42")]:
        verdict = judge_program(boxes, program, problem, options)
        if (verdict.verdict == "accepted") != (name == "honest"):
            print(name, verdict)
print("done")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user, the tests above do this")
@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_attacks_on_the_channel_as_an_ordinary_user(tier):
    interpreter = "/usr/bin/python3"
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(interpreter) or subprocess.run([interpreter, "-c", version]).returncode:
        pytest.skip("needs a system Python >= 3.11, which an ordinary user may read")
    test = "def check(candidate):\n    for _ in range(2):\n        assert candidate() == 42\n"
    row = convert(humaneval("", "f", test)) | {"time_limit_s": 1.0, "memory_limit_mb": 512}
    done = subprocess.run(
        [interpreter, "-c", ORDINARY, JUDGING, tier, repr(row)],
        capture_output=True,
        text=True,
        cwd="/",
        env=finding(Path(__file__).parent),
    )
    if "SandboxError" in done.stderr and tier not in tiers():
        pytest.skip(f"this machine has no {tier}")
    assert done.stdout == "done\n", done.stdout + done.stderr[-2000:]
