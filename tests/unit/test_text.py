"""What is told of an answer by its text alone."""

import pytest
from valley.core.text import has_think_tag, tokens, well_formed


@pytest.mark.parametrize(
    ("answer", "fine"),
    [
        ("<think>a</think>b", True),
        ("\n <think>a</think>\nb", True),
        ("<think>a", False),
        ("<think>a</think>", False),
        ("<think>a</think> \n", False),
        ("a</think>b", False),
        ("so <think>a</think>b", False),
        ("</think><think>b", False),
        ("<think>a</think>b</think>", False),
        ("<think>a<think>b</think>c</think>", False),
        ("<think>a</think>b<think>c", False),
    ],
)
def test_an_answer_is_well_formed_with_one_pair_of_tags_first_and_something_after(answer, fine):
    assert well_formed(answer) is fine


def test_a_think_tag_counts_where_it_comes_first():
    assert has_think_tag("<think>a</think>b") and has_think_tag("\n <think>")
    assert not has_think_tag("so <think>a</think>")


def test_words_and_marks_are_tokens():
    assert tokens("x = f(1, 'two')") == 10
