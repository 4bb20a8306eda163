"""The transforms that come along, each on a trace that can be read."""

import random
import re

import pytest
from valley.core.declared import TAGS, TRANSFORMS, function_of, transform_of
from valley.core.text import tokens, well_formed
from valley.judging.answers import extract_program
from valley.slicing import transforms
from valley.slicing.steps import Trace, count

THOUGHT = (
    "First add 12 and 7.\n\nWait, is it 12? Hmm, yes.\n\nThen print 19.\n\nDone with x1 = 3.5."
)
PROGRAM = "```python\nprint(12 + 7)\n```\n"
ROW = {"id": "p/0", "response": f"<think>\n{THOUGHT}\n</think>\nHere:\n{PROGRAM}"}
OTHER = {"response": "<think>\nRead.\n\nWrite.\n</think>\n```python\nprint(input())\n```\n"}
STEPS = THOUGHT.split("\n\n")
PARAGRAPHS = "\n\n"


def rewritten(transform, seed=0, separator=PARAGRAPHS, donor=OTHER, row=ROW):
    _, option = transform_of({"transform": transform})
    function = getattr(transforms, function_of({"transform": transform}))
    return function(row, random.Random(seed), option, separator, donor)


def steps_of(response):
    return Trace.parsed(response).steps(PARAGRAPHS)


def rest_of(response):
    return response.partition("</think>")[2]


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "script"])
def test_every_transform_that_a_study_can_name_is_there(name):
    option = {"think-tags": "none"}.get(name)
    assert callable(getattr(transforms, function_of({"transform": {name: option}})))


def test_a_trace_is_all_of_its_response():
    assert str(Trace.parsed(ROW["response"])) == ROW["response"]
    trace = Trace.parsed(ROW["response"])
    assert trace.steps(PARAGRAPHS) == STEPS
    assert str(trace.with_steps(STEPS, PARAGRAPHS)) == ROW["response"]
    assert count(ROW["response"], PARAGRAPHS) == 4
    assert count(ROW["response"], "\n") == 4
    assert count("no tags", PARAGRAPHS) == 0


@pytest.mark.parametrize("response", ["x", "<think>a", "<think>a</think><think>b</think>"])
def test_what_has_not_one_pair_of_tags_is_refused(response):
    with pytest.raises(
        ValueError, match="has not just one pair of <think> and </think>; apply thi"
    ):
        rewritten("shuffle-steps", row={**ROW, "response": response})


def test_shuffled_steps_are_the_same_in_another_order():
    orders = set()
    for seed in range(200):
        new = rewritten("shuffle-steps", seed)
        assert sorted(steps_of(new)) == sorted(STEPS)
        assert rest_of(new) == rest_of(ROW["response"])
        orders.add(tuple(steps_of(new)))
    assert tuple(STEPS) not in orders
    assert len(orders) == 23
    one = {**ROW, "response": f"<think>\nonly\n</think>\n{PROGRAM}"}
    assert rewritten("shuffle-steps", row=one) == one["response"]


def test_steps_are_what_a_separator_separates():
    new = rewritten("shuffle-steps", separator=". ")
    assert sorted(Trace.parsed(new).steps(". ")) == sorted(THOUGHT.split(". "))


def test_deleted_steps_are_a_share_and_a_larger_share_deletes_more_of_the_same():
    for seed in range(20):
        kept = [steps_of(rewritten({"delete-steps": share}, seed)) for share in (0.25, 0.5, 1.0)]
        assert [len(steps) for steps in kept] == [3, 2, 0]
        assert set(kept[1]) < set(kept[0])
        assert kept[0] == [step for step in STEPS if step in kept[0]]


def test_inserted_steps_are_another_traces_and_the_own_ones_stay_in_order():
    for seed in range(20):
        new = steps_of(rewritten({"insert-steps": 0.5}, seed))
        assert len(new) == 6
        assert [step for step in new if step in STEPS] == STEPS
        assert {step for step in new if step not in STEPS} <= {"Read.", "Write."}
        assert rest_of(rewritten({"insert-steps": 0.5}, seed)) == rest_of(ROW["response"])


def test_corrupted_numbers_are_as_long_and_others_and_the_program_is_left_alone():
    def numbers(text):
        return re.findall(r"(?<![\w.])\d+(?!\w)", text.partition("</think>")[0])

    for seed in range(50):
        new = rewritten("corrupt-numbers", seed)
        before, after = numbers(ROW["response"]), numbers(new)
        assert list(map(len, before)) == list(map(len, after)) == [2, 1, 2, 2, 1]
        assert all(a != b for a, b in zip(before, after, strict=True))
        assert "x1" in new
        assert rest_of(new) == rest_of(ROW["response"])
        half = numbers(rewritten({"corrupt-numbers": 0.5}, seed))
        assert all(one in pair for one, *pair in zip(half, before, after, strict=True))


def test_reflection_words_go_with_the_mark_behind_them():
    new = rewritten("remove-reflection")
    assert steps_of(new)[1] == "is it 12? yes."
    assert steps_of(rewritten({"remove-reflection": ["done with", "first"]}))[3] == "x1 = 3.5."
    assert steps_of(rewritten({"remove-reflection": ["wai"]})) == STEPS


def test_without_reasoning_the_program_is_left():
    assert rewritten("remove-reasoning") == f"Here:\n{PROGRAM}"


@pytest.mark.parametrize("way", ["other-problem", "same-problem"])
def test_a_wrong_program_stands_where_the_right_one_did(way):
    new = rewritten({"wrong-program": way})
    assert new == ROW["response"].replace("print(12 + 7)", "print(input())")
    assert extract_program(new) == extract_program(OTHER["response"])
    assert rewritten({"wrong-program": way}, donor=None) is None
    assert rewritten({"wrong-program": way}, donor=ROW) is None


@pytest.mark.parametrize(("share", "words"), [(0.5, 14), (0.1, 3), (1.0, 28)])
def test_truncated_reasoning_is_its_first_share_in_words_and_marks(share, words):
    assert tokens(THOUGHT) == 28
    new = rewritten({"truncate": share})
    left = Trace.parsed(new).reasoning
    assert tokens(left) == words
    assert THOUGHT.startswith(left.strip())
    assert rest_of(new) == rest_of(ROW["response"])
    assert well_formed(new)


@pytest.mark.parametrize("name", TAGS)
def test_think_tags_are_written_as_the_format_says(name):
    opening, closing = TAGS[name]
    new = rewritten({"think-tags": name})
    assert new == f"{opening}\n{THOUGHT}\n{closing}\nHere:\n{PROGRAM}"
    assert rewritten({"think-tags": ["«", "»"]}).startswith("«\nFirst")
