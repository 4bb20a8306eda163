"""Bad rows: named by file and row, counted, and the end or not, as the study file says."""

import os
from collections.abc import Callable
from pathlib import Path

SHOWN = 20


class BadRows(ValueError):
    """A source has a row that is no row of it, and the study file says to stop at such."""


class BadRow(ValueError):
    """What is wrong with a row; the reader knows which one it is."""


class Complaints:
    """Counts bad rows and keeps the first few; stops at once if the policy is "stop"."""

    def __init__(self, policy: str):
        self.policy, self.count, self.first = policy, 0, []

    def __call__(self, text: str) -> None:
        """Note a bad row, or raise BadRows."""
        if self.policy == "stop":
            raise BadRows(
                f"{text}\nmend the file, or set corpus.bad_rows to skip: bad rows are then left "
                "out, counted and listed in the summary"
            )
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(text)

    def about(self, path: Path, name: str) -> Callable[[str], None]:
        """Return a complainer that calls a file by its name in the source, not by its place."""
        return lambda text: self(text.replace(str(path), name))


def names_of(files: list[Path]) -> dict[Path, str]:
    """Return each file's name in its source: what follows the folder that they share."""
    shared = os.path.commonpath([path.parent for path in files])
    return {path: path.relative_to(shared).as_posix() for path in files}
