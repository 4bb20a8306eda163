"""Fenced blocks as models write them, which is not always as Markdown has them."""

import bisect
import re
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from valley.judging.defining import does_something, parsed

_RUN = re.compile(r"`{3,}|~{3,}")
_PYTHON = re.compile(r"[{.]*(?:python|py|ipython)[\d.]*(?:[:}=,{(].*)?|.*\.py\}?")
_NEUTRAL = {"", "code", "plaintext", "plain", "text", "txt", "none"}
_STRING = re.compile(r"#.*|'''|\"\"\"|'(?:\\.|[^'\\])*'?|\"(?:\\.|[^\"\\])*\"?")


class Fence(NamedTuple):
    """An open fence: its marks, its label in lower case, and how far it is indented."""

    marks: str
    label: str
    indent: int


@dataclass(frozen=True)
class Block:
    """A fenced block: its label in lower case, its code, and whether a fence closes it."""

    label: str
    code: str
    closed: bool = True


def is_python(label: str) -> bool:
    """Tell whether a fence's label, in lower case, means Python."""
    return _PYTHON.fullmatch(label) is not None


def is_neutral(label: str) -> bool:
    """Tell whether a fence's label, in lower case, names no language."""
    return label in _NEUTRAL


def step(opened: Fence | None, line: str) -> Fence | None:
    """Return the fence that is open after a line, by what that line alone shows."""
    if opened is None:
        found = _opening(line)
        return found[0] if found else None
    return None if _closes(opened, line) or _last_words(opened, line) is not None else opened


def split(text: str) -> tuple[list[Block], str]:
    """Return the fenced blocks of a text, and its lines outside of them."""
    return _Reader(text).read()


def _opening(line: str) -> tuple[Fence, str, str | None] | None:
    """Return the fence that a line opens, what stands before it, and code on the line itself."""
    if "```" not in line and "~~~" not in line:
        return None
    runs = list(_RUN.finditer(line))
    if len(runs) % 2 == 0:
        return None  # code within a line
    run = runs[-1]
    before, info = line[: run.start()], line[run.end() :].strip()
    aside = before.strip(" \t>")
    if "`" in info or (run[0][0] == "~" and aside):
        return None
    label = info.split(None, 1)[0].lower() if info else ""
    if aside and len(info.split()) > 1 and not is_python(label):
        return None  # prose that names the fence
    first = None
    if not aside and not is_python(label) and re.search(r"[ (]", info):
        tree = parsed(info)
        if tree is not None and does_something(tree):
            label, first = "", info  # the code begins right after the marks
    return Fence(run[0], label, len(before) if not before.strip() else 0), before, first


def _closes(opened: Fence, line: str) -> bool:
    bare = line.strip(" \t>")
    return len(bare) >= len(opened.marks) and not bare.strip(opened.marks[0])


def _last_words(opened: Fence, line: str) -> str | None:
    """Return the code on a line that also closes its block."""
    bare = line.rstrip()
    if opened.marks[0] != "`" or not bare.endswith(opened.marks) or not bare.strip("` \t"):
        return None
    return bare[: -len(opened.marks)] if bare.count("```") == 1 else None


def _closes_with_words(opened: Fence, line: str) -> str | None:
    """Return what stands behind the marks where a line begins with those of the open block."""
    bare = line.strip()
    if not bare.startswith(opened.marks):
        return None
    words = bare.lstrip(opened.marks[0]).strip()
    return words if words and opened.marks[0] not in words else None


class _Reader:
    """Goes through a text's lines once."""

    def __init__(self, text: str):
        self.lines = text.split("\n")
        self.blocks: list[Block] = []
        self.outside: list[str] = []
        self.kept: list[str] = []
        self.opened: Fence | None = None
        self.quoted = ""
        # The last line that could end a long string, by its quotes.
        self.ends = {quote: -1 for quote in ("'''", '"""')}
        for number, line in enumerate(self.lines):
            for quote in self.ends:
                if quote in line:
                    self.ends[quote] = number
        self.fences = [n for n, line in enumerate(self.lines) if "```" in line or "~~~" in line]

    def read(self) -> tuple[list[Block], str]:
        for number, line in enumerate(self.lines):
            if self.opened is None:
                self._outside(line)
            else:
                self._inside(number, line)
        if self.opened is not None:
            self._end(closed=False)
        return self.blocks, "\n".join(self.outside)

    def _outside(self, line: str) -> None:
        lone = _single_line(line)
        if lone is not None:
            self.blocks.append(lone)
            return
        found = _opening(line)
        if found is None:
            self.outside.append(line)
            return
        fence, before, first = found
        if not self.blocks and not fence.label and not before.strip() and self._was_code(first):
            return
        self.opened = (
            fence._replace(indent=1) if before.strip() and not before.strip(" \t>") else fence
        )
        if before.strip(" \t>"):
            self.outside.append(before)
        if first is not None:
            self.kept.append(first)

    def _was_code(self, first: str | None) -> bool:
        """Tell whether an answer's first fence closes what the prompt had opened, and take it."""
        code = "\n".join(self.outside).strip("\n")
        tree = parsed(code) if first is None and code.strip() else None
        if tree is None or not does_something(tree):
            return False
        self.blocks.append(Block("python", code + "\n"))
        self.outside = []
        return True

    def _inside(self, number: int, line: str) -> None:
        if self.quoted and self.ends[self.quoted] >= number:
            self._keep(line)  # a fence in a long string is text
            return
        if _closes(self.opened, line):
            self._end()
            return
        words = _closes_with_words(self.opened, line)
        if words is not None:
            self._end()
            label = words.split(None, 1)[0].lower()
            lone = len(words.split()) == 1
            if (is_python(label) and self._code_follows(number)) or (
                lone and not is_python(label) and self._fence_follows(number)
            ):
                self.opened = Fence(line.strip()[: len(_RUN.match(line.strip())[0])], label, 0)
            else:
                self.outside.append(words if not is_python(label) else "")
            return
        last = _last_words(self.opened, line)
        if last is not None:
            self._keep(last)
            self._end()
            return
        self._keep(line)

    def _code_follows(self, number: int) -> bool:
        """Tell whether a labelled fence begins a block: what comes up to the next one is code."""
        stop = self._next_fence(number)
        code = textwrap.dedent("\n".join(self.lines[number + 1 : stop])).strip("\n")
        tree = parsed(code)
        if tree is not None:
            return does_something(tree)
        return stop is not None and bool(code.strip())

    def _fence_follows(self, number: int) -> bool:
        return self._next_fence(number) is not None

    def _next_fence(self, number: int) -> int | None:
        index = bisect.bisect_right(self.fences, number)
        return self.fences[index] if index < len(self.fences) else None

    def _keep(self, line: str) -> None:
        indent = self.opened.indent
        lead = line[:indent]
        if not lead.strip(" \t"):
            line = line[indent:]
        elif not lead.strip(" \t>"):
            line = re.sub(r"^[ \t]*> ?", "", line)  # in a quotation
        else:
            line = line.lstrip()
        self.kept.append(line)
        self.quoted = _after(self.quoted, line)

    def _end(self, closed: bool = True) -> None:
        code = "\n".join(self.kept)
        code = (code if closed else code.rstrip("\n")) + "\n"
        if code.lstrip("\n")[:1] in (" ", "\t") and parsed(textwrap.dedent(code)):
            code = textwrap.dedent(code)
        self.blocks.append(Block(self.opened.label, code, closed))
        self.opened, self.kept, self.quoted = None, [], ""


def _single_line(line: str) -> Block | None:
    """Return the block of a line that is nothing but code between two fences."""
    bare = line.strip()
    runs = list(_RUN.finditer(bare)) if bare.startswith("```") else []
    if len(runs) != 2 or runs[1].end() != len(bare):
        return None
    code = bare[runs[0].end() : runs[1].start()].strip()
    label, _, rest = code.partition(" ")
    if is_python(label.lower()):
        code = rest.strip()
    tree = parsed(code)
    return Block("python", code + "\n") if tree is not None and does_something(tree) else None


def _after(quoted: str, line: str) -> str:
    """Return the quotes of the long string that is open after a line of Python; "" for none."""
    at = 0
    while at < len(line):
        if quoted:
            end = line.find(quoted, at)
            if end < 0:
                return quoted
            at = end + (1 if line[end - 1 : end] == "\\" else len(quoted))
            quoted = quoted if line[end - 1 : end] == "\\" else ""
            continue
        match = _STRING.search(line, at)
        if match is None:
            return ""
        if match[0] in ("'''", '"""'):
            quoted = match[0]
        at = match.end()
    return quoted
