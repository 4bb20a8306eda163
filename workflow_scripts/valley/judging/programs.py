"""Programs that wait to be judged, on disk, by problem."""

import sqlite3
from collections.abc import Collection, Iterator

from valley.core import tempfiles


class Programs:
    """A table of programs that is gone when left; memory holds a few pages of it."""

    def __init__(self) -> None:
        self._folder = tempfiles.scratch()
        self._base = sqlite3.connect(f"{self._folder.name}/programs.sqlite", isolation_level=None)
        self._base.execute("PRAGMA synchronous=OFF")
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE waiting (number INTEGER, problem TEXT, program BLOB)")
        self._base.execute("BEGIN")
        self._indexed = False

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._folder.cleanup()

    def add(self, index: int, problem: str, program: str) -> None:
        """Store the program of the row at an index."""
        code = program.encode("utf-8", "surrogatepass")
        self._base.execute("INSERT INTO waiting VALUES (?, ?, ?)", (index, problem, code))

    def of(self, problems: Collection[str]) -> Iterator[tuple[int, str, str]]:
        """Yield (index, problem, program) of every program for some problems."""
        if not self._indexed:
            self._base.execute("CREATE INDEX by_problem ON waiting (problem)")
            self._indexed = True
        query = "SELECT number, program FROM waiting WHERE problem = ? ORDER BY number"
        for problem in problems:
            for index, program in self._base.execute(query, (problem,)):
                yield index, problem, program.decode("utf-8", "surrogatepass")
