"""Rows of JSONL, Parquet and Arrow files, one at a time, in bounded memory, and of JSON lists.

What is no row is complained of, by file and row, and left out; the caller's `complain` decides
whether that is the end.
"""

import io
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from valley.core.files import open_parquet

LONGEST_LINE = 1 << 28  # bytes; the longest honest ones are a few dozen million
_CHUNK = 1 << 20
_PORTION = 32  # rows turned into Python at once
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}

Complain = Callable[[str], None]
Names = Collection[str]


def read_rows(
    path: Path,
    complain: Complain,
    *,
    columns: Collection[str] | None = None,
    without: Collection[str] = (),
    longest: int | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row) of a file; its suffix tells what it is.

    Args:
        path: .parquet, .arrow (Arrow's stream or file), .json with one list (read at once), or
            JSONL, which .gz, .zst, .bz2 may follow.
        complain: told of everything that is left out.
        columns: those to read, as far as the file has them; all by default. Of JSONL all are read.
        without: columns to leave out.
        longest: bytes of a line of JSONL; longer ones are left out without being held. None is
            LONGEST_LINE.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, complain, columns, without)
    if path.suffix == ".arrow":
        return _read_arrow(path, complain, columns, without)
    if path.suffix == ".json" and _begins_a_list(path):
        return _read_list(path, complain)
    return _read_jsonl(path, complain, longest)


def _begins_a_list(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(64).lstrip()[:1] == b"["


def _read_list(path: Path, complain: Complain) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        rows = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        complain(f"{path}: not JSON: {str(error)[:100]}")
        return
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            yield number, row
        else:
            complain(f"{path}: row {number}: a {type(row).__name__}, not an object")


def _read_jsonl(
    path: Path, complain: Complain, longest: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    number, longest = 0, longest or LONGEST_LINE
    try:
        with _opened(path) as file:
            while line := file.readline(longest):
                number += 1
                if len(line) == longest and not line.endswith(b"\n"):
                    del line
                    while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                        pass
                    complain(f"{path}: row {number}: longer than {longest} bytes")
                    continue
                if not line.strip():
                    continue
                try:
                    row = json.loads(line, parse_constant=_no_constant)
                except (ValueError, RecursionError) as error:
                    complain(f"{path}: row {number}: not JSON: {str(error)[:100]}")
                    continue
                if not isinstance(row, dict):
                    complain(f"{path}: row {number}: a {type(row).__name__}, not an object")
                    continue
                yield number, row
    except (OSError, EOFError, pa.ArrowException) as error:
        complain(_unreadable(path, number, error))


def _opened(path: Path) -> io.BufferedIOBase:
    if path.suffix in _COMPRESSED:
        stream = pa.input_stream(str(path), compression=_COMPRESSED[path.suffix])
        return io.BufferedReader(stream, 1 << 16)
    return open(path, "rb")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _read_parquet(
    path: Path, complain: Complain, columns: Names | None, without: Names
) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with open_parquet(path) as file:
            chosen = _chosen(file.schema_arrow.names, columns, without)
            for batch in file.iter_batches(_PORTION, columns=chosen, use_threads=False):
                yield from _batch_rows(path, batch, number, complain)
                number += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        complain(_unreadable(path, number, error))


def _read_arrow(
    path: Path, complain: Complain, columns: Names | None, without: Names
) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with pa.memory_map(str(path)) as source:
            try:
                batches = pa.ipc.open_stream(source)
            except pa.ArrowInvalid:
                reader = pa.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
            for batch in batches:
                light = batch.select(_chosen(batch.schema.names, columns, without))
                for at in range(0, light.num_rows, _PORTION):
                    part = light.slice(at, _PORTION)
                    yield from _batch_rows(path, part, number, complain)
                    number += part.num_rows
    except (OSError, pa.ArrowException) as error:
        complain(_unreadable(path, number, error))


def _chosen(there: list[str], columns: Names | None, without: Names) -> list[str]:
    return [name for name in there if (columns is None or name in columns) and name not in without]


def _batch_rows(
    path: Path, batch: pa.RecordBatch, before: int, complain: Complain
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a batch's rows; where one can't be turned into Python, all but that one."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError) as error:  # text that is not UTF-8, a date out of range
        if batch.num_rows > 1:
            for at in range(batch.num_rows):
                yield from _batch_rows(path, batch.slice(at, 1), before + at, complain)
        else:
            complain(f"{path}: row {before + 1}: {str(error)[:100]}")
        return
    yield from enumerate(rows, before + 1)


def _unreadable(path: Path, number: int, error: Exception) -> str:
    return f"{path}: row {number + 1}: no more can be read, the file is damaged: {error}"[:300]
