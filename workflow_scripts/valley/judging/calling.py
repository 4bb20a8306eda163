"""Call-based problems, inside the program's process: arguments in, the returned value out."""

import sys

# Bound before any program runs, so that patching modules does not reach them.
from ast import literal_eval as _literal_eval
from json import JSONEncoder as _JSONEncoder
from json import loads as _loads
from os import write as _write

from valley.judging import published

_RESULT = 3  # the descriptor that takes the value
_PRELUDE = """
    string re datetime collections heapq bisect copy math random statistics itertools functools
    operator io sys json builtins typing
"""
RECURSION_LIMIT = 50_000


def contest_names() -> dict:
    """Return the names that call-based programs find already imported, as LiveCodeBench's do."""
    names: dict = {}
    exec("\n".join(f"from {module} import *" for module in _PRELUDE.split()), names)
    exec("\n".join(f"import {module}" for module in _PRELUDE.split()), names)
    names.pop("__builtins__", None)
    return names


def parse_argument(line: str) -> object:
    """Read one argument: JSON, or else a Python literal (tuples, sets, dicts by number)."""
    try:
        return _loads(line)
    except ValueError:
        return _literal_eval(line)


def make(function: str | None, role: str, names: dict) -> object:
    """Return what runs beside a program: a call of its function, or an end of a test's channel."""
    if role == "called":
        return published.Called()
    if role == "test":
        return published.Testing()
    return Call(function, names)


class Call:
    """One function to be called, by the name that the problem gives."""

    def __init__(self, function: str, names: dict) -> None:
        self.function = function
        self.names = names
        self.arguments: list = []

    def prepare(self, space: dict) -> None:
        """Read the arguments, and offer the contest's imports to the program."""
        with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as file:
            lines = file.read().split("\n")
        self.arguments = [parse_argument(line) for line in lines if line.strip()]
        space.update(self.names)
        space.pop(self.function, None)  # `gcd`, say: the program has to define it itself
        sys.setrecursionlimit(RECURSION_LIMIT)

    def finish(self, space: dict) -> None:
        """Call the function and hand its value out."""
        target = None
        if isinstance(space.get("Solution"), type):
            target = getattr(space["Solution"](), self.function, None)
        if target is None:
            target = space.get(self.function)
        if not callable(target):
            raise NameError(f"the program defines no function {self.function!r}")
        value = target(*self.arguments)
        sys.set_int_max_str_digits(0)
        text = _encode(value).encode()
        while text:
            text = text[_write(_RESULT, text) :]


def _plain(value: object) -> object:
    """What JSON has no word for: sets become sorted lists; other things are no answer."""
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=repr)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()  # a number that came out of an array
    if type(value).__module__ in ("builtins", "collections") and hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} is no answer")


_encode = _JSONEncoder(default=_plain).encode
