"""Hundreds of jobs through the real executor, on a pretended site that is busy, slow and full."""

import signal
import time

import pytest
from bench_cluster import run
from pretended_site import Habits

FACTOR = 60  # the site's clock: a poll a second
UNEASY = Habits(
    nodes=40,
    most_submitted=25,
    busy=0.1,
    lost=0.2,
    failing=0.05,
    node_failing=0.05,
    slow=(300, 600),
    slow_seconds=120,
    silent=(900, 1200),
)


@pytest.mark.long
def test_on_an_uneasy_site_every_job_is_done_once_and_the_site_is_asked_once_a_minute():
    seen = run(200, FACTOR, UNEASY, seed=3, share=0.2)
    assert seen.status == 0, seen.said[-3000:]
    assert "231 of 231 jobs done" in seen.said
    assert seen.doubled == [], "a submission whose answer was lost is found again"
    assert set(seen.ends) == {"COMPLETED", "FAILED"}
    assert seen.said.count("takes no more jobs until others have ended (MaxSubmit") == 1
    assert "SLURM takes no jobs now (Socket timed out)" in seen.said
    polls = seen.calls["sacct of all"]
    assert len(polls) < 1.5 * (polls[-1] - polls[0])
    # Beside the polls only after submissions that failed.
    assert len(seen.calls["squeue"]) <= len(polls) + len(seen.calls["sbatch"])
    assert "sacct of one job" not in seen.calls
    assert len(seen.calls.get("scontrol config", [])) < 5


def test_an_interrupted_burst_of_submissions_leaves_no_job():
    """Dozens are still to be submitted, and two are under way."""
    left = []

    def interrupt(site, master) -> None:
        while len(site.jobs) < 12 and master.poll() is None:
            time.sleep(0.05)
        master.send_signal(signal.SIGINT)
        master.wait()
        left.extend(job for job in site.jobs.values() if job.ended is None)

    slow = Habits(sbatch=(20, 30), busy=0, lost=0, failing=0, node_failing=0)
    seen = run(200, FACTOR, slow, seed=4, meanwhile=interrupt)
    assert seen.status != 0
    assert "Terminating processes on user request" in seen.said
    assert not left
    assert seen.submissions < 40
    assert seen.ends["CANCELLED"] > 0
