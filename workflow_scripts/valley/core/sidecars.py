"""Sidecars: the file beside a result that says what made it, of what, and what that took."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from valley.core.files import read_json

SUFFIX = ".meta.json"


def sidecar(target: str | Path) -> Path:
    """Return the path of a target's sidecar."""
    return Path(target).with_suffix(SUFFIX)


def provenance(target: str | Path) -> dict:
    """Return what a target's sidecar says; empty if there is none, or none that can be read."""
    with suppress(OSError, ValueError):
        return read_json(sidecar(target))
    return {}


def warn(said: str) -> None:
    """Say on standard error that a damaged sidecar is passed over."""
    print(f"passed over: {said}", file=sys.stderr)


def provenances(
    root: str | Path, damaged: Callable[[str], object] | None = None
) -> Iterator[tuple[Path, dict]]:
    """Yield each sidecar below a folder with what it says, in the order of their paths.

    Args:
        root: the folder.
        damaged: called with a sentence that names each damaged sidecar, which is then passed over.

    Raises:
        ValueError: one is damaged, and `damaged` is not given.
    """
    for path in sorted(Path(root).rglob(f"*{SUFFIX}")):
        try:
            about = read_json(path)
            if not isinstance(about, dict):
                raise ValueError(f"a {type(about).__name__}, not an object")
        except FileNotFoundError:
            continue  # its result has just gone
        except ValueError as error:
            said = f"{path}: damaged ({error}); delete it with its result"
            if damaged is None:
                raise ValueError(said) from None
            damaged(said)
            continue
        yield path, about
