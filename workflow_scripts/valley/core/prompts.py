"""Prompts: the words in which a problem is put to a model, the same in training and evaluation.

A prompt is a pair of texts, one for problems with starter code (a function or class to complete)
and one for those without (programs that read stdin). `{statement}` and `{starter_code}` stand for
the problem's own; every other brace is meant as it is written.
"""

import re
from collections.abc import Sequence
from typing import Any

from valley.core.config import nearest

_SLOT = re.compile(r"\{(statement|starter_code)\}")

_EXPERT = (
    "You will be given a question (problem specification) and will generate a correct Python "
    "program that matches the specification and passes all tests. You will NOT return anything "
    "except for the program."
)
_COMPLETE = (
    "You will use the following starter code to write the solution to the problem and enclose "
    "your code within delimiters."
)
_READ_STDIN = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly "
    "test on the sample inputs). Enclose your code within delimiters as follows."
)
_BLANK = "```python\n# YOUR CODE HERE\n```\n\n"
_STARTER = "```python\n{starter_code}\n```\n\n"
_ANSWER = "### Answer: (use the provided format with backticks)\n\n"
_EVALPLUS = (
    "Please provide a self-contained Python script that solves the following problem in a "
    "markdown code block:\n```\n{statement}\n```\n"
)
_MBPP = "You are an expert Python programmer, and here is your task: {statement}"

# For chat models, each as one turn of the user: with starter code, without.
PUBLISHED = {
    # LiveCodeBench, lcb_runner/prompts/code_generation.py: the generic wording, its system
    # message in the same turn as for models that reason.
    "livecodebench": tuple(
        f"You are an expert Python programmer. {_EXPERT}\n\n"
        f"### Question:\n{{statement}}\n\n### Format: {wanted}\n{code}{_ANSWER}"
        for wanted, code in ((_COMPLETE, _STARTER), (_READ_STDIN, _BLANK))
    ),
    # The same file's wording for Qwen's instruct models.
    "livecodebench-qwen": tuple(
        f"{_EXPERT}\n\nQuestion: {{statement}}\n\n{wanted}\n{code}"
        for wanted, code in ((_COMPLETE, _STARTER), (_READ_STDIN, _BLANK))
    ),
    # EvalPlus, evalplus/codegen.py, for HumanEval(+) and MBPP+; it also begins the answer.
    "evalplus": (_EVALPLUS, _EVALPLUS),
    # Austin et al. 2021 (arXiv 2108.07732), without the worked examples for models that don't chat.
    "mbpp": (_MBPP, _MBPP),
}


def texts(prompt: str | dict[str, Any] | None) -> list[str] | None:
    """Return what a study file says about a prompt as its two texts: with starter code, without.

    Args:
        prompt: name of a published prompt, a text, texts by kind of problem, or None: the
            statement as it stands.

    Raises:
        ValueError: a name that is none, or a text without the statement.
    """
    if prompt is None:
        return None
    if isinstance(prompt, str) and prompt in PUBLISHED:
        return list(PUBLISHED[prompt])
    pair = [prompt, prompt] if isinstance(prompt, str) else [prompt["function"], prompt["stdin"]]
    for text in pair:
        if "{statement}" not in text:
            raise ValueError(
                f"{text[:60]!r} is neither the name of a published prompt"
                f"{nearest(text, list(PUBLISHED))} nor a text that holds {{statement}}; choose "
                f"from: {', '.join(PUBLISHED)}"
            )
    return pair


def compose(pair: Sequence[str] | None, statement: str, starter_code: str | None = "") -> str:
    """Put a problem into a prompt's words.

    Args:
        pair: the prompt's texts, with starter code and without; None is the bare statement.
        statement: the problem's.
        starter_code: the problem's, if it has some.
    """
    if pair is None:
        return statement
    values = {"statement": statement, "starter_code": starter_code or ""}
    text = pair[0] if values["starter_code"].strip() else pair[1]
    return _SLOT.sub(lambda match: values[match[1]], text)
