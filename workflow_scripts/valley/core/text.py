"""Texts: what can be measured without a model's tokenizer; durations in words."""

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


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
