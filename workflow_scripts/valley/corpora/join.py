"""Questions in other data sets: found by data set, split and row."""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from valley.core import tempfiles
from valley.core.bad_rows import BadRow, BadRowLog
from valley.core.files import stream_rows
from valley.core.hub import find
from valley.core.rows import read_rows
from valley.core.sources import Questions
from valley.corpora.columns import names_of, text, word
from valley.judging.forms import convert
from valley.judging.sources import HEAVY

RowReference = tuple[str, str, int]  # data set, split, row


def reference_of(values: dict) -> RowReference | None:
    """Return a row's reference to a question of another data set; None if it has its own text."""
    if word(values, "prompt") is not None:
        return None
    dataset, split, index = (word(values, role) for role in ("dataset", "split", "index"))
    if dataset is None:
        raise BadRow("prompt: there is none, and no data set is named that would have it")
    if split is None or index is None or not index.isdecimal():
        raise BadRow(f"split, index: {split!r}, {index!r} are no row of {dataset}")
    return dataset.split(",")[0].strip(), split, int(index)


def problem_id(values: dict, source: str) -> str:
    """Return the id of a row's problem, the same for every answer to it."""
    reference = reference_of(values)
    if reference is not None:
        return "/".join(map(str, reference))
    own = word(values, "problem")
    if own is not None:
        return f"{source}/{own}"
    said = " ".join(text(values, "prompt").split())
    return f"question/{sha256(said.encode()).hexdigest()[:20]}"


def read_questions(
    wanted: dict[str, dict[str, set[int]]], questions: dict[str, Questions], bad_row_log: BadRowLog
) -> Iterator[dict]:
    """Yield the PROBLEM rows of the wanted rows, in the order of data sets, splits and rows.

    Args:
        wanted: rows by data set and split.
        questions: the data sets, by name.
        bad_row_log: told of rows that are none, or not there.
    """
    for dataset in sorted(wanted):
        for split, rows in sorted(wanted[dataset].items()):
            yield from _read_split(dataset, split, rows, questions[dataset], bad_row_log)


def _read_split(
    dataset: str, split: str, wanted: set[int], about: Questions, bad_row_log: BadRowLog
) -> Iterator[dict]:
    from tqdm import tqdm

    # A row is known by its number: a file that can't be read to its end would shift all others.
    fatal = BadRowLog("stop")
    files = find(about.files[split], **about.location)
    names, before, left = names_of(files), 0, len(wanted)
    with tqdm(desc=f"{dataset} {split}", unit=" questions", total=left, disable=None) as bar:
        for path in files:
            complain = fatal.about(path, names[path])
            rows = 0
            for number, row in read_rows(path, complain, without=HEAVY):
                index, rows = before + rows, rows + 1
                if index not in wanted:
                    continue
                left -= 1
                bar.update()
                try:
                    yield _problem(f"{dataset}/{split}/{index}", dataset, row)
                except BadRow as error:
                    bad_row_log(f"{dataset}: {names[path]}: row {number}: {error}")
            before += rows
    if left:
        missing = sorted(index for index in wanted if index >= before)[:3]
        bad_row_log(
            f"{dataset}: split {split} has {before:,} rows, but {left:,} questions lie beyond, "
            f"such as {', '.join(map(str, missing))}; is it the right revision?"
        )


def _problem(identity: str, dataset: str, row: dict) -> dict:
    """Return a question as a PROBLEM row; without tests where they can't be used."""
    try:
        problem = {**convert(row), "id": identity}
    except (ValueError, KeyError, TypeError):
        statement = next(
            (row[n] for n in ("question", "description", "statement") if row.get(n)), ""
        )
        problem = plain_problem(identity, statement, row.get("difficulty"), dataset)
    if not problem["statement"].strip():
        raise BadRow("statement: it is empty")
    return problem


def plain_problem(identity: str, statement: str, difficulty: object, source: str) -> dict:
    """Return a problem of which only the text is known, as a PROBLEM row."""
    return {
        "id": identity,
        "statement": statement,
        "difficulty": str(difficulty or ""),
        "starter_code": "",
        "function_name": None,
        "tests": [],
        "time_limit_s": None,
        "memory_limit_mb": None,
        "source": source,
        "date": "",
        "license": "",
        "checker": None,
        "keep_lines": None,
        "case": None,
        "tolerance": None,
        "trusted": None,
        "mark": None,
    }


class Statements:
    """Statements and difficulties of problems by id, on disk: memory holds a few pages of them."""

    def __init__(self, problems: Path):
        self._folder = tempfiles.scratch()
        self._base = sqlite3.connect(f"{self._folder.name}/statements.sqlite", isolation_level=None)
        self._base.execute("PRAGMA synchronous=OFF")
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE told (id TEXT PRIMARY KEY, statement TEXT, label TEXT)")
        rows = stream_rows(problems, ["id", "statement", "difficulty"])
        self._base.execute("BEGIN")
        self._base.executemany(
            "INSERT INTO told VALUES (?, ?, ?)",
            ((row["id"], row["statement"], row["difficulty"]) for row in rows),
        )
        self._base.execute("COMMIT")

    def __enter__(self) -> "Statements":
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._folder.cleanup()

    def get(self, identity: str) -> tuple[str, str] | None:
        """Return a problem's statement and difficulty, or None."""
        query = "SELECT statement, label FROM told WHERE id = ?"
        return self._base.execute(query, (identity,)).fetchone()
