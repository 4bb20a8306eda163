"""What Snakemake's logs tell of jobs that failed."""

from valley.planning import progress
from valley.planning.dag import PlannedJob

STARTED = "[date]\nlocalrule train:\n    output: {}\n    log: a.log\n    jobid: 1\n"
FAILED = "[date]\nError in rule train:\n    message: None\n    output: {}\n    log: a.log (check)\n"


def logged(folder, *texts):
    logs = folder / ".snakemake" / "log"
    logs.mkdir(parents=True)
    for number, text in enumerate(texts):
        (logs / f"2026-01-0{number + 1}T000000.000000.snakemake.log").write_text(text)
    return progress.failed(folder)


def job(output, state="missing", needs=(), **marks):
    return PlannedJob("train", {}, {}, (), (output,), state, "", 1, 0, (), 0, needs, **marks)


def test_a_job_has_failed_when_that_is_the_last_said_of_it(tmp_path):
    assert logged(tmp_path, STARTED.format("a, b") + FAILED.format("a, b")) == {"a", "b"}


def test_a_job_that_was_begun_again_has_not(tmp_path):
    assert logged(tmp_path, FAILED.format("a"), STARTED.format("a")) == set()


def test_dry_runs_say_nothing_of_it(tmp_path):
    dry = STARTED.format("a") + "This was a dry-run (flag -n)."
    assert logged(tmp_path, FAILED.format("a"), dry) == {"a"}


def test_without_logs_nothing_has_failed(tmp_path):
    assert progress.failed(tmp_path) == set()


def test_what_waits_for_a_failed_job_is_blocked_and_marks_go_first(tmp_path):
    logged(tmp_path, FAILED.format("a"))
    jobs = [
        job("a"),
        job("b", needs=(0,)),
        job("c", needs=(1,)),
        job("d", begun=True, locked=True),
        job("e", begun=True),
        job("f", state="done", needs=(0,)),
        job("g", state="stale"),
    ]
    assert progress.states(jobs, tmp_path) == [
        *("failed", "blocked", "blocked", "running", "failed", "done", "stale")
    ]


def test_the_last_lines_of_a_log_are_told(tmp_path):
    (tmp_path / "a.log").write_text("\n".join(map(str, range(100))) + "\n\n")
    told = progress.last_lines(
        PlannedJob("r", {}, {}, (), ("a",), "missing", "", 1, 0, ("a.log",)), tmp_path
    )
    assert told == [str(number) for number in range(88, 100)]
