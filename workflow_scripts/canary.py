"""Compare a student's own score with a published one, before anything expensive is trained."""

from pathlib import Path

from valley.core.files import read_json, write_json

CAUSES = """\
  - template: `prompt`, or the student's chat template, is not what its publishers used
  - sampling: temperature, top_p, max_tokens or the number of samples differ; answers are cut off
  - judge: time limits, isolation or the comparison of outputs (look at the score's verdicts)
  - benchmark: another release or window of dates, or other problems left out"""


class CanaryError(RuntimeError):
    """The measured score is not the published one."""


def canary(
    score: Path, out: Path, *, student: str, benchmark: str, published: float, tolerance: float
) -> dict:
    """Write the comparison.

    Args:
        score: of the undistilled student on the benchmark.
        out: JSON to write.
        student, benchmark: their names.
        published: pass@1 that others report.
        tolerance: largest difference that passes.

    Returns:
        What was written: measured pass@1 with its interval, published, tolerance, passes.
    """
    measured = read_json(score)["overall"]["pass@1"]
    value = measured["estimate"]
    found = {
        "student": student,
        "benchmark": benchmark,
        "measured": value,
        "interval": measured["interval"],
        "problems": measured["problems"],
        "published": published,
        "tolerance": tolerance,
        "passes": value is not None and abs(value - published) <= tolerance,
    }
    write_json(out, found)
    return found


def complaint(found: dict, score: Path) -> str:
    """Return what a failed comparison has to say: the numbers, likely causes, how to go on."""
    low, high = found["interval"] or (float("nan"), float("nan"))
    measured = float("nan") if found["measured"] is None else found["measured"]
    return (
        f"{found['student']} scores pass@1 {measured:.3f} [{low:.3f}, {high:.3f}] on "
        f"{found['problems']} problems of {found['benchmark']}; published is "
        f"{found['published']:.3f}, and more than {found['tolerance']:.3f} away is too far. "
        f"Likely causes:\n{CAUSES}\n"
        f"The score is {score}. Mend the cause, or correct students.{found['student']}.published "
        "in the study file; to train all the same, put `canary: warn` (or `off`) there."
    )


if "snakemake" in globals():
    from valley.workflow.job import bind, settings

    with bind(snakemake):
        score, out = snakemake.input[0], snakemake.output[0]
        student = snakemake.wildcards.student
        found = canary(score, out, student=student, **settings(snakemake, "action"))
        if not found["passes"]:
            if snakemake.params.action == "stop":
                raise CanaryError(complaint(found, score))
            print(f"WARNING: {complaint(found, score)}")
