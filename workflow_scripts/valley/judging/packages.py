"""Packages that judged programs may import: pinned, and installed once into a folder of their own.

The folder is named by the pins and the interpreter, made whole under a lock, and never changed. In
the jail it can be read only.
"""

import compileall
import fcntl
import hashlib
import os
import py_compile
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from valley.core import tempfiles

PINS = {
    "mpmath": "1.3.0",
    "networkx": "3.3",
    "numpy": "1.26.4",
    "pandas": "2.2.3",
    "python-dateutil": "2.9.0.post0",
    "pytz": "2024.2",
    "scipy": "1.13.1",
    "six": "1.16.0",
    "sortedcontainers": "2.4.0",
    "sympy": "1.13.3",
    "tzdata": "2024.2",
}
NEEDED = {
    "pandas": ("numpy", "python-dateutil", "pytz", "six", "tzdata"),
    "scipy": ("numpy",),
    "sympy": ("mpmath",),
}
# What LiveCodeBench's evaluator has beside it: its own dependencies bring these along.
SETS = {"livecodebench": ("networkx", "numpy", "pandas", "scipy", "sympy")}
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+")
_MISSING = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
NOT_THERE = "judge.packages can provide it"


class PackagesError(RuntimeError):
    """Packages that were asked for could not be installed; the message says what to do."""


@dataclass(frozen=True)
class Packages:
    """An installed folder, and the names of the modules in it."""

    folder: Path
    modules: tuple[str, ...]


def pinned(wanted: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return `name==version` of each package and of what it needs, sorted.

    `wanted` has names of PINS or SETS, or pins of other packages (what these need has to be named
    too); a text is one such name. ValueError for a name that is not known.
    """
    waiting = [wanted] if isinstance(wanted, str) else list(wanted or ())
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop(0)
        if name in SETS:
            waiting += SETS[name]
        elif name in PINS:
            found.setdefault(name, f"{name}=={PINS[name]}")
            waiting += NEEDED.get(name, ())
        elif _PIN.fullmatch(name):
            found[name.partition("==")[0]] = name
        else:
            raise ValueError(
                f"judge.packages: {name!r} is not known; known are {', '.join((*SETS, *PINS))}, "
                "and any package with its version, as NAME==VERSION"
            )
    return tuple(sorted(found.values()))


def provided(root: Path | None, pins: tuple[str, ...]) -> Packages | None:
    """Return the folder of some pins below `root`, made if it is not there; None without pins.

    PackagesError if pip can't install them.
    """
    if not pins:
        return None
    if root is None:
        raise PackagesError("packages need a folder to be kept in: judge with a cache")
    platform = (sysconfig.get_platform(), sysconfig.get_config_var("SOABI") or sys.version)
    name = hashlib.sha256("\n".join((*pins, *platform)).encode()).hexdigest()[:20]
    folder = Path(root).resolve() / name
    if not os.path.isdir(folder):  # nor where a folder above it can't be entered
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.parent):
                if not folder.is_dir():
                    _install(folder, pins)
        except OSError as error:
            raise PackagesError(
                f"judge.packages: {' '.join(pins)} are not in {folder.parent}, and can't be put "
                f"there ({error.strerror or error}). Let a user who may write there judge once "
                "with the same packages: then anyone may who can read the folder. Or use a store "
                "(--cache) of your own"
            ) from None
    try:
        os.listdir(folder)
    except OSError as error:
        raise PackagesError(
            f"judge.packages: {folder} can't be read ({error.strerror}); let its owner give others "
            "the right to read it and the folders that lead to it (chmod a+rx)"
        ) from None
    return Packages(folder, _modules(folder))


def without_one(last_line: str) -> str | None:
    """Return the verdict's detail if a program's last words say that a known package is missing."""
    found = _MISSING.match(last_line)
    if found is None or found[1] not in PINS:
        return None
    return f"ModuleNotFoundError: {found[1]}; {NOT_THERE}"


def missing_package(detail: str) -> str | None:
    """Return the package that a verdict's detail says was missing."""
    kind, _, rest = detail.partition(": ")
    name, _, remedy = rest.partition("; ")
    return name if kind == "ModuleNotFoundError" and remedy == NOT_THERE else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, pins: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=tempfiles.prefix(folder.name)
    ) as temporary:
        new = Path(temporary) / "packages"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]
        # Where there is no network this says so in seconds, not after minutes of trying.
        command += ["--disable-pip-version-check", "--retries", "2", "--timeout", "15"]
        command += ["--only-binary", ":all:", "--no-compile", "--target", str(new), *pins]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.strip().split("\n") if "WARNING" not in line]
            raise PackagesError(
                f"judge.packages: pip could not install {' '.join(pins)} into {folder.parent}: "
                f"{lines[-1] if lines else f'status {done.returncode}'}\nWithout a network, load "
                "the wheels where there is one (pip download --no-deps --only-binary :all: "
                f"-d wheels {' '.join(pins)}) and set PIP_NO_INDEX=1 PIP_FIND_LINKS=<that folder>, "
                "or leave judge.packages empty"
            )
        # Programs can't write here, so what is compiled is compiled now; the same bytes anywhere.
        compileall.compile_dir(
            new,
            quiet=2,
            stripdir=str(new),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        # Whoever a program runs as must be able to read it.
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        os.replace(new, folder)


def _modules(folder: Path) -> tuple[str, ...]:
    found = {path.parent.name for path in folder.glob("*/__init__.py")}
    found |= {path.stem for path in folder.glob("*.py")}
    return tuple(sorted(name for name in found if name.isidentifier()))
