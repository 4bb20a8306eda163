"""`./valley judge` and the stage script, run as a user runs them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import judge as stage
import pytest
from valley.analysis import scoring
from valley.core.files import (
    GENERATION,
    POOL,
    PROBLEM,
    VERDICT,
    read_parquet,
    write_parquet,
)
from valley.judging.options import JudgeOptions
from valley.workflow.job import Job

ROOT = Path(__file__).resolve().parents[2]
PROBLEM_ROW = {
    "id": "sum",
    "function_name": None,
    "tests": [{"input": "1 2\n", "expected": "3\n"}, {"input": "2 2\n", "expected": "4"}],
    "time_limit_s": 1.0,
    "memory_limit_mb": 256,
}
RIGHT = "print(sum(map(int, input().split())))"
FENCED = f"<think>hm</think>\n```python\n{RIGHT}\n```"


def valley(*arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "valley"), "judge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def write_lines(path: Path, rows: list) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_answers_are_judged_from_the_shell(tmp_path):
    problems = write_lines(tmp_path / "problems.jsonl", [PROBLEM_ROW, {**PROBLEM_ROW, "id": "two"}])
    answers = write_lines(
        tmp_path / "answers.jsonl",
        [
            {"problem_id": "two", "sample": 1, "program": "print(3)"},
            {"problem_id": "sum", "text": FENCED},
            {"problem_id": "sum", "text": "no idea"},
            {"problem_id": "two", "sample": 0, "program": RIGHT},
        ],
    )
    done = valley(problems, answers, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert "accepted              2   50.0 %" in done.stdout
    assert "pass@1 0.5000 over 2 problems" in done.stdout
    assert "isolation: " in done.stdout
    found = lines(tmp_path / "answers.verdicts.jsonl")
    assert [(row["problem_id"], row["sample"], row["verdict"]) for row in found] == [
        ("sum", 0, "accepted"),
        ("sum", 1, "no_code"),
        ("two", 0, "accepted"),
        ("two", 1, "wrong_answer"),
    ]
    assert found[3]["failed_test"] == 1 and found[3]["tests_passed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "answers.jsonl",
        "answers.verdicts.jsonl",
        "problems.jsonl",
    ]


def test_bad_rows_are_named_and_the_rest_is_judged(tmp_path):
    problems = write_lines(
        tmp_path / "p.jsonl", [PROBLEM_ROW, "{", {**PROBLEM_ROW, "id": "z", "time_limit_s": 0}]
    )
    answers = write_lines(
        tmp_path / "a.jsonl",
        [
            {"problem_id": "sum", "program": RIGHT},
            {"problem_id": "unknown", "program": RIGHT},
            {"problem_id": "sum", "sample": 0, "program": RIGHT},
            {"problem_id": "sum", "sample": "x", "program": RIGHT},
            {"problem_id": "sum"},
            {"program": RIGHT},
            {"problem_id": "sum", "program": 5},
            "[",
        ],
    )
    done = valley(problems, answers)
    assert done.returncode == 1
    assert [row["verdict"] for row in lines(tmp_path / "a.verdicts.jsonl")] == ["accepted"]
    for message in (
        "p.jsonl: row 2: not JSON",
        "p.jsonl: row 3: problem z: time_limit_s: 0",
        "a.jsonl: row 2: problem_id: no 'unknown' known",
        "a.jsonl: row 3: 'sum' sample 0 is there twice",
        "a.jsonl: row 4: sample: 'x' is no number",
        "a.jsonl: row 5: text: there is none",
        "a.jsonl: row 6: problem_id: there is none",
        "a.jsonl: row 7: program: '5' is no text",
        "a.jsonl: row 8: not JSON",
    ):
        assert message in done.stderr, done.stderr
    assert "bad rows: 9" in done.stdout


def test_nothing_to_judge_is_an_error(tmp_path):
    empty = write_lines(tmp_path / "empty.jsonl", [])
    assert valley(empty, empty).returncode == 2
    assert valley(tmp_path / "gone", empty).returncode == 2
    assert valley().returncode == 2
    assert valley(empty, empty, "--jobs", 0).returncode == 2


def test_livecodebenchs_files_go_in_and_come_out(tmp_path):
    cases = json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}])
    question = {"question_id": "q1", "public_test_cases": cases, "private_test_cases": "[]"}
    problems = write_lines(tmp_path / "p.jsonl", [question])
    answers = tmp_path / "answers.json"
    answers.write_text(
        json.dumps([{"question_id": "q1", "code_list": [RIGHT, "print(4)", ""]}], indent=1)
    )
    done = valley(problems, answers, "--evaluation", tmp_path / "eval_all.json")
    assert done.returncode == 0, done.stderr
    (instance,) = json.loads((tmp_path / "eval_all.json").read_text())
    assert instance["question_id"] == "q1"
    assert instance["graded_list"] == [True, False, False]
    assert instance["pass@1"] == 1 / 3
    assert instance["code_list"] == [RIGHT, "print(4)", ""]
    assert json.loads(instance["metadata"][1])["verdict"] == "wrong_answer"


def test_a_killed_run_is_taken_up_again(tmp_path):
    problems = write_lines(tmp_path / "p.jsonl", [PROBLEM_ROW])
    quick = [{"problem_id": "sum", "sample": n, "program": f"{RIGHT}\n# {n}"} for n in range(20)]
    slow = {"problem_id": "sum", "sample": 99, "program": "while True: pass"}
    answers = write_lines(tmp_path / "a.jsonl", [*quick, slow])
    out = tmp_path / "out.jsonl"
    command = [sys.executable, str(ROOT / "valley"), "judge", problems, answers, "-o", out, "-j1"]
    partial = tmp_path / ".out.jsonl.partial"
    process = subprocess.Popen(command)
    for _ in range(600):
        if partial.exists() and partial.read_text().count("\n") >= 10:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    kept = partial.read_text()
    # What was judged is not judged again: a verdict that only the file can know stays.
    first, rest = kept.split("\n", 1)
    partial.write_text(json.dumps({**json.loads(first), "detail": "remembered"}) + "\n" + rest[:-9])
    done = valley(problems, answers, "-o", out, "--resume")
    assert done.returncode == 0, done.stderr
    found = lines(out)
    assert len(found) == 21
    assert [row["verdict"] for row in found] == ["accepted"] * 20 + ["time_limit"]
    assert [row["detail"] for row in found].count("remembered") == 1
    assert not partial.exists()


@pytest.mark.long
def test_known_verdicts_are_verified_and_pruned(tmp_path):
    problems = write_lines(tmp_path / "p.jsonl", [PROBLEM_ROW])
    answers = write_lines(
        tmp_path / "a.jsonl",
        [{"problem_id": "sum", "program": f"{RIGHT}\n# {n}"} for n in range(5)],
    )
    cache = tmp_path / "cache"
    assert valley(problems, answers, "--cache", cache).returncode == 0
    done = valley(problems, answers, "--cache", cache, "--verify", 3)
    assert (done.returncode, done.stdout) == (0, "3 verdicts compared, 0 differ\n")
    # A cache that holds something else is found out.
    (path,) = cache.iterdir()
    from valley.judging.cache import Cache

    entries = {}
    for key, text in next(iter(Cache(cache)._segments.values())).items():
        entries[key] = json.loads(text) | {"verdict": "wrong_answer"}
    path.unlink()
    with Cache(cache) as forged:
        for key, value in entries.items():
            forged.put(key, value)
    done = valley(problems, answers, "--cache", cache, "--verify", 3)
    assert done.returncode == 1 and "3 differ" in done.stdout
    done = valley("--cache", cache, "--prune", 0)
    assert done.returncode == 0 and "5 verdicts removed" in done.stdout
    assert valley("--prune", 1).returncode == 2


def test_slow_programs_are_run_again_alone(tmp_path):
    problems = write_lines(tmp_path / "p.jsonl", [{**PROBLEM_ROW, "time_limit_s": 0.3}])
    answers = write_lines(
        tmp_path / "a.jsonl",
        [
            {"problem_id": "sum", "program": "while True: pass"},
            {"problem_id": "sum", "program": RIGHT},
        ],
    )
    done = valley(problems, answers, "--recheck-slow", "-q")
    assert (done.returncode, done.stdout) == (0, "")
    found = lines(tmp_path / "a.verdicts.jsonl")
    assert [row["verdict"] for row in found] == ["time_limit", "accepted"]


def test_problems_not_to_be_trusted_can_be_left_out(tmp_path):
    problems = write_lines(
        tmp_path / "p.jsonl", [PROBLEM_ROW, {**PROBLEM_ROW, "id": "doubtful", "trusted": False}]
    )
    answers = write_lines(
        tmp_path / "a.jsonl",
        [{"problem_id": name, "program": RIGHT} for name in ("sum", "doubtful")],
    )
    assert valley(problems, answers, "-q").returncode == 0
    assert len(lines(tmp_path / "a.verdicts.jsonl")) == 2
    done = valley(problems, answers, "--trusted-only")
    assert "not to be trusted: 1" in done.stdout
    assert len(lines(tmp_path / "a.verdicts.jsonl")) == 1


def test_the_stage_writes_the_same_bytes_however_it_is_run(tmp_path):
    write_parquet(
        tmp_path / "p.parquet", [PROBLEM_ROW, {**PROBLEM_ROW, "id": "none", "tests": []}], PROBLEM
    )
    texts = [FENCED, "```\nprint(3)\n```", "nothing", "```python\n1/0\n```"] * 3
    rows = [
        {
            "problem_id": problem_id,
            "sample": n,
            "text": text,
            "finish_reason": "stop",
            "tokens": 1,
            "seed": 0,
        }
        for problem_id in ("sum", "none")
        for n, text in enumerate(texts)
    ]
    write_parquet(tmp_path / "g.parquet", rows[::-1], GENERATION)
    results = []
    for name, jobs, store in (("a", 1, None), ("b", 2, tmp_path / "c"), ("c", 1, tmp_path / "c")):
        out = tmp_path / f"{name}.parquet"
        files = {"problems": tmp_path / "p.parquet", "generations": tmp_path / "g.parquet"}
        summary = stage.Judge(**files, verdicts=out, store=store).run(Job(threads=jobs))
        results.append((out.read_bytes(), summary))
    assert results[0] == results[1] == results[2]
    assert results[0][1]["verdicts"] == {
        "accepted": 3,
        "wrong_answer": 3,
        "runtime_error": 3,
        "no_code": 6,
        "judge_error": 9,
    }
    found = read_parquet(tmp_path / "a.parquet")
    assert [(row["problem_id"], row["sample"]) for row in found] == sorted(
        (row["problem_id"], row["sample"]) for row in rows
    )
    times = read_parquet(tmp_path / "a.times.parquet")
    assert len(times) == len(found) and max(row["cpu_s"] for row in times) > 0


def test_the_labels_of_a_pool_stand_in_the_order_of_its_traces(tmp_path):
    write_parquet(tmp_path / "p.parquet", [PROBLEM_ROW], PROBLEM)
    rows = [
        {"id": "c", "problem_id": "sum", "response": FENCED},
        {"id": "a", "problem_id": "sum", "response": "<think>never ends"},
        {"id": "b", "problem_id": "unknown", "response": FENCED},
    ]
    write_parquet(tmp_path / "t.parquet", rows, POOL)
    labels = stage.Labels(
        problems=tmp_path / "p.parquet",
        traces=[tmp_path / "t.parquet"],
        labels=tmp_path / "l.parquet",
    )
    summary = labels.run(Job())
    assert read_parquet(tmp_path / "l.parquet") == [
        {"id": "c", "correct": True, "verdict": "accepted"},
        {"id": "a", "correct": False, "verdict": "no_code"},
        {"id": "b", "correct": None, "verdict": "judge_error"},
    ]
    assert summary["programs"] == 3 and summary["isolation"]


@pytest.mark.parametrize(("untrusted", "left"), [("keep", 4), ("leave_out", 2)])
def test_problems_that_cannot_be_trusted_are_counted_and_left_out_on_request(
    tmp_path, untrusted, left
):
    problem = {
        "statement": "Print 1.",
        "difficulty": "easy",
        "tests": [{"input": "", "expected": "1\n", "public": True}],
        "time_limit_s": 2.0,
        "memory_limit_mb": 256,
    }
    problems = [{**problem, "id": "clear"}, {**problem, "id": "doubtful", "trusted": False}]
    answer = {"text": "```python\nprint(1)\n```", "finish_reason": "stop", "tokens": 1, "seed": 0}
    answers = [
        {**answer, "problem_id": name, "sample": n}
        for name in ("clear", "doubtful")
        for n in (0, 1)
    ]
    write_parquet(tmp_path / "p.parquet", problems, PROBLEM)
    write_parquet(tmp_path / "g.parquet", answers, GENERATION)
    judging = stage.Judge(
        problems=tmp_path / "p.parquet",
        generations=tmp_path / "g.parquet",
        verdicts=tmp_path / "v.parquet",
        options=JudgeOptions(untrusted=untrusted),
    )
    summary = judging.run(Job())
    verdicts = read_parquet(tmp_path / "v.parquet")
    assert [row["verdict"] for row in verdicts] == ["accepted"] * left
    assert summary["untrusted_problems"] == 1
    assert summary["answers_left_out"] == 4 - left


def test_labels_are_the_same_however_few_problems_are_held_at_once(tmp_path, monkeypatch):
    problems = [{**PROBLEM_ROW, "id": f"sum{number}"} for number in range(70)]
    write_parquet(tmp_path / "p.parquet", problems, PROBLEM)
    rows = [
        {"id": f"{number:03d}", "problem_id": f"sum{number * 37 % 72}", "response": FENCED}
        for number in range(150)
    ]
    for part in (0, 1):
        write_parquet(tmp_path / f"t{part}.parquet", rows[part::2], POOL)
    traces = [tmp_path / "t0.parquet", tmp_path / "t1.parquet"]
    files = {"problems": tmp_path / "p.parquet", "traces": traces, "store": tmp_path}
    stage.Labels(**files, labels=tmp_path / "one").run(Job())
    monkeypatch.setattr(stage, "PORTION", 1)
    stage.Labels(**files, labels=tmp_path / "many").run(Job())
    labels = read_parquet(tmp_path / "many")
    assert labels == read_parquet(tmp_path / "one")
    assert [label["id"] for label in labels] == [row["id"] for row in rows]
    unknown = {row["id"] for row in rows if row["problem_id"] in ("sum70", "sum71")}
    assert {label["id"] for label in labels if label["correct"] is None} == unknown
    assert {label["correct"] for label in labels} == {True, None}


USED = "```python\nprint(int(input()) + 1)\n```\nFor example:\n```python\nprint(0)\n```"
REPEATED = "```python\nprint(int(input()) + 1)\n```"


def judged(problems, generations, verdicts, **settings):
    task = stage.Judge(problems=problems, generations=generations, verdicts=verdicts, **settings)
    task.run(Job())


@pytest.mark.parametrize(
    ("how", "counted", "column"),
    [("robust", "accepted", "published_verdict"), ("published", "wrong_answer", "robust_verdict")],
)
def test_where_extractions_differ_both_programs_are_judged(tmp_path, how, counted, column):
    problem = {**PROBLEM_ROW, "id": "next", "tests": [{"input": "1\n", "expected": "2\n"}]}
    write_parquet(tmp_path / "p.parquet", [problem], PROBLEM)
    rows = [
        {"problem_id": "next", "sample": n, "text": text} for n, text in enumerate([USED, REPEATED])
    ]
    write_parquet(tmp_path / "g.parquet", rows, GENERATION)
    files = [tmp_path / f"{name}.parquet" for name in ("p", "g", "v")]
    judged(*files, options=JudgeOptions(extraction=how), form="livecodebench")
    found = read_parquet(files[2])
    assert [row["verdict"] for row in found] == [counted, "accepted"]
    other = {"accepted": "wrong_answer", "wrong_answer": "accepted"}[counted]
    assert [row[column] for row in found] == [other, None]
    overall = scoring.score(*files, ks=[1], bootstrap=10, seed=0)["overall"]
    shares = {key: overall[key]["estimate"] for key in overall if key.startswith("pass@")}
    right = {"robust": 1.0, "published": 0.5}
    assert shares["pass@1"] == right[how]
    beside = column.removesuffix("_verdict")
    assert shares[f"pass@1 ({beside} extraction)"] == right[beside]


@pytest.mark.parametrize(("text", "form"), [(REPEATED, "livecodebench"), (USED, None)])
def test_where_extractions_agree_the_files_are_as_ever(tmp_path, text, form):
    write_parquet(tmp_path / "p.parquet", [{**PROBLEM_ROW, "id": "next"}], PROBLEM)
    row = {"problem_id": "next", "sample": 0, "text": text}
    write_parquet(tmp_path / "g.parquet", [row], GENERATION)
    files = [tmp_path / f"{name}.parquet" for name in ("p", "g", "v")]
    judged(*files, form=form)
    assert list(read_parquet(files[2])[0]) == VERDICT.names
    assert "extraction" not in str(scoring.score(*files, ks=[1], bootstrap=10, seed=0))


def test_a_study_may_name_marks_of_reasoning(tmp_path):
    write_parquet(tmp_path / "p.parquet", [PROBLEM_ROW], PROBLEM)
    row = {"problem_id": "sum", "sample": 0, "text": f"<<plan\n```python\n{RIGHT}\n```\nor"}
    write_parquet(tmp_path / "g.parquet", [row], GENERATION)
    files = [tmp_path / f"{name}.parquet" for name in ("p", "g", "v")]
    judged(*files)
    assert read_parquet(files[2])[0]["verdict"] == "accepted"
    marks = {"mine": {"open": "<<plan", "close": "plan>>"}}
    judged(*files, options=JudgeOptions(reasoning=marks))
    assert read_parquet(files[2])[0]["verdict"] == "no_code"


def test_labels_of_a_pool_know_what_is_asked(tmp_path):
    asked = {**PROBLEM_ROW, "id": "add", "function_name": "add"}
    asked["tests"] = [{"input": "1\n2", "expected": "3"}]
    write_parquet(tmp_path / "p.parquet", [asked], PROBLEM)
    text = "```python\ndef add(a, b):\n    return a + b\n```\n```python\nprint(add(1, 2))\n```"
    write_parquet(
        tmp_path / "t.parquet", [{"id": "a", "problem_id": "add", "response": text}], POOL
    )
    stage.Labels(
        problems=tmp_path / "p.parquet",
        traces=[tmp_path / "t.parquet"],
        labels=tmp_path / "l.parquet",
    ).run(Job())
    assert read_parquet(tmp_path / "l.parquet")[0]["correct"] is True


START = 'def add(a: int, b: int) -> int:\n    """Add."""\n'


def continued(tmp_path, completions, starter_code=START):
    problem = {**PROBLEM_ROW, "id": "add", "function_name": "add", "starter_code": starter_code}
    problem["tests"] = [{"input": "1\n2", "expected": "3"}]
    problems = write_lines(tmp_path / "p.jsonl", [problem])
    rows = [{"task_id": "add", "completion": text} for text in completions]
    done = valley(problems, write_lines(tmp_path / "a.jsonl", rows), "-q")
    out = tmp_path / "a.verdicts.jsonl"
    return done, [line["verdict"] for line in lines(out)] if out.exists() else []


def test_completions_go_on_where_the_prompt_ends(tmp_path):
    done, verdicts = continued(
        tmp_path,
        [
            "    return a + b\n",
            "    return a - b\n",
            "    return a +\n",
            "def add(a, b):\n    return a + b\n",  # the whole function again
            "Sure:\n```python\ndef add(a, b):\n    return a + b\n```\n```python\nadd(1, 2)\n```",
            "    total = a + b\n    return total\n\n\nprint(add(1, 2))\n",
            "I cannot do that.",
        ],
    )
    assert done.returncode == 0, done.stderr
    assert verdicts == [
        *("accepted", "wrong_answer", "compile_error"),
        *("accepted", "accepted", "accepted", "no_code"),
    ]


def test_a_completion_of_a_prompt_that_is_not_known_is_refused(tmp_path):
    right = "def add(a, b):\n    return a + b\n"
    done, verdicts = continued(tmp_path, ["    return a + b\n", right], starter_code="")
    assert done.returncode == 1 and verdicts == ["accepted"]
    assert "row 1: completion: it goes on from a prompt, and problem 'add' has no" in done.stderr
    assert "give the whole program as `program`" in done.stderr


def test_the_command_reads_what_a_prompt_opened_and_other_ways_of_extraction(tmp_path):
    problems = write_lines(tmp_path / "p.jsonl", [PROBLEM_ROW])
    draft = f"First idea:\n```python\n{RIGHT}\n```\nBut wait"
    rows = [
        {"problem_id": "sum", "text": draft},
        {"problem_id": "sum", "text": draft, "prompt": "<|Assistant|><think>\n"},
        {"problem_id": "sum", "text": f"<<\n{draft}"},
        {"problem_id": "sum", "text": f"```python\n{RIGHT}\n```\n```python\nprint(0)\n```"},
    ]
    answers = write_lines(tmp_path / "a.jsonl", rows)
    for more, expected in (
        ([], ["accepted", "no_code", "accepted", "accepted"]),
        (["--reasoning", "<<", ">>"], ["accepted", "no_code", "no_code", "accepted"]),
        (["--extraction", "livecodebench"], [*["accepted"] * 3, "wrong_answer"]),
    ):
        assert valley(problems, answers, "-q", *more).returncode == 0
        found = [line["verdict"] for line in lines(tmp_path / "a.verdicts.jsonl")]
        assert found == expected
