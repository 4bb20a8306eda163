"""Small files of the true schemas of published benchmarks, and answers to their problems."""

import base64
import json
import pickle
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hub_files import jsonl

DAYS = ["2024-03-01", "2024-08-01", "2024-12-31", "2025-02-01"]

# HumanEval+ and MBPP+ write their tests like this.
HARNESS = """import numpy as np

def is_floats(x) -> bool:
    # check if it is float; List[float]; Tuple[float]
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False


def assertion(out, exp, atol):
    exact_match = out == exp

    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        np.testing.assert_allclose(out, exp, atol=atol)
    else:
        assert exact_match

"""


def packed(cases: object) -> str:
    """Pack private tests as LiveCodeBench does."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


def lcb_stdin(number: int, **more) -> dict:
    """A problem of LiveCodeBench that reads stdin: add `number` to each of two numbers."""

    def case(a: int, b: int) -> dict:
        answer = f"{a + number} {b + number}\n"
        return {"input": f"{a} {b}\n", "output": answer, "testtype": "stdin"}

    return {
        "question_title": f"A. Add {number}",
        "question_content": f"Read two numbers and print each plus {number}. {{braces}} stay.",
        "platform": "atcoder",
        "question_id": f"abc{100 + number}_a",
        "contest_id": f"abc{100 + number}",
        "contest_date": f"{DAYS[number % len(DAYS)]}T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([case(1, 2)]),
        "private_test_cases": packed([case(5, -7), case(0, 10**12)]),
        "metadata": "{}",
        **more,
    }


def lcb_function(number: int, **more) -> dict:
    """A problem of LiveCodeBench with starter code: the sum of a list times `number`."""

    def case(values: list[int]) -> dict:
        return {
            "input": json.dumps(values),
            "output": str(sum(values) * number),
            "testtype": "functional",
        }

    return {
        **lcb_stdin(number),
        "question_title": f"times-{number}",
        "question_content": f"Return the sum of the numbers, times {number}.",
        "platform": "leetcode",
        "question_id": str(3000 + number),
        "contest_id": "weekly-contest-1",
        "starter_code": "class Solution:\n    def total(self, nums: List[int]) -> int:\n        ",
        "difficulty": "medium",
        "public_test_cases": json.dumps([case([1, 2])]),
        "private_test_cases": packed([case([]), case([5, -7, 10**9])]),
        "metadata": json.dumps({"func_name": "total"}),
        **more,
    }


def right(row: dict) -> str:
    """Return a right answer to one of the two kinds above."""
    if row["platform"] == "atcoder":
        number = int(row["question_id"][3:-2]) - 100
        code = f"a, b = map(int, input().split())\nprint(a + {number}, b + {number})"
    else:
        number = int(row["question_id"]) - 3000
        code = (
            "class Solution:\n    def total(self, nums: List[int]) -> int:\n"
            f"        return sum(nums) * {number}"
        )
    return f"<think>\nadd up\n</think>\n```python\n{code}\n```"


def release(folder: Path, *counts: int) -> list[dict]:
    """Write LiveCodeBench's files, each with that many problems, and return all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, count in enumerate(counts, 1):
        start = len(rows) + 1
        part = [
            (lcb_stdin if number % 2 else lcb_function)(number)
            for number in range(start, start + count)
        ]
        jsonl(folder / f"test{number if number > 1 else ''}.jsonl", part)
        rows += part
    return rows


def humaneval(path: Path, plus: bool = False) -> None:
    """HumanEval(+) as Parquet: x + y over a list."""
    prompt = 'def f(x, y):\n    """Add y to every item of x."""\n'
    if plus:
        test = HARNESS + (
            "def check(candidate):\n    inputs = [[[1, 2], 3], [[], 1], [[0.5], 0.25]]\n"
            "    results = [[4, 5], [], [0.75]]\n"
            "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
            "        assertion(candidate(*inp), exp, 0)\n"
        )
    else:
        test = "def check(candidate):\n    assert candidate([1, 2], 3) == [4, 5]\n"
    row = {
        "task_id": "HumanEval/0",
        "prompt": prompt,
        "canonical_solution": "    return [a + y for a in x]\n",
        "test": test,
        "entry_point": "f",
    }
    _parquet(path, [row])


def mbpp(path: Path, plus: bool = False) -> None:
    """MBPP(+) as Parquet: the set of shared items, order free in MBPP+'s own assertion."""
    tests = ["assert shared((1, 2, 3), (2, 3)) == (2, 3)", "assert shared((1,), (2,)) == ()"]
    row = {"task_id": 2, "code": "def shared(a, b): ...", "test_list": tests, "test_imports": []}
    if plus:
        row |= {
            "prompt": "Write a function to find the shared items.",
            "source_file": "Benchmark Questions Verification V2.ipynb",
            "test": HARNESS.replace(
                "exact_match = out == exp", "exact_match = set(out) == set(exp)"
            )
            + "inputs = [[(1, 2, 3), (3, 2)], [(1,), (2,)]]\nresults = [(2, 3), ()]\n"
            "for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
            "    assertion(shared(*inp), exp, 0)\n",
        }
    else:
        row |= {
            "text": "Write a function to find the shared items.",
            "test_setup_code": "",
            "challenge_test_list": [],
        }
    _parquet(path, [row])


def code_contests(path: Path) -> None:
    """CodeContests as Parquet, tests as struct of lists."""
    cases = {"input": ["1\n"], "output": ["2\n"]}
    row = {
        "name": "1575_A. Next",
        "description": "Print the next number.",
        "public_tests": cases,
        "private_tests": {"input": ["8\n"], "output": ["9\n"]},
        "generated_tests": {"input": ["-1\n", "0\n"], "output": ["0\n", "1\n"]},
        "source": 2,
        "difficulty": 7,
        "solutions": {"language": [3], "solution": ["print(int(input()) + 1)"]},
        "incorrect_solutions": {"language": [3], "solution": ["print(1)"]},
        "cf_contest_id": 1575,
        "cf_index": "A",
        "cf_rating": 1100,
        "time_limit": {"seconds": 2, "nanos": 500_000_000},
        "memory_limit_bytes": 256_000_000,
        "input_file": "",
        "output_file": "",
    }
    _parquet(path, [row])


def taco(path: Path) -> None:
    """TACO's test split as the Arrow stream that `datasets` writes: no ids, limits in words."""
    rows = [
        {
            "question": "Print the next number.",
            "solutions": json.dumps(["print(int(input()) + 1)"]),
            "starter_code": "",
            "input_output": json.dumps({"inputs": ["1\n", "5\n"], "outputs": ["2\n", "6\n"]}),
            "difficulty": "MEDIUM_HARD",
            "name": None,
            "source": "codeforces",
            "time_limit": "2.0 seconds",
            "memory_limit": "256.0 megabytes",
        }
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


def _parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
