"""The content-addressed store: costly results by what determines them, shared by all studies.

An entry is a folder named by its key and renamed into place when complete, so that it is there
whole or not at all, however many jobs write at once. Small files are copied out of it, since
Snakemake reads their times; the files of a checkpoint's folder are hard links where the file
system allows, and never changed in place.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from valley.core import tempfiles
from valley.core.files import atomic_write, file_digest, read_json, write_json


class Store:
    """A folder of finished results.

    Args:
        root: the store's folder; made when first written to.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def entry(self, key: str) -> Path:
        """Return the folder of a key, whether it exists or not."""
        return self.root / key[:2] / key

    def has(self, key: str) -> bool:
        """Tell whether a key's result is there, undamaged."""
        entry = self.entry(key)
        return (entry / "entry.json").is_file() and self._intact(entry)

    def about(self, key: str) -> dict[str, Any]:
        """Return what was noted of a key's result when it was kept."""
        about: dict[str, Any] = read_json(self.entry(key) / "entry.json")["about"]
        return about

    def restore(self, key: str, targets: list[Path], folders: list[Path]) -> bool:
        """Copy a result from the store to its path; tell whether the store had all of it.

        Args:
            key: what determines the result.
            targets: files to restore, in the order in which they were kept.
            folders: folders to restore before them, likewise.
        """
        entry = self.entry(key)
        if not self.has(key):
            return False
        for number, folder in enumerate(folders):
            shutil.rmtree(folder, ignore_errors=True)
            _link_tree(entry / f"folder{number}", folder)
        for number, target in enumerate(targets):
            with atomic_write(target) as temporary:
                shutil.copyfile(entry / f"file{number}", temporary)
        return True

    def keep(
        self, key: str, targets: list[Path], folders: list[Path], about: dict[str, Any]
    ) -> None:
        """Put a finished result into the store; a key that is there already is left alone.

        Args:
            key: what determines the result.
            targets: the result's files.
            folders: the result's folders (of plain files).
            about: what the key was made of, and with which versions.
        """
        if self.has(key):
            return
        with self._filled(key) as temporary:
            for number, folder in enumerate(folders):
                _link_tree(folder, temporary / f"folder{number}")
            for number, target in enumerate(targets):
                shutil.copyfile(target, temporary / f"file{number}")
            digests = {f"file{n}": file_digest(target) for n, target in enumerate(targets)}
            sizes = {
                str(path.relative_to(temporary)): path.stat().st_size
                for path in sorted(temporary.rglob("*"))
                if path.is_file()
            }
            write_json(
                temporary / "entry.json", {"about": about, "digests": digests, "sizes": sizes}
            )

    def keep_as(self, key: str, other: str, about: dict[str, Any]) -> None:
        """Let a kept result be found under another key too; one that is there is left alone."""
        if self.has(other):
            return
        with self._filled(other) as temporary:
            _link_tree(self.entry(key), temporary)
            described = read_json(temporary / "entry.json")
            write_json(temporary / "entry.json", {**described, "about": about})

    @contextmanager
    def _filled(self, key: str) -> Iterator[Path]:
        """Yield a folder that becomes the key's entry if all goes well."""
        entry = self.entry(key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfiles.folder(entry, "keeping")
        try:
            yield temporary
            shutil.rmtree(entry, ignore_errors=True)  # a damaged one
            try:
                os.rename(temporary, entry)
            except OSError:
                if not (entry / "entry.json").is_file():  # another job was first: just as good
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @staticmethod
    def _intact(entry: Path) -> bool:
        """Check sizes of all files and content of the small ones: a damaged entry is remade."""
        described = read_json(entry / "entry.json")
        for name, size in described["sizes"].items():
            path = entry / name
            if not path.is_file() or path.stat().st_size != size:
                return False
        return all(
            file_digest(entry / name) == digest for name, digest in described["digests"].items()
        )


def _link_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _link_tree(path, target / path.name)
            continue
        try:
            os.link(path, target / path.name)
        except OSError:
            shutil.copyfile(path, target / path.name)
