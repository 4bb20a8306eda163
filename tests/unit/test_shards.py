"""Shards: nested, independent of one another, equal bytes for equal content."""

import pytest
from core.files import POOL, read_parquet, write_parquet
from shards import shard


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


def test_the_same_shard_is_the_same_bytes_whatever_the_pool_s_order(pool, tmp_path):
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


def test_a_slice_s_shard_is_in_the_order_of_the_whole(pool):
    everything = ids(cut(pool, "all", size=600))
    easy = ids(cut(pool, "easy", slice="easy.any", size=120))
    assert easy == [name for name in everything if name in set(easy)]


def test_too_small_a_slice_is_named_with_both_numbers(pool):
    with pytest.raises(ValueError, match=r"easy\.correct holds 100 traces, but 101 were asked"):
        cut(pool, "none", slice="easy.correct", size=101)
    assert not pool.with_name("none").exists()
