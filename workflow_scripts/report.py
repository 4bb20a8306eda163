"""Figures, tables and the report, from what was fitted and scored."""

from pathlib import Path

from valley.core.files import read_json, write_text
from valley.judging.options import JudgeOptions
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job


@task
class Figure(Task):
    """One figure, with the numbers behind it as CSV.

    Attributes:
        fits: what it shows: one fit, or all contrasts of a benchmark.
        svg: the figure for pages.
        pdf: the figure for papers.
        csv: its numbers.
        kind: scaling, learning, forecast, rates, correlation or contrasts.
    """

    rules = ("figure", "forest")

    fits: list[Path] = reads()
    svg: Path = writes()
    pdf: Path = writes()
    csv: Path = writes()
    kind: str = param()

    def run(self, job: Job) -> None:
        from valley.analysis import plots

        plots.figure(self.kind, self.fits, self.svg, self.pdf, self.csv)


@task
class AcrossFigure(Task):
    """The figure of several students together, with the numbers behind it as CSV.

    Attributes:
        fits: one fit across students.
        svg: the figure for pages.
        pdf: the figure for papers.
        csv: its numbers.
    """

    rules = ("across_figure",)

    fits: list[Path] = reads()
    svg: Path = writes()
    pdf: Path = writes()
    csv: Path = writes()

    def run(self, job: Job) -> None:
        from valley.analysis import plot_across

        plot_across.across(self.fits[0], self.svg, self.pdf, self.csv)


@task
class Table(Task):
    """Every score and every count of verdicts as tidy CSV.

    Attributes:
        inputs: the scores.
        scores: a row per arm, benchmark, group of problems and quantity.
        verdicts: a row per arm, benchmark and verdict.
        scored: arms, each with its benchmark and the path of its score.
    """

    rules = ("table",)

    inputs: list[Path] = reads()
    scores: Path = writes()
    verdicts: Path = writes()
    scored: list[dict] = param()

    def run(self, job: Job) -> None:
        from valley.pages import tables

        tables.table(self.scored, self.scores, self.verdicts)


@task
class Answers(Task):
    """Example answers of one benchmark, for the report.

    Attributes:
        problems: the benchmark.
        results: generations and verdicts of the arms.
        out: the examples, as JSON.
        arms: whose answers are shown.
        benchmark: its name.
        benchmarks: how many share the page's room.
        options: how programs are found in answers.
        form: of the benchmark's published files; None where it was made here.
    """

    rules = ("answers",)

    problems: Path = reads()
    results: list[Path] = reads()
    out: Path = writes()
    arms: list[dict] = param()
    benchmark: str = param()
    benchmarks: int = param()
    options: JudgeOptions = param("judge", JudgeOptions(), only=("extraction", "reasoning"))
    form: str | None = param(default=None)

    def run(self, job: Job) -> None:
        from valley.judging.answers import Extraction
        from valley.pages import answers

        answers.collect(
            self.arms,
            self.problems,
            self.out,
            benchmark=self.benchmark,
            benchmarks=self.benchmarks,
            finding=Extraction.of(self.options.extraction, self.form, self.options.reasoning),
        )


@task
class Report(Task):
    """The report as one self-contained page, and the findings as text.

    Attributes:
        scores, verdicts, summary, slices: tables and counts.
        claims, curves, contrasts, rates: what was fitted.
        figures, tables, answers: what is shown.
        checkpoints: manifests, for what training took.
        html: the page.
        findings: the text.
        study: the configuration, defaults filled in.
    """

    rules = ("report",)

    scores: list[Path] = reads()
    verdicts: list[Path] = reads()
    summary: list[Path] = reads()
    slices: list[Path] = reads(())
    claims: list[Path] = reads()
    curves: list[Path] = reads()
    contrasts: list[Path] = reads()
    rates: list[Path] = reads()
    figures: list[Path] = reads()
    tables: list[Path] = reads()
    answers: list[Path] = reads()
    checkpoints: list[Path] = reads()
    html: Path = writes()
    findings: Path = writes()
    study: dict = param()

    def run(self, job: Job) -> None:
        from valley.pages import paper
        from valley.pages.tables import findings

        write_text(self.html, paper.page_of(self.study, self.files()))
        judged = [read_json(path)["claims"] for path in self.claims]
        fitted = [read_json(path) for path in self.curves]
        write_text(self.findings, findings(judged[0] if judged else [], fitted))


if "snakemake" in globals():
    execute(snakemake, Figure, AcrossFigure, Table, Answers, Report)
