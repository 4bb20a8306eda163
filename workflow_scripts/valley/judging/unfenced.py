"""Programs in answers without fences: between other marks, in JSON, or bare among prose."""

import html
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from valley.judging.defining import does_something, parsed, rank

_BETWEEN = (
    ("<code>", "</code>"),
    ("<answer>", "</answer>"),
    ("<solution>", "</solution>"),
    ("<python>", "</python>"),
    ("[PYTHON]", "[/PYTHON]"),
    ("[BEGIN]", "[DONE]"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
)
_FIELDS = ("code", "solution", "program", "python", "python_code")
_STARTS_LIKE_CODE = re.compile(
    r"(import \w|from [\w.]+ import |(async )?def \w+\(|class \w+\s*[(:]|@\w|#!|print\(|"
    r"(for|while|if|with|try)\b.*:\s*(#.*)?$|"
    r"[A-Za-z_][\w.]*(\[[^\]]*\])?(\s*,\s*[*]?[A-Za-z_]\w*)*\s*(:\s*\w[\w\[\], ]*)?"
    r"[-+*/|&^%]?=[^=])"
)
_GOES_ON = re.compile(r"[ \t)\]}]|(else|elif|except|finally|case)\b")
_TOKEN = re.compile(r"#.*|'''|\"\"\"|'(?:\\.|[^'\\\n])*'?|\"(?:\\.|[^\"\\\n])*\"?|[()\[\]{}]|\\$")
_ENTITY = re.compile(r"&(lt|gt|amp|quot|#\d+);")
_DEEPEST = 3  # marks within marks
_AGAIN = 1  # times the text's length that may be parsed in vain


def starts_like_code(line: str) -> bool:
    """Tell whether a line looks like the first of a program."""
    return _STARTS_LIKE_CODE.match(line) is not None


def wrapped(text: str) -> list[str]:
    """Return what stands between marks other than fences, in the order of the text."""
    found: list[tuple[int, str]] = []
    for begin, end in _BETWEEN:
        if begin not in text and end in text:
            # The prompt had opened it.
            found.append((0, text[: text.find(end)]))
            continue
        at = text.find(begin)
        while at >= 0:
            start = at + len(begin)
            stop = text.find(end, start)
            found.append((at, text[start : stop if stop >= 0 else len(text)]))
            at = text.find(begin, stop) if stop >= 0 else -1
    return [part for _, part in sorted(found, key=lambda item: item[0])]


def in_json(text: str) -> str | None:
    """Return the program in a JSON object's field for code, if the whole text is such an object."""
    bare = text.strip()
    if not (bare.startswith("{") and bare.endswith("}")):
        return None
    try:
        value = json.loads(bare, strict=False)
    except (ValueError, RecursionError):
        return None
    fields = (value.get(name) for name in _FIELDS)
    code = next((field for field in fields if isinstance(field, str) and field.strip()), None)
    return None if code is None else code.strip("\n") + "\n"


def bare_program(text: str, asked: str | None, depth: int = 0) -> str | None:
    """Return the program of a text without fences; None if there is none.

    What stands between marks comes first, then a JSON field, then the longest stretch of the lines
    that are code. Code with a mistake is code: it is not cut out, and not mended.

    Args:
        text: what follows the reasoning.
        asked: see `valley.judging.defining.rank`.
        depth: marks that the text stands between already.
    """
    found = []
    if depth < _DEEPEST:
        found = [bare_program(part, asked, depth + 1) for part in wrapped(text)]
    field = in_json(text)
    if field is not None:
        found.append(field)
    if not any(found):
        if _ENTITY.search(text) and parsed(text.strip()) is None:
            text = html.unescape(text)
        return _stretch(text, asked)
    # Prose also marks single names as code: what does as asked counts, wherever it stands.
    known = [(rank(code, asked), index, code) for index, code in enumerate(found) if code]
    best = max(known)
    if asked is not None and not best[0]:
        outside = _stretch(text, asked)
        if outside is not None and rank(outside, asked):
            return outside
    return best[2]


@dataclass(frozen=True)
class _Piece:
    """Lines that belong together: a statement, or a line of prose."""

    text: str
    kind: str  # "code", "broken" code, a "note" (comments, docstrings), "prose"


def _stretch(text: str, asked: str | None) -> str | None:
    whole = text.strip("\n").rstrip()
    tree = parsed(whole)
    if tree is not None:
        return f"{whole}\n" if does_something(tree) else None
    pieces = list(_pieces(whole))
    if starts_like_code(whole.lstrip()) and all(piece.kind != "prose" for piece in pieces):
        return f"{whole.strip()}\n"
    best, score = None, (0, 0)
    for run in _runs(pieces):
        code = textwrap.dedent("\n".join(piece.text for piece in run).strip("\n")) + "\n"
        how = rank(code, asked)
        # Prose quotes single lines: they are no program unless they do what is asked.
        if (how or "\n" in code.strip()) and (how, len(code)) >= score:
            whole_run = all(piece.kind != "broken" for piece in run)
            best, score = code if whole_run else None, (how, len(code))
    if best is None and starts_like_code(whole.lstrip()):
        return f"{whole.strip()}\n"
    return best


def _runs(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Yield each stretch of pieces that are no prose, without the notes at its end."""
    run: list[_Piece] = []
    for piece in [*pieces, _Piece("", "prose")]:
        if piece.kind != "prose":
            run.append(piece)
            continue
        while run and run[-1].kind == "note":
            run.pop()
        if run:
            yield run
        run = []


def _pieces(text: str) -> Iterator[_Piece]:
    """Yield a text's pieces; together they are the text.

    A bracket or a quote in prose swallows what follows, so that a line may be looked at again:
    `budget` bounds how often.
    """
    lines = text.split("\n")
    budget = _AGAIN * len(text) + 10_000
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.strip():
            yield _Piece(line, "note")
            number += 1
            continue
        end = _statement_end(lines, number) if budget > 0 else number + 1
        code = "\n".join(lines[number:end])
        kind = _kind(code)
        budget -= len(code)
        if kind == "prose" and end > number + 1:
            end, code = number + 1, line
            kind = _kind(line)
        yield _Piece(code, kind)
        number = end


def _kind(code: str) -> str:
    tree = parsed(textwrap.dedent(code))
    if tree is not None:
        return "code" if does_something(tree) else "note" if _is_note(code) else "prose"
    return "broken" if starts_like_code(code.lstrip().split("\n", 1)[0]) else "prose"


def _is_note(code: str) -> bool:
    return code.lstrip()[:1] in ("#", '"', "'")


def _statement_end(lines: list[str], number: int) -> int:
    """Return the line after the statement that begins on a line."""
    lead = len(lines[number]) - len(lines[number].lstrip())
    decorated = lines[number].lstrip().startswith("@")
    quoted, depth, joined = "", 0, False
    end = number
    while end < len(lines):
        line = lines[end]
        if end > number and not (quoted or depth or joined) and line.strip():
            if not decorated and not _GOES_ON.match(line[lead:] if not line[:lead].strip() else ""):
                break
            decorated = decorated and line.lstrip().startswith("@")
        quoted, depth, joined = _state(line, quoted, depth)
        end += 1
    while end > number + 1 and not lines[end - 1].strip():
        end -= 1
    return end


def _state(line: str, quoted: str, depth: int) -> tuple[str, int, bool]:
    """Return the open long string, open brackets, and whether a backslash joins the next line."""
    at, joined = 0, False
    while at < len(line):
        if quoted:
            end = line.find(quoted, at)
            if end < 0:
                return quoted, depth, False
            at, quoted = end + 3, ""
            continue
        match = _TOKEN.search(line, at)
        if match is None:
            break
        token = match[0]
        if token in ("'''", '"""'):
            quoted = token
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(0, depth - 1)
        joined = token == "\\"
        at = match.end()
    return quoted, depth, joined
