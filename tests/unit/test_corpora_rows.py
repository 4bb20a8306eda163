"""Reading files row by row: what is no row is named by file and row, and costs only itself."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from valley.core.bad_rows import BadRowLog, BadRows
from valley.core.rows import read_rows

GOOD = [{"a": 1, "b": "one"}, {"a": 2, "b": "two"}]


def lines(*parts: bytes) -> bytes:
    return b"\n".join([json.dumps(GOOD[0]).encode(), *parts, json.dumps(GOOD[1]).encode()])


def read(path, **options):
    """Return the rows that a file has, their numbers, and what was complained of."""
    complaints = []
    rows = list(read_rows(path, complaints.append, **options))
    return [row for _, row in rows], [number for number, _ in rows], complaints


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet", "x.arrow"])
def test_every_kind_of_file_gives_its_rows(tmp_path, name):
    path = tmp_path / name
    table = pa.Table.from_pylist(GOOD)
    if name == "x.parquet":
        pq.write_table(table, path)
    elif name == "x.arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    elif name.endswith(".zst"):
        with pa.output_stream(str(path), compression="zstd") as sink:
            sink.write(lines())
    else:
        path.write_bytes(gzip.compress(lines()) if name.endswith(".gz") else lines())
    assert read(path) == (GOOD, [1, 2], [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": ', "row 2: not JSON"),
        (b'{"a": NaN}', "row 2: not JSON: NaN is not a JSON value"),
        (b'{"a": Infinity}', "row 2: not JSON: Infinity"),
        (b'{"b": "caf\xe9"}', "row 2: not JSON: 'utf-8' codec can't decode"),
        (b"[1, 2]", "row 2: a list, not an object"),
        (b"[" * 100_000, "row 2: not JSON"),
        (b'{"b": "' + b"x" * 5000 + b'"}', "row 2: longer than 4096 bytes"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path, line, said):
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(line))
    rows, numbers, complaints = read(path, longest=4096 if b"xxx" in line else 1 << 26)
    assert (rows, numbers) == (GOOD, [1, 3])
    assert len(complaints) == 1
    assert said in complaints[0]


def test_a_line_of_a_hundred_megabytes_is_left_out_without_being_held(tmp_path):
    import tracemalloc

    path = tmp_path / "x.jsonl"
    with open(path, "wb") as file:
        file.write(b'{"b": "')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + lines())
    tracemalloc.start()
    rows, _, complaints = read(path, longest=1 << 22)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == GOOD
    assert "row 1: longer than 4194304 bytes" in complaints[0]
    assert peak < 20 << 20


def test_a_truncated_parquet_file_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(GOOD), path)
    path.write_bytes(path.read_bytes()[:-10])
    rows, _, complaints = read(path)
    assert rows == []
    assert "x.parquet: row 1: no more can be read, the file is damaged" in complaints[0]


def test_a_damaged_page_keeps_what_stands_before_it(tmp_path):
    path = tmp_path / "x.parquet"
    rows = [{"a": at, "b": f"{at} " * 50} for at in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000, compression="gzip")
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start + 30 : start + 200] = bytes(170)
    path.write_bytes(data)
    found, _, complaints = read(path)
    assert found == rows[: len(found)]
    assert 1000 - 32 <= len(found) <= 1000
    assert (
        f"x.parquet: row {len(found) + 1}: no more can be read, the file is damaged"
        in complaints[0]
    )


def test_a_truncated_archive_keeps_what_stands_before_the_cut(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    many = b"".join(json.dumps({"a": at, "b": str(at**9)}).encode() + b"\n" for at in range(20_000))
    path.write_bytes(gzip.compress(many)[: -len(gzip.compress(many)) // 2])
    rows, _, complaints = read(path)
    assert len(rows) > 1000
    assert complaints


def test_a_text_in_parquet_that_is_no_utf_8_costs_one_row(tmp_path):
    path = tmp_path / "x.parquet"
    raw = pa.array([b"one", b"caf\xe9", b"two"], pa.binary())
    broken = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"b": broken}), path)
    rows, numbers, complaints = read(path)
    assert [row["b"] for row in rows] == ["one", "two"]
    assert numbers == [1, 3]
    assert "row 2: 'utf-8' codec" in complaints[0]


def test_only_the_columns_that_are_asked_for_are_read(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(GOOD), path)
    assert read(path, columns={"a", "nothing"})[0] == [{"a": 1}, {"a": 2}]
    assert read(path, without={"a"})[0] == [{"b": "one"}, {"b": "two"}]


def test_the_study_file_says_whether_a_bad_row_is_the_end():
    skip = BadRowLog("skip")
    for at in range(50):
        skip(f"x.jsonl: row {at}: broken")
    assert skip.count == 50
    assert skip.first[0] == "x.jsonl: row 0: broken"
    assert len(skip.first) == 20
    with pytest.raises(BadRows, match=r"x\.jsonl: row 7: broken\n.*corpus\.bad_rows to skip"):
        BadRowLog("stop", "corpus.bad_rows")("x.jsonl: row 7: broken")
