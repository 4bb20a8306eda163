"""The bank's operations: each as one line of Python, with its wordings.

A problem reads one value into `a`, rewrites `a` step by step, and prints something of it. The code
text is the only definition of an operation: the bank evaluates the very text that it teaches.
"""

from dataclasses import dataclass
from functools import cache

NUMBERS, WORDS, NUMBER, ITEMS = "numbers", "words", "number", "items"


@dataclass(frozen=True)
class Op:
    """One operation on `a`.

    `takes` and `gives` are kinds; ITEMS stands for NUMBERS or WORDS, whichever comes in. `form`
    says how `core` becomes code: "filter" and "map" work on each `x` of `a`, "whole" on `a` itself,
    and "print" ends the program. `{k}` in texts is the parameter, one of `ks` (empty: none).
    `needs` names conditions on the incoming value without which the wording would be ambiguous.
    `trait` lets a filter be told as a property ("it is even").
    """

    name: str
    takes: str
    gives: str
    form: str
    core: str
    gist: str
    phrases: tuple[str, ...]
    ks: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    trait: str = ""


@dataclass(frozen=True)
class Step:
    """An operation with its parameter (0 where it has none)."""

    op: Op
    k: int = 0

    @property
    def core(self) -> str:
        """The characteristic part of the code, such as `x % 2 == 0`."""
        return self.op.core.replace("{k}", str(self.k))

    @property
    def gist(self) -> str:
        """A few words for a plan."""
        return self.op.gist.replace("{k}", str(self.k))

    @property
    def code(self) -> str:
        """The step's line of the program."""
        core = self.core
        if self.op.form == "filter":
            return f"a = [x for x in a if {core}]"
        if self.op.form == "map":
            return f"a = [{core} for x in a]"
        return f"print({core})" if self.op.form == "print" else f"a = {core}"


READ = {
    NUMBERS: "a = list(map(int, input().split()))",
    WORDS: "a = input().split()",
    NUMBER: "a = int(input())",
}


CRASHES = (ValueError, IndexError, TypeError, AttributeError)
"""What a wrong version of a program may raise."""


class Unfit(Exception):
    """Outside what the statement defines, or too large to work by hand."""


def parse(kind: str, text: str) -> list[int] | list[str] | int:
    """Read an input line as the program does."""
    if kind == NUMBER:
        return int(text)
    return [int(x) for x in text.split()] if kind == NUMBERS else text.split()


def show(value: object) -> str:
    """Write a value as it is printed: items separated by blanks."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def _function(code: str):
    body = code[4:] if code.startswith("a = ") else code[6:-1]
    body = '" ".join(map(str, a))' if body == "*a" else body
    return eval(f"lambda a: {body}")


def apply(step: Step, value: object) -> object:
    """Return the value after one step, or what a print prints. Raises what the code raises."""
    return _function(step.code)(value)


def output(steps: tuple[Step, ...], final: Step, value: object) -> str | None:
    """Return what the program prints for an input value, or None if it crashes."""
    try:
        for step in steps:
            value = apply(step, value)
        return str(apply(final, value))
    except CRASHES:
        return None


def values(steps: tuple[Step, ...], final: Step, value: object) -> list[object]:
    """Return the value after each step, the printed one last. Raises Unfit where unclear."""
    seen = []
    for step in (*steps, final):
        for need in step.op.needs:
            if not NEEDS[need](value, step.k):
                raise Unfit(f"{step.op.name} needs {need}")
        value = apply(step, value)
        if not _small(value):
            raise Unfit(f"{step.op.name} gives too much")
        seen.append(value)
    return seen


def _small(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= 99_999
    if isinstance(value, str):
        return 0 < len(value) <= 120
    if value and isinstance(value[0], str):
        return all(value) and sum(map(len, value)) <= 100
    return len(value) <= 24 and all(abs(x) <= 2_000 for x in value)


def _one_case(a: list) -> bool:
    text = "".join(map(str, a))
    return not any(isinstance(x, str) for x in a) or text in (text.lower(), text.upper())


NEEDS = {
    "one": lambda a, k: len(a) >= 1,
    "two": lambda a, k: len(a) >= 2,
    "more": lambda a, k: len(a) > k,
    "natural": lambda a, k: a >= 0 if isinstance(a, int) else all(x >= 0 for x in a),
    "clear second": lambda a, k: len(a) >= 2 and sorted(a)[-1] != sorted(a)[-2],
    "one case": lambda a, k: _one_case(a),
    "lower case": lambda a, k: all(x == x.lower() for x in a),
}


def fits(op: Op, kind: str) -> bool:
    """Tell whether an operation can be applied to a value of this kind."""
    return op.takes == kind or (op.takes == ITEMS and kind in (NUMBERS, WORDS))


def kind_after(op: Op, kind: str) -> str:
    """Return the kind of value that an operation leaves."""
    return kind if op.gives == ITEMS else op.gives
