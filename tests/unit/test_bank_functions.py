"""The bank's problems as functions: the same plans, other words, judged by the real judge."""

import contextlib
import doctest
import io
import json
import re

import pytest
from valley.bank import problems, teacher
from valley.bank.forms import FUNCTION, NAME, called
from valley.core.files import PROBLEM, digest, read_parquet, write_parquet
from valley.judging.batch import Task, judge
from valley.judging.problems import read_problem

SHAPE = re.compile(r"<think>\n(.+?)\n</think>\n```python\n(def solve\(.+?)\n```\n", re.DOTALL)
# Of 150 rows each with traces and direct answers, as the miniature has them: not one byte may move.
STDIN = {
    "train": "3bcede47ff9aed66432f39c5e560af08ddada15b599e54c661a290c0b8eed972",
    "eval": "42ecb867d2e21f155e987d8707bd69d2eb07779cf97bccc8ca74c1a7267a3152",
    "base": "1b00bbcf7de3b78cef0a41ccb5fef0af49fc45dc8c737dcd128966845d40134f",
    "tune": "70ae1f9c59de9cf392569b8bc931132b84d341c8420709a3f1980a057706b76a",
}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return problems.generate(200, 7, "train", form="function")


def passes(function: str, row: dict) -> bool:
    """Call a function in this process on a row's tests."""
    for test in row["tests"]:
        space: dict = {}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(function, "answer", "exec"), space)
                if space[NAME](json.loads(test["input"])) != json.loads(test["expected"]):
                    return False
        except Exception:
            return False
    return True


def function_of(text: str) -> str | None:
    match = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    return match[1] if match else None


@pytest.mark.parametrize("split", STDIN)
def test_programs_that_read_and_print_keep_every_byte(split):
    rows = problems.generate(150, 3, split)
    traces = [teacher.trace(row, at, 0.5) for at, row in enumerate(rows)]
    assert digest([rows, traces, [teacher.direct(row) for row in rows]]) == STDIN[split]


def test_a_functions_problem_is_the_programs_in_other_words(rows):
    for row, other in zip(rows, problems.generate(200, 7, "train"), strict=True):
        same = ("id", "difficulty", "time_limit_s", "source")
        assert [row[key] for key in same] == [other[key] for key in same]
        plan = problems.regenerate(row["id"]).plan
        assert row["tests"] == called(plan, other["tests"])
        assert [test["public"] for test in row["tests"]] == [True] * 2 + [False] * 6
        assert row["function_name"] == NAME and row["starter_code"] == row["statement"]


def test_rows_keep_the_contract(rows, tmp_path):
    write_parquet(tmp_path / "problems.parquet", rows, PROBLEM)
    assert read_parquet(tmp_path / "problems.parquet") == rows
    for row in rows:
        assert read_problem(row).function_name == NAME


def test_the_docstrings_calls_give_what_it_says(rows):
    """By doctest itself: the statement's examples, run on the reference function."""
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    for row in rows:
        space: dict = {}
        exec(problems.regenerate(row["id"], "function").solution, space)
        shown = row["statement"].removesuffix('    """\n')
        found = parser.get_doctest(shown, space, row["id"], None, None)
        assert len(found.examples) == 2
        assert runner.run(found, out=lambda text: None).failed == 0, row["statement"]


def test_a_statement_begins_the_function_and_speaks_of_no_input_or_print(rows):
    for row in rows:
        stub = row["statement"]
        compile(f"{stub}    return 0\n", "stub", "exec")
        told = stub.split(">>>")[0].replace("joined without blanks", "")
        assert not re.search(r"print|\bline\b|sample|Output|\binput", told, re.IGNORECASE), stub


def test_reference_functions_are_accepted_by_the_judge(rows):
    tasks = [Task(row["id"], function_of(teacher.direct(row)), row) for row in rows[:40]]
    assert {verdict.verdict for verdict in judge(tasks, jobs=2)} == {"accepted"}


def test_careful_traces_define_the_function_and_are_right(rows):
    for row in rows:
        match = SHAPE.fullmatch(teacher.trace(row, 1, 0.0))
        assert match, row["id"]
        assert passes(match[2], row), row["id"]
        assert not re.search(r"\bprint", match[1])


def test_careless_traces_are_mostly_wrong_and_plausible(rows):
    texts = [teacher.trace(row, 1, 1.0) for row in rows]
    assert all(text.startswith("<think>\n") and text.count("</think>") == 1 for text in texts)
    functions = [function_of(text) for text in texts]
    assert sum(found is not None for found in functions) > 0.88 * len(rows)
    right = sum(passes(f, row) for f, row in zip(functions, rows, strict=True) if f is not None)
    assert right < 0.15 * len(rows)
    parsed = 0
    for function in functions:
        with contextlib.suppress(SyntaxError, TypeError):
            parsed += compile(function, "answer", "exec") is not None
    assert parsed > 0.8 * len(rows)


def test_traces_repeat_with_the_seed_and_vary_with_it(rows):
    for row in rows[:20]:
        assert teacher.trace(row, 3, 0.5) == teacher.trace(row, 3, 0.5)
        assert len({teacher.trace(row, seed, 0.0) for seed in range(8)}) >= 4


def test_problems_of_either_form_are_told_to_be_the_same(rows):
    some = problems.generate(200, 7, "train")[:3]
    found = problems.overlap(rows, some)
    assert {(row["id"], row["id"], "behaviour") for row in some} <= set(found)
    assert (rows[0]["id"], rows[0]["id"], "statement") in problems.overlap(rows, rows[:1])


def test_numbers_of_steps_can_be_chosen():
    drawn = problems.generate(40, 7, "tune", steps=problems.step_weights([1, 3]), form="function")
    lengths = {len(problems.regenerate(row["id"]).plan.steps) for row in drawn}
    assert lengths == {1, 3}
    assert problems.step_weights(None) == problems.STEP_WEIGHTS


def test_an_unknown_form_is_named():
    with pytest.raises(ValueError, match="unknown form 'class'; allowed: stdin, function"):
        problems.generate(1, 1, "eval", form="class")
    assert problems.generate(1, 1, "eval", form="function")[0]["function_name"] == FUNCTION.function
