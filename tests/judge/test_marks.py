"""Rows of published benchmarks that can't be judged or asked: kept and marked, with the reason."""

import json

import benchmark_material as made
import pytest
from valley.judging.batch import Task, judge
from valley.judging.forms import convert
from valley.judging.references import proved
from valley.judging.sources import read_problems


def humaneval(**more) -> dict:
    prompt = 'def f(x):\n    """Return x."""\n'
    test = "def check(candidate):\n    assert candidate(1) == 1\n"
    row = {"task_id": "HumanEval/0", "prompt": prompt, "test": test, "entry_point": "f"}
    return row | {"canonical_solution": "    return x\n"} | more


def mbpp(**more) -> dict:
    row = {"task_id": 1, "text": "Return x.", "code": "def f(x): return x", "test_setup_code": ""}
    return row | {"test_list": ["assert f(1) == 1"], "challenge_test_list": []} | more


def apps(tests: object, **more) -> dict:
    packed = tests if isinstance(tests, str) else json.dumps(tests)
    return {"problem_id": 7, "question": "Add.", "input_output": packed} | more


def contest(**more) -> dict:
    row = {"name": "1_A", "description": "Add.", "public_tests": {"input": [], "output": []}}
    row |= {"private_tests": {"input": ["1"], "output": ["2"]}, "generated_tests": None}
    return row | more


def codeforces(**more) -> dict:
    row = {"id": "1/A", "contest_id": "1", "description": "Add.", "input_format": "One number."}
    return row | {"official_tests": [{"input": "1", "output": "2"}], "examples": None} | more


def stdin(content: str = "Add.", **more) -> dict:
    return made.lcb_stdin(1, question_content=content, **more)


TWICE = [{"input": "1", "output": o, "testtype": "stdin"} for o in ("2", "3")]
SAME = [{"input": "1", "output": o, "testtype": "stdin"} for o in ("2", "2.0\n")]
CALLS = json.dumps([{"input": "1", "output": "1", "testtype": "functional"}])
STARTER = "class Solution:\n    def total(self, nums: List[int]) -> int:\n        "
MARKED = [
    (humaneval(prompt=""), "statement: there is none"),
    (humaneval(prompt=None), "statement: there is none"),
    (humaneval(test=""), "test or entry_point: no text"),
    (humaneval(test=None), "test or entry_point: no text"),
    (humaneval(entry_point=None), "test or entry_point: no text"),
    (humaneval(entry_point="f()"), "function_name: 'f()' is no name of a function"),
    (mbpp(text=""), "statement: there is none"),
    (mbpp(test_list=[]), "tests: there are none"),
    (mbpp(test_list=["", "\n"]), "tests: there are none"),
    (mbpp(test_list=[1]), "test_list: not a list of texts"),
    (mbpp(test_list=None), "test_list: not a list of texts"),
    (apps(""), "tests: there are none"),
    (apps("{"), "input_output: not JSON"),
    (apps("[]"), "input_output: not an object"),
    (apps({"inputs": [], "outputs": []}), "tests: there are none"),
    (apps({"inputs": ["1"], "outputs": []}), "input_output: 1 inputs, 0 outputs"),
    (apps({"inputs": "1", "outputs": "2"}), "input_output: no lists of inputs"),
    (apps({"fn_name": "f", "inputs": [5], "outputs": [5]}), "inputs[0]: no list of arguments"),
    (apps({"fn_name": "a.f", "inputs": [[5]], "outputs": [5]}), "function_name: 'a.f' is no name"),
    (apps({"inputs": ["1"], "outputs": ["1"]}, question=""), "statement: there is none"),
    (apps({"inputs": ["1", "1"], "outputs": ["1", "2"]}), "two tests have the same input"),
    (contest(private_tests={"input": ["1"], "output": []}), "private_tests: not as many outputs"),
    (contest(private_tests=None), "tests: there are none"),
    (contest(input_file="a.in"), "it reads or writes a file"),
    (contest(description="Read input.txt and add."), "its statement names a file"),
    (codeforces(official_tests=[]), "tests: there are none"),
    (codeforces(official_tests=[{"input": "1"}]), "tests[0].expected: None is no text"),
    (codeforces(input_mode="file"), "it reads or writes a file"),
    (codeforces(interaction_format="Ask."), "it is interactive"),
    (codeforces(generated_checker="def check(): ..."), "several answers are right"),
    (stdin(" "), "statement: there is none"),
    (stdin("This is an interactive problem (your program talks to the judge)."), "interactive"),
    (stdin("This is an **interactive** task. Flush."), None),
    (stdin("The interactive museum has n halls."), None),
    (stdin("Write the answer to output.txt."), "its statement names a file"),
    (stdin(public_test_cases="[]", private_test_cases="[]"), "tests: there are none"),
    (stdin(private_test_cases=made.packed(TWICE)), "two tests have the same input"),
    (stdin(private_test_cases=made.packed(SAME)), None),
    (stdin(public_test_cases='[{"input": "1"}]'), "public_test_cases[0]: no input or no output"),
    (stdin(public_test_cases=CALLS), "metadata.func_name: there is none"),
    (stdin(starter_code=STARTER), "its starter code begins a function, but its tests call none"),
    (stdin(question_id="abc350_c"), "wrong tests"),
    (made.lcb_function(1), None),
    (made.lcb_function(1, question_content="This is an interactive problem."), None),
    (humaneval(), None),
    (mbpp(), None),
]


@pytest.mark.parametrize(("row", "reason"), MARKED)
def test_a_published_row_that_is_of_no_use_stays_with_its_reason(row, reason):
    problem = convert(row, "name")
    assert problem["id"]
    if reason is None:
        assert problem["trusted"] is True and problem["mark"] is None and problem["tests"]
        return
    assert problem["trusted"] is False and reason in problem["mark"]


def test_marked_problems_are_read_from_files_and_their_answers_have_no_verdict(tmp_path):
    rows = [humaneval(test=""), humaneval(task_id="HumanEval/1"), mbpp(test_list=[])]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_problems(path)
    assert found.bad_rows == []
    assert [problem["trusted"] for problem in found.by_id.values()] == [False, True, False]
    tasks = [Task(0, "def f(x): return x", problem) for problem in found.by_id.values()]
    verdicts = judge(tasks)
    assert [v.verdict for v in verdicts] == ["judge_error", "accepted", "judge_error"]
    assert "tests: there are none; test or entry_point: no text" in verdicts[0].detail


def test_a_test_that_never_calls_accepts_nothing_and_its_problem_is_marked():
    row = humaneval(test="def check(candidate): pass\n")
    program = "def f(x): return x"
    ((_, problem, refused),) = proved([("a", convert(row))], isolation="auto")
    assert refused.startswith("wrong_answer: the test ended without a call")
    assert problem["trusted"] is False
    assert problem["mark"] == f"its own solution is not accepted: {refused}"
    # Nor does a program gain anything by keeping a test from calling it.
    row = humaneval(
        test="def check(candidate):\n    for x in range(3):\n        assert candidate(x) == x\n"
    )
    idle = "def range(*bounds): return ()\ndef f(x): return -1"
    found = judge([Task(0, program, convert(row)), Task(1, idle, convert(row))])
    assert [verdict.verdict for verdict in found] == ["accepted", "wrong_answer"]
