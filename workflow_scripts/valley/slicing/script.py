"""A transform of the user's own: `transform(row, random) -> row | None`, in a Python file."""

import random
import runpy
from collections.abc import Callable
from pathlib import Path

from valley.core.closure import code_digest
from valley.core.files import POOL

ENTRY = "transform"
KEPT = ("id", "problem_id")  # by which the two sides of a contrast are paired
_KINDS = {
    name: {"int64": int, "bool": bool, "string": str}[str(POOL.field(name).type)]
    for name in POOL.names
}


class ScriptError(ValueError):
    """A transform script can't be used, or what it did with a row."""


def script_digest(path: str | Path) -> str:
    """Return the digest of a script's `transform` and all of its file that this reaches.

    Raises:
        ScriptError: there is no such file, it is no Python, or it has no `transform`.
    """
    path = Path(path)
    try:
        return code_digest(path.stem, ENTRY, root=path.resolve().parent)
    except SyntaxError as error:
        raise ScriptError(f"{path} is not Python: line {error.lineno}: {error.msg}") from error
    except KeyError as error:
        lacking = (
            f"defines no function `{ENTRY}(row, random)`" if path.is_file() else "is not there"
        )
        raise ScriptError(f"{path} {lacking} (paths count from {Path.cwd()})") from error


def load(path: str | Path) -> Callable[[dict, random.Random], dict | None]:
    """Return a script's `transform`, whose every call is checked.

    The script runs in this process, with its rights: it is trusted, as the study file is.

    Raises:
        ScriptError: the file fails when it is run.
    """
    try:
        found = runpy.run_path(str(path), run_name="valley_transform")[ENTRY]
    except Exception as error:
        raise ScriptError(f"{path}: {type(error).__name__}: {error}") from error

    def checked(row: dict, chance: random.Random) -> dict | None:
        try:
            new = found(dict(row), chance)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ScriptError(f"{path}: row {row['id']}: {said}") from error
        if new is None:
            return None
        if fault := _fault(row, new):
            raise ScriptError(f"{path}: row {row['id']}: {ENTRY} returned {fault}")
        return new

    return checked


def _fault(row: dict, new: object) -> str | None:
    """Return what is wrong with a row that a script returned, and what is expected."""
    if not isinstance(new, dict):
        return f"{type(new).__name__}; a row (dict) is expected, or None to leave it out"
    if set(new) != set(POOL.names):
        differing = sorted(set(new) ^ set(POOL.names), key=str)
        return (
            f"other columns ({', '.join(map(str, differing))}); expected: {', '.join(POOL.names)}"
        )
    for name in KEPT:
        if new[name] != row[name]:
            return f"{name} {new[name]!r}; it must stay {row[name]!r}"
    for name, kind in _KINDS.items():
        value = new[name]
        needed = name in ("prompt", "response")
        if value is None and not needed:
            continue
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"{name} {str(value)[:40]!r}; {kind.__name__} is expected"
        if needed and not value.strip():
            return f"an empty {name}; leave the row out by returning None"
    return None
