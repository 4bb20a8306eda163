"""Digests of code, kept beside Snakemake's records: to compute them takes a second of CPU time.

They depend on nothing but the files below the scripts' folder and are kept under a digest of all of
these, names and bytes: after any edit there, all are computed anew.
"""

import atexit
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from valley.core.closure import ROOT, code_digest
from valley.core.files import write_json

FOLDER = ".snakemake"  # of a study's working directory; where there is none, nothing is kept
NAME = "code_digests.json"


def kept_digest(module: str, entry: str) -> str:
    """Return `code_digest` of an entry of the project's modules."""
    known = _known()
    name = f"{module}:{entry}"
    if name not in known.digests:
        known.digests[name] = code_digest(module, entry)
        known.more = True
    return known.digests[name]


class Known:
    """The digests of code as it is when this is made.

    Args:
        path: the file that keeps them.
        root: the folder of the code.
    """

    def __init__(self, path: Path, root: Path = ROOT):
        self.path, self.root = path, root
        self.of, self.more = state(root), False
        self.digests: dict[str, str] = {}
        with suppress(OSError, ValueError, AttributeError):  # none, or damaged
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept.get("of") == self.of:
                self.digests = dict(kept["digests"])

    def keep(self) -> None:
        """Write them, unless the code was edited meanwhile: they might be of either state."""
        if self.more and self.path.parent.is_dir() and state(self.root) == self.of:
            with suppress(OSError):  # a full disk, another's folder
                write_json(self.path, {"of": self.of, "digests": self.digests})


def state(root: Path) -> str:
    """Return a digest of all files below a folder, but for Python's own caches."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(root.rglob("*")):
        if path.suffix != ".pyc" and path.is_file():
            name = path.relative_to(root).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _known() -> Known:
    known = Known(Path(FOLDER).resolve() / NAME)
    atexit.register(known.keep)
    return known
