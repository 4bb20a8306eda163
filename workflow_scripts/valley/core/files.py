"""Writing artefacts: complete or not at all, and the same bytes for the same content."""

import csv
import hashlib
import heapq
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from valley.core import disk, tempfiles

if TYPE_CHECKING:
    import pandas as pd

PROBLEM = pa.schema(
    [
        ("id", pa.string()),
        ("statement", pa.string()),
        ("difficulty", pa.string()),
        ("starter_code", pa.string()),
        ("function_name", pa.string()),
        (
            "tests",
            pa.list_(
                pa.struct(
                    [("input", pa.string()), ("expected", pa.string()), ("public", pa.bool_())]
                )
            ),
        ),
        ("time_limit_s", pa.float64()),
        ("memory_limit_mb", pa.int64()),
        ("source", pa.string()),
        ("date", pa.string()),
        ("license", pa.string()),
        ("checker", pa.string()),  # a Python function that decides in place of comparison
        ("keep_lines", pa.bool_()),  # whether line ends count; null: they do
        ("case", pa.string()),  # of letters, exact or ignore; null: exact
        ("tolerance", pa.float64()),  # of floats, absolute or relative; null: 1e-6
        ("trusted", pa.bool_()),  # whether verdicts can be trusted; null: they can
        ("mark", pa.string()),  # why they can't be; null: nothing is known
    ]
)
POOL = pa.schema(
    [
        ("id", pa.string()),
        ("problem_id", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("difficulty", pa.string()),
        ("correct", pa.bool_()),
        ("teacher", pa.string()),
        ("tokens", pa.int64()),
        ("source", pa.string()),
    ]
)
LABEL = pa.schema([("id", pa.string()), ("correct", pa.bool_()), ("verdict", pa.string())])
GENERATION = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int64()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("tokens", pa.int64()),
        ("seed", pa.int64()),
    ]
)
VERDICT = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int64()),
        ("verdict", pa.string()),
        ("failed_test", pa.int64()),
        ("tests_passed", pa.int64()),
        ("detail", pa.string()),
    ]
)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it is renamed to `path` only if all went well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = tempfiles.file(path)
    try:
        with disk.noted(path, temporary):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(path: str | Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Write rows in the order given; same rows, same bytes (with one version of pyarrow)."""
    table = pa.Table.from_pylist(rows, schema=schema)
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=False)


class ParquetStream:
    """Rows to a Parquet file as they come; memory holds one row group.

    A row group ends after so many bytes or rows of content, so the same rows give the same bytes in
    whatever portions they come; what fits one group has the bytes that `write_parquet` gives it.

    Args:
        path: file to write.
        schema: of the rows.
        group_bytes: content of a row group.
    """

    GROUP_ROWS = 1 << 20
    PORTION = 256  # rows turned into columns at once

    def __init__(self, path: Path, schema: pa.Schema, group_bytes: int = 64 << 20):
        self.schema, self.group_bytes, self.rows = schema, group_bytes, 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)
        self._portion: list[dict[str, Any]] = []
        self._group: list[pa.RecordBatch] = []
        self._bytes = self._group_rows = 0

    def write(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self._portion.append(row)
        self.rows += 1
        if len(self._portion) == self.PORTION:
            self._take_portion()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Add rows that are columns already: rows too large for a portion of them to be held."""
        self._take_portion()
        self.rows += batch.num_rows
        self._take(batch)

    def _take_portion(self) -> None:
        if not self._portion:
            return
        self._take(pa.RecordBatch.from_pylist(self._portion, schema=self.schema))
        self._portion = []

    def _take(self, batch: pa.RecordBatch) -> None:
        self._group.append(batch)
        self._bytes += batch.nbytes
        self._group_rows += batch.num_rows
        if self._bytes >= self.group_bytes or self._group_rows >= self.GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._group, schema=self.schema).combine_chunks()
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._group, self._bytes, self._group_rows = [], 0, 0

    def close(self, finish: bool = True) -> None:
        """Write what is left, unless the file is given up."""
        if finish:
            self._take_portion()
            if self._group or not self.rows:
                self._write_group()
        self._writer.close()


@contextmanager
def parquet_stream(path: str | Path, schema: pa.Schema, **options: Any) -> Iterator[ParquetStream]:
    """Yield a stream of rows to a Parquet file that is there only if all went well."""
    with atomic_write(path) as temporary:
        stream = ParquetStream(temporary, schema, **options)
        try:
            yield stream
        except BaseException:
            stream.close(finish=False)
            raise
        stream.close()


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a table to be read through, without pyarrow's hoard of all its compressed bytes."""
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)


def parquet_batches(
    path: str | Path, columns: list[str] | None = None, rows: int = 64
) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows in order, a few at a time; memory holds about one row group."""
    with open_parquet(path) as file:
        yield from file.iter_batches(rows, columns=columns, use_threads=False)


def stream_rows(path: str | Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield a table's rows one by one, in order."""
    for batch in parquet_batches(path, columns):
        yield from batch.to_pylist()


def merged_rows(
    paths: list[str | Path], columns: list[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of several tables by id, as far as each is sorted; the order is fixed."""
    wanted = None if columns is None else sorted({"id", *columns})
    return heapq.merge(*(stream_rows(path, wanted) for path in paths), key=lambda row: row["id"])


def read_parquet(path: str | Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Read a table as a list of rows."""
    rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def write_json(path: str | Path, value: object) -> None:
    """Write canonical, readable JSON; NaN and infinity are refused, they are not JSON."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: str | Path, rows: list[dict[str, Any]], names: list[str] | None = None) -> None:
    """Write rows of one shape as CSV.

    Without pandas, whose import is a fifth of a figure's time: what is a DataFrame already has its
    own `to_csv`.

    Args:
        path: file to write.
        rows: each with the same keys.
        names: of the columns, in their order; by default the first row's.
    """
    lines = io.StringIO()
    if names or rows:
        writer = csv.DictWriter(lines, names or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, lines.getvalue())


def read_csv(path: str | Path) -> "pd.DataFrame":
    """Return a CSV file as a DataFrame of text cells, none of them missing."""
    import pandas as pd

    if not Path(path).stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def digest(value: object) -> str:
    """Return the SHA-256 of a plain value's canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
