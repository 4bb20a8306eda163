"""Problems and traces of corpora made elsewhere."""

from pathlib import Path

from valley.core.files import POOL, PROBLEM, parquet_stream, write_json
from valley.core.sources import Questions, Source
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job


@task
class SourceProblems(Task):
    """The problems that the sources ask, each once.

    Attributes:
        files: local files of the sources and questions.
        problems: those that stand in the sources, as they are met, then those of other data sets.
        counts: rows read, problems found, and bad rows, as JSON.
        sources: the corpora.
        questions: data sets that hold questions, by name.
        bad_rows: "stop" at the first bad row, or "skip" and count.
    """

    rules = ("source_problems",)

    files: list[Path] = reads(())
    problems: Path = writes()
    counts: Path = writes()
    sources: list[Source] = param()
    questions: dict[str, Questions] = param()
    bad_rows: str = param("corpus.bad_rows")

    def run(self, job: Job) -> None:
        from valley.corpora import problems

        with parquet_stream(self.problems, PROBLEM) as stream:
            found = problems.gather(stream, self.sources, self.questions, self.bad_rows)
        write_json(self.counts, found)


@task
class SourceTraces(Task):
    """The traces of one source as pool rows, in the source's order.

    Attributes:
        files: local files of the source.
        problems: the corpus' problems.
        traces: the rows.
        counts: rows read and left out, teachers, unknown verdicts, bad rows, as JSON.
        source: the corpus.
        correctness: "judge" leaves it open; "judgement" and "pass_rate" are the source's word.
        pass_rate: smallest rate of a correct answer.
        bad_rows: "stop" at the first bad row, or "skip" and count.
    """

    rules = ("source_traces",)

    files: list[Path] = reads(())
    problems: Path = reads()
    traces: Path = writes()
    counts: Path = writes()
    source: Source = param(whole=True)
    correctness: str = param("corpus.correctness")
    pass_rate: float = param("corpus.pass_rate")
    bad_rows: str = param("corpus.bad_rows")

    def run(self, job: Job) -> None:
        from valley.corpora import traces

        how = (self.source, self.correctness, self.pass_rate, self.bad_rows)
        with parquet_stream(self.traces, POOL) as stream:
            found = traces.convert(stream, self.problems, *how)
        write_json(self.counts, found)


if "snakemake" in globals():
    execute(snakemake, SourceProblems, SourceTraces)
