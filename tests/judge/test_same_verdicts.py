"""`./valley judge` and a study's stages say the same of the same problems and answers."""

from pathlib import Path

import benchmark_material as made
import judge as stage
import pytest
import whole_rows
from benchmarks import Published
from hub_files import jsonl
from test_command import lines, valley
from valley.core.files import GENERATION, read_parquet, write_parquet
from valley.judging.options import JudgeOptions
from valley.workflow.job import Job

COMPARED = ("problem_id", "sample", "verdict", "failed_test", "tests_passed", "detail")
QUICK = {"time_limit_s": 0.5, "memory_limit_mb": 256}


def fenced(code: str) -> str:
    return f"<think>\nWe need it.\n</think>\nHere it is:\n```python\n{code}\n```\nDone."


def answers_for(name: str, right: str) -> dict[str, str]:
    """Answers of all sorts to a problem that asks for a function of that name."""
    call = f"def {name}(*given):\n    "
    return {
        "right": fenced(right),
        "right, then used": fenced(right) + f"\nFor example:\n```python\nprint({name})\n```",
        "wrong": fenced(f"{call}return 'no'"),
        "nothing": fenced(f"{call}return None"),
        "raises": fenced(f"{call}raise ValueError(given)"),
        "another name": fenced("def other(x): return x"),
        "never ends": fenced(f"{call}while True: pass"),
        "takes all memory": fenced(f"{call}return [0] * (1 << 40)"),
        "does not parse": fenced(f"def {name}(x) return x"),
        "no program": "I do not know.",
        "cut in its reasoning": f"<think>\nPerhaps\n```python\n{right}\n```\nbut",
        "equal to all": fenced(f"class L:\n    def __eq__(self, o): return True\n{call}return L()"),
        "ends itself": fenced(f"import os\n{call}os._exit(0)"),
        "reads files": fenced(f"{call}return open('/etc/passwd').read()"),
        "forks": fenced(f"import os\n{call}os.fork()\n    return 0"),
        "lacks a package": fenced(f"import numpy\n{right}"),
    }


def programs_for(right: str) -> dict[str, str]:
    """Answers of all sorts to a problem that asks for a program."""
    return {
        "right": fenced(right),
        "prints nothing": fenced("input()"),
        "wrong": fenced("input()\nprint(-1)"),
        "raises": fenced("print(1 / 0)"),
        "never ends": fenced("while True: pass"),
        "too much": fenced("while True: print('x' * 1000000)"),
        "waits": fenced("import time\ntime.sleep(60)"),
        "a status": fenced(f"{right}\nimport sys\nsys.exit(3)"),
        "no program": "No.",
        "opens a socket": fenced("import socket\nsocket.socket()"),
    }


def _own() -> tuple[list[dict], list[dict[str, str]]]:
    stdin = {"id": "plus", "statement": "Add one.", "function_name": None, **QUICK}
    stdin["tests"] = [{"input": f"{n}\n", "expected": f"{n + 1}\n"} for n in (1, 5)]
    call = {"id": "add", "statement": "Add.", "function_name": "add", **QUICK}
    call["tests"] = [{"input": "1\n2", "expected": "3"}, {"input": "[1]\n[2]", "expected": "[1,2]"}]
    loose = stdin | {"id": "loose", "case": "ignore", "tolerance": 0.1, "trusted": False}
    loose["checker"] = "def check(input, expected, output): return int(output) > int(input)"
    right = "print(int(input()) + 1)"
    answers = [programs_for(right), answers_for("add", "def add(a, b): return a + b")]
    return [stdin, call, loose], [*answers, programs_for(right)]


def _livecodebench() -> tuple[list[dict], list[dict[str, str]]]:
    rows = [made.lcb_stdin(1, **QUICK), made.lcb_function(2, **QUICK)]
    rows.append(made.lcb_stdin(3, question_id="abc350_c", **QUICK))
    right = [made.right(row).split("```python\n")[1].removesuffix("```") for row in rows[:2]]
    return rows, [
        programs_for(right[0]),
        answers_for("total", "def total(nums): return sum(nums) * 2") | {"a": fenced(right[1])},
        programs_for(right[0]),
    ]


def _published(kinds: dict, marked: dict, names: list[str], first: int) -> tuple[list, list]:
    rows = [kinds[name] for name in names] + list(marked.values())
    rows = [{"task_id": first + n} | row | QUICK for n, row in enumerate(rows)]
    answers = []
    for row in rows:
        right = row.get("code") or f"{row['prompt']}{row['canonical_solution']}"
        entry = row.get("entry_point") or right.partition("def ")[2].partition("(")[0]
        answers.append(answers_for(entry, right))
    few = ("right", "wrong", "raises")
    for index in range(len(names), len(rows)):  # of the marked ones a few say all
        answers[index] = {name: answers[index][name] for name in few}
    return rows, answers


FORMS = {
    "problems": _own,
    "livecodebench": _livecodebench,
    "humaneval": lambda: _published(
        whole_rows.HUMANEVAL,
        whole_rows.HUMANEVAL_MARKED,
        ["a helper of the prompt makes the arguments", "None, pairs and mixed lists"],
        0,
    ),
    "humanevalplus": lambda: _published(
        whole_rows.HUMANEVALPLUS, {}, ["an oracle in place of results"], 0
    ),
    "mbpp": lambda: _published(
        whole_rows.MBPP, whole_rows.MBPP_MARKED, ["tuple keys", "a match"], 1
    ),
    "mbppplus": lambda: _published(
        whole_rows.MBPPPLUS, whole_rows.MBPPPLUS_MARKED, ["order does not count"], 1
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_every_verdict_and_every_mark_is_the_same(form, tmp_path):
    rows, answers = FORMS[form]()
    source = jsonl(tmp_path / "source.jsonl", rows)
    benchmark = tmp_path / "benchmark.parquet"
    settings = {"files": [source.name], "path": str(source), "bad_rows": "stop"}
    told = Published(out=benchmark, **settings).run(Job(threads=2))
    problems = read_parquet(benchmark)
    assert len(problems) == len(rows)
    said = [
        {"problem_id": problem["id"], "sample": sample, "text": text}
        for problem, texts in zip(problems, answers, strict=True)
        for sample, text in enumerate(texts.values())
    ]
    generations = tmp_path / "generations.parquet"
    write_parquet(generations, said, GENERATION)
    verdicts = tmp_path / "verdicts.parquet"
    stage.Judge(problems=benchmark, generations=generations, verdicts=verdicts, form=form).run(
        Job()
    )
    expected = [{name: row[name] for name in COMPARED} for row in read_parquet(verdicts)]
    words = {row["verdict"] for row in expected}
    assert {"accepted", "wrong_answer", "runtime_error", "time_limit", "no_code"} <= words

    # The published file itself, and the benchmark that the study made of it.
    answered = jsonl(tmp_path / "answers.jsonl", said)
    marked = [problem for problem in problems if problem["trusted"] is False]
    for path in (source, benchmark):
        out = tmp_path / "verdicts.jsonl"
        done = valley(path, answered, "-o", out, "--cache", tmp_path / "known")
        assert done.returncode == int("judge_error" in words), done.stderr
        found = [{name: row[name] for name in COMPARED} for row in lines(out)]
        assert found == sorted(expected, key=lambda row: (row["problem_id"], row["sample"]))
        shown = [line.strip() for line in done.stdout.split("\n") if line.startswith("  ")]
        assert shown == [f"{p['id']}: {p['mark'] or 'its file says so'}" for p in marked]
        refused = told["kept"].get("reference_not_accepted", 0)
        if path is source and refused:
            assert f"{refused} of them since their own solution is not accepted" in done.stdout
    assert len(marked) == told["kept"]["untrusted"]


def test_with_the_studys_settings_left_out_problems_are_the_same(tmp_path: Path):
    rows, answers = FORMS["mbpp"]()
    source = jsonl(tmp_path / "source.jsonl", rows)
    said = [
        {"problem_id": f"mbpp/{row['task_id']}", "sample": n, "text": texts[name]}
        for row, texts in zip(rows, answers, strict=True)
        for n, name in enumerate(("right", "wrong"))
    ]
    answered = jsonl(tmp_path / "answers.jsonl", said)
    settings = {"files": [source.name], "path": str(source), "bad_rows": "stop"}
    Published(out=tmp_path / "b.parquet", **settings).run(Job(threads=2))
    write_parquet(tmp_path / "g.parquet", said, GENERATION)
    files = {"problems": tmp_path / "b.parquet", "generations": tmp_path / "g.parquet"}
    summary = stage.Judge(
        **files, verdicts=tmp_path / "v.parquet", options=JudgeOptions(untrusted="leave_out")
    ).run(Job())
    assert valley(source, answered, "--trusted-only", "-q").returncode == 0
    found = lines(tmp_path / "answers.verdicts.jsonl")
    kept = read_parquet(tmp_path / "v.parquet")
    assert [(row["problem_id"], row["verdict"]) for row in found] == [
        (row["problem_id"], row["verdict"]) for row in kept
    ]
    assert len(kept) == len(said) - summary["answers_left_out"]
    assert summary["answers_left_out"] == 2 * len(whole_rows.MBPP_MARKED)
