"""Compare a student's own score with a published one, before anything expensive is trained."""

from pathlib import Path

from valley.core.files import read_json, write_json
from valley.workflow.contract import Task, execute, param, reads, task, writes
from valley.workflow.job import Job

CAUSES = """\
  - template: `prompt`, or the student's chat template, is not what its publishers used
  - sampling: temperature, top_p, max_tokens or the number of samples differ; answers are cut off
  - judge: time limits, isolation or the comparison of outputs (look at the score's verdicts)
  - benchmark: another release or window of dates, or other problems left out"""


class CanaryError(RuntimeError):
    """The measured score is not the published one."""


@task
class Canary(Task):
    """The comparison, as JSON; an error if it fails and the study file says `stop`.

    Attributes:
        score: of the undistilled student on the benchmark.
        out: the comparison.
        student: its name.
        benchmark: the benchmark's.
        published: pass@1 that others report.
        tolerance: largest difference that passes.
        action: "stop" or "warn".
    """

    rules = ("canary",)

    score: Path = reads()
    out: Path = writes()
    student: str = param()
    benchmark: str = param("students.{student}.published.benchmark")
    published: float = param("students.{student}.published.pass_at_1")
    tolerance: float = param("students.{student}.published.tolerance")
    action: str = param("canary")

    def run(self, job: Job) -> None:
        """Compare.

        Raises:
            CanaryError: they differ by more than the tolerance, and the action is to stop.
        """
        measured = read_json(self.score)["overall"]["pass@1"]
        value = measured["estimate"]
        found = {
            "student": self.student,
            "benchmark": self.benchmark,
            "measured": value,
            "interval": measured["interval"],
            "problems": measured["problems"],
            "published": self.published,
            "tolerance": self.tolerance,
            "passes": value is not None and abs(value - self.published) <= self.tolerance,
        }
        write_json(self.out, found)
        if not found["passes"]:
            if self.action == "stop":
                raise CanaryError(mismatch_message(found, self.score))
            print(f"WARNING: {mismatch_message(found, self.score)}")


def mismatch_message(found: dict, score: Path) -> str:
    """Return what a failed comparison has to say: the numbers, likely causes, how to go on."""
    low, high = found["interval"] or (float("nan"), float("nan"))
    measured = float("nan") if found["measured"] is None else found["measured"]
    return (
        f"{found['student']} scores pass@1 {measured:.3f} [{low:.3f}, {high:.3f}] on "
        f"{found['problems']} problems of {found['benchmark']}; published is "
        f"{found['published']:.3f}, and more than {found['tolerance']:.3f} away is too far. "
        f"Likely causes:\n{CAUSES}\n"
        f"The score is {score}. Fix the cause, or correct students.{found['student']}.published "
        "in the study file; to train anyway, put `canary: warn` (or `off`) there."
    )


if "snakemake" in globals():
    execute(snakemake, Canary)
