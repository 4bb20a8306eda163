"""Sidecars: the file beside a result that says what made it, of what, and what that took."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict, cast

from valley.core.files import read_json

SUFFIX = ".meta.json"
# What each sidecar has, as a mapping where nothing else is said.
PARTS = {"rule": str, "params": dict, "inputs": dict, "outputs": dict, "measured": dict}


class Provenance(TypedDict, total=False):
    """What a sidecar says, as `workflow.job.bind` writes it; an empty one is none.

    Attributes:
        rule: that made the result.
        params: settings and digests of code, by name.
        inputs, outputs: digests of files, by path.
        key: what the result is kept under in the store.
        log: of the job.
        restored: it was taken from the store.
        measured: how long it took, where, with what versions, and what the stage measured.
    """

    rule: str
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    key: str
    log: str | None
    restored: bool
    measured: dict[str, Any]


class DamagedSidecar(ValueError):
    """A sidecar is cut off, or lacks a part; the message names it and says what to do."""


def sidecar(target: str | Path) -> Path:
    """Return the path of a target's sidecar."""
    return Path(target).with_suffix(SUFFIX)


def read_sidecar(path: str | Path) -> Provenance | None:
    """Return what a sidecar says; None if it is not there.

    Raises:
        DamagedSidecar: it can't be read, or lacks a part.
    """
    try:
        about = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        fault = str(error)
    else:
        parts = about if isinstance(about, dict) else {}
        wrong = [name for name, kind in PARTS.items() if not isinstance(parts.get(name), kind)]
        if not wrong:
            return cast(Provenance, about)
        fault = f"it lacks {', '.join(wrong)}"
    raise DamagedSidecar(f"{path}: damaged ({fault}); delete it with its result") from None


def quiet(said: str) -> None:
    """Pass a damaged sidecar over without a word: another part of the command says it."""


def warn(said: str) -> None:
    """Say on standard error that a damaged sidecar is passed over."""
    print(f"passed over: {said}", file=sys.stderr)


def provenance(target: str | Path, damaged: Callable[[str], object] = quiet) -> Provenance:
    """Return what a target's sidecar says; empty if there is none, or a damaged one.

    Args:
        target: the result.
        damaged: called with a sentence that names the sidecar if it is damaged.
    """
    try:
        return read_sidecar(sidecar(target)) or {}
    except DamagedSidecar as error:
        damaged(str(error))
        return {}


def provenances(
    root: str | Path, damaged: Callable[[str], object] | None = None
) -> Iterator[tuple[Path, Provenance]]:
    """Yield each sidecar below a folder with what it says, in the order of their paths.

    Args:
        root: the folder.
        damaged: called with a sentence that names each damaged sidecar, which is then passed over.

    Raises:
        DamagedSidecar: one is damaged, and `damaged` is not given.
    """
    for path in sorted(Path(root).rglob(f"*{SUFFIX}")):
        try:
            about = read_sidecar(path)
        except DamagedSidecar as error:
            if damaged is None:
                raise
            damaged(str(error))
            continue
        if about is not None:  # else its result has just gone
            yield path, about
