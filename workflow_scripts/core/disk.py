"""Free disk space, asked before long work rather than found missing after it."""

import shutil
from pathlib import Path


def require_free(folder: str | Path, needed: float, what: str) -> None:
    """Check that a folder's file system has room.

    Args:
        folder: where will be written; it need not exist yet.
        needed: bytes.
        what: what they are for.

    Raises:
        OSError: there is too little; the message has both numbers.
    """
    folder = Path(folder).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{what} needs {needed:,.0f} bytes below {folder}, but only {free:,} are free; "
            "free some, or keep fewer checkpoints"
        )
