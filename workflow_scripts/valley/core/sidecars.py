"""Sidecars: the file beside a result that says what made it, of what, and what that took."""

from collections.abc import Iterator
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


def provenances(root: str | Path) -> Iterator[tuple[Path, dict]]:
    """Yield each sidecar below a folder with what it says, in the order of their paths.

    Raises:
        ValueError: one is damaged.
    """
    for path in sorted(Path(root).rglob(f"*{SUFFIX}")):
        try:
            yield path, read_json(path)
        except FileNotFoundError:
            continue  # its result has just gone
        except ValueError as error:
            raise ValueError(f"{path}: damaged ({error}); delete it with its result") from None
