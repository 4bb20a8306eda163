"""What one may not read or write: whose it is, and what several users of a folder do about it."""

import grp
import os
import pwd
import stat
from pathlib import Path

REMEDY = (
    "Where several users share a folder, all of them run `umask 002` before they start, and its "
    "owner gives the group access to what is there: `chmod -R g+rwX {folder}; find {folder} -type "
    "d -exec chmod g+s {{}} +` (with `chgrp -R GROUP {folder}` first, if its group is another)"
)


class Forbidden(PermissionError):
    """A file may not be read or written; the message says whose it is and what to do."""


def forbidden(error: PermissionError) -> PermissionError:
    """Return an error that names the path, its owner and the remedy.

    Args:
        error: as the system raised it.
    """
    if isinstance(error, Forbidden) or not error.filename:
        return error
    path = Path(os.fsdecode(error.filename))
    # What can't be made has a folder that can't be written to.
    at = next((one for one in (path, *path.absolute().parents) if _there(one)), path)
    folder = at if at.is_dir() else at.parent
    return Forbidden(
        f"{path}: {_named(os.geteuid())} may not use it: {_describe(at)}. "
        + REMEDY.format(folder=folder)
    )


def _there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _describe(path: Path) -> str:
    about = path.stat()
    try:
        group = grp.getgrgid(about.st_gid).gr_name
    except KeyError:
        group = str(about.st_gid)
    mode = stat.filemode(about.st_mode)
    return f"{path} belongs to {_named(about.st_uid)}, group {group}, {mode}"


def _named(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
