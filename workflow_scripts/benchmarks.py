"""Make a benchmark of published problems, or of one's own: read, chosen, counted, never in part."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from core.files import PROBLEM, file_digest, whole
from core.hub import SourceError, find
from judging.assertions import BadRow
from judging.sources import stream_problems

_GROUP_BYTES = 32 << 20  # of a row group; at most that much, and one problem, is held in memory
_SHOWN = 20


def published(
    out: Path,
    *,
    files: list[str],
    path: str | None,
    hub: str | None,
    revision: str | None,
    expected: int | None,
    first_day: str | None,
    last_day: str | None,
    platforms: list[str] | None,
    difficulties: list[str] | None,
    bad_rows: str,
) -> dict:
    """Write the problems of a source that were asked for, in the source's order.

    Args:
        out: problem table to write.
        files: names or globs of the files to read, in order.
        path: file or folder of them here; or else
        hub: data set of the hub, and
        revision: its commit.
        expected: rows that the files must hold, bad ones included; None is any number.
        first_day, last_day: window of the problems' dates (YYYY-MM-DD), both included; undated
            problems are outside every window.
        platforms: sites that problems may come from, as the source calls them.
        difficulties: difficulties that problems may have, likewise.
        bad_rows: "stop" at the first row that is none, or "skip" them.

    Returns:
        Measurements: digests of the files, and what was read, left out and kept.

    Raises:
        SourceError: files are missing or hold another number of problems, or nothing is left.
        BadRow: a row is none, and `bad_rows` is "stop".
    """
    sources = find(files, path=path, hub=hub, revision=revision)
    complaints: list[str] = []
    read, left_out, kept = Counter(), Counter(), Counter()

    def complain(text: str) -> None:
        if bad_rows == "stop":
            raise BadRow(f"{text}\n(`bad_rows: skip` in the study file leaves such rows out)")
        complaints.append(text)
        if len(complaints) <= _SHOWN:
            print(f"left out: {text}", flush=True)

    def chosen() -> Iterator[pa.Table]:
        for place, problem in stream_problems(sources, complain):
            try:
                row = _checked(problem)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                complain(f"{place}: {str(error)[:200]}")
                continue
            read["problems"] += 1
            reason = _outside(problem, first_day, last_day, platforms, difficulties)
            if reason:
                left_out[reason] += 1
                continue
            kept["problems"] += 1
            kept["untrusted"] += problem.get("trusted") is False
            kept["undated"] += not problem.get("date")
            yield row

    with whole(out) as aside:
        _write(aside, chosen())
        rows = read["problems"] + len(complaints)
        if expected is not None and rows != expected:
            raise SourceError(
                f"{', '.join(str(source) for source in sources)} hold {rows} rows, but {expected} "
                "problems were expected: is a file missing, cut short, or another one? If these "
                f"are the files that you mean, put `count: {rows}` into the study file"
            )
        if not kept["problems"]:
            raise SourceError(
                f"none of {read['problems']} problems is left ({_told(left_out)}); ask for others"
            )
    if len(complaints) > _SHOWN:
        print(f"… and {len(complaints) - _SHOWN} more such rows")
    print(f"kept {_told(kept)}; left out {_told(left_out)}; bad rows {len(complaints)}")
    return {
        "files": {source.name: file_digest(source) for source in sources},
        "rows": rows,
        "bad_rows": len(complaints),
        "complaints": complaints[:_SHOWN],
        "left_out": dict(left_out),
        "kept": dict(kept),
    }


def _checked(problem: dict) -> pa.Table:
    """Return a problem as a table of one row; an error says which value has the wrong type."""
    if not str(problem.get("statement") or "").strip():
        raise ValueError("statement: there is none")
    return pa.Table.from_pylist([problem], schema=PROBLEM)


def _outside(
    problem: dict,
    first_day: str | None,
    last_day: str | None,
    platforms: list[str] | None,
    difficulties: list[str] | None,
) -> str | None:
    """Return why a problem was not asked for; None if it was."""
    day = (problem.get("date") or "")[:10]
    if (first_day or last_day) and not day:
        return "undated"
    if first_day and day < first_day:
        return "too early"
    if last_day and day > last_day:
        return "too late"
    if platforms and problem.get("source") not in platforms:
        return "other platform"
    if difficulties and problem.get("difficulty") not in difficulties:
        return "other difficulty"
    return None


def _write(path: Path, rows: Iterator[pa.Table]) -> None:
    """Write one-row tables as they come, in row groups of bounded size."""
    held, size = [], 0
    with pq.ParquetWriter(path, PROBLEM, compression="zstd", store_schema=False) as writer:
        for row in rows:
            held.append(row)
            size += row.nbytes
            if size >= _GROUP_BYTES:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held, size = [], 0
        if held:
            writer.write_table(pa.concat_tables(held).combine_chunks())


def _told(counts: Counter) -> str:
    told = [f"{number} {name}" for name, number in counts.items() if number]
    return ", ".join(told) or "none"


if "snakemake" in globals():
    from core.job import bind, settings

    with bind(snakemake) as job:
        job.measured |= published(Path(snakemake.output[0]), **settings(snakemake))
