"""From a source's columns to ours: types checked, words for correctness understood."""

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from valley.core.bad_rows import BadRow, BadRowLog
from valley.core.hub import find
from valley.core.rows import read_rows
from valley.core.sources import Source

ABSENT = {"", "-", "none", "null", "nan", "n/a", "unknown", "unknown_difficulty"}
REQUIRED = ("response", "reasoning")  # other columns may be missing in some revisions
RIGHT = {"right", "correct", "true", "yes", "pass", "passed", "accepted", "1", "1.0"}
WRONG = {"wrong", "incorrect", "false", "no", "fail", "failed", "rejected", "0", "0.0"}


def source_rows(
    source: Source, roles: set[str], bad_row_log: BadRowLog, counts: Counter
) -> Iterator[tuple[str, dict]]:
    """Yield (location, values by role) of each selected row of a source.

    Args:
        source: the corpus.
        roles: columns to read, by what they are to us.
        bad_row_log: told of rows that are none.
        counts: how many rows were read, and how many `only` left out.
    """
    from tqdm import tqdm

    columns = {role: path for role, path in source.columns.items() if role in roles}
    needed = {_top(path) for path in columns.values()} | {_top(path) for path in source.only}
    only = {column: {str(value) for value in values} for column, values in source.only.items()}
    files = find(source.files, **source.location)
    names = names_of(files)
    with tqdm(desc=source.name, unit=" rows", disable=None) as bar:
        for path in files:
            complain = bad_row_log.about(path, names[path])
            rows = read_rows(path, complain, columns=needed, longest=source.longest_line)
            for number, row in rows:
                if source.rows is not None and counts["rows"] >= source.rows:
                    return
                counts["rows"] += 1
                bar.update()
                try:
                    _must_have(row, [*only, *(columns[r] for r in REQUIRED if r in columns)])
                    if any(str(at(row, name)) not in values for name, values in only.items()):
                        counts["left_out"] += 1
                        continue
                    values = {role: at(row, column) for role, column in columns.items()}
                except BadRow as error:
                    complain(f"{names[path]}: row {number}: {error}")
                    continue
                yield f"{names[path]}:{number}", values


def names_of(files: list[Path]) -> dict[Path, str]:
    """Return each file's name in its source: what follows the folder that they share."""
    shared = os.path.commonpath([path.parent for path in files])
    return {path: path.relative_to(shared).as_posix() for path in files}


def _must_have(row: dict, paths: list[str]) -> None:
    for path in paths:
        if path not in row and _top(path) not in row:
            there = ", ".join(map(str, sorted(row)[:20]))
            raise BadRow(f"column {path}: there is none; there are: {there}")


def _top(path: str) -> str:
    return path.split(".", 1)[0]


def at(row: dict, path: str) -> object:
    """Return the value at a dotted path, such as conversations.0.value.

    A column that may be missing in some revisions of a data set is None; BadRow if the path leads
    nowhere below a column that is there.
    """
    if path in row:
        return row[path]
    first, _, rest = path.partition(".")
    value = row.get(first)
    for part in rest.split(".") if rest else ():
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BadRow(f"column {path}: there is none") from None
    return value


def text(values: dict, role: str) -> str:
    """Return a text that must be there."""
    value = values.get(role)
    if not isinstance(value, str) or not value.strip():
        shown = "empty" if value in (None, "") else repr(value)[:60]
        raise BadRow(f"{role}: text is wanted, but it is {shown}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{role}: it holds half a character (a lone surrogate)") from None
    return value


def word(values: dict, role: str) -> str | None:
    """Return a short text or number as text; None where it is absent or says nothing."""
    value = values.get(role)
    if value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    value = str(value).strip()
    return None if value.casefold() in ABSENT else value


def correct(values: dict, by: str, threshold: float, counts: Counter) -> bool | None:
    """Return whether an answer is correct as its source has it; None where that isn't known.

    Args:
        values: by role.
        by: "judgement" or "pass_rate".
        threshold: the smallest pass rate of a correct answer.
        counts: told of absent and strange values.
    """
    value = values.get(by)
    if by == "pass_rate":
        try:
            rate = float(value)
        except (TypeError, ValueError):
            rate = math.nan
        if 0 <= rate <= 1:
            return rate >= threshold
        # Data sets write -1 where there were too few tests.
        absent = value is None or rate < 0 or str(value).strip().casefold() in ABSENT
        counts["pass_rate_absent" if absent else "pass_rate_strange"] += 1
        return None
    said = "" if value is None else str(value).strip().casefold()
    if said in RIGHT:
        return True
    if said in WRONG:
        return False
    counts["judgement_absent" if said in ABSENT else "judgement_strange"] += 1
    return None
