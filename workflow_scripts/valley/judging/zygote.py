"""The warm interpreter that every judged program is forked from; it never holds an answer.

    caller ── zygote ── keeper (one a program, first process of its pid namespace)
                          └─ the program, once per test, each time from a fresh fork

All trusted talk goes over one socket, which the program's process closes before it runs a line.
The caller hands in the program, then for each test the open files that become the program's
standard streams; the keeper reports how the process ended and what it used. Judging that is the
caller's affair. One program's tests share a compilation, nothing else (see `sharing` for the one
exception): no code of the program runs in the keeper, and after a test that has left something in
the working folder a new keeper takes over.

What is imported here is copied, page by page as it is touched, into every process that runs a
program. That is why bare modules are used where the friendly ones would bring others along.
"""

import _signal as signal
import _socket
import bisect
import builtins
import collections
import functools
import gc
import heapq
import itertools
import marshal
import math
import os
import re
import string
import sys
import time
from _sitebuiltins import Quitter
from collections.abc import Callable

from valley.judging import harness, sharing, view
from valley.judging.jail import Jail, out_of_the_way

_MAX_MESSAGE = 1 << 16
_MAX_FILES = 60
# Imported by the keeper, once for all tests, if the program so much as mentions them.
_LIKELY = """
    typing random datetime statistics decimal fractions json copy io queue array threading
    operator dataclasses enum abc cmath time textwrap types contextlib
"""
_IMPORTS = rb"(?m)^[ \t]*(?:import|from)\b[^#\n]*\b%s\b"
PRELOADED = (bisect, collections, functools, heapq, itertools, math, re, string)


def receive(line: _socket.socket) -> tuple[dict | None, list[int]]:
    """Return the next message and the files that came with it; None at the end of the line."""
    space = _socket.CMSG_SPACE(4 * _MAX_FILES)
    data, extra, _, _ = line.recvmsg(_MAX_MESSAGE, space, _socket.MSG_CMSG_CLOEXEC)
    files = []
    for _, kind, payload in extra:
        if kind == _socket.SCM_RIGHTS:
            files += memoryview(payload).cast("i")
    return (marshal.loads(data) if data else None), files


def send(line: _socket.socket, *words: object) -> None:
    """Report to the caller: words of plain text, nothing that could be built into more."""
    line.send(" ".join(map(str, words)).encode("utf-8", "backslashreplace")[:_MAX_MESSAGE])


def serve(
    line: _socket.socket, jail: Jail, make_call: Callable | None, packages: tuple[str, ...]
) -> None:
    """Start a keeper for each program that comes, until the caller hangs up."""
    harmless = sharing.harmless_names()
    gc.collect()
    gc.freeze()
    gc.disable()
    # A keeper must have no handler: what has none, a first process of a pid space never sees.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send(line, "ready")
    while True:
        task, files = receive(line)
        if task is None:
            return
        try:
            pid = jail.fork_keeper(task["shows_input"])
        except OSError as error:
            send(line, "error", "no process for the program:", error)
            continue
        if pid == 0:
            status = 1
            try:
                try:
                    keep(line, jail, task, files[0], make_call, harmless, packages)
                except Exception as error:
                    send(line, "error", type(error).__name__, error)
                status = 0
            finally:
                os._exit(status)
        os.close(files[0])
        _, status = os.waitpid(pid, 0)
        if status:
            # It could not say so itself.
            send(line, "died", status)


def _prepare(for_functions: bool) -> Callable | None:
    """Load what programs will want, and give them what `site` gives every interpreter."""
    sys.set_int_max_str_digits(harness.LONGEST_INTEGER)
    builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")
    # `random` would seed itself from the system in each fork. Here all start from one state, so
    # that a program that draws lots gets the same verdict every time.
    register = os.register_at_fork
    os.register_at_fork = lambda **_: None
    import random

    os.register_at_fork = register
    random.seed(0)
    make_call = None
    if for_functions:
        from valley.judging import calling

        make_call = functools.partial(calling.make, names=calling.contest_names())
    # The programs' interpreter must not find the project's own modules, nor see their folder.
    here = os.path.realpath(__file__)
    sys.path.remove(os.path.dirname(os.path.dirname(os.path.dirname(here))))
    for name in [name for name in sys.modules if name.split(".")[0] == "valley"]:
        del sys.modules[name]
    sys.argv = [""]
    os.environ.pop("LD_LIBRARY_PATH", None)
    return make_call


def load(name: str) -> None:
    """Import a package ahead of the programs that want it; what fails, they find out themselves."""
    try:
        __import__(name)
    except Exception:
        return
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(0)  # as `random`: one state at every program's start


def keep(
    line: _socket.socket,
    jail: Jail,
    task: dict,
    source: int,
    make_call: Callable | None,
    harmless: frozenset[str],
    packages: tuple[str, ...],
) -> None:
    """Compile one program and run it on each test that the caller sends."""
    jail.lock_keeper(task)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    with open(source, "rb") as file:
        text = file.read()
    for name in _LIKELY.split():
        if name.encode() in text and name not in sys.modules:
            __import__(name)
    for name in packages:
        if name.encode() in text and re.search(_IMPORTS % name.encode(), text):
            load(name)
    try:
        code = compile(text, harness.FILE_NAME, "exec", dont_inherit=True)
        shareable = sharing.keeps_to_itself(code, harmless, task["opcodes"])
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        send(line, "refused", f"{type(error).__name__}: {error}"[:500])
        return
    del text
    call = None if make_call is None else make_call(task["function"], task["role"])
    send(line, "compiled", int(shareable))
    while True:
        test, files = receive(line)
        if test is None or not test:
            return
        if test["tests"] == 1:
            jail.show_input(files[0])
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _become_program(jail, task, test, files, code, call)
        for descriptor in files:
            os.close(descriptor)
        report = _watch(pid, jail, task, begun)
        # What a test has left must not be there for the next one: another keeper takes over.
        last = jail.tier == "namespaces" and view.work_folder_used()
        send(line, "ran", *report, int(jail.was_locked()), int(last))
        if last:
            return


def _become_program(jail: Jail, task: dict, test: dict, files: list[int], code, call) -> None:
    """Run the program; `test` says how many files each test has and how many tests these are."""
    try:
        width, count = test["files"], test["tests"]
        if count == 1:
            # Received files have ascending numbers above 2, so none is overwritten too early.
            for target, descriptor in enumerate(files):
                os.dup2(descriptor, target)
            kept = width
        else:
            rounds = [tuple(files[1 + i * width : 1 + (i + 1) * width]) for i in range(count)]
            os.dup2(files[0], 2)
            kept = files[-1] + 1
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        jail.lock_program(task, kept)
        gc.enable()
    except BaseException as error:
        try:
            os.write(2, f"judge: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)
    if count == 1:
        harness.run(code, call)
    harness.run_all(code, call, rounds)


def _watch(pid: int, jail: Jail, task: dict, begun: float) -> tuple:
    """Wait for the program's end, or end it: at its CPU limit, or when the wall limit is over."""
    clock = (~pid << 3) | 2  # the CPU-time clock of that process
    cpu, wall = task["cpu"], task["wall"]
    killed = "-"
    # A thread cannot use more CPU than time passes, so looking earlier would tell nothing.
    rest = min(cpu, wall)
    while True:
        signal.sigtimedwait([signal.SIGCHLD], rest + 0.002)
        # The signal may also say that the program has stopped itself; that is no end.
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        now = time.monotonic() - begun
        used = time.clock_gettime(clock)
        if used > cpu:
            killed = "cpu"
        elif now > wall:
            killed = "wall"
        if killed != "-":
            os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            signal.sigtimedwait([signal.SIGCHLD], 0)
            break
        rest = max(0.0, min(cpu - used, wall - now))
    jail.end_stragglers(pid)
    used = usage.ru_utime + usage.ru_stime
    return status, killed, used, time.monotonic() - begun, usage.ru_maxrss / 1024


def main() -> None:
    """Become the zygote; the last argument is the descriptor of the socket to the caller."""
    line = _socket.socket(fileno=out_of_the_way(int(sys.argv[-1])))
    task, _ = receive(line)
    try:
        make_call = _prepare(task["functions"])
        jail = Jail(task["tier"], task["filters"], task["packages"])
        jail.enter()
        if jail.packages:
            sys.path.append(jail.packages)
        for name in task["preload"]:
            load(name)
        jail.remember_size()
        # Only the first process of the new pid namespace may serve: when it ends, all do.
        if jail.tier == "namespaces":
            pid = os.fork()
            if pid:
                line.close()
                os.waitpid(pid, 0)
                os._exit(0)
            jail.remember_space()
    except Exception as error:
        send(line, "error", f"{type(error).__name__}: {error}")
        return
    serve(line, jail, make_call, task["modules"])
