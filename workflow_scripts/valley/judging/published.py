"""A published test and the program that it tests, each at its end of a channel.

The test is run as it was published. What it does not define itself, and the program does, are the
program's things: plain values, and stand-ins for functions and classes. The program sees the
arguments of its calls, and nothing of the test.
"""

import builtins
import json
import os
import sys

from valley.judging import numeric
from valley.judging.peer import GUEST, HOST, ChannelClosed, Handle, Peer

CHANNEL = 3
RESULT = 4
SHADOWED = "the program has names of builtins that the test uses"
NAME = "solution"  # `if __name__ == "__main__"` holds in no published harness


def _given() -> str:
    with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as file:
        return file.read()


class Called:
    """The program's end: runs what the prompt brings along, then the program, then serves calls."""

    def prepare(self, space: dict) -> None:
        """Run what the prompt defines beside the function that is asked for."""
        space["__name__"] = NAME
        sys.modules[NAME] = sys.modules["__main__"]
        exec(compile(_given(), "prompt.py", "exec", dont_inherit=True), space)

    def finish(self, space: dict) -> None:
        """Answer the test's calls until it ends."""
        Peer(CHANNEL, HOST, space).serve()
        os._exit(0)


class Testing:
    """The test's end: says how the test ended, in a file that only it has."""

    def prepare(self, space: dict) -> None:
        """Do nothing: the test's own text is read when it runs."""

    def finish(self, space: dict) -> None:
        """Run the test and tell what came of it."""
        peer = Peer(CHANNEL, GUEST)
        peer.calling = lambda: os.write(RESULT, b"called\n")
        said = _outcome(peer, json.loads(_given()))
        os.write(RESULT, json.dumps(said).encode() + b"\n")
        os._exit(0)


def _outcome(peer: Peer, task: dict) -> list[str]:
    numeric.offer()
    try:
        code = compile(task["test"], "test.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return ["broken", f"{type(error).__name__}: {error}"]
    try:
        theirs = set(peer.ask("names"))
        if task["entry"] and task["entry"] not in theirs:
            return ["missing", task["entry"]]
        space: dict = {"__name__": "test"}
        wanted = (_names(code) & theirs) - {"__name__", "__builtins__"}
        shadowing = {name for name in wanted if hasattr(builtins, name)} - {task["entry"]}
        for name in sorted(wanted - shadowing if task["plain"] else wanted):
            space[name] = peer.ask("get", name)
        exec(code, space)
    except ChannelClosed as error:
        return ["closed", str(error)]
    except BaseException as error:
        detail = f"{type(error).__name__}: {_text(error)}"[:300]
        if error is peer.raised:
            return ["raised", detail]
        if peer.calling is not None and not isinstance(error, NameError):
            return ["broken", detail]
        return ["failed", detail if not isinstance(error, AssertionError) else _where(error)]
    return ["passed", SHADOWED if shadowing and not task["plain"] else ""]


def _where(error: AssertionError) -> str:
    """Name the line of the test whose assertion failed, and its message."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "test.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    message = _text(error).split("\n")[0][:120]
    return f"line {line} of the test" + (f": {message}" if message else "")


def _text(error: BaseException) -> str:
    try:
        return "" if any(type(part) is Handle for part in error.args) else str(error)
    except BaseException:
        return ""


def _names(code) -> set[str]:
    """Return every name that a compiled text looks up anywhere."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            names |= _names(constant)
    return names
