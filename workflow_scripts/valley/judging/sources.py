"""Reading problems in the forms they have in the wild, as PROBLEM rows.

A broken row never stops a file: it is named, by file, row and field, counted and left out, unless
the caller's way to complain is to raise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from valley.core.bad_rows import BadRow
from valley.core.rows import Complain, read_rows
from valley.judging.forms import convert
from valley.judging.problems import BadProblem


@dataclass
class Problems:
    """What a file held: problems by id, and what was wrong with the rest."""

    by_id: dict[str, dict] = field(default_factory=dict)
    bad_rows: list[str] = field(default_factory=list)


# What no reader needs, and what fills most of such a file.
HEAVY = ("solutions", "incorrect_solutions")


def read_problems(path: Path) -> Problems:
    """Read a problem file: JSONL, Parquet or Arrow, in any known form, told by the fields."""
    found = Problems()
    for _, problem in stream_problems([Path(path)], found.bad_rows.append):
        found.by_id[problem["id"]] = problem
    return found


def stream_problems(paths: Iterable[Path], complain: Complain) -> Iterator[tuple[str, dict]]:
    """Yield each good problem of the files with its location (file and row), one at a time.

    Of two problems of one id the first is kept.
    """
    seen: set[str] = set()
    for path in paths:
        for number, row in read_rows(path, complain, without=HEAVY):
            location = f"{path}: row {number}"
            try:
                problem = convert(row, f"{path.stem}-{number}")
                if problem["id"] is None:
                    raise BadProblem("a problem without an id")
            except (BadRow, BadProblem) as error:
                complain(f"{location}: {error}")
                continue
            except UnicodeError as error:
                complain(f"{location}: not Unicode: {str(error)[:100]}")
                continue
            if problem["id"] in seen:
                complain(f"{location}: id: {problem['id']!r} is there twice, first one kept")
                continue
            seen.add(problem["id"])
            yield location, problem
