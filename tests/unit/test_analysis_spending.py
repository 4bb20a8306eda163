"""Curves over what trainings spent: read from manifests and shards, never assumed."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from valley.analysis import fitting, spending
from valley.core.files import GENERATION, POOL, VERDICT, write_json, write_parquet
from valley.core.spending import where

LEVELS = {0: 0.4, 16: 0.2, 64: 0.3, 256: 0.5, 1024: 0.6}
PROBLEMS = 40


@pytest.fixture
def arms(tmp_path) -> list[dict]:
    """Arms of one curve with the files of their results;"""
    ids = [f"p{number:02}" for number in range(PROBLEMS)]
    columns = {"id": ids, "difficulty": ["easy"] * PROBLEMS}
    pq.write_table(pa.table(columns), tmp_path / "problems.parquet")
    out = []
    for size, level in LEVELS.items():
        for seed in (0, 1) if size else (None,):
            folder = tmp_path / f"n{size}-s{seed}"
            rng = np.random.default_rng([size, seed or 0])
            passed = rng.random((PROBLEMS, 4)) < level
            answers = [(name, sample) for name in ids for sample in range(4)]
            generations = [
                {name: None for name in GENERATION.names}
                | {"problem_id": name, "sample": at, "text": "x", "finish_reason": "stop"}
                | {"tokens": 1, "seed": 0}
                for name, at in answers
            ]
            verdicts = [
                {name: None for name in VERDICT.names}
                | {"problem_id": name, "sample": at}
                | {"verdict": "accepted" if passed[number, at] else "wrong_answer"}
                for number, name in enumerate(ids)
                for at in range(4)
            ]
            arm = {"student": "x", "recipe": "r", "start": "base", "slice": "all.any"}
            arm |= {"size": size, "seed": seed}
            for kind, table, schema in (
                ("generations", generations, GENERATION),
                ("verdicts", verdicts, VERDICT),
            ):
                write_parquet(folder / f"{kind}.parquet", table, schema)
                arm[kind] = str(folder / f"{kind}.parquet")
            if size:
                arm["spent"] = str(folder / "checkpoint.json")
                tokens = 100 * size + 50 * seed
                write_json(folder / "checkpoint.json", {"tokens": tokens, "updates": size // 4})
            out.append(arm)
    return out


def curve(arms, tmp_path, **how) -> dict:
    how = {"title": "x", "margin": 0.03, "bootstrap": 200, "seed": 1} | how
    return fitting.curve(arms, tmp_path / "problems.parquet", **how)


def test_points_lie_at_what_was_spent_and_say_their_examples(arms, tmp_path):
    over = curve(arms, tmp_path, x="tokens", forecast=500_000)
    assert over["x"] == "tokens"
    assert [point["size"] for point in over["points"]] == [0, 1625, 6425, 25625, 102425]
    assert [point["examples"] for point in over["points"]] == list(LEVELS)
    assert over["forecast"]["size"] == 500_000
    assert over["readouts"]["bottom"]["size"] in (1625, 6425)
    updates = curve(arms, tmp_path, x="updates")
    assert [point["size"] for point in updates["points"]] == [0, 4, 16, 64, 256]
    assert updates["forecast"]["size"] == 512, "the next on the grid, in updates"
    plain = curve([{**arm, "spent": "nowhere"} for arm in arms], tmp_path)
    assert "x" not in plain and "examples" not in plain["points"][0]
    assert [point["estimate"] for point in plain["points"]] == [
        point["estimate"] for point in over["points"]
    ]


def test_what_does_not_rise_is_no_curve(arms, tmp_path):
    for arm in arms:
        if arm["size"]:
            write_json(arm["spent"], {"updates": 12})
    with pytest.raises(ValueError, match=r"updates do not rise with the size .*16 examples 12"):
        curve(arms, tmp_path, x="updates")


def test_a_manifest_that_does_not_say_is_named(arms, tmp_path):
    write_json(arms[-1]["spent"], {"updates": 12})
    with pytest.raises(ValueError, match=r"checkpoint.json does not say how many tokens"):
        curve(arms, tmp_path, x="tokens")


def test_a_checkpoint_without_its_weights_still_says_what_it_spent(tmp_path):
    write_json(tmp_path / "checkpoint.gone.json", {"tokens": 7})
    assert spending.spent(tmp_path / "checkpoint.json", "tokens") == 7


def test_problems_are_those_of_the_shard(tmp_path):
    blank = {name: None for name in POOL.names} | {"prompt": "", "response": "", "tokens": 1}
    rows = [{**blank, "id": f"{i}", "problem_id": f"p{i % 3}"} for i in range(8)]
    write_parquet(tmp_path / "shard.parquet", rows, POOL)
    assert spending.spent(tmp_path / "shard.parquet", "problems") == 3


def test_where_each_of_them_stands():
    point = {"place": "x/r/base/all.any/n16-s1", "slice": "all.any", "size": 16, "seed": 1}
    at = "root/checkpoints/x/r/base/all.any/n16-s1/checkpoint.json"
    assert where(point, "root", "tokens") == where(point, "root", "updates") == at
    assert where(point, "root", "problems") == "root/shards/all.any/n16-s1.parquet"
    assert where(point, "root", "examples") is None
    assert where({**point, "size": 0}, "root", "tokens") is None
