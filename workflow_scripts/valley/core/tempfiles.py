"""What is being written: files and folders beside their final path, named by who writes them.

A process that is killed can't clear them away. The next run does, for the name says whether the
writer is gone.
"""

import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from valley.core import processes

NAME = re.compile(r"\..+\.(?P<writer>[0-9a-f]{8}-\d+-\d+)\.\w{8}")
LONG = 24 * 3600  # seconds after which a writer on another machine is taken for gone
MOMENT = 600  # seconds in which a job that was started has begun


def prefix(name: str) -> str:
    """Return how the name of a file begins that this process writes aside for `name`."""
    return f".{name}.{processes.name()}."


def file(path: Path) -> Path:
    """Return a new empty file beside a path, to be renamed to it; the umask says who may use it."""
    temporary = path.with_name(prefix(path.name) + secrets.token_hex(4))
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def folder(path: Path, name: str) -> Path:
    """Return a new empty folder beside a path, likewise; `name` tells what it is for."""
    temporary = path.with_name(prefix(name) + secrets.token_hex(4))
    temporary.mkdir()
    return temporary


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for temporary files, gone when left."""
    return tempfile.TemporaryDirectory(prefix=prefix("valley"))


def abandoned(path: Path) -> bool:
    """Tell whether something was being written by a process that is gone."""
    found = NAME.fullmatch(path.name)
    if not found:
        return False
    alive = processes.alive(found["writer"])
    if alive is not None:
        return not alive
    try:
        return time.time() - path.lstat().st_mtime > LONG
    except OSError:
        return False


def sweep(*roots: str | Path, deep: bool = True) -> list[Path]:
    """Remove what killed processes were writing, as far as permitted; return it.

    Args:
        roots: folders to look through.
        deep: also in the folders below.
    """
    gone = []
    for root in roots:
        for folder, folders, files in os.walk(root):
            for path in [Path(folder, name) for name in (*folders, *files) if name[0] == "."]:
                if abandoned(path):
                    gone.append(path)
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        with suppress(OSError):  # another's, in a folder that all share
                            path.unlink()
            folders[:] = [name for name in folders if deep and Path(folder, name) not in gone]
    return gone


def clear_old(folder: str | Path) -> None:
    """Remove files that are of use for a moment only: Snakemake's copies of scripts.

    A job reads its own as it begins. Those of a Snakemake that was killed stay.
    """
    for path in Path(folder).glob("*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > MOMENT:
                path.unlink()


def appear(made: Path, at: Path) -> None:
    """Give a file a second name, as one step: there or not, on network file systems too.

    Raises:
        FileExistsError: something has that name.
    """
    try:
        os.link(made, at)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links; what can't be written at all fails here too
        with at.open("x", encoding="utf-8") as file:
            file.write(made.read_text(encoding="utf-8"))
