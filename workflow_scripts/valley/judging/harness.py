"""What runs inside a judged program's own process: the program, and for functions the call.

Nothing here decides a verdict. The program may take all of this apart; all it can gain by that is
to give another answer, to a question whose solution is not in this process.
"""

import sys

# Names are bound before any program runs, so that patching modules does not reach them.
from atexit import _run_exitfuncs
from os import _exit, dup2

FILE_NAME = "solution.py"
LONGEST_INTEGER = 50_000  # digits that programs may read or print, as LiveCodeBench allows
_ModuleType = type(sys)


def run(code, call) -> None:
    """Run a compiled program as `__main__`, let `call` call its function, and exit."""
    status = 0
    try:
        _run_main(code, call)
    except SystemExit as stop:
        status = _exit_status(stop.code)
    except BaseException:
        status = 1
        _report()
    _leave(status)


def run_all(code, call, rounds: list[tuple[int, ...]]) -> None:
    """Run a program that keeps no state outside its own module several times in one process.

    `rounds` are the files of each test. Whatever is out of the ordinary ends the process: then
    the caller runs each test in a process of its own, and only that counts.
    """
    limit = sys.getrecursionlimit()
    try:
        for files in rounds:
            for target, descriptor in zip((0, 1, 3), files, strict=False):
                dup2(descriptor, target)
            sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
            sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
            sys.setrecursionlimit(limit)
            try:
                _run_main(code, call)
            except SystemExit as stop:
                if _exit_status(stop.code):
                    raise
            # As at the interpreter's end: what the program has left open says its last words.
            sys.modules["__main__"].__dict__.clear()
            sys.stdout.flush()
    except BaseException:
        _exit(1)
    _exit(0)


def _run_main(code, call) -> None:
    # No published harness runs a function problem's program as the main module: what a program
    # does under `if __name__ == "__main__":` (reading input, its own tests) is none of the answer.
    main = _ModuleType("__main__" if call is None else "solution")
    space = main.__dict__
    space["__file__"] = FILE_NAME
    space["__builtins__"] = __builtins__
    sys.modules["__main__"] = sys.modules[main.__name__] = main
    if call is None:
        exec(code, space)
    else:
        call.prepare(space)
        exec(code, space)
        call.finish(space)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _report() -> None:
    """Print the traceback as the interpreter would, by the hook the program may have set."""
    kind, error, trace = sys.exc_info()
    # The harness' own frames are none of the program's.
    while trace is not None and trace.tb_frame.f_code.co_filename != FILE_NAME:
        trace = trace.tb_next
    try:
        sys.excepthook(kind, error, trace)
    except BaseException:
        sys.__excepthook__(kind, error, trace)


def _leave(status: int) -> None:
    """Do what the interpreter does at exit, short of freeing what it holds itself."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        _run_exitfuncs()
    except SystemExit as stop:
        status = _exit_status(stop.code)
    except BaseException:
        _report()
    status = _flush(status)
    # Files that the program has left open are written out when its names go.
    sys.modules["__main__"].__dict__.clear()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    _exit(_flush(status))


def _flush(status: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (ValueError, AttributeError):
            pass  # closed, or replaced by something else
        except BaseException:
            # The interpreter's own status for output that could not be written.
            status = status or 120
    return status
