"""Make a benchmark of published problems, or of one's own: read, chosen, counted, never in part."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from valley.core.complaints import Complaints
from valley.core.files import PROBLEM, file_digest, parquet_stream
from valley.core.hub import SourceError, find
from valley.judging.sources import stream_problems

_GROUP_BYTES = 32 << 20  # of a row group; at most that much, and one problem, is held in memory


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
        BadRows: a row is none, and `bad_rows` is "stop".
    """
    sources = find(files, path=path, hub=hub, revision=revision)
    complaints = Complaints(bad_rows, "bad_rows of this source")
    read, left_out, kept = Counter(), Counter(), Counter()

    with parquet_stream(out, PROBLEM, group_bytes=_GROUP_BYTES) as stream:
        for place, problem in stream_problems(sources, complaints):
            try:
                row = _checked(problem)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                complaints(f"{place}: {str(error)[:200]}")
                continue
            read["problems"] += 1
            reason = _outside(problem, first_day, last_day, platforms, difficulties)
            if reason:
                left_out[reason] += 1
                continue
            kept["problems"] += 1
            kept["untrusted"] += problem.get("trusted") is False
            kept["undated"] += not problem.get("date")
            stream.write_batch(row)
        rows = read["problems"] + complaints.count
        if expected is not None and rows != expected:
            raise SourceError(
                f"{', '.join(str(source) for source in sources)} hold {rows} rows, but {expected} "
                "problems were expected: is a file missing, cut short, or another one? If these "
                f"are the files that you mean, put `count: {rows}` into the study file"
            )
        if not kept["problems"]:
            raise SourceError(
                f"none of {read['problems']} problems is left ({_told(left_out)}); let this "
                "source's from, to, platforms or difficulties leave out fewer"
            )
    print(f"kept {_told(kept)}; left out {_told(left_out)}; bad rows {complaints.count}")
    return {
        "files": {source.name: file_digest(source) for source in sources},
        "rows": rows,
        "bad_rows": complaints.count,
        "first_bad_rows": complaints.first,
        "left_out": dict(left_out),
        "kept": dict(kept),
    }


def _checked(problem: dict) -> pa.RecordBatch:
    """Return a problem as columns of one row; an error says which value has the wrong type."""
    if not str(problem.get("statement") or "").strip():
        raise ValueError("statement: there is none")
    return pa.RecordBatch.from_pylist([problem], schema=PROBLEM)


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


def _told(counts: Counter) -> str:
    told = [f"{number} {name}" for name, number in counts.items() if number]
    return ", ".join(told) or "none"


if "snakemake" in globals():
    from valley.workflow.job import bind, settings

    with bind(snakemake) as job:
        job.measured |= published(Path(snakemake.output[0]), **settings(snakemake))
