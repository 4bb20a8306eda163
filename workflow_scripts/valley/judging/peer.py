"""One end of the channel between a published test and the program that it calls.

Both ends answer requests while they wait for an answer of their own, so that a function that one
hands out can be called by the other. The test's end answers few kinds of them.
"""

import builtins
from os import read as _read  # bound before any program runs
from os import write as _write

from valley.judging import wire

LONGEST = 64 << 20  # bytes of a message
_MOST_HANDLES = 1 << 20
_REPR_SHOWN = 10_000
GUEST = frozenset({"call", "iter", "next", "bool", "repr"})
HOST = GUEST | {"len", "item", "attr", "has", "names", "get", "str", "put", "set_item"}


class ChannelClosed(Exception):
    """The other end is gone, or spoke nonsense."""


class Peer:
    """One end: a stream's descriptor, what may be asked of it, and the objects that it lent out."""

    def __init__(self, descriptor: int, serves: frozenset[str], space: dict | None = None) -> None:
        self._descriptor = descriptor
        self._serves = serves
        self.space = space
        self._lent: list[object] = []
        self._numbers: dict[int, int] = {}
        self.raised: BaseException | None = None
        self.calling = None

    def ask(self, what: str, *values: object) -> object:
        """Ask the other end; what it raised is raised here, as the builtin kind that it is."""
        if self.calling is not None and what == "call":
            self.calling()
            self.calling = None
        texts = [wire.dump(value, self._lend) for value in values]
        self._send("?", what, *texts)
        while True:
            kind, *rest = self._receive()
            if kind == "?":
                self._answer(rest)
            elif kind == "=" and rest:
                for old, text in zip(values[1:] if what == "call" else (), rest[1:], strict=False):
                    wire.reflect(old, self._load(text))
                return self._load(rest[0])
            elif kind == "!" and len(rest) == 2:
                self.raised = _exception(*rest)
                raise self.raised
            else:
                raise ChannelClosed("the program broke the channel to its test")

    def serve(self) -> None:
        """Answer until the other end hangs up."""
        while True:
            try:
                kind, *rest = self._receive()
            except ChannelClosed:
                return
            if kind != "?":
                return
            self._answer(rest)

    def _answer(self, request: list[str]) -> None:
        what, *texts = request
        if what not in self._serves:
            raise ChannelClosed(f"the program asked the test for {what[:20]!r}")
        reply: list[str]
        try:
            values = [self._load(text) for text in texts]
            result = getattr(self, f"_do_{what}")(*values)
            reply = ["=", wire.dump(result, self._lend)]
            if what == "call":
                # Arguments that were changed in place; none of this for those that were not.
                after = [wire.dump(value, self._lend) for value in values[1:]]
                if after != texts[1:]:
                    reply += after
        except ChannelClosed:
            raise
        except BaseException as error:
            if self._serves is GUEST and not isinstance(error, Exception):
                raise
            names = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
            try:
                text = str(error)[:_REPR_SHOWN]
            except BaseException:
                text = ""
            reply = ["!", names[0], text]
        self._send(*reply)

    def _do_call(self, target, arguments, keywords) -> object:
        return target(*arguments, **keywords)

    def _do_iter(self, target) -> object:
        return _Lent(iter(target))

    def _do_next(self, target) -> object:
        return next(target)

    def _do_bool(self, target) -> bool:
        return bool(target)

    def _do_repr(self, target) -> str:
        return repr(target)[:_REPR_SHOWN]

    def _do_str(self, target) -> str:
        return str(target)[:LONGEST]

    def _do_len(self, target) -> int:
        return len(target)

    def _do_item(self, target, key) -> object:
        return target[key]

    def _do_attr(self, target, name) -> object:
        return getattr(target, name)

    def _do_put(self, target, name, value) -> None:
        setattr(target, name, value)

    def _do_set_item(self, target, key, value) -> None:
        target[key] = value

    def _do_has(self, target, item) -> bool:
        return item in target

    def _do_names(self) -> list[str]:
        return [name for name in self.space if type(name) is str]

    def _do_get(self, name) -> object:
        value = self.space[name]
        return _Lent(value) if callable(value) else value

    def _lend(self, value: object) -> tuple:
        if isinstance(value, _Lent):
            value = value.value
        if type(value) is Handle:
            peer, number = object.__getattribute__(value, "_held")
            return ("theirs", number) if peer is self else ("none", 0)
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._lent) >= _MOST_HANDLES:
                raise MemoryError("too many objects are lent to the other side")
            number = self._numbers[id(value)] = len(self._lent)
            self._lent.append(value)  # held, so that no other object gets its id
        return "mine", number

    def _load(self, text: object) -> object:
        if type(text) is not str:
            raise wire.WireError("no value")
        return wire.load(text, self._resolve)

    def _resolve(self, whose: str, number: int) -> object:
        if type(number) is not int:
            raise wire.WireError("no handle")
        if whose == "mine":
            return Handle(self, number)
        if whose == "theirs" and 0 <= number < len(self._lent):
            return self._lent[number]
        raise wire.WireError("no handle")

    def _send(self, *texts: str) -> None:
        data = wire._to_text(texts).encode()
        if len(data) > LONGEST:
            raise OverflowError(f"more than {LONGEST >> 20} MB between program and test")
        data = len(data).to_bytes(4, "big") + data
        try:
            while data:
                data = data[_write(self._descriptor, data) :]
        except OSError:
            raise ChannelClosed("the program ended before its test did") from None

    def _receive(self) -> list[str]:
        size = int.from_bytes(self._exactly(4), "big")
        if size > LONGEST:
            raise ChannelClosed("the program broke the channel to its test")
        try:
            said = wire._from_text(self._exactly(size).decode())
        except (ValueError, RecursionError):
            said = None
        if type(said) is not list or not said or not all(type(text) is str for text in said):
            raise ChannelClosed("the program broke the channel to its test")
        return said

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = _read(self._descriptor, min(size, 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise ChannelClosed("the program ended before its test did")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class _Lent:
    """What is to cross as a handle, though it might cross as a value."""

    def __init__(self, value: object) -> None:
        self.value = value


class Handle:
    """An object of the other side: it is called, tested and shown there, and equals itself only."""

    __slots__ = ("_held",)

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_held", (peer, number))

    def _ask(self, what: str, *values: object) -> object:
        return object.__getattribute__(self, "_held")[0].ask(what, self, *values)

    def __call__(self, *arguments: object, **keywords: object) -> object:
        return Handle._ask(self, "call", arguments, keywords)

    def __eq__(self, other: object) -> bool:
        return type(other) is Handle and self._held == other._held

    def __hash__(self) -> int:
        return hash(self._held[1])

    def __bool__(self) -> bool:
        return Handle._ask(self, "bool") is True

    def __repr__(self) -> str:
        return str(Handle._ask(self, "repr"))

    def __str__(self) -> str:
        return str(Handle._ask(self, "str" if self._held[0]._serves is GUEST else "repr"))

    def __iter__(self):
        return _Iterator(Handle._ask(self, "iter"))

    def __next__(self) -> object:
        return Handle._ask(self, "next")

    def __len__(self) -> int:
        return Handle._ask(self, "len")

    def __getitem__(self, key: object) -> object:
        return Handle._ask(self, "item", key)

    def __setitem__(self, key: object, value: object) -> None:
        Handle._ask(self, "set_item", key, value)

    def __setattr__(self, name: str, value: object) -> None:
        Handle._ask(self, "put", name, value)  # such as `root.left = Node(2)` in a test's setup

    def __contains__(self, item: object) -> bool:
        return Handle._ask(self, "has", item) is True

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return Handle._ask(self, "attr", name)


class _Iterator:
    """Takes the other side's items one at a time, so that an endless one costs what is taken."""

    def __init__(self, there: object) -> None:
        self._there = there

    def __iter__(self):
        return self

    def __next__(self) -> object:
        return Handle.__next__(self._there)


def _exception(name: str, text: str) -> BaseException:
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = Exception
    try:
        return kind(text)
    except TypeError:  # such as UnicodeDecodeError, which wants more
        return next(base for base in kind.__mro__ if base in (ValueError, Exception))(text)
