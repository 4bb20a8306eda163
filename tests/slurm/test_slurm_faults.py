"""What goes wrong on clusters, done to a real one: a run notices, and goes on or says why not."""

import signal
import time

import pytest
from lab import FIRST_POLL_SECONDS


def states(lab) -> list[str]:
    return [job["State"].split()[0] for job in lab.jobs()]


def test_a_cancelled_job_is_noticed_within_two_polls_and_tried_again(lab):
    """Each poll asks the controller once; all pauses between two are as long as the first one."""
    polls = lab.count_calls("squeue", "--name=")
    run = lab.start("a.waited", options=("--retries", "1"), seconds=12)
    job = lab.job_running()
    lab.cluster.until(polls.is_file, 60)
    cancelled = time.time()
    lab.cluster.command("scancel", job)
    run.until_it_says("SLURM status is: 'CANCELLED'")
    noticed = time.time()
    times = [float(line) for line in polls.read_text().split()]
    assert 1 <= sum(cancelled < at < noticed for at in times) <= 2
    assert noticed - cancelled < 2 * 3 * FIRST_POLL_SECONDS
    assert run.wait(90) == 0
    assert states(lab) == ["CANCELLED", "COMPLETED"]


def test_a_job_that_always_fails_starts_once_and_once_for_each_retry(lab):
    """Not also inside the job, neither in a group nor by a rule's own `retries`."""
    names = ("a.failed", "a.failed-in-group", "a.failed-by-itself")
    run = lab.start(*names, options=("--retries", "2"))
    assert run.wait(180) != 0
    assert {name: lab.read(f"{name}-starts") for name in names} == dict.fromkeys(
        names, 3 * "started\n"
    )
    assert states(lab) == 9 * ["FAILED"]


def test_a_job_out_of_memory_is_tried_again_with_more(lab):
    run = lab.start("a.grown", megabytes=600)
    assert run.wait(180) == 0
    assert int(lab.read("a.grown")) > 600
    assert len(lab.jobs()) >= 2


def test_failed_submissions_fail_their_jobs_and_nothing_else(lab):
    """A QOS that does not exist, and for a group (whose error was swallowed) an account."""
    run = lab.start("a.misplaced", "b.grouped", "c.granted", options=("--retries", "0"))
    assert run.wait(120) != 0
    said = run.said()
    assert "Invalid qos specification" in said
    assert "account nobodys appears to be invalid" in said
    assert "SLURM refused to start it: " in said
    assert "sbatch script" not in said
    assert "trying to guess" not in said
    assert lab.read("c.granted")


def test_where_nobody_may_requeue_the_next_try_goes_on(lab):
    """Warned as before a time limit the job saves its state and ends; Snakemake's retry goes on."""
    options = (*lab.without_requeueing(), "--retries", "1")
    run = lab.start("a.counted", options=options, runtime=5, goal=20)
    job = lab.job_running()
    lab.cluster.until(lambda: lab.counted() > 2, 90)
    lab.cluster.command("scancel", "--signal=USR1", job)
    assert run.wait(150) == 0, run.said()
    assert f"job {job} could not be queued again" in run.said()
    starts = [int(line) for line in lab.read("a.starts").split()]
    assert len(starts) == 2
    assert starts[1] > 2
    assert states(lab) == ["FAILED", "COMPLETED"]


def test_accounting_that_is_down_is_waited_for(lab):
    """Every poll fails meanwhile; the plugin alone would lose sight of all jobs."""
    run = lab.start("a.waited", seconds=15)
    lab.job_running()
    lab.cluster.halt("slurmdbd")
    lab.cluster.until(lambda: (lab.folder / "a.waited").exists(), 120)
    lab.cluster.start_slurmdbd()
    assert run.wait(120) == 0, run.said()


def test_a_controller_that_crashes_costs_nothing(lab):
    """It is killed while one job runs and another one waits to be submitted."""
    run = lab.start("a.waited", "b.waited", options=("--retries", "0", "--jobs", "1"), seconds=12)
    lab.job_running()
    time.sleep(8)  # it writes down what runs every few seconds
    lab.cluster.halt("slurmctld", signal.SIGKILL)
    time.sleep(10)  # meanwhile the first job ends, and the second one is to be submitted
    lab.cluster.start_slurmctld()
    assert run.wait(240) == 0, run.said()
    assert states(lab) == ["COMPLETED", "COMPLETED"]


def test_jobs_that_wait_for_ever_say_why(lab):
    """One that its partition will never let run, and one that its QOS won't."""
    change = lab.cluster.command
    change("sacctmgr", "-i", "add", "qos", "narrow", "set", "MaxWallDurationPerJob=1")
    change("sacctmgr", "-i", "modify", "user", "root", "set", "qos+=narrow")
    run = lab.start(
        *("a.counted", "b.limited"),
        options=("--retries", "0"),
        **{"runtime": 5, "goal": 2, "partition": "short", "seconds": 1},
    )
    try:
        run.until_it_says("PartitionTimeLimit")
        run.until_it_says("QOSMaxWallDurationPerJobLimit")
        assert "The partition allows less than the job asks for" in run.said()
        assert "It alone asks for more than your account or QOS allows" in run.said()
    finally:
        run.process.send_signal(signal.SIGINT)
        run.wait(120)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_an_interrupted_run_ends_and_leaves_no_job(lab, end):
    run = lab.start("a.waited", seconds=10)
    lab.job_running()
    run.process.send_signal(end)
    run.wait(120)
    lab.cluster.until(lambda: not lab.cluster.command("squeue", "-h"), 90)
