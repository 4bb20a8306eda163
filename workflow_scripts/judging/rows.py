"""Rows of JSONL, Parquet and Arrow files, one at a time, in bounded memory.

What is no row is complained of, by file and row, and left out; the caller's `complain` decides
whether that is the end.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

LONGEST_LINE = 1 << 28  # bytes; LiveCodeBench's longest are a few dozen million
_CHUNK = 1 << 20
# What no reader needs, and what fills most of such a file.
HEAVY = ("solutions", "incorrect_solutions")

Complain = Callable[[str], None]


def read_rows(path: Path, complain: Complain) -> Iterator[tuple[int, dict]]:
    """Yield (row number from 1, row) of a file; its suffix tells what it is."""
    if path.suffix == ".parquet":
        return _read_parquet(path, complain)
    if path.suffix == ".arrow":
        return _read_arrow(path, complain)
    return read_jsonl(path, complain)


def read_jsonl(path: Path, complain: Complain) -> Iterator[tuple[int, dict]]:
    """Yield (line number, object) of a JSONL file."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                del line
                while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                    pass
                complain(f"{path}: row {number}: longer than {LONGEST_LINE} bytes")
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


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _read_parquet(path: Path, complain: Complain) -> Iterator[tuple[int, dict]]:
    import pyarrow.parquet as pq

    number = 0
    try:
        file = pq.ParquetFile(path)
        columns = [name for name in file.schema_arrow.names if name not in HEAVY]
        for batch in file.iter_batches(batch_size=16, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        complain(_unreadable(path, number, "Parquet", error))


def _read_arrow(path: Path, complain: Complain) -> Iterator[tuple[int, dict]]:
    import pyarrow as pa

    number = 0
    try:
        with pa.memory_map(str(path)) as source:
            try:
                batches = pa.ipc.open_stream(source)
            except pa.ArrowInvalid:
                reader = pa.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
            for batch in batches:
                light = batch.select([n for n in batch.schema.names if n not in HEAVY])
                for at in range(light.num_rows):
                    number += 1
                    yield number, light.slice(at, 1).to_pylist()[0]
    except (OSError, ValueError) as error:
        complain(_unreadable(path, number, "Arrow", error))


def _unreadable(path: Path, number: int, kind: str, error: Exception) -> str:
    return f"{path}: row {number + 1}: no more can be read, the {kind} is damaged: {error}"[:300]
