"""What `valley doctor` says of one thing: a line, also as JSON between two machines."""

from dataclasses import dataclass

OK, NOTE, BAD = "ok", "note", "BAD"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is well ("ok", "note" or "BAD"), what was found."""

    what: str
    verdict: str
    said: str

    def __str__(self) -> str:
        return f"{self.verdict:<5}{self.what}: {self.said}"
