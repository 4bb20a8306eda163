"""Writing artefacts: whole or not at all, and the same bytes for the same content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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
        ("trusted", pa.bool_()),  # whether verdicts can be trusted; null: they can
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
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it is renamed to `path` only if all went well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(aside)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)


def write_parquet(path: str | Path, rows: list[dict], schema: pa.Schema) -> None:
    """Write rows in the order given; same rows, same bytes (with one version of pyarrow)."""
    table = pa.Table.from_pylist(rows, schema=schema)
    with whole(path) as aside:
        pq.write_table(table, aside, compression="zstd", store_schema=False)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> list[dict]:
    """Read a table as a list of rows."""
    return pq.read_table(path, columns=columns).to_pylist()


def write_json(path: str | Path, value: object) -> None:
    """Write canonical, readable JSON; NaN and infinity are refused, they are not JSON."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: str | Path) -> object:
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
