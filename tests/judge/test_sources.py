"""Problems in the forms they have in the wild, good and broken."""

import base64
import json
import pickle
import zlib

import pyarrow.parquet as pq
import pytest
from benchmark_material import packed
from valley.core.bad_rows import BadRow
from valley.core.files import PROBLEM, write_parquet
from valley.judging.batch import Task, judge
from valley.judging.forms import convert
from valley.judging.packed import livecodebench_tests
from valley.judging.sources import read_problems

STDIN_CASES = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}]
CALL_CASES = [{"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}]


def livecodebench(**more) -> dict:
    return {
        "question_title": "A",
        "question_content": "Add one.",
        "platform": "atcoder",
        "question_id": "abc_a",
        "contest_date": "2024-01-01T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(STDIN_CASES),
        "private_test_cases": packed(STDIN_CASES * 2),
        "metadata": "{}",
        **more,
    }


ROWS = {
    "our own": (
        {
            "id": "a",
            "function_name": None,
            "tests": [{"input": "1", "expected": "2"}],
            "time_limit_s": 1.0,
            "memory_limit_mb": 256,
        },
        "print(int(input()) + 1)",
    ),
    "livecodebench, stdin": (livecodebench(), "print(int(input()) + 1)"),
    "livecodebench, plain private tests": (
        livecodebench(private_test_cases=json.dumps(STDIN_CASES)),
        "print(int(input()) + 1)",
    ),
    "livecodebench, a function": (
        livecodebench(
            public_test_cases=json.dumps(CALL_CASES),
            private_test_cases=packed(CALL_CASES),
            metadata=json.dumps({"func_name": "total"}),
            starter_code="class Solution:\n    def total(self, a: List[int], b: int) -> int:\n",
        ),
        "class Solution:\n    def total(self, a: List[int], b: int) -> int:\n"
        "        return sum(a) + b",
    ),
    "apps, stdin": (
        {
            "problem_id": 3,
            "question": "?",
            "input_output": json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]}),
        },
        "print(int(input()) + 1)",
    ),
    "apps, lines": (
        {"id": "x", "input_output": json.dumps({"inputs": [["1", "2"]], "outputs": [["3"]]})},
        "print(int(input()) + int(input()))",
    ),
    "taco, a function": (
        {
            "id": "t",
            "input_output": {"fn_name": "f", "inputs": [[[1, 2]], [[5]]], "outputs": [[3], [5]]},
        },
        "def f(a): return sum(a)",
    ),
    "humaneval": (
        {
            "task_id": "HumanEval/0",
            "prompt": "def f(x, y):\n",
            "entry_point": "f",
            "test": "METADATA = {}\ndef check(candidate):\n    assert candidate([1], 2) == [1, 2]\n"
            "    assert candidate((1,), 'a') == [1, 'a'], 'message'\n"
            "    assert abs(candidate([], 0)[0]) < 1e-6\n",
        },
        "def f(x, y): return [*x, y]",
    ),
    "mbpp": (
        {
            "task_id": 11,
            "text": "?",
            "code": "",
            "test_list": ["assert swap((1, 2)) == (2, 1)", "assert set(swap((3, 4))) == {3, 4}"],
        },
        "def swap(t): return t[::-1]",
    ),
    "mbpp with imports": (
        {
            "task_id": 12,
            "prompt": "?",
            "test_imports": ["import math"],
            "test_list": ["assert math.isclose(half(3), 1.5, rel_tol=1e-3)", "assert half(0) == 0"],
        },
        "def half(x): return x / 2",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_known_form_becomes_a_problem_that_can_be_judged(name):
    row, program = ROWS[name]
    problem = convert(row)
    assert judge([Task(0, program, problem)])[0].verdict == "accepted"
    wrong = judge([Task(0, "def f(*a): return 7\nswap = half = total = f", problem)])[0]
    assert wrong.verdict in ("wrong_answer", "runtime_error")


def test_a_missing_function_name_is_told():
    row = livecodebench(public_test_cases=json.dumps(CALL_CASES), metadata="{}")
    problem = convert(row)
    assert problem["mark"] == (
        "metadata.func_name: there is none, but public_test_cases[0] is a call"
    )
    assert problem["trusted"] is False and problem["tests"] == []


def test_livecodebenchs_fields_find_their_place():
    problem = convert(livecodebench())
    assert [test["public"] for test in problem["tests"]] == [True, False, False]
    assert (problem["id"], problem["difficulty"], problem["source"]) == ("abc_a", "easy", "atcoder")
    assert problem["date"] == "2024-01-01T00:00:00"


def test_a_loop_in_a_published_test_is_run_as_it_is():
    row = dict(ROWS["humaneval"][0])
    row["test"] += "    for x in range(9):\n        assert candidate([x], x) == [x, x]\n"
    problem = convert(row)
    assert problem["trusted"] is True and len(problem["tests"]) == 1
    first_only = "def f(x, y): return [*x, y] if y in (2, 'a', 0) else []"
    programs = [ROWS["humaneval"][1], first_only]
    found = judge([Task(index, program, problem) for index, program in enumerate(programs)])
    assert [verdict.verdict for verdict in found] == ["accepted", "wrong_answer"]


class Bomb:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/unpickled-by-the-judge",)


@pytest.mark.parametrize(
    "value",
    [Bomb(), print, ValueError("x"), {1: Bomb()}, json.JSONDecoder],
)
def test_unpickling_executes_nothing(value, monkeypatch):
    called = []
    monkeypatch.setattr("os.system", called.append)
    text = base64.b64encode(zlib.compress(pickle.dumps(value))).decode()
    with pytest.raises(BadRow, match="no plain value"):
        livecodebench_tests(text)
    assert not called


@pytest.mark.parametrize(
    "text", ["", "x", "eJw=", base64.b64encode(b"x").decode(), packed(5), "{}"]
)
def test_broken_packs_of_tests_are_refused(text):
    with pytest.raises(BadRow, match="tests"):
        livecodebench_tests(text)


BROKEN = {
    "a problem with no tests": ({"tests": []}, "tests: there are none"),
    "tests that are none": ({"tests": [1]}, "tests: not a list of tests"),
    "no expected output": ({"tests": [{"input": "1"}]}, r"tests\[0\].expected: None is no text"),
    "limits of zero": ({"time_limit_s": 0}, "time_limit_s: 0 is no positive number"),
    "no memory": ({"memory_limit_mb": -1}, "memory_limit_mb: -1 is no positive number"),
    "a function without a name": ({"function_name": ""}, "function_name: '' is no name"),
    "an id that is none": ({"id": 5}, "without an id"),
    "no known form": ({"tests": None, "id": None, "x": 1}, None),
}


def test_broken_rows_are_named_and_the_rest_is_kept(tmp_path):
    good = ROWS["our own"][0]
    path = tmp_path / "problems.jsonl"
    lines = [json.dumps({**good, "id": "first"})]
    for change, _ in BROKEN.values():
        lines.append(json.dumps({**good, **change}))
    lines += ["{not json", "[1]", "", json.dumps({"foo": 1}), json.dumps({**good, "id": "first"})]
    lines.append(json.dumps({**good, "id": "last"}))
    path.write_text("\n".join(lines))
    found = read_problems(path)
    assert list(found.by_id) == ["first", "last"]
    complaints = "\n".join(found.bad_rows)
    assert len(found.bad_rows) == len(BROKEN) + 4
    for number, (_, message) in enumerate(BROKEN.values(), 2):
        assert f"{path}: row {number}: " in found.bad_rows[number - 2]
        if message:
            import re

            assert re.search(message, found.bad_rows[number - 2]), found.bad_rows[number - 2]
    assert "not JSON" in complaints and "a list, not an object" in complaints
    assert "of no known form" in complaints and "'first' is there twice" in complaints


def test_a_broken_row_in_the_middle_of_a_large_file(tmp_path):
    good = ROWS["our own"][0]
    filler = {"input": "x" * 1_000_000, "expected": "1"}
    path = tmp_path / "large.jsonl"
    with open(path, "w") as file:
        for number in range(100):
            text = json.dumps({**good, "id": f"p{number}", "tests": [filler]})
            file.write((text[: len(text) // 2] if number == 50 else text) + "\n")
    assert path.stat().st_size > 99_000_000
    found = read_problems(path)
    assert len(found.by_id) == 99
    assert found.bad_rows[0].startswith(f"{path}: row 51: not JSON")


def test_problems_come_from_parquet_too(tmp_path):
    path = tmp_path / "problems.parquet"
    write_parquet(path, [ROWS["our own"][0], {"id": "b", "tests": []}], PROBLEM)
    assert pq.read_table(path).num_rows == 2
    found = read_problems(path)
    assert list(found.by_id) == ["a"]
    assert found.bad_rows[0].startswith(f"{path}: row 2: problem b: ")


def test_how_a_problem_is_compared_comes_with_its_row(tmp_path):
    row = {"id": "a", "tests": [{"input": "", "expected": "Yes 0.5"}]}
    rows = [
        row | {"id": "loose", "case": "ignore", "tolerance": 0.01, "keep_lines": False},
        row | {"id": "plain"},
        row | {"id": "odd", "case": "upper"},
        row | {"id": "below", "tolerance": -1},
        row | {"id": "text", "tolerance": "1e-6"},
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_problems(path)
    assert list(found.by_id) == ["loose", "plain"]
    told = " ".join(found.bad_rows)
    assert "problem odd: case: 'upper' is neither exact nor ignore" in told
    assert "problem below: tolerance: -1 is no number" in told and "'1e-6' is no number" in told
    program = "print('YES')\nprint(0.509)"
    tasks = [Task(name, program, found.by_id[name]) for name in ("loose", "plain")]
    assert [verdict.verdict for verdict in judge(tasks)] == ["accepted", "wrong_answer"]
