"""Free disk space: checked before long work, and reported clearly when it runs out."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from valley.core import permissions

# What libraries make of it that hide the error's number.
WORDS = re.compile(
    r"no space left on device|disk is full|disk quota exceeded|unexpected pos \d+ vs \d+", re.I
)
NOTHING = 64 << 10  # bytes: what is left when a disk is called full
# What to do; the same in every message.
ADVICE = (
    "Free space there (`./valley prune` lists what no study needs, `./valley plan` says how much "
    "is still to come), then run the same command again: what is finished or saved is kept"
)


class DiskFull(OSError):
    """A file system has no room left; the message says which, how little there is, what to do."""


def require_free(folder: str | Path, needed: float, what: str) -> None:
    """Check that a folder's file system has room.

    Args:
        folder: where will be written; it need not exist yet.
        needed: bytes.
        what: what they are for.

    Raises:
        DiskFull: there is too little; the message has both numbers.
    """
    folder = _existing(folder)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"{what} needs {needed:,.0f} bytes below {folder}, but only {free:,} are free. {ADVICE}"
        )


def is_full(error: BaseException | None) -> bool:
    """Tell whether a full disk, or a quota that is used up, is behind an error."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if WORDS.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def explained(*paths: str | Path) -> Iterator[None]:
    """Say in plain words what is full or forbidden, where libraries say it in theirs.

    Args:
        paths: files or folders on all file systems that may be written to.

    Raises:
        DiskFull: in place of whatever a full disk led to.
        Forbidden: in place of an error that tells neither owner nor remedy.
    """
    try:
        yield
    except (DiskFull, SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # PyTorch has one that is not an Exception
        if isinstance(error, PermissionError):
            raise permissions.forbidden(error) from error
        if not is_full(error):
            raise
        notes = "".join(f"; {note}" for note in dict.fromkeys(_notes(error)))
        raise DiskFull(f"{describe_full(*paths)}{notes}. {ADVICE}") from error


@contextmanager
def noted(path: Path, temporary: Path) -> Iterator[None]:
    """Note with an error how much of a file had been written when the disk was full.

    Args:
        path: the file.
        temporary: what is written instead.
    """
    try:
        yield
    except Exception as error:
        if is_full(error):
            with suppress(OSError):
                if size := temporary.stat().st_size:
                    error.add_note(f"{path} needs more than the {size:,} bytes that were free")
        raise


def describe_full(*paths: str | Path) -> str:
    """Return which of some paths has no room, and how little that is."""
    usage: dict[int, tuple[Path, os.statvfs_result]] = {}
    for path in map(_existing, paths):
        with suppress(OSError):
            usage.setdefault(os.stat(path).st_dev, (path, os.statvfs(path)))
    if not usage:
        return "the disk is full"
    path, have = min(usage.values(), key=lambda pair: pair[1].f_bavail * pair[1].f_frsize)
    free, whole = have.f_bavail * have.f_frsize, have.f_blocks * have.f_frsize
    if not have.f_favail and have.f_files:
        return f"the disk at {_mount(path)} can hold no more files: it has {have.f_files:,}"
    full = "is full" if free < NOTHING else "has no space for it (a quota?)"
    return f"the disk at {_mount(path)} {full}: {free:,} of {whole:,} bytes are free"


def no_space_left(path: str | Path) -> bool:
    """Tell whether next to nothing can be written to a path."""
    with suppress(OSError):
        return shutil.disk_usage(_existing(path)).free < NOTHING
    return False


def _existing(path: str | Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    path = Path(path).resolve()
    while not path.exists():
        path = path.parent
    return path


def _mount(path: Path) -> Path:
    """Return the folder where a path's file system is mounted."""
    while path != path.parent and os.stat(path.parent).st_dev == os.stat(path).st_dev:
        path = path.parent
    return path


def _notes(error: BaseException | None) -> list[str]:
    found: list[str] = []
    while error is not None:
        found += getattr(error, "__notes__", [])
        error = error.__cause__ or error.__context__
    return found
