"""Make a benchmark of published problems or your own: read, selected, counted, never partial."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from valley.core.bad_rows import BadRowLog
from valley.core.files import PROBLEM, file_digest, parquet_stream
from valley.core.hub import SourceError, find
from valley.judging.options import JudgeOptions
from valley.judging.references import proved
from valley.judging.sources import stream_problems
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

_GROUP_BYTES = 32 << 20  # of a row group; at most that much, and one problem, is held in memory


@task
class Published(Task):
    """The problems of a source that were asked for, in the source's order.

    Attributes:
        sources: local files; none where the source is the hub's.
        out: the benchmark.
        files: names or globs of the files to read, in order.
        path: file or folder of them here; or else
        hub: data set of the hub, and
        revision: its commit.
        expected: rows that the files must hold, bad ones included; None is any number.
        first_day: of the problems' dates (YYYY-MM-DD), included; undated problems are outside.
        last_day: likewise.
        platforms: sites that problems may come from, as the source calls them.
        difficulties: difficulties that problems may have, likewise.
        bad_rows: "stop" at the first malformed row, or "skip" them.
        options: how the problems' own solutions are run on their tests.
        store: root of the store: packages are kept there.
    """

    rules = ("published_benchmark",)

    sources: list[Path] = reads(())
    out: Path = writes()
    files: list[str] = param()
    path: str | None = param(default=None)
    hub: str | None = param(default=None)
    revision: str | None = param(default=None)
    expected: int | None = param(default=None)
    first_day: str | None = param(default=None)
    last_day: str | None = param(default=None)
    platforms: list[str] | None = param(default=None)
    difficulties: list[str] | None = param(default=None)
    bad_rows: str = param()
    options: JudgeOptions = param("judge", JudgeOptions(), only=("isolation", "packages"))
    store: Path | None = option(default=None)

    def run(self, job: Job) -> dict:
        """Write the problems; return digests of the files, and what was read, left out and kept.

        Raises:
            SourceError: files are missing or hold another number of problems, or nothing is left.
            BadRows: a row is malformed, and `bad_rows` is "stop".
        """
        sources = find(self.files, path=self.path, hub=self.hub, revision=self.revision)
        bad_row_log = BadRowLog(self.bad_rows, "bad_rows of this source")
        read, left_out, kept = Counter(), Counter(), Counter()

        with parquet_stream(self.out, PROBLEM, group_bytes=_GROUP_BYTES) as stream:
            problems = stream_problems(sources, bad_row_log)
            how = {"isolation": self.options.isolation, "packages": self.options.packages}
            how |= {"jobs": job.threads}
            how["packages_in"] = self.store and self.store / "packages"
            how["cache"] = self.store and self.store / "programs"
            for location, problem, refused in proved(problems, **how):
                try:
                    row = _checked(problem)
                except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                    bad_row_log(f"{location}: {str(error)[:200]}")
                    continue
                read["problems"] += 1
                reason = self._outside(problem)
                if reason:
                    left_out[reason] += 1
                    continue
                kept["problems"] += 1
                kept["untrusted"] += problem.get("trusted") is False
                if refused is not None:
                    kept["reference_not_accepted"] += 1
                if problem.get("mark"):
                    print(f"{location}: {problem['id']}: marked: {problem['mark']}")
                kept["undated"] += not problem.get("date")
                stream.write_batch(row)
            rows = read["problems"] + bad_row_log.count
            if self.expected is not None and rows != self.expected:
                raise SourceError(
                    f"{', '.join(str(source) for source in sources)} hold {rows} rows, but "
                    f"{self.expected} problems were expected: is a file missing, cut short, or "
                    "another one? If these are the files that you mean, put "
                    f"`count: {rows}` into the study file"
                )
            if not kept["problems"]:
                raise SourceError(
                    f"none of {read['problems']} problems is left ({_listing(left_out)}); widen "
                    "this source's from, to, platforms or difficulties"
                )
        print(f"kept {_listing(kept)}; left out {_listing(left_out)}; bad rows {bad_row_log.count}")
        return {
            "files": {source.name: file_digest(source) for source in sources},
            "rows": rows,
            "bad_rows": bad_row_log.count,
            "first_bad_rows": bad_row_log.first,
            "left_out": dict(left_out),
            "kept": dict(kept),
        }

    def _outside(self, problem: dict) -> str | None:
        """Return why a problem was not asked for; None if it was."""
        day = (problem.get("date") or "")[:10]
        if (self.first_day or self.last_day) and not day:
            return "undated"
        if self.first_day and day < self.first_day:
            return "too early"
        if self.last_day and day > self.last_day:
            return "too late"
        if self.platforms and problem.get("source") not in self.platforms:
            return "other platform"
        if self.difficulties and problem.get("difficulty") not in self.difficulties:
            return "other difficulty"
        return None


def _checked(problem: dict) -> pa.RecordBatch:
    """Return a problem as columns of one row; an error says which value has the wrong type."""
    if not (str(problem.get("statement") or "").strip() or problem.get("mark")):
        raise ValueError("statement: there is none")
    return pa.RecordBatch.from_pylist([problem], schema=PROBLEM)


def _listing(counts: Counter) -> str:
    listed = [f"{number} {name}" for name, number in counts.items() if number]
    return ", ".join(listed) or "none"


if "snakemake" in globals():
    execute(snakemake, Published)
