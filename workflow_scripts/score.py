"""Score one arm on one benchmark: pass@k, rates, tokens and the mix of verdicts."""

from pathlib import Path

from valley.core.files import write_json
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job


@task
class Score(Task):
    """The score of one arm as JSON; intervals (95 %) resample problems (`analysis.scoring`).

    Attributes:
        problems: the benchmark, with difficulties and days.
        generations: the arm's answers to it.
        verdicts: what became of their programs.
        out: the score.
        ks: the k of every pass@k; one above the number of samples gives null.
        bootstrap: draws of an interval.
        seed: of these draws.
        max_judge_errors: largest share of answers that the judge could not judge.
        cutoff: a day (YYYY-MM-DD) before and after which problems are scored apart too, or None.
    """

    rules = ("score",)

    problems: Path = reads()
    generations: Path = reads()
    verdicts: Path = reads()
    out: Path = writes()
    ks: list[int] = param("statistics.ks")
    bootstrap: int = param("statistics.bootstrap")
    seed: int = param("statistics.seed")
    max_judge_errors: float = param("judge.max_judge_errors", default=0.02)
    cutoff: str | None = param(default=None)

    def run(self, job: Job) -> None:
        from valley.analysis import scoring

        arm = (self.problems, self.generations, self.verdicts)
        write_json(self.out, scoring.score(*arm, **self.settings()))


if "snakemake" in globals():
    execute(snakemake, Score)
