"""Finding the program in a model's answer."""

import re

_OPENING = re.compile(r"^(?P<before>.*?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<label>[^`\s]*)[^`]*$")
_PYTHON = {"python", "py", "python3", "py3", "{python}", "{.python}"}
_STARTS_LIKE_CODE = re.compile(
    r"(import \w|from [\w.]+ import |def \w+\(|class \w+|@\w|#!|print\(|"
    r"(for|while|if|with|try)\b.*:\s*(#.*)?$|"
    r"[A-Za-z_][\w.]*(\s*,\s*[A-Za-z_]\w*)*\s*(:\s*\w[\w\[\], ]*)?[-+*/|&^%]?=[^=])"
)


def extract_program(text: str | None) -> str | None:
    """Return the program in an answer; None if there is none.

    Only what follows the reasoning counts: an answer cut inside `<think>` has no program. Of the
    fenced blocks the last one labelled Python is taken, else the last one without a label (what
    comes after the program is often a sample's output). A fence that is never closed, because the
    answer was cut, counts to the end. Without any fence the whole answer is the program if its
    first line looks like code.
    """
    if not text:
        return None
    answer = _after_reasoning(text.replace("\r\n", "\n"))
    if answer is None:
        return None
    blocks = _blocks(answer)
    for wanted in (_PYTHON, {""}):
        found = [code for label, code in blocks if label in wanted and code.strip()]
        if found:
            return found[-1]
    if blocks or not answer.strip():
        return None
    first = answer.strip().split("\n", 1)[0]
    return answer.strip() + "\n" if _STARTS_LIKE_CODE.match(first) else None


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return (label in lower case, code) of each fenced block of a text."""
    return _blocks(text.replace("\r\n", "\n"))


def is_python(label: str) -> bool:
    """Tell whether a fence's label, in lower case, means Python."""
    return label in _PYTHON


def _after_reasoning(text: str) -> str | None:
    """Return what follows the reasoning; None if the answer was cut inside it."""
    opened, closed = text.find("<think>"), text.find("</think>")
    if closed >= 0 and (opened < 0 or closed < opened):
        # The opening tag was in the prompt.
        return _after_reasoning(text[closed + len("</think>") :])
    if opened < 0:
        return text
    if _inside_fence(text, opened):
        return text  # the program speaks of the tag
    if closed < 0:
        return None
    return _after_reasoning(text[closed + len("</think>") :])


def _inside_fence(text: str, place: int) -> bool:
    opened = None
    for line in text[:place].split("\n"):
        opened = _step(opened, line)[0]
    return opened is not None


def _step(opened: tuple[str, str, int] | None, line: str) -> tuple:
    """Advance by a line: the fence open after it, and what of it is code (None: it is a fence)."""
    if opened is None:
        match = _OPENING.match(line)
        if match is None:
            return None, None
        indent = len(match["before"]) if not match["before"].strip() else 0
        return (match["fence"], match["label"].lower(), indent), None
    fence, _, indent = opened
    bare = line.strip()
    if len(bare) >= len(fence) and not bare.strip(fence[0]):
        return None, None
    cut = line[indent:] if not line[:indent].strip() else line.lstrip()
    if bare.endswith(fence) and bare.count(fence) == 1 and fence[0] == "`":
        # Closed on the line of its last words.
        return None, cut.rstrip()[: -len(fence)]
    return opened, cut


def _blocks(answer: str) -> list[tuple[str, str]]:
    """Return (label, code) of each fenced block."""
    blocks: list[tuple[str, str]] = []
    opened, kept = None, []
    for line in answer.split("\n"):
        before = opened
        opened, part = _step(opened, line)
        if before is not None and part is not None:
            kept.append(part)
        if before is not None and opened is None:
            blocks.append((before[1], "\n".join(kept) + "\n"))
            kept = []
    if opened is not None:
        blocks.append((opened[1], "\n".join(kept).rstrip("\n") + "\n"))
    return blocks
