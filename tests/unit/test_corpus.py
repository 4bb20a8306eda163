"""The pool: contaminated, malformed and repeated traces are dropped, and counted."""

import pytest
from bank import answered
from judge import LABEL
from pool import Pool
from valley.bank import problems as bank
from valley.bank import teacher
from valley.core.files import POOL, PROBLEM, read_json, read_parquet, write_parquet
from valley.workflow.job import Job


@pytest.fixture
def made(tmp_path):
    """Return a function: build a pool, with a benchmark, and give it and its summary."""

    def build(problems, rows, benchmark):
        write_parquet(tmp_path / "problems", problems, PROBLEM)
        write_parquet(tmp_path / "traces", rows, POOL)
        write_parquet(tmp_path / "benchmark", benchmark, PROBLEM)
        labels = [{"id": row["id"], "correct": True, "verdict": "accepted"} for row in rows]
        write_parquet(tmp_path / "labels", labels, LABEL)
        Pool(
            problems=tmp_path / "problems",
            traces=[tmp_path / "traces"],
            labels=tmp_path / "labels",
            benchmarks=[tmp_path / "benchmark"],
            pool=tmp_path / "pool",
            summary=tmp_path / "summary",
            difficulties={"easy": ["easy"], "hard": ["medium", "hard"]},
        ).run(Job())
        return read_parquet(tmp_path / "pool"), read_json(tmp_path / "summary")

    return build


PROBLEMS = bank.generate(12, 3, "train")
ROWS = [answered(row, teacher.trace(row, at, 0.0), "t") for at, row in enumerate(PROBLEMS)]


def test_nothing_is_dropped_from_a_clean_corpus(made):
    kept, summary = made(PROBLEMS, ROWS, bank.generate(12, 3, "eval"))
    assert len(kept) == summary["kept"] == 12
    assert summary["dropped"] == {"contaminated": 0, "malformed": 0, "duplicate": 0}
    assert summary["slices"]["all.correct"] == 12


def test_traces_on_a_benchmarks_problems_are_dropped(made):
    kept, summary = made(PROBLEMS, ROWS, PROBLEMS[:3])
    assert summary["dropped"]["contaminated"] >= 3
    assert not {row["problem_id"] for row in kept} & {row["id"] for row in PROBLEMS[:3]}


def test_malformed_and_repeated_traces_are_dropped(made):
    broken = {**ROWS[0], "id": "broken", "response": "<think>never closed"}
    repeated = {**ROWS[1], "id": "repeated"}
    kept, summary = made(PROBLEMS, [*ROWS, broken, repeated], bank.generate(5, 3, "eval"))
    assert summary["dropped"] == {"contaminated": 0, "malformed": 1, "duplicate": 1}
    assert len(kept) == 12
