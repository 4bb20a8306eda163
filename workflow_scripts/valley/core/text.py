"""What can be told of a text without any model's tokenizer."""

import re


def tokens(text: str) -> int:
    """Return how many words and marks a text has."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def has_think_tag(answer: str) -> bool:
    """Tell whether an answer begins with <think> (blank space aside), as the paper counts it."""
    return answer.lstrip().startswith("<think>")


def well_formed(answer: str) -> bool:
    """Tell whether an answer is its reasoning, in one pair of tags, with something after it."""
    if answer.count("<think>") != 1 or answer.count("</think>") != 1:
        return False
    return has_think_tag(answer) and bool(answer.split("</think>")[1].strip())
