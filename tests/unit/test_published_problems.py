"""Benchmarks of published problems: where they come from, what is chosen, what bad rows do."""

import json
import os
import subprocess
import sys

import benchmark_material as made
import pyarrow.parquet as pq
import pytest
from benchmarks import Published
from hub_files import jsonl
from score import Score
from valley.core import prompts
from valley.core import rows as reading
from valley.core.bad_rows import BadRows
from valley.core.files import GENERATION, PROBLEM, VERDICT, read_json, read_parquet, write_parquet
from valley.core.hub import SourceError
from valley.core.published import origin
from valley.judging.batch import Task, judge
from valley.judging.forms import convert
from valley.workflow.job import Job

LCB = {
    "files": list(origin("livecodebench", "v2").files),
    "path": None,
    "hub": None,
    "revision": None,
    "expected": None,
    "first_day": None,
    "last_day": None,
    "platforms": None,
    "difficulties": None,
    "bad_rows": "stop",
}


def published(out, **settings):
    return Published(out=out, **settings).run(Job())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "lcb.parquet"


def test_a_release_is_read_from_its_files(tmp_path, out):
    rows = made.release(tmp_path / "lcb", 3, 2)
    told = published(out, **{**LCB, "path": str(tmp_path / "lcb"), "expected": 5})
    problems = read_parquet(out)
    assert [row["id"] for row in problems] == [row["question_id"] for row in rows]
    assert pq.read_schema(out).equals(PROBLEM)
    assert told["kept"] == {"problems": 5, "untrusted": 0, "undated": 0}
    assert list(told["files"]) == ["test.jsonl", "test2.jsonl"]
    tasks = [
        Task(0, made.right(row).split("```python\n")[1].rstrip("`"), problem)
        for row, problem in zip(rows, problems, strict=True)
    ]
    assert {verdict.verdict for verdict in judge(tasks)} == {"accepted"}


def test_the_same_problems_make_the_same_bytes(tmp_path, out):
    made.release(tmp_path / "lcb", 3, 2)
    settings = {**LCB, "path": str(tmp_path / "lcb")}
    published(out, **settings)
    first = out.read_bytes()
    published(out, **settings)
    assert out.read_bytes() == first


def test_releases_are_cumulative_and_counted():
    assert origin("livecodebench", "v1").files == ("test.jsonl",)
    assert origin("livecodebench", "v6").files[-1] == "test6.jsonl"
    assert [origin("livecodebench", f"v{n}").count for n in range(1, 7)] == [
        400,
        511,
        612,
        713,
        880,
        1055,
    ]


def test_a_missing_file_and_a_short_one_are_told(tmp_path, out):
    made.release(tmp_path / "lcb", 3)
    settings = {**LCB, "path": str(tmp_path / "lcb"), "expected": 5}
    with pytest.raises(SourceError, match=r"no test2.jsonl; there are: test.jsonl"):
        published(out, **settings)
    made.release(tmp_path / "lcb", 3, 1)
    with pytest.raises(SourceError, match=r"hold 4 rows, but 5 problems were expected.*count: 4"):
        published(out, **settings)
    assert not list(out.parent.iterdir())


CHOICES = {
    "from a day on": ({"first_day": "2024-12-31"}, {"2024-12-31", "2025-02-01"}),
    "up to a day": ({"last_day": "2024-08-01"}, {"2024-03-01", "2024-08-01"}),
    "a window": ({"first_day": "2024-08-01", "last_day": "2024-12-31"}, set(made.DAYS[1:3])),
}


@pytest.mark.parametrize("name", CHOICES)
def test_windows_hold_both_their_ends(tmp_path, out, name):
    settings, days = CHOICES[name]
    made.release(tmp_path / "lcb", 4, 4)
    told = published(out, **{**LCB, "path": str(tmp_path / "lcb"), **settings})
    assert {row["date"][:10] for row in read_parquet(out)} == days
    assert told["kept"]["problems"] + sum(told["left_out"].values()) == told["rows"] == 8


def test_problems_are_chosen_by_platform_and_difficulty(tmp_path, out):
    made.release(tmp_path / "lcb", 4, 4)
    settings = {**LCB, "path": str(tmp_path / "lcb")}
    published(out, **{**settings, "platforms": ["leetcode"]})
    assert {row["source"] for row in read_parquet(out)} == {"leetcode"}
    published(out, **{**settings, "difficulties": ["easy"]})
    assert {row["difficulty"] for row in read_parquet(out)} == {"easy"}
    with pytest.raises(SourceError, match=r"none of 8 problems is left \(8 other platform\)"):
        published(out, **{**settings, "platforms": ["codeforces"]})


def test_errata_are_marked_by_id_and_by_title(tmp_path, out):
    rows = [
        made.lcb_stdin(1),
        made.lcb_stdin(2, question_id="abc350_c"),
        made.lcb_function(3, question_title="find-the-peaks"),
        made.lcb_function(4, question_title="Find the Peaks"),
    ]
    jsonl(tmp_path / "test.jsonl", rows)
    told = published(out, **{**LCB, "files": ["test.jsonl"], "path": str(tmp_path)})
    assert [row["trusted"] for row in read_parquet(out)] == [True, False, False, False]
    assert told["kept"]["untrusted"] == 3


def lines_of(rows: list) -> bytes:
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows
    )


GOOD = made.lcb_stdin(1)
BAD_ROWS = {
    "broken JSON": (lines_of([GOOD])[:200], "not JSON"),
    "no object": (b"[1, 2]", "a list, not an object"),
    "NaN": (lines_of([GOOD])[:-2] + b', "x": NaN}', "NaN is not a JSON value"),
    "another encoding": (b'{"question_content": "na\xefve"}', "not JSON.*utf-8"),
    "a lone surrogate": ({**GOOD, "question_id": "b", "question_content": "\ud800"}, "surrogates"),
    "a number for a text": ({**GOOD, "question_id": "b", "starter_code": 5}, "int"),
    "missing columns": ({"question_id": "b"}, "of no known form"),
    "no statement": (
        {"id": "b", "statement": " ", "tests": [{"input": "1", "expected": "1"}]},
        "statement",
    ),
    "broken tests": ({**GOOD, "question_id": "b", "private_test_cases": "eJw="}, "private_test_"),
    "metadata that is none": ({**GOOD, "question_id": "b", "metadata": "[]"}, "metadata"),
    "the same id": (GOOD, "'abc101_a' is there twice"),
    "a long line": (b'{"x": "' + b"x" * 100_000, "longer than 50000 bytes"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_stops_or_is_skipped_and_named_either_way(tmp_path, out, monkeypatch, name):
    monkeypatch.setattr(reading, "LONGEST_LINE", 50_000)
    row, message = BAD_ROWS[name]
    path = tmp_path / "test.jsonl"
    path.write_bytes(lines_of([GOOD, row, made.lcb_function(2)]))
    settings = {**LCB, "path": str(path), "expected": 3}
    with pytest.raises(BadRows, match=rf"test.jsonl: row 2: .*{message}(.|\n)*bad_rows .*to skip"):
        published(out, **settings)
    assert not out.exists() and not list(out.parent.iterdir())
    told = published(out, **{**settings, "bad_rows": "skip"})
    assert [row["id"] for row in read_parquet(out)] == ["abc101_a", "3002"]
    assert told["bad_rows"] == 1 and f"{path}: row 2: " in told["first_bad_rows"][0]


@pytest.mark.parametrize("cut", [0.4, 0.9])
def test_a_truncated_parquet_file_makes_no_benchmark(tmp_path, out, cut):
    path = tmp_path / "test.parquet"
    made.humaneval(path)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    settings = {**LCB, "files": ["test.parquet"], "path": str(path)}
    with pytest.raises(BadRows, match=r"test.parquet: row 1: .*the file is damaged"):
        published(out, **settings)
    with pytest.raises(SourceError, match="none of 0 problems is left"):
        published(out, **{**settings, "bad_rows": "skip"})
    assert not list(out.parent.iterdir())


PEAK = """
import json, re, sys
from pathlib import Path
from benchmarks import Published
from valley.workflow.job import Job
Published(out=Path(sys.argv[1]), **json.loads(sys.argv[2])).run(Job())
# not getrusage: its peak is inherited from the process that started this one
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


@pytest.mark.long
def test_memory_holds_a_part_of_a_large_release(tmp_path, out):
    """Half a gigabyte of tests, as much a problem as LiveCodeBench's larger ones have."""
    large = {"input": "1 2\n" * (1 << 20), "output": "3 4\n" * (1 << 20), "testtype": "stdin"}
    tests = made.packed([large])
    with open(tmp_path / "test.jsonl", "w") as file:
        for number in range(64):
            row = made.lcb_stdin(1, question_id=f"p{number}", private_test_cases=tests)
            file.write(json.dumps(row) + "\n")
    settings = {**LCB, "files": ["test.jsonl"], "path": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(out), json.dumps(settings)],
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = pq.ParquetFile(out).metadata
    assert table.num_rows == 64 and table.num_row_groups > 10
    assert int(done.stdout.split()[-1]) < 400  # MB; the whole would be far more than 1,000


FORMATS = {
    "humaneval": (made.humaneval, "openai_humaneval/test-00000-of-00001.parquet", {}),
    "humanevalplus": (
        made.humaneval,
        "data/test-00000-of-00001-5973903632b82d40.parquet",
        {"plus": 1},
    ),
    "mbpp_test": (made.mbpp, "full/test-00000-of-00001.parquet", {}),
    "mbppplus": (made.mbpp, "data/test-00000-of-00001-d578.parquet", {"plus": 1}),
    "code_contests": (made.code_contests, "data/test-00000-of-00001-9c49.parquet", {}),
    "taco": (made.taco, "test/data-00000-of-00001.arrow", {}),
}
PROGRAMS = {
    "humaneval": "def f(x, y):\n    return [a + y for a in x]",
    "mbpp": "def shared(a, b):\n    return tuple(sorted(set(a) & set(b)))",
    "contest": "print(int(input()) + 1)",
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_benchmarks_lie_where_the_hub_has_them(tmp_path, out, name):
    write, name_in, options = FORMATS[name]
    write(tmp_path / name_in, **options)
    known = origin(name)
    settings = {**LCB, "files": list(known.files), "path": str(tmp_path)}
    published(out, **settings)
    (problem,) = read_parquet(out)
    program = PROGRAMS.get(name.removesuffix("plus").partition("_")[0], PROGRAMS["contest"])
    assert judge([Task(0, program, problem)])[0].verdict == "accepted"
    wrong = judge([Task(0, "f = shared = print = lambda *a: [7]", problem)])[0]
    assert wrong.verdict in ("wrong_answer", "runtime_error")
    with pytest.raises(SourceError, match=f"hold 1 rows, but {known.count} problems"):
        published(out, **{**settings, "expected": known.count})


def test_what_the_formats_say_of_a_problem(tmp_path, out):
    made.taco(tmp_path / "taco.arrow")
    published(out, **{**LCB, "path": str(tmp_path / "taco.arrow")})
    (row,) = read_parquet(out)
    assert (row["id"], row["difficulty"]) == ("taco-1", "MEDIUM_HARD")
    assert (row["time_limit_s"], row["memory_limit_mb"]) == (2.0, 256)
    made.code_contests(tmp_path / "contests.parquet")
    published(out, **{**LCB, "path": str(tmp_path / "contests.parquet")})
    (row,) = read_parquet(out)
    assert (row["source"], row["difficulty"], row["time_limit_s"]) == ("codeforces", "1100", 2.5)
    assert [test["public"] for test in row["tests"]] == [True, False, False, False]
    made.mbpp(tmp_path / "mbpp.parquet")
    published(out, **{**LCB, "path": str(tmp_path / "mbpp.parquet")})
    (row,) = read_parquet(out)
    assert prompts.compose(prompts.texts("mbpp"), row["statement"]) == (
        "You are an expert Python programmer, and here is your task: Write a function to find the "
        "shared items. Your code should pass these tests:\n\n"
        "assert shared((1, 2, 3), (2, 3)) == (2, 3)\nassert shared((1,), (2,)) == ()"
    )


def test_the_order_free_assertion_of_mbpp_plus_is_asked(tmp_path, out):
    made.mbpp(tmp_path / "plus.parquet", plus=True)
    published(out, **{**LCB, "path": str(tmp_path / "plus.parquet")})
    (problem,) = read_parquet(out)
    other_order = "def shared(a, b):\n    return sorted(set(a) & set(b), reverse=True)"
    assert judge([Task(0, other_order, problem)])[0].verdict == "accepted"


def test_a_reference_function_stands_in_for_results():
    test = made.HARNESS + (
        "def ref_func(x):\n    return [a / 3 for a in x]\n\n"
        "def check(candidate):\n    inputs = [[[1, 2]], [[]]]\n"
        "    for i, inp in enumerate(inputs):\n"
        "        assertion(candidate(*inp), ref_func(*inp), 0)\n"
    )
    row = {"task_id": "HumanEval/1", "prompt": "def f(x):", "test": test, "entry_point": "f"}
    problem = convert(row)
    near = "def f(x): return [a / 3 + 1e-8 for a in x]"
    far = "def f(x): return [a / 3 + 1e-3 for a in x]"
    found = judge([Task(0, near, problem), Task(1, far, problem)])
    assert [verdict.verdict for verdict in found] == ["accepted", "wrong_answer"]


def test_problems_are_scored_by_the_side_of_the_cut_off_they_lie_on(tmp_path, out):
    rows = [made.lcb_stdin(number) for number in range(4)]
    rows.append(made.lcb_stdin(4, contest_date=""))
    jsonl(tmp_path / "test.jsonl", rows)
    published(out, **{**LCB, "files": ["test.jsonl"], "path": str(tmp_path)})
    names = [row["question_id"] for row in rows]
    keyed = [{"problem_id": name, "sample": 0} for name in names]
    said = {"text": "<think>\n", "finish_reason": "stop", "tokens": 3, "seed": 0}
    write_parquet(tmp_path / "generations", [{**key, **said} for key in keyed], GENERATION)
    found = {"failed_test": None, "tests_passed": 0, "detail": ""}
    verdicts = [
        {**key, **found, "verdict": "accepted" if right else "wrong_answer"}
        for key, right in zip(keyed, [True, True, False, True, False], strict=True)
    ]
    write_parquet(tmp_path / "verdicts", verdicts, VERDICT)

    def scored(**cutoff) -> dict:
        names = ("generations", "verdicts")
        files = {"problems": out, **{name: tmp_path / name for name in names}}
        how = {"ks": [1], "bootstrap": 100, "seed": 0, **cutoff}
        Score(**files, out=tmp_path / "score", **how).run(Job())
        return read_json(tmp_path / "score")

    assert "by_cutoff" not in scored() and "cutoff" not in scored()
    sides = {
        name: (group["pass@1"]["estimate"], group["pass@1"]["problems"])
        for name, group in scored(cutoff="2024-08-01")["by_cutoff"].items()
    }
    assert sides == {"until_cutoff": (1.0, 2), "after_cutoff": (0.5, 2), "undated": (0.0, 1)}
