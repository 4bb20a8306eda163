"""The words that problems are put in: published ones, and a study's own."""

import pytest
from valley.core import prompts


def test_published_prompts_in_livecodebenchs_words():
    stdin = prompts.compose(prompts.texts("livecodebench"), "Add {a} and {b}.", "")
    assert stdin.startswith("You are an expert Python programmer. You will be given a question")
    assert "### Question:\nAdd {a} and {b}.\n\n### Format: Read the inputs from stdin" in stdin
    assert stdin.endswith(
        "```python\n# YOUR CODE HERE\n```\n\n"
        "### Answer: (use the provided format with backticks)\n\n"
    )
    function = prompts.compose(prompts.texts("livecodebench"), "Q", "class Solution:")
    assert "### Format: You will use the following starter code" in function
    assert "```python\nclass Solution:\n```\n\n### Answer" in function


def test_prompts_of_ones_own():
    assert prompts.texts(None) is None and prompts.compose(None, "Q", "code") == "Q"
    assert prompts.compose(prompts.texts("Do {this}: {statement}"), "{x}") == "Do {this}: {x}"
    pair = prompts.texts({"function": "{statement}\n{starter_code}", "stdin": "{statement}!"})
    assert prompts.compose(pair, "Q", "def f():") == "Q\ndef f():"
    assert prompts.compose(pair, "{starter_code}") == "{starter_code}!"
    with pytest.raises(ValueError, match=r"did you mean 'livecodebench'.*holds \{statement\}"):
        prompts.texts("livecodebensh")
