"""Held-out problems: in no shard, the same in a larger corpus, and the slices know of it."""

import pytest
from shards import HeldOut, Shard
from valley.core import holdout
from valley.core.files import POOL, read_parquet, write_parquet
from valley.workflow.job import Job


def rows(problems, answers=3):
    return [
        {
            "id": f"p{number}/{answer}",
            "problem_id": f"p{number}",
            "prompt": f"Add {number}.",
            "response": "<think>\n</think>\n",
            "difficulty": "easy",
            "correct": answer > 0,
            "teacher": "t",
            "tokens": 3,
            "source": "made",
        }
        for number in range(problems)
        for answer in range(answers)
    ]


def shard(pool, out, **settings):
    return Shard(pool=pool, out=out, **settings).run(Job())


def held_out(pool, out, **settings):
    return HeldOut(pool=pool, out=out, **settings).run(Job())


def problems_of(path):
    return {row["problem_id"] for row in read_parquet(path)}


def test_about_the_share_is_held_out_and_a_larger_share_holds_out_more_of_the_same():
    names = [f"p{number}" for number in range(4000)]
    tenth, fifth = ({n for n in names if holdout.is_held_out(n, share)} for share in (0.1, 0.2))
    assert 320 < len(tenth) < 480
    assert tenth < fifth
    assert not any(holdout.is_held_out(name, 0) for name in names)


@pytest.mark.parametrize("slice", ["all.any", "easy.incorrect", "all.paired-correct"])
@pytest.mark.parametrize("examples", ["rows", "problems"])
def test_no_shard_holds_a_held_out_problem(tmp_path, slice, examples):
    write_parquet(tmp_path / "pool", rows(80), POOL)
    held_out(tmp_path / "pool", tmp_path / "out", share=0.2, problems=99)
    how = {"slice": slice, "size": 40, "examples": examples, "held_out": 0.2}
    for seed in range(3):
        shard(tmp_path / "pool", tmp_path / f"shard{seed}", seed=seed, **how)
        assert not problems_of(tmp_path / "out") & problems_of(tmp_path / f"shard{seed}")


def test_one_trace_a_problem_in_an_order_that_fewer_only_cut_short(tmp_path):
    write_parquet(tmp_path / "pool", rows(80), POOL)
    told = held_out(tmp_path / "pool", tmp_path / "all", share=0.2, problems=99)
    held_out(tmp_path / "pool", tmp_path / "few", share=0.2, problems=5)
    every, few = read_parquet(tmp_path / "all"), read_parquet(tmp_path / "few")
    assert every[:5] == few
    assert told["held_out"] == told["measured"] == len(every) == len(problems_of(tmp_path / "all"))


def test_a_larger_corpus_moves_no_problem_to_the_other_side(tmp_path):
    for number in (40, 80):
        write_parquet(tmp_path / "pool", rows(number), POOL)
        held_out(tmp_path / "pool", tmp_path / f"of{number}", share=0.2, problems=99)
    assert problems_of(tmp_path / "of40") < problems_of(tmp_path / "of80")


def test_a_share_that_holds_out_nothing_is_an_error(tmp_path):
    write_parquet(tmp_path / "pool", rows(3), POOL)
    with pytest.raises(ValueError, match=r"validation\.share 1e-06; enlarge it"):
        held_out(tmp_path / "pool", tmp_path / "out", share=1e-6, problems=9)
    with pytest.raises(ValueError, match="holds 0 traces"):
        shard(tmp_path / "pool", tmp_path / "s", slice="all.any", size=1, seed=0, held_out=1.0)
