"""Several jobs share programs: the bytes of one job, and nothing is judged twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import judge as stage
import pytest
from valley.core.files import GENERATION, POOL, PROBLEM, read_json, read_parquet, write_parquet
from valley.core.parts import Part, owns, parts
from valley.judging.options import JudgeOptions
from valley.workflow.job import Job

SCRIPTS = Path(stage.__file__).parent
PROBLEM_ROW = {
    "statement": "Add two numbers.",
    "difficulty": "easy",
    "time_limit_s": 10.0,
    "memory_limit_mb": 256,
}
PROGRAMS = [
    "print(sum(map(int, input().split())))",
    "print(sum(map(int, input().split())) + {})",
    "print(1 /",
    "raise ValueError",
]
# Runs a part, and is killed like a job at its limit when so many verdicts are in the store.
KILLED = """
import os, signal, sys
from pathlib import Path
import judge as stage
from valley.judging import cache
from valley.workflow.job import Job

put, left = cache.Cache.put, [int(sys.argv[2])]
def counted(self, key, value):
    put(self, key, value)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
cache.FLUSH_ENTRIES, cache.Cache.put = 1, counted
folder = Path(sys.argv[1])
stage.JudgePart(
    problems=folder / "p.parquet", generations=folder / "g.parquet",
    verdicts=folder / "part.json", store=folder / "store",
).run(Job(wildcards={"part": ".1-of-2"}))
"""


def fenced(number: int) -> str:
    program = PROGRAMS[number % len(PROGRAMS)].format(number)
    return f"```python\n{program}\n```" if number % 7 else "no program"


def problems(count: int) -> list[dict]:
    """Return problems that ask for the same, of other numbers."""
    tests = [
        [{"input": f"1 {n}\n", "expected": f"{n + 1}\n", "public": True}] for n in range(count)
    ]
    return [{**PROBLEM_ROW, "id": f"sum{n}", "tests": test} for n, test in enumerate(tests)]


def written(folder: Path, count: int = 6, samples: int = 4) -> dict[str, Path]:
    """Write a benchmark and answers to it; some programs are equal, some answers have none."""
    folder.mkdir(parents=True, exist_ok=True)
    answer = {"finish_reason": "stop", "tokens": 1, "seed": 0}
    answers = [
        {**answer, "problem_id": f"sum{at}", "sample": n, "text": fenced(at + n)}
        for at in range(count + 1)  # the last is no problem of the benchmark
        for n in range(samples)
    ]
    write_parquet(folder / "p.parquet", problems(count), PROBLEM)
    write_parquet(folder / "g.parquet", answers, GENERATION)
    return {"problems": folder / "p.parquet", "generations": folder / "g.parquet"}


def job(part: Part) -> Job:
    return Job(wildcards={"part": str(part)}, threads=2)


def segments(store: Path) -> set[str]:
    return {path.name for path in (store / "programs").iterdir()}


def of_parts(files: dict, store: Path, jobs: int, **how) -> list[dict]:
    outs = [store.parent / f"{store.name}{part}.json" for part in parts(jobs)]
    for part, out in zip(parts(jobs), outs, strict=True):
        stage.JudgePart(**files, verdicts=out, store=store, **how).run(job(part))
    return [read_json(out) for out in outs]


def test_parts_have_all_requests_among_them_and_each_once():
    requests = [(f"p{number}", "x") for number in range(300)]
    for jobs in (1, 2, 3, 7):
        owners = [[part for part in parts(jobs) if owns(part, *one)] for one in requests]
        assert all(len(found) == 1 for found in owners)
        counts = [owners.count([part]) for part in parts(jobs)]
        assert min(counts) > 0.5 * 300 / jobs


def test_a_part_may_own_a_program_that_utf8_has_no_bytes_for():
    owners = [part for part in parts(3) if stage._owns(part, "p", "print('\udc80')")]
    assert len(owners) == 1


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_any_number_of_parts_gives_the_verdicts_of_one_job(tmp_path, judged, jobs):
    files = written(tmp_path)
    stage.Judge(**files, verdicts=tmp_path / "one.parquet").run(Job(threads=2))
    alone = len(judged)
    judged.clear()
    store = tmp_path / "store"
    told = of_parts(files, store, jobs)
    assert len(judged) == alone == sum(part["programs"] for part in told)
    assert len({*judged}) < alone, "the same program for another problem is another"
    assert jobs == 1 or all(0 < part["programs"] < alone for part in told)
    assert all(sum(part["verdicts"].values()) == part["programs"] for part in told)
    judged.clear()
    before = segments(store)
    stage.Judge(**files, verdicts=tmp_path / "v.parquet", store=store).run(Job(threads=2))
    assert judged == [] and segments(store) == before
    assert (tmp_path / "v.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
    words = {row["verdict"] for row in read_parquet(tmp_path / "v.parquet")}
    assert words >= {"accepted", "wrong_answer", "no_code", "judge_error", "runtime_error"}


def test_added_problems_and_samples_are_all_that_parts_judge(tmp_path, judged):
    store = tmp_path / "store"
    of_parts(written(tmp_path / "few"), store, 2)
    known = len(judged)
    judged.clear()
    more = written(tmp_path / "more", count=8, samples=6)
    told = of_parts(more, store, 2)
    assert len(judged) == sum(part["programs"] for part in told) - known > 0


def test_parts_of_traces_give_the_labels_of_one_job(tmp_path, judged):
    write_parquet(tmp_path / "p.parquet", problems(6), PROBLEM)
    rows = [
        {"id": f"{number:03d}", "problem_id": f"sum{number % 7}", "response": fenced(number)}
        for number in range(60)
    ]
    for at in (0, 1):
        write_parquet(tmp_path / f"t{at}.parquet", rows[at::2], POOL)
    files = {
        "problems": tmp_path / "p.parquet",
        "traces": [tmp_path / "t0.parquet", tmp_path / "t1.parquet"],
    }
    stage.Labels(**files, labels=tmp_path / "one").run(Job(threads=2))
    alone = len(judged)
    for jobs in (2, 3):
        judged.clear()
        store = tmp_path / f"store{jobs}"
        for part in parts(jobs):
            out = tmp_path / f"labels{part}.json"
            stage.LabelsPart(**files, labels=out, store=store).run(job(part))
            assert read_json(out)["programs"] > 0
        assert len(judged) == alone
        stage.Labels(**files, labels=tmp_path / "parts", store=store).run(Job(threads=2))
        assert len(judged) == alone, "all verdicts were in the store"
        assert (tmp_path / "parts").read_bytes() == (tmp_path / "one").read_bytes()


def test_programs_of_the_other_extraction_are_judged_by_parts_too(tmp_path, judged):
    first, last = PROGRAMS[0], "print(4)"
    text = f"```python\n{first}\n```\nFor example:\n```python\n{last}\n```\nDone."
    answer = {"finish_reason": "stop", "tokens": 1, "seed": 0, "problem_id": "sum0", "sample": 0}
    write_parquet(tmp_path / "p.parquet", problems(1), PROBLEM)
    write_parquet(tmp_path / "g.parquet", [{**answer, "text": text}], GENERATION)
    files = {"problems": tmp_path / "p.parquet", "generations": tmp_path / "g.parquet"}
    how = {"form": "livecodebench", "options": JudgeOptions(extraction="published")}
    stage.Judge(**files, verdicts=tmp_path / "one.parquet", **how).run(Job())
    alone = [*judged]
    judged.clear()
    of_parts(files, tmp_path / "store", 2, **how)
    assert sorted(judged) == sorted(alone)
    judged.clear()
    out = tmp_path / "v.parquet"
    stage.Judge(**files, verdicts=out, store=tmp_path / "store", **how).run(Job())
    assert judged == [] and out.read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_problems_that_are_left_out_are_not_judged_by_parts(tmp_path, judged):
    files = written(tmp_path)
    rows = [{**row, "trusted": row["id"] != "sum1"} for row in problems(6)]
    write_parquet(files["problems"], rows, PROBLEM)
    kept, less = (
        sum(
            part["programs"]
            for part in of_parts(files, tmp_path / name, 2, options=JudgeOptions(untrusted=name))
        )
        for name in ("keep", "leave_out")
    )
    assert 0 < less < kept


def test_a_killed_part_goes_on_where_it_was(tmp_path, judged):
    files, store = written(tmp_path), tmp_path / "store"
    told = of_parts(files, tmp_path / "other", 2)[0]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "3"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "part.json").exists() and len(segments(store)) == 3
    judged.clear()
    out = tmp_path / "part.json"
    stage.JudgePart(**files, verdicts=out, store=store).run(job(Part(1, 2)))
    assert len(judged) == told["programs"] - 3
    assert read_json(out) == told


def test_parts_without_a_store_are_refused(tmp_path):
    part = stage.JudgePart(**written(tmp_path), verdicts=tmp_path / "v.json")
    with pytest.raises(ValueError, match=r"judge.jobs: .* this job has none; give it a store"):
        part.run(job(Part(1, 2)))
