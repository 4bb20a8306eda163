"""Reasoning in answers: by which marks model families set it off, and what follows it.

One table has the marks by family; a study file can add to it (`judge.reasoning`). A prompt may
open the reasoning itself, as many chat templates do: `opened_by` says with what, and this belongs
before the answer. Everything here takes time linear in the text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from valley.judging.fences import step


@dataclass(frozen=True)
class Marks:
    """How a family sets reasoning off.

    Attributes:
        open: texts, any of which begins reasoning.
        close: texts, any of which ends it.
        alone: whether `close` without `open` means that the prompt had opened the reasoning.
        first: whether `open` counts at the very beginning of an answer only.
    """

    open: tuple[str, ...]
    close: tuple[str, ...]
    alone: bool = True
    first: bool = False


def _tags(name: str) -> Marks:
    return Marks((f"<{name}>",), (f"</{name}>",))


REASONING: dict[str, Marks] = {
    "deepseek, qwen": _tags("think"),
    "claude": _tags("thinking"),
    "reasoning": _tags("reasoning"),
    "thought": _tags("thought"),
    "sky-t1, openthinker": Marks(("<|begin_of_thought|>",), ("<|end_of_thought|>",)),
    "magistral": Marks(("[THINK]",), ("[/THINK]",)),
    "kimi": Marks(("◁think▷",), ("◁/think▷",)),
    "seed-oss": _tags("seed:think"),
    "gpt-oss": Marks(
        ("<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>"),
        ("<|channel|>final<|message|>", "<|end|>"),
        alone=False,
    ),
    # The same where decoding has dropped the special tokens.
    "gpt-oss, decoded": Marks(("analysis",), ("assistantfinal",), alone=False, first=True),
}

_QUOTES = ("`", "'", '"')
_OPENED_CODE = r"```[ \t]*[\w.+-]*|\[PYTHON\]|\[BEGIN\]|<code>|<answer>"


def table(more: Mapping[str, Mapping] | None = None) -> dict[str, Marks]:
    """Return the table of marks, with what a study file adds to it.

    Args:
        more: by family, `open` and `close`, each a text or a list of texts.

    Raises:
        ValueError: an entry without `open` or `close`, or with an empty mark.
    """
    found = dict(REASONING)
    for family, entry in (more or {}).items():
        sides = []
        for side in ("open", "close"):
            said = entry.get(side)
            marks = (said,) if isinstance(said, str) else tuple(said or ())
            if not marks or not all(isinstance(mark, str) and mark.strip() for mark in marks):
                raise ValueError(
                    f"judge.reasoning.{family}.{side}: {said!r} is no mark; give a text such as "
                    "'<think>', or a list of them"
                )
            sides.append(marks)
        found[family] = Marks(*sides)
    return found


def opened_by(prompt: str, families: Mapping[str, Marks] = REASONING) -> str:
    """Return the end of a prompt that opens reasoning or code; "" if it opens neither.

    Args:
        prompt: what the model was given, chat template included.
        families: the table of marks.
    """
    opens = [re.escape(m) for marks in families.values() if not marks.first for m in marks.open]
    tail = prompt[-400:]
    match = re.search(f"(?:{'|'.join(opens)}|{_OPENED_CODE})\\s*\\Z", tail)
    if match is None or (match[0].startswith("```") and not _opens_fence(prompt)):
        return ""
    return match[0]


def _opens_fence(prompt: str) -> bool:
    opened = None
    for line in prompt.rstrip().split("\n"):
        opened = step(opened, line)
    return opened is not None


def after_reasoning(text: str, families: Mapping[str, Marks] = REASONING) -> str | None:
    """Return what follows the reasoning; None if the answer was cut inside it.

    A mark in quotes or back-ticks, or one that begins reasoning inside a fenced block, is spoken of
    and not used; so is an opening mark in the middle of a line that nothing closes.
    """
    opening = {m: marks for marks in families.values() if not marks.first for m in marks.open}
    closing = {m: marks for marks in families.values() for m in marks.close}
    last = {mark: text.rfind(mark) for mark in closing}
    start, within = 0, None
    named: set[Marks] = set()  # whose opening mark a program speaks of: the closing one, too
    for marks in families.values():
        if marks.first:
            within = next((marks for m in marks.open if text.lstrip().startswith(m)), within)
    fences = _Fences(text)
    known = sorted([*opening, *closing], key=len, reverse=True)
    for match in re.finditer("|".join(map(re.escape, known)), text):
        mark, at = match[0], match.start()
        if _spoken_of(text, at, match.end()):
            continue
        if within is not None:
            if mark in within.close:
                within, start = None, match.end()
                fences.begin(start)
        elif mark in opening:
            marks = opening[mark]
            line = text.rfind("\n", max(start, at - 200), at) + 1 or max(start, at - 200)
            begins = not text[line:at].strip()
            if fences.open_at(at):
                named.add(marks)
            elif begins or any(last[m] > at for m in marks.close):
                within = marks
        elif closing[mark] in named:
            named.remove(closing[mark])
        elif closing[mark].alone:
            start = match.end()
            fences.begin(start)
    return None if within is not None else text[start:]


def _spoken_of(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 3) : start], text[end : end + 3]
    return (before[-1:] in _QUOTES and before != "```") or (after[:1] in _QUOTES and after != "```")


class _Fences:
    """Whether an offset lies in a fenced block; offsets must come in ascending order."""

    def __init__(self, text: str):
        self._text = text
        self.begin(0)

    def begin(self, at: int) -> None:
        self._at, self._open = at, None

    def open_at(self, offset: int) -> bool:
        while True:
            end = self._text.find("\n", self._at, offset)
            if end < 0:
                return self._open is not None
            self._open = step(self._open, self._text[self._at : end])
            self._at = end + 1
