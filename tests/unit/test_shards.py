"""Shards: nested, independent of one another, equal bytes for equal content."""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
import shards
from shards import Shard
from valley.core import slices
from valley.core.files import POOL, read_parquet, write_parquet
from valley.workflow.job import Job


def pool_row(number: int) -> dict:
    return {
        "id": f"p{number}/t",
        "problem_id": f"p{number}",
        "prompt": f"question {number}",
        "response": f"<think>{number}</think>",
        "difficulty": ("easy", "hard")[number % 2],
        "correct": (True, False, None)[number % 3],
        "teacher": "t",
        "tokens": number,
        "source": "made",
    }


def shard(pool, out, **settings):
    return Shard(pool=pool, out=out, **settings).run(Job())


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.parquet"
    write_parquet(path, [pool_row(number) for number in range(600)], POOL)
    return path


def cut(pool, name, **wanted):
    out = pool.with_name(name)
    shard(pool, out, **{"slice": "all.any", "size": 10, "seed": 0, **wanted})
    return out


def ids(path):
    return [row["id"] for row in read_parquet(path)]


def test_a_smaller_shard_is_the_beginning_of_a_larger_one(pool):
    small, large = ids(cut(pool, "small", size=50)), ids(cut(pool, "large", size=400))
    assert large[:50] == small
    assert len(set(large)) == 400


def test_replicates_draw_other_subsets(pool):
    first, second = (set(ids(cut(pool, "shard", size=60, seed=seed))) for seed in (0, 1))
    assert len(first & second) < 30


def test_the_same_shard_is_the_same_bytes_whatever_the_pools_order(pool, tmp_path):
    backwards = tmp_path / "backwards.parquet"
    write_parquet(backwards, read_parquet(pool)[::-1], POOL)
    one, other = cut(pool, "one", size=100), tmp_path / "other"
    shard(backwards, other, slice="all.any", size=100, seed=0)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("slice_name", "belongs"),
    [
        ("easy.any", lambda row: row["difficulty"] == "easy"),
        ("all.correct", lambda row: row["correct"] is True),
        ("hard.incorrect", lambda row: row["difficulty"] == "hard" and row["correct"] is False),
    ],
)
def test_a_slice_holds_what_its_name_says(pool, slice_name, belongs):
    rows = read_parquet(cut(pool, "slice", slice=slice_name, size=90))
    assert len(rows) == 90
    assert all(map(belongs, rows))


@pytest.mark.parametrize(
    ("slice_name", "examples", "known"),
    [
        ("all.any", "rows", "c63788e454fc6a5c"),
        ("all.any", "problems", "553755f62d396f42"),
        ("easy.correct", "rows", "5a85749aab50253e"),
        ("easy.correct", "problems", "89e44b85bf560d37"),
    ],
)
def test_which_rows_a_shard_holds_is_the_same_for_ever(pool, slice_name, examples, known):
    """The hashes are those of shards cut before a study file could declare slices."""
    rows = ids(cut(pool, "old", slice=slice_name, size=40, seed=1, examples=examples))
    assert hashlib.sha256(" ".join(rows).encode()).hexdigest()[:16] == known


def test_a_slices_shard_is_in_the_order_of_the_whole(pool):
    everything = ids(cut(pool, "all", size=600))
    easy = ids(cut(pool, "easy", slice="easy.any", size=120))
    assert easy == [name for name in everything if name in set(easy)]


def test_too_small_a_slice_is_named_with_both_numbers(pool):
    with pytest.raises(ValueError, match=r"easy\.correct holds 100 traces, but 101 were asked"):
        cut(pool, "none", slice="easy.correct", size=101)
    assert not pool.with_name("none").exists()


def answered(problem: int, number: int, correct: bool | None) -> dict:
    row = pool_row(problem)
    return {**row, "id": f"p{problem}/{number}", "correct": correct, "difficulty": "easy"}


@pytest.fixture
def crowd(tmp_path):
    """A pool of 200 problems: problem p has p % 7 right and p % 4 wrong answers."""
    path = tmp_path / "crowd.parquet"
    rows = []
    for problem in range(200):
        marks = [True] * (problem % 7) + [False] * (problem % 4) + [None]
        rows += [answered(problem, number, mark) for number, mark in enumerate(marks)]
    write_parquet(path, rows, POOL)
    return path


def pairs_of(problem: int) -> int:
    return min(problem % 7, problem % 4)


def test_by_problem_each_gives_one_answer_and_sizes_are_nested(crowd):
    small = read_parquet(cut(crowd, "small", size=40, examples="problems"))
    large = read_parquet(cut(crowd, "large", size=200, examples="problems"))
    assert len({row["problem_id"] for row in large}) == 200
    assert large[:40] == small


def test_by_problem_those_of_many_answers_are_no_likelier(crowd, tmp_path):
    heavy = tmp_path / "heavy.parquet"
    more = [answered(0, 100 + number, True) for number in range(500)]
    write_parquet(heavy, read_parquet(crowd) + more, POOL)
    before = [r["problem_id"] for r in read_parquet(cut(crowd, "a", size=50, examples="problems"))]
    after = [r["problem_id"] for r in read_parquet(cut(heavy, "b", size=50, examples="problems"))]
    assert before == after


@pytest.mark.parametrize("examples", ["rows", "problems"])
@pytest.mark.parametrize("size", [10, 60])
def test_paired_shards_ask_the_same_problems_equally_often(crowd, examples, size):
    right, wrong = (
        read_parquet(cut(crowd, side, slice=f"easy.paired-{side}", size=size, examples=examples))
        for side in ("correct", "incorrect")
    )
    assert [row["problem_id"] for row in right] == [row["problem_id"] for row in wrong]
    assert {row["correct"] for row in right} == {True}
    assert {row["correct"] for row in wrong} == {False}
    assert len({row["id"] for row in right + wrong}) == 2 * size
    if examples == "problems":
        assert len({row["problem_id"] for row in right}) == size


def test_the_summary_tells_what_shards_can_be_cut(crowd):
    cells = Counter((r["problem_id"], r["difficulty"], r["correct"]) for r in read_parquet(crowd))
    counted = slices.counts(cells, ["easy", "hard"])
    rows, problems = (slices.available(counted, examples) for examples in ("rows", "problems"))
    pairs = [pairs_of(problem) for problem in range(200)]
    assert rows["easy.paired-correct"] == rows["all.paired-incorrect"] == sum(pairs)
    assert problems["easy.paired-correct"] == sum(map(bool, pairs))
    assert rows["hard.paired-correct"] == 0
    for examples, counts in (("rows", rows), ("problems", problems)):
        for name in ("all.any", "easy.correct", "easy.paired-correct", "easy.paired-incorrect"):
            wanted = {"slice": name, "examples": examples}
            cut(crowd, "all", size=counts[name], **wanted)
            with pytest.raises(ValueError, match=rf"{name} holds {counts[name]} "):
                cut(crowd, "more", size=counts[name] + 1, **wanted)


def test_a_shard_tells_how_many_problems_it_holds(crowd, tmp_path):
    told = shard(crowd, tmp_path / "x", slice="all.any", size=150, seed=0)
    rows = read_parquet(tmp_path / "x")
    assert told == {"examples": 150, "problems": len({row["problem_id"] for row in rows})}
    assert told["problems"] < 150


def test_a_shard_larger_than_a_portion_is_the_same_as_in_memory(tmp_path, monkeypatch, pool):
    whole_ = cut(pool, "whole", size=600).read_bytes()
    monkeypatch.setattr(shards, "PORTION", 7)
    assert cut(pool, "parts", size=600).read_bytes() == whole_


LEAVES_NOTHING = """
import sys
from pathlib import Path
import shards
from valley.workflow.job import Job
assert "datasets" not in sys.modules, "a dry-run would wait for it"
pool, out = map(Path, sys.argv[1:])
shards.Shard(pool=pool, out=out, slice="all.any", size=300, seed=0).run(Job())
assert "datasets" in sys.modules
"""


def test_rows_wait_in_a_scratch_folder_that_goes_and_in_no_cache(pool, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folders = {"HF_HOME": str(tmp_path / "home"), "TMPDIR": str(scratch), "HF_HUB_OFFLINE": "1"}
    variables = {**os.environ, **folders, "PYTHONPATH": "workflow_scripts"}
    for name in ("HF_DATASETS_CACHE", "HF_HUB_CACHE"):
        variables.pop(name, None)
    out = tmp_path / "shards" / "all.parquet"
    command = [sys.executable, "-c", LEAVES_NOTHING, str(pool), str(out)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(read_parquet(out)) == 300
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "home").exists()
    assert [path.name for path in out.parent.iterdir()] == ["all.parquet"]
