"""Values between two processes that do not trust each other, as JSON text that builds nothing else.

Plain values keep their exact types. What is none of these stays where it is, and a number of it
crosses: a handle. No name that comes from the other side is ever looked up, but in lists below.
"""

import builtins
import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from json import JSONDecoder as _JSONDecoder
from json import JSONEncoder as _JSONEncoder
from sys import get_int_max_str_digits as _get_digits
from sys import set_int_max_str_digits as _set_digits

DEPTH = 200
_SEQUENCES = {"[": list, "(": tuple, "{": set, "f": frozenset, "q": deque}
_MAPPINGS = {"d": dict, "C": Counter, "O": OrderedDict}
_DATES = {
    datetime.date: "year month day",
    datetime.time: "hour minute second microsecond",
    datetime.datetime: "year month day hour minute second microsecond",
    datetime.timedelta: "days seconds microseconds",
}
_DATE_TAGS = {kind.__name__: kind for kind in _DATES}
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_TAGS = {kind: tag for tag, kind in (_SEQUENCES | _MAPPINGS).items()}
_SCALARS = (type(None), bool, int, float, str)
# Types and functions that are the same on both sides; none of them reaches anything.
_SHARED = """
    int float str bool list tuple dict set frozenset bytes bytearray complex object range abs len
    max min sum sorted ord chr round repr all any
"""
NAMED = {name: getattr(builtins, name) for name in _SHARED.split()}
_NAMES = {id(value): name for name, value in NAMED.items()}
_to_text = _JSONEncoder().encode
_from_text = _JSONDecoder().decode


class WireError(ValueError):
    """The other side sent something that is no value."""


class _any_digits:
    """Lift the interpreter's bound on long integers, for this module's own texts only."""

    def __enter__(self) -> None:
        self._limit = _get_digits()
        _set_digits(0)

    def __exit__(self, *_: object) -> None:
        _set_digits(self._limit)


def dump(value: object, handle) -> str:
    """Return a value as text; `handle` gives the number of one that cannot cross."""
    with _any_digits():
        return _to_text(_packed(value, handle, DEPTH))


def load(text: str, resolve) -> object:
    """Return the value of a text; `resolve` gives what a handle stands for; WireError."""
    try:
        with _any_digits():
            return _unpacked(_from_text(text), resolve)
    except WireError:
        raise
    except (ValueError, TypeError, IndexError, ArithmeticError, RecursionError) as error:
        raise WireError(f"no value: {type(error).__name__}") from None


def _packed(value: object, handle, depth: int) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth:
        if kind in _TAGS or kind is defaultdict:
            if kind in _SEQUENCES.values():
                return [_TAGS[kind], *[_packed(item, handle, depth - 1) for item in value]]
            flat = [_TAGS.get(kind, "d")]
            for key, item in value.items():
                flat += (_packed(key, handle, depth - 1), _packed(item, handle, depth - 1))
            return flat
        if kind is complex:
            return ["c", value.real, value.imag]
        if kind in (bytes, bytearray):
            return ["b" if kind is bytes else "y", value.decode("latin-1")]
        if kind is range:
            return ["r", value.start, value.stop, value.step]
        if kind is Fraction:
            return ["F", value.numerator, value.denominator]
        if kind is Decimal:
            return ["D", str(value)]
        if kind in _DATES and getattr(value, "tzinfo", None) is None:
            return ["t", kind.__name__, *[getattr(value, part) for part in _DATES[kind].split()]]
        if kind in _VIEWS:
            pairs = enumerate(value) if _VIEWS[kind] == "values" else value
            whole = dict.fromkeys(value) if _VIEWS[kind] == "keys" else dict(pairs)
            return ["v", _VIEWS[kind], _packed(whole, handle, depth - 1)]
        if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
            return _packed(value.item(), handle, depth - 1)  # a number that came out of an array
        if id(value) in _NAMES:
            return ["n", _NAMES[id(value)]]
        plain = _as_base(value, kind)
        if plain is not None:
            return _packed(plain, handle, depth)
    return ["h", *handle(value)]


def _as_base(value: object, kind: type) -> object:
    """Return a named tuple or the like as what it is equal to; None for what has its own `==`."""
    for base in (tuple, list, dict, set, frozenset, str, int, float):
        if base in kind.__mro__ and kind.__eq__ is base.__eq__ and kind is not base:
            if base in (int, float):
                return base.__pos__(value)
            if base is str:
                return str.__str__(value)
            if base is dict:
                return dict(dict.items(value))
            return base(base.__iter__(value))
    return None


def _unpacked(value: object, resolve) -> object:
    if type(value) is not list:
        if type(value) is dict:
            raise WireError("no value: an object")
        return value
    tag = value[0]
    if tag in _SEQUENCES:
        return _SEQUENCES[tag](_unpacked(item, resolve) for item in value[1:])
    if tag in _MAPPINGS:
        items = [_unpacked(item, resolve) for item in value[1:]]
        return _MAPPINGS[tag](dict(zip(items[::2], items[1::2], strict=True)))
    if tag == "c":
        return complex(*map(float, value[1:]))
    if tag == "b":
        return value[1].encode("latin-1")
    if tag == "y":
        return bytearray(value[1].encode("latin-1"))
    if tag == "r":
        return range(*value[1:])
    if tag == "F":
        return Fraction(*value[1:])
    if tag == "D":
        return Decimal(value[1])
    if tag == "t" and value[1] in _DATE_TAGS:
        kind = _DATE_TAGS[value[1]]
        return kind(**dict(zip(_DATES[kind].split(), value[2:], strict=True)))
    if tag == "v" and value[1] in _VIEWS.values():
        whole = _unpacked(value[2], resolve)
        if type(whole) is not dict:
            raise WireError("no value: a view of something else")
        return getattr(whole, value[1])()
    if tag == "n" and value[1] in NAMED:
        return NAMED[value[1]]
    if tag == "h":
        return resolve(*value[1:])
    raise WireError("no value: unknown tag")


def reflect(old: object, new: object) -> None:
    """Make containers what they became on the other side, each staying the same object."""
    if type(old) is not type(new):
        return
    if type(old) in (list, deque, bytearray):
        if type(old) is list:
            new = [_kept(*pair) for pair in zip(old, new, strict=False)] + new[len(old) :]
        kept = list(new)
        old.clear()
        old.extend(kept)
    elif isinstance(old, dict):
        kept = {key: _kept(old[key], item) if key in old else item for key, item in new.items()}
        old.clear()
        old.update(kept)
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is tuple:
        for pair in zip(old, new, strict=False):
            reflect(*pair)


def _kept(old: object, new: object) -> object:
    """Return the old object, changed in place, where it can become the new one."""
    if type(old) is type(new) and type(old) in (list, dict, set, deque, bytearray, tuple):
        reflect(old, new)
        return old if type(old) is not tuple or old == new else new
    return new
