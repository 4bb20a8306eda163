"""Bad rows: named by file and row, counted, and the end or not, as the study file says."""

from collections.abc import Callable
from pathlib import Path

SHOWN = 20


class BadRow(ValueError):
    """What is wrong with a row, its field first; the reader knows which row it is."""


class BadRows(ValueError):
    """A source has a malformed row, and the study file says to stop at these."""


class BadRowLog:
    """Counts bad rows; prints and keeps the first few; stops at once if the policy is "stop".

    Args:
        policy: "stop" or "skip".
        key: where the study file says so; None where leaving rows out does not fix it.
    """

    def __init__(self, policy: str, key: str | None = None):
        self.policy, self.key, self.count = policy, key, 0
        self.first: list[str] = []

    def __call__(self, text: str) -> None:
        """Note a bad row, or raise BadRows."""
        if self.policy == "stop":
            otherwise = (
                f", or set {self.key} to skip: bad rows are then left out, counted and listed"
                if self.key
                else ""
            )
            raise BadRows(f"{text}\nmend the file{otherwise}")
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(text)
            print(f"left out: {text}", flush=True)

    def about(self, path: Path, name: str) -> Callable[[str], None]:
        """Return a complainer that calls a file by its name in the source, not by its path."""
        return lambda text: self(text.replace(str(path), name))
