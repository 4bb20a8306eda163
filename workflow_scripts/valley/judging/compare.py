"""Is this output the expected one?"""

import io
import json
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from valley.judging.calling import parse_argument
from valley.judging.harness import LONGEST_INTEGER

TOLERANCE = 1e-6
# Without leading zeros: 00101 is a word, such as a binary code, and not 101.
_NUMBER = re.compile(rb"[-+]?((0|[1-9]\d{0,399})(\.\d{0,400})?|\.\d{1,400})([eE][-+]?\d{1,4})?")
_SHOWN = 40


@dataclass(frozen=True)
class Rules:
    """What a problem says of how its outputs and values are compared.

    Attributes:
        keep_lines: lines are compared one by one, not the tokens of the whole output.
        ignore_case: of letters.
        tolerance: of floats, absolute or relative; None is 1e-6 where the expected number is
            written as a float, and no tolerance where it is an integer. One that is given holds
            unless both are integers.
    """

    keep_lines: bool = True
    ignore_case: bool = False
    tolerance: float | None = None

    def close(self, one: float, other: float) -> bool:
        """Whether two floats are within the tolerance."""
        most = TOLERANCE if self.tolerance is None else self.tolerance
        return math.isclose(one, other, rel_tol=min(most, 1.0), abs_tol=most)


PLAIN = Rules()


def outputs_differ(output: bytes, expected: bytes, rules: Rules = PLAIN) -> str | None:
    """Return None if the outputs agree, else where they part.

    White space at line ends and empty lines at start and end do not count. In a line, tokens are
    compared one by one; numbers agree if they are equal as decimals (`1.0` and `1.00`), or within
    the tolerance that `rules` has for them.
    """
    if output == expected:
        return None
    if rules.ignore_case:
        output, expected = _lower(output), _lower(expected)
    if not rules.keep_lines:
        return _lines_differ([output], [expected], "the output", rules)
    return _lines_differ(_lines(output), _lines(expected), None, rules)


def _lower(text: bytes) -> bytes:
    return text.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


def _lines(text: bytes):
    """Yield lines lazily, without trailing white space, nor empty lines at start and end."""
    held, begun = 0, False
    for line in io.BytesIO(text):
        line = line.rstrip()
        if not line:
            held += 1
            continue
        for _ in range(held if begun else 0):
            yield b""
        held, begun = 0, True
        yield line


def _lines_differ(output, expected, where: str | None, rules: Rules) -> str | None:
    output, expected = iter(output), iter(expected)
    number = 0
    while True:
        number += 1
        location = where or f"line {number}"
        got, wanted = next(output, None), next(expected, None)
        if got is None and wanted is None:
            return None
        if got is None:
            return f"{location}: missing, expected {_show(wanted)}"
        if wanted is None:
            return f"{location}: {_show(got)} is too much"
        if got == wanted:
            continue
        if len(got) > 4 * len(wanted) + 4096:
            return f"{location}: {_show(got)}, expected {_show(wanted)}"
        got_tokens, wanted_tokens = got.split(), wanted.split()
        if len(got_tokens) != len(wanted_tokens):
            return (
                f"{location}: {len(got_tokens)} tokens, expected {len(wanted_tokens)}"
                if where
                else f"{location}: {_show(got)}, expected {_show(wanted)}"
            )
        for one, other in zip(got_tokens, wanted_tokens, strict=True):
            if not tokens_agree(one, other, rules):
                return f"{location}: {_show(one)}, expected {_show(other)}"


def tokens_agree(got: bytes, wanted: bytes, rules: Rules = PLAIN) -> bool:
    """Whether two tokens are the same word or the same number."""
    if got == wanted:
        return True
    if not (_NUMBER.fullmatch(got) and _NUMBER.fullmatch(wanted)):
        return False
    try:
        one, other = Decimal(got.decode()), Decimal(wanted.decode())
    except InvalidOperation:
        return False
    if one == other:
        return True
    whole = [token.lstrip(b"+-").isdigit() for token in (got, wanted)]
    if all(whole) or (whole[1] and rules.tolerance is None):
        return False
    return rules.close(float(one), float(other))


def _show(text: bytes) -> str:
    shown = text[: _SHOWN + 1].decode("utf-8", "backslashreplace")
    return repr(shown if len(text) <= _SHOWN else shown[:_SHOWN] + "…")


class _HugeInt(str):
    """An integer too long to be worth converting; equal only to the same digits."""


def _integer(text: str) -> object:
    return int(text) if len(text) <= 4000 else _HugeInt(text)


def parse_value(text: str) -> object:
    """Read a JSON value (`NaN` and infinities too); ValueError if it is none or nests too deep."""
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None


def values_differ(result: bytes, expected: object, rules: Rules = PLAIN) -> str | None:
    """Return None if a function's result, as JSON text, is the expected value, else how it parts.

    As in Python `True` is 1; floats agree within the tolerance; NaN agrees with NaN only.
    """
    try:
        value = parse_value(result.decode())
    except ValueError as error:
        return f"the result cannot be read back: {error}"
    try:
        if _equal(value, expected, rules):
            return None
    except RecursionError:
        return "the result is nested too deep"
    shown = json.dumps(expected)
    return f"{_show(result)}, expected {_show(shown.encode())}"


def _equal(one: object, other: object, rules: Rules) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_equal(*pair, rules) for pair in pairs)
    if isinstance(one, dict) and isinstance(other, dict):
        same = one.keys() == other.keys()
        return same and all(_equal(one[key], other[key], rules) for key in one)
    if isinstance(one, float) or isinstance(other, float):
        if not (isinstance(one, int | float) and isinstance(other, int | float)):
            return False
        if isinstance(other, int) and rules.tolerance is None:
            return one == other  # exactly: a float is no integer that it cannot hold
        try:
            first, second = float(one), float(other)
        except OverflowError:
            return one == other
        if math.isnan(first) or math.isnan(second):
            return math.isnan(first) and math.isnan(second)
        return first == second or rules.close(first, second)
    if rules.ignore_case and type(one) is type(other) is str:
        return one.lower() == other.lower()
    # Integers too long to convert equal the same digits only, never a text of them.
    return (type(one) is _HugeInt) == (type(other) is _HugeInt) and one == other


@contextmanager
def long_integers() -> Iterator[None]:
    """Let integers have as many digits as programs' may, meanwhile."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(LONGEST_INTEGER)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def as_json(text: str) -> str:
    """Return the JSON text of a value that may be a Python literal: tuples and sets are lists.

    ValueError, SyntaxError, TypeError or RecursionError if it is no value.
    """
    with long_integers():
        return json.dumps(parse_argument(text), default=_listed)


def _listed(value: object) -> object:
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=repr)
    raise TypeError(f"a value of type {type(value).__name__} is no answer")
