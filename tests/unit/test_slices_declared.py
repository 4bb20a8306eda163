"""Declared slices: which rows they hold, how shards of them are nested, paired and mixed."""

import random
from collections import Counter

import pytest
from shards import DeclaredShard, Shard, Slice
from valley.core.declared import WHOLE, Cut, cut_of, function_of, parts_of, turns
from valley.core.files import POOL, read_json, read_parquet, write_parquet
from valley.workflow.job import Job

DEFAULTS = {"separator": "\n", "seed": 0}


def row(problem: int, number: int) -> dict:
    draw = random.Random(f"{problem}.{number}")
    steps = [f"{at}. take {draw.randint(10, 99)} for p{problem}" for at in range(1, 7)]
    thought = "\n".join([*steps[:3], "Wait, is that right? Yes.", *steps[3:]])
    program = f"print({problem}, {number})"
    return {
        "id": f"p{problem}/{number}",
        "problem_id": f"p{problem}",
        "prompt": f"question {problem}",
        "response": f"<think>\n{thought}\n</think>\nSo:\n```python\n{program}\n```\n",
        "difficulty": ("easy", "hard")[problem % 2],
        "correct": number != 2,
        "teacher": ("a", "b")[number % 2],
        "tokens": 10 * problem + number,
        "source": "made",
    }


ROWS = [row(problem, number) for problem in range(60) for number in range(1 + problem % 4)]


@pytest.fixture
def pool(tmp_path):
    (tmp_path / "corpus").mkdir()
    path = tmp_path / "corpus" / "pool.parquet"
    write_parquet(path, ROWS, POOL)
    return path


def cut(pool, name, file=None, held_out=0.0, **declared):
    """Make a declared slice as its rule does; return its file."""
    declared = {**DEFAULTS, **declared}
    out = pool.with_name(f"{name}.parquet")
    Slice(
        **{"pool": pool, "of": file or pool, "out": out, "about": pool.with_name(f"{name}.json")},
        **{"cut": cut_of(declared), "rewriting": function_of(declared), "held_out": held_out},
        transform_code="",
    ).run(Job(wildcards={"slice": name}))
    return out


def shard(parts, size, seed=0, shares=(1.0,), bases=None, examples="rows"):
    out = parts[0].with_name(f"shard-{size}")
    told = DeclaredShard(
        **{"parts": list(parts), "out": out, "bases": bases or [WHOLE] * len(parts)},
        **{"shares": list(shares), "size": size, "seed": seed, "examples": examples},
    ).run(Job())
    return read_parquet(out), told


def ids(rows):
    return [one["id"] for one in rows]


FILTERS = [
    ({"teacher": "a"}, lambda r: r["teacher"] == "a"),
    ({"teacher": ["a", "b"]}, lambda r: True),
    ({"tokens": [100, 200]}, lambda r: 100 <= r["tokens"] <= 200),
    ({"tokens": [None, 99]}, lambda r: r["tokens"] < 100),
    ({"tokens": 100}, lambda r: r["tokens"] == 100),
    ({"correct": False}, lambda r: r["correct"] is False),
    ({"correct": [True, None]}, lambda r: r["correct"] is not False),
    ({"difficulty": "easy", "correct": True}, lambda r: r["difficulty"] == "easy" and r["correct"]),
    ({"of": "hard.correct"}, lambda r: r["difficulty"] == "hard" and r["correct"]),
    ({"language": "python"}, lambda r: True),
    ({"steps": [7, 7]}, lambda r: True),
    ({"problem_id": ["p1", "p2"]}, lambda r: r["problem_id"] in ("p1", "p2")),
    ({"id": "p5/0"}, lambda r: r["id"] == "p5/0"),
]


@pytest.mark.parametrize(("declared", "belongs"), FILTERS, ids=[str(f[0]) for f in FILTERS])
def test_a_slice_holds_the_rows_that_its_filters_say_as_they_are(pool, declared, belongs):
    assert read_parquet(cut(pool, "x", **declared)) == list(filter(belongs, ROWS))


def test_held_out_problems_are_in_no_slice(pool):
    held = {r["problem_id"] for r in ROWS} - {
        r["problem_id"] for r in read_parquet(cut(pool, "x", held_out=0.3, tokens=[0, None]))
    }
    assert 5 < len(held) < 40


def test_answers_per_problem_are_nested_and_counted_in_rows(pool):
    few, many = (read_parquet(cut(pool, f"x{k}", answers_per_problem=k)) for k in (1, 3))
    assert set(Counter(r["problem_id"] for r in few).values()) == {1}
    assert max(Counter(r["problem_id"] for r in many).values()) == 3
    assert set(ids(few)) < set(ids(many))
    assert len(many) == sum(min(3, 1 + problem % 4) for problem in range(60))
    assert ids(many) == [name for name in ids(ROWS) if name in set(ids(many))]


@pytest.mark.parametrize("examples", ["rows", "problems"])
def test_a_shard_of_a_declared_slice_has_the_bytes_of_the_same_slices_own(pool, examples):
    own = pool.with_name("own")
    how = {"size": 25, "seed": 3, "examples": examples}
    Shard(pool=pool, out=own, slice="easy.correct", **how).run(Job())
    file = cut(pool, "x", difficulty="easy", correct=True)
    shard([file], **how)
    assert file.with_name("shard-25").read_bytes() == own.read_bytes()
    shard([pool], bases=["easy.correct"], **how)
    assert pool.with_name("shard-25").read_bytes() == own.read_bytes()


TRANSFORMS = [
    "shuffle-steps",
    {"delete-steps": 0.5},
    {"insert-steps": 0.5},
    "corrupt-numbers",
    "remove-reflection",
    "remove-reasoning",
    "wrong-program",
    {"truncate": 0.5},
    {"think-tags": "brackets"},
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_both_sides_of_a_contrast_ask_the_same_rows_at_every_size(pool, transform):
    rewritten = cut(pool, "x", **{"transform": transform})
    for size in (7, 40):
        plain, _ = shard([pool], size, seed=1)
        changed, _ = shard([rewritten], size, seed=1)
        assert ids(changed) == ids(plain)
        assert [r["prompt"] for r in changed] == [r["prompt"] for r in plain]
        assert sum(a["response"] != b["response"] for a, b in zip(changed, plain, strict=True)) >= (
            size - 1
        )


FROM_OTHERS = [{"insert-steps": 0.5}, "wrong-program"]


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if t not in FROM_OTHERS], ids=str)
def test_a_row_is_rewritten_alike_whichever_others_there_are(pool, transform):
    all_of_them = {r["id"]: r for r in read_parquet(cut(pool, "x", transform=transform))}
    few = read_parquet(cut(pool, "y", transform=transform, teacher="b", tokens=[200, None]))
    assert len(few) == 40
    assert all(one == all_of_them[one["id"]] for one in few)
    again = cut(pool, "z", transform=transform).read_bytes()
    assert again == pool.with_name("x.parquet").read_bytes()


@pytest.mark.parametrize("transform", FROM_OTHERS, ids=str)
def test_a_new_row_changes_those_few_that_take_from_it(pool, transform):
    before = {r["id"]: r for r in read_parquet(cut(pool, "x", transform=transform))}
    write_parquet(pool, [*ROWS, row(99, 0)], POOL)
    after = {r["id"]: r for r in read_parquet(cut(pool, "x", transform=transform))}
    assert set(after) - set(before) == {"p99/0"}
    assert sum(after[name] != before[name] for name in before) < 12


def test_another_seed_gives_another_order(pool):
    one, other = (
        read_parquet(cut(pool, f"x{s}", transform="shuffle-steps", seed=s)) for s in (0, 1)
    )
    assert ids(one) == ids(other)
    assert sum(a["response"] != b["response"] for a, b in zip(one, other, strict=True)) > 100


def test_a_slice_of_a_slice_is_rewritten_twice(pool):
    first = cut(pool, "x", transform="shuffle-steps")
    second = cut(pool, "y", file=first, transform={"think-tags": ["<t>", "</t>"]})
    for one, two in zip(read_parquet(first), read_parquet(second), strict=True):
        inside = one["response"].replace("<think>", "<t>").replace("</think>", "</t>")
        assert two["response"] == inside
    with pytest.raises(
        ValueError, match=r"slice z: row p0/0: shuffle-steps: has not just one pair"
    ):
        cut(pool, "z", file=second, transform="shuffle-steps")


def test_it_tells_how_many_how_long_and_one_before_and_after(pool):
    cut(pool, "x", transform={"truncate": 0.5})
    told = read_json(pool.with_name("x.json"))
    rows = read_parquet(pool.with_name("x.parquet"))
    assert (told["rows"], told["problems"], told["left_out"]) == (len(ROWS), 60, 0)
    assert told["tokens"]["sum"] == sum(r["tokens"] for r in rows)
    assert told["tokens_before"]["sum"] == sum(r["tokens"] for r in ROWS)
    assert told["correct"] == {"True": sum(r["correct"] for r in ROWS), "False": 30}
    example = told["example"]
    assert example["before"] == next(r["response"] for r in ROWS if r["id"] == example["id"])
    assert example["after"] == next(r["response"] for r in rows if r["id"] == example["id"])
    assert example["before"] != example["after"]


OWN = """
from string import capwords

def helper(text, random):
    return capwords(text) + str(random.random())

def transform(row, random):
    if row["id"].endswith("/1"):
        return None
    return {**row, "response": helper(row["response"], random)}
"""


def test_a_scripts_rows_are_taken_and_what_it_leaves_out_is_counted(pool, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    cut(pool, "x", transform={"script": str(path)})
    told, rows = read_json(pool.with_name("x.json")), read_parquet(pool.with_name("x.parquet"))
    gone = {r["id"] for r in ROWS if r["id"].endswith("/1")}
    assert told["left_out"] == len(gone) > 10
    assert set(ids(rows)) == set(ids(ROWS)) - gone
    assert len({r["response"] for r in rows}) == len(rows)
    few = read_parquet(cut(pool, "y", transform={"script": str(path)}, tokens=[300, None]))
    assert all(one in rows for one in few)


def test_a_mix_has_its_shares_at_every_size_and_no_row_twice(pool):
    shuffled = cut(pool, "shuffled", transform="shuffle-steps")
    how = {"shares": (0.3, 0.7), "seed": 2}
    large, told = shard([shuffled, pool], 90, **how)
    assert told["of_each"] == [27, 63]
    assert len(set(ids(large))) == 90
    plain = {r["id"]: r["response"] for r in ROWS}
    for size in range(1, 91):
        changed = sum(r["response"] != plain[r["id"]] for r in large[:size])
        assert abs(changed - 0.3 * size) <= 1
    for size in (10, 51):
        assert shard([shuffled, pool], size, **how)[0] == large[:size]


def test_a_mix_by_problem_asks_none_twice(pool):
    rows, _ = shard([pool, pool], 50, shares=(0.5, 0.5), examples="problems")
    assert len({r["problem_id"] for r in rows}) == 50
    easy, told = shard(
        *([pool, pool], 20), shares=(0.8, 0.2), bases=["easy.any", "hard.any"], examples="problems"
    )
    assert Counter(r["difficulty"] for r in easy) == {"easy": 16, "hard": 4}
    assert told["problems"] == 20


def test_a_mix_that_can_not_be_filled_says_which_slice_is_used_up(pool):
    few = cut(pool, "few", tokens=[500, None], teacher="a")
    number = len(read_parquet(few))
    with pytest.raises(
        ValueError,
        match=rf"the mix can't be filled: after \d+ of 100 traces, slice f"
        rf"ew \(share 0\.5, {number} traces\) has none left that the others have not taken",
    ):
        shard([few, pool], 100, shares=(0.5, 0.5), bases=[WHOLE, "hard.any"])
    with pytest.raises(
        ValueError, match=rf"slice few holds {number} traces, but 100 were asked for"
    ):
        shard([few], 100)


def test_a_mix_of_mixes_is_one_mix():
    slices = {
        "a": {"mix": {"b": 0.5, "easy.any": 0.5}},
        "b": {"mix": {"c": 0.4, "easy.any": 0.6}},
        "c": {"tokens": [0, 1]},
    }
    assert parts_of("a", slices) == [("c", 0.2), ("easy.any", 0.8)]
    assert parts_of("c", slices) == [("c", 1.0)]


def test_turns_keep_to_shares_to_within_one_for_ever():
    shares = [0.05, 0.15, 0.3, 0.5]
    taken = [0] * 4
    for number, part in zip(range(1, 5000), turns(shares), strict=False):
        taken[part] += 1
        assert all(
            abs(have - share * number) <= 1 for have, share in zip(taken, shares, strict=True)
        )


def test_a_cut_knows_nothing_of_its_name():
    declared = {"of": "easy.correct", "tokens": [0, 9], "label": "x", **DEFAULTS}
    assert cut_of(declared) == Cut(base="easy.correct", where={"tokens": [0, 9]}, separator="\n")
    assert cut_of({**declared, "of": "other"}).base == WHOLE


def test_a_wrong_answer_to_the_same_problem_is_taken_where_there_is_one(pool):
    file = cut(pool, "x", correct=True, transform={"wrong-program": "same-problem"})
    rows = read_parquet(file)
    wrong = {r["problem_id"]: r["response"] for r in ROWS if not r["correct"]}
    assert {r["problem_id"] for r in rows} == set(wrong)
    left_out = [r for r in ROWS if r["correct"] and r["problem_id"] not in wrong]
    assert read_json(file.with_suffix(".json"))["left_out"] == len(left_out) > 10
    plain = {r["id"]: r["response"] for r in ROWS}
    for one in rows:
        reasoning, _, program = one["response"].partition("</think>")
        assert reasoning == plain[one["id"]].partition("</think>")[0]
        assert program == wrong[one["problem_id"]].partition("</think>")[2]
        assert one["correct"] is False
