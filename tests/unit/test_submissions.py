"""A submission is tried again while SLURM says "later", and not when it has the job already."""

import subprocess

import pytest
from valley.cluster import submissions
from valley.cluster.submissions import Submission

CALL = "sbatch --parsable --job-name run --output x.log --comment 'rule a_b' /dev/stdin"
BUSY = "sbatch: error: Batch job submission failed: Resource temporarily unavailable"
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
FULL = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
NEVER = "sbatch: error: Batch job submission failed: Invalid qos specification"
# Says one line of `answers` a call, and notes the comment; an answer that begins with + is a job.
SBATCH = """#!/bin/bash
echo called >> calls
said=$(sed -n "$(wc -l < calls)p" answers)
if [ "${said:0:1}" = + ]; then
    while [ "$1" != --comment ]; do shift; done
    echo "77|$2" >> jobs
fi
said=${said#+}
case "$said" in [0-9]*) echo "$said";; *) echo "$said" >&2; exit 1;; esac
"""
SQUEUE = """#!/bin/bash
[ -f jobs ] && cat jobs || true
"""


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Return a function that submits once, on a site that answers so; and how often that was."""
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(submissions, "PAUSES", (0.01,))

    def once(*answers: str) -> tuple[int, str, str, int]:
        (tmp_path / "answers").write_text("".join(f"{line}\n" for line in answers))
        pipe = subprocess.PIPE
        process = Submission(CALL, shell=True, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        out, err = process.communicate("#!/bin/sh\n")
        calls = len((tmp_path / "calls").read_text().splitlines())
        return process.returncode, out.strip(), err.strip(), calls

    return once


def test_a_busy_or_full_site_is_waited_for(submit):
    assert submit(BUSY, FULL, BUSY, "5") == (0, "5", "", 4)


def test_what_is_refused_for_good_is_tried_once(submit):
    assert submit(NEVER, "5") == (1, "", NEVER, 1)


def test_a_job_whose_answer_was_lost_is_found_and_not_submitted_again(submit):
    assert submit(LOST, f"+{LOST}", "5") == (0, "77", "", 2)


def test_another_submission_of_the_same_job_is_not_taken_for_this_one(submit, tmp_path):
    (tmp_path / "jobs").write_text("76|rule a_b#00000000\n")
    assert submit(LOST, "5") == (0, "5", "", 2)


def test_only_a_limit_is_waited_for_without_end(submit, monkeypatch):
    monkeypatch.setattr(submissions, "CONTROLLER_SECONDS", -1)
    assert submit(FULL, FULL, BUSY, "5") == (1, "", BUSY, 3)


def test_a_run_that_has_ended_submits_nothing(submit, monkeypatch, tmp_path):
    (tmp_path / "calls").write_text("")
    submissions.OVER.set()
    try:
        assert submit("5") == (1, "", "sbatch: error: the run has ended", 0)
    finally:
        submissions.OVER.clear()
