"""The problem bank: determinism, disjoint splits, true samples, programs that really run."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from valley.bank import problems
from valley.bank.catalogue import BY_NAME, OPERATIONS
from valley.bank.operations import NUMBER, NUMBERS, WORDS, Step, Unfit, apply, fits, show, values
from valley.bank.plans import behaviour, split_of
from valley.core.files import PROBLEM, read_parquet, write_parquet
from valley.core.text import tokens


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    return {
        split: problems.generate(300 if split == "train" else 120, 7, split)
        for split in problems.SPLITS
    }


def run(program: str, text: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20)
    return done.stdout if done.returncode == 0 else f"crash: {done.stderr}"


def test_same_seed_same_rows_and_a_larger_count_extends_a_smaller_one(rows):
    problems.regenerate.cache_clear()
    assert problems.generate(40, 7, "train") == rows["train"][:40]
    assert problems.generate(40, 8, "train") != rows["train"][:40]


def test_small_spaces_do_not_repeat_a_statement():
    drawn = problems.generate(300, 1, "tune", families={"number": 1}, steps={1: 1})
    texts = {problems.regenerate(row["id"]).text for row in drawn}
    assert len(texts) == 300
    assert drawn[:100] == problems.generate(100, 1, "tune", families={"number": 1}, steps={1: 1})


def test_rows_keep_the_contract(rows, tmp_path):
    write_parquet(tmp_path / "problems.parquet", rows["eval"], PROBLEM)
    assert read_parquet(tmp_path / "problems.parquet") == rows["eval"]
    for row in rows["eval"]:
        assert [test["public"] for test in row["tests"]] == [True] * 2 + [False] * 6
        assert len({test["input"] for test in row["tests"]}) == 8


def test_ids_are_unique_and_lead_back_to_the_structure(rows):
    ids = [row["id"] for part in rows.values() for row in part]
    assert len(set(ids)) == len(ids)
    with pytest.raises(ValueError, match="not the id"):
        problems.regenerate("bank-test-1-000001-words2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "unknown split 'test'; allowed: train"),
        ({"split": "eval", "families": {"graphs": 1}}, "unknown family 'graphs'"),
        ({"split": "eval", "steps": {6: 1}}, "unknown number of steps 6"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        problems.generate(1, 1, **options)


def test_splits_share_no_behaviour_and_no_statement(rows):
    splits = list(rows)
    for i, one in enumerate(splits):
        assert all(
            split_of(behaviour(problems.regenerate(row["id"]).plan)) == one for row in rows[one]
        )
        for other in splits[i + 1 :]:
            assert problems.overlap(rows[one], rows[other]) == []


def test_overlap_finds_what_is_the_same(rows):
    some = rows["eval"][:5]
    found = problems.overlap(rows["eval"], some)
    for row in some:
        assert (row["id"], row["id"], "behaviour") in found
        assert (row["id"], row["id"], "statement") in found


def test_statements_contain_their_samples(rows):
    for row in rows["train"]:
        for test in row["tests"]:
            sample = (
                f"Sample input: {test['input'].strip()}\nSample output: {test['expected'].strip()}"
            )
            if test["public"]:
                assert sample in row["statement"]


def test_reference_programs_really_print_the_expected_outputs(rows):
    some = [row for part in rows.values() for row in part[:15]]
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            (row["id"], test, pool.submit(run, problems.solution(row["id"]), test["input"]))
            for row in some
            for test in row["tests"][1::3]
        ]
    for name, test, job in jobs:
        assert job.result() == test["expected"], name


def test_difficulty_is_a_third_each_and_statements_are_short(rows):
    levels = Counter(row["difficulty"] for row in rows["train"])
    assert set(levels) == {"easy", "medium", "hard"}
    assert min(levels.values()) > 0.25 * len(rows["train"])
    words = [len(problems.regenerate(row["id"]).text.split()) for row in rows["train"]]
    assert sorted(words)[len(words) // 2] <= 55
    assert max(words) <= 100
    assert max(tokens(problems.solution(row["id"])) for row in rows["train"]) <= 140


def test_there_is_room_for_many_behaviours():
    drawn = problems.generate(400, 3, "eval")
    assert len({behaviour(problems.regenerate(row["id"]).plan) for row in drawn}) > 350


def test_the_catalogue_is_rich_and_well_formed():
    assert len(OPERATIONS) >= 40
    assert len(BY_NAME) == len(OPERATIONS)
    assert {op.takes for op in OPERATIONS} >= {NUMBERS, WORDS, NUMBER}
    for op in OPERATIONS:
        assert len(set(op.phrases)) >= 3, op.name
        for phrase in op.phrases:
            assert ("{k}" in phrase) == bool(op.ks), op.name
            assert phrase[0].islower(), op.name
            assert not phrase.endswith("."), op.name


# Worked by hand from the phrases, not from the code: operation, parameter, before, after.
EXAMPLES = [
    ("reverse", 0, "3 1 2", "2 1 3"),
    ("sort", 0, "3 -1 2", "-1 2 3"),
    ("sort down", 0, "3 -1 2", "3 2 -1"),
    ("take", 2, "5 6 7", "5 6"),
    ("take last", 2, "5 6 7", "6 7"),
    ("drop", 2, "5 6 7", "7"),
    ("drop last", 2, "5 6 7", "5"),
    ("alternate", 0, "5 6 7 8", "5 7"),
    ("unique", 0, "5 6 5 7 6", "5 6 7"),
    ("rotate", 2, "5 6 7 8", "7 8 5 6"),
    ("rotate back", 2, "5 6 7 8 9", "8 9 5 6 7"),
    ("mirror", 0, "5 6", "5 6 6 5"),
    ("swap ends", 0, "5 6 7", "7 6 5"),
    ("even", 0, "5 6 -2 0", "6 -2 0"),
    ("odd", 0, "5 6 -3 0", "5 -3"),
    ("positive", 0, "5 0 -3", "5"),
    ("above", 3, "2 3 4", "4"),
    ("below", 5, "4 5 6", "4"),
    ("multiples", 3, "6 7 0 -3", "6 0 -3"),
    ("add", 4, "1 -2", "5 2"),
    ("subtract", 4, "1 9", "-3 5"),
    ("times", 3, "2 -1", "6 -3"),
    ("square", 0, "3 -2", "9 4"),
    ("absolute", 0, "3 -2", "3 2"),
    ("remainder", 4, "7 8 3", "3 0 3"),
    ("digit sums", 0, "19 7", "10 7"),
    ("cap", 5, "4 5 9", "4 5 5"),
    ("lift", 4, "2 4 9", "4 4 9"),
    ("distance", 5, "2 9", "3 4"),
    ("prefix sums", 0, "1 2 3", "1 3 6"),
    ("running max", 0, "2 1 3", "2 2 3"),
    ("differences", 0, "2 5 1", "3 -4"),
    ("pair sums", 0, "2 5 1", "7 6"),
    ("weigh", 0, "2 5 1", "2 10 3"),
    ("total", 0, "2 5 1", "8"),
    ("biggest", 0, "2 5 1", "5"),
    ("long", 3, "cat bird", "bird"),
    ("short", 5, "bird apple", "bird"),
    ("vowel", 0, "ice bird apple", "ice apple"),
    ("upper", 0, "ice cat", "ICE CAT"),
    ("title", 0, "ice cat", "Ice Cat"),
    ("flip", 0, "ice cat", "eci tac"),
    ("no vowels", 0, "ice moon", "c mn"),
    ("double", 0, "ab cat", "abab catcat"),
    ("letters sorted", 0, "cat dog", "act dgo"),
    ("first letter", 0, "cat dog", "c d"),
    ("last letter", 0, "cat dog", "t g"),
    ("behead", 0, "cat dog", "at og"),
    ("by length", 0, "bird cat up dog", "up cat dog bird"),
    ("lengths", 0, "bird up", "4 2"),
    ("plus", 3, "14", "17"),
    ("multiply", 3, "14", "42"),
    ("squared", 0, "12", "144"),
    ("modulo", 5, "14", "4"),
    ("halve", 0, "15", "7"),
    ("backwards", 0, "120", "21"),
    ("digit sum", 0, "129", "12"),
    ("top digit", 0, "192", "9"),
    ("collatz", 0, "7", "22"),
    ("digits", 0, "192", "1 9 2"),
    ("list", 0, "1 2", "1 2"),
    ("count", 0, "5 6 5", "3"),
    ("sum", 0, "5 6 5", "16"),
    ("max", 0, "5 6 5", "6"),
    ("min", 0, "5 -6 5", "-6"),
    ("distinct", 0, "5 6 5", "2"),
    ("second", 0, "5 9 6", "6"),
    ("spread", 0, "5 9 -1", "10"),
    ("last", 0, "5 9 6", "6"),
    ("longest", 0, "cat bird moon", "bird"),
    ("glue", 0, "cat up", "catup"),
    ("dashes", 0, "cat up", "cat-up"),
    ("letters", 0, "cat up", "5"),
    ("first word", 0, "dog cat up", "cat"),
    ("value", 0, "12", "12"),
    ("parity", 0, "13", "odd"),
    ("bits", 0, "13", "3"),
]


def test_every_operation_has_a_worked_example():
    assert {name for name, *_ in EXAMPLES} == set(BY_NAME)


@pytest.mark.parametrize(("name", "k", "before", "after"), EXAMPLES)
def test_operations_do_what_they_say(name, k, before, after):
    op = BY_NAME[name]
    if fits(op, WORDS) and before[0].isalpha():
        value = before.split()
    else:
        value = int(before) if op.takes == NUMBER else [int(x) for x in before.split()]
    assert show(apply(Step(op, k), value)) == after


def test_unclear_inputs_are_refused():
    for name, k, value in [
        ("max", 0, []),
        ("second", 0, [3, 3, 1]),
        ("remainder", 3, [-1]),
        ("drop", 2, [1, 2]),
        ("vowel", 0, ["ICE"]),
    ]:
        op = BY_NAME[name]
        steps, final = ((), Step(op, k)) if op.form == "print" else ((Step(op, k),), None)
        with pytest.raises(Unfit):
            values(steps, final or Step(BY_NAME["count"]), value)


def test_the_bank_does_not_depend_on_the_order_of_sets():
    """Python shuffles sets of strings from one process to the next."""
    script = (
        "from valley.bank import problems, teacher\nfrom valley.core.files import digest\n"
        "rows = problems.generate(400, 21, 'train')\n"
        "print(digest([rows, [teacher.trace(r, i, 0.5) for i, r in enumerate(rows)]]))\n"
    )
    folder = Path(problems.__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1
