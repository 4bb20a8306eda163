"""What runs inside a judged program's own process: the program, and for functions the call.

Nothing here decides a verdict. The program may take all of this apart; all it can gain by that is
to give another answer, to a question whose solution is not in this process.
"""

import sys

# Names are bound before any program runs, so that patching modules does not reach them.
from ast import literal_eval as _literal_eval
from atexit import _run_exitfuncs
from json import dumps as _dumps
from json import loads as _loads
from os import _exit
from os import write as _write
from types import ModuleType

RESULT_DESCRIPTOR = 3
FILE_NAME = "solution.py"
NO_FUNCTION = 97
_PRELUDE = (
    "string re datetime collections heapq bisect copy math random statistics itertools "
    "functools operator io sys json builtins typing"
)


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


def run(code, names: dict | None, function: str | None) -> None:
    """Run a compiled program as `__main__`, call its function if one is named, and exit."""
    main = ModuleType("__main__")
    main.__dict__.update(__file__=FILE_NAME, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [FILE_NAME]
    status = 0
    try:
        if function is None:
            exec(code, main.__dict__)
        else:
            arguments = [parse_argument(line) for line in _input_lines()]
            main.__dict__.update(names or {})
            exec(code, main.__dict__)
            status = _call(main.__dict__, function, arguments)
    except SystemExit as stop:
        status = _exit_status(stop.code)
    except BaseException:
        status = 1
        _report()
    _leave(status)


def _input_lines() -> list[str]:
    with open(0, encoding="utf-8", closefd=False) as file:
        return [line for line in file.read().split("\n") if line.strip()]


def _call(namespace: dict, function: str, arguments: list) -> int:
    target = None
    if isinstance(namespace.get("Solution"), type):
        target = getattr(namespace["Solution"](), function, None)
    if target is None:
        target = namespace.get(function)
    if not callable(target):
        print(f"NameError: the program defines no function {function!r}", file=sys.stderr)
        return NO_FUNCTION
    value = target(*arguments)
    sys.set_int_max_str_digits(0)
    text = _dumps(value, default=_plain, allow_nan=True, ensure_ascii=True).encode()
    while text:
        text = text[_write(RESULT_DESCRIPTOR, text) :]
    return 0


def _plain(value: object) -> object:
    """What JSON has no word for: sets become sorted lists; other things are no answer."""
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=repr)
    if isinstance(value, dict | list | tuple):
        return value
    if hasattr(value, "__iter__") and type(value).__module__ in ("builtins", "collections"):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} is no answer")


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
    try:
        # The harness' own frame is none of the program's.
        sys.excepthook(kind, error, trace.tb_next if trace else None)
    except BaseException:
        sys.__excepthook__(kind, error, trace)


def _leave(status: int) -> None:
    """Do what the interpreter does at exit, without the time it takes to free everything."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        _run_exitfuncs()
    except SystemExit as stop:
        status = _exit_status(stop.code)
    except BaseException:
        _report()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except ValueError:
            pass  # closed by the program
        except BaseException:
            # The interpreter's own status for output that could not be written.
            status = status or 120
    _exit(status)
