"""What goes wrong on clusters, done to a real one: a run notices, and goes on or says why not."""

import signal
import time

import pytest


def states(lab) -> list[str]:
    return [job["State"].split()[0] for job in lab.jobs()]


def test_gpus_are_seen_by_their_job_alone(lab):
    run = lab.start("a.granted", "b.granted")
    assert run.wait(120) == 0
    assert lab.read("a.granted").strip() in {"0", "1"}
    assert all("gres/gpu=1" in job["AllocTRES"] for job in lab.jobs())


def test_a_job_of_two_nodes_has_its_gpus_on_both(lab):
    run = lab.start("a.spread", options=("--retries", "0"))
    assert run.wait(120) == 0, run.said()
    told = dict(line.split() for line in lab.read("a.spread").splitlines())
    assert sorted(told) == ["node1", "node2"]
    assert set(told.values()) <= {"0", "1"}


def test_a_cancelled_job_is_noticed_and_tried_again(lab):
    run = lab.start("a.waited", seconds=6)
    lab.cluster.command("scancel", lab.job_running())
    assert run.wait(120) == 0
    assert states(lab) == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in run.said()


def test_a_job_that_is_cancelled_again_and_again_is_reported(lab):
    run = lab.start("a.waited", options=("--retries", "0"), seconds=60)
    lab.cluster.command("scancel", lab.job_running())
    assert run.wait(120) != 0
    assert "SLURM status is: 'CANCELLED'" in run.said()


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
    assert lab.read("c.granted")


def test_a_job_that_needs_longer_than_its_limit_goes_on_in_another(lab):
    """Warned before the limit it saves its state, is queued again, and no retry is used up."""
    run = lab.start("a.counted", options=("--retries", "0"), runtime=1, goal=90)
    assert run.wait(300) == 0, run.said()
    assert lab.read("a.counted") == "90\n"
    starts = [int(line) for line in lab.read("a.starts").split()]
    assert starts[0] == 0
    assert len(starts) >= 2
    assert starts == sorted(set(starts)), "each start goes on where the last one stopped"
    assert len(lab.jobs()) == 1, "the same job, queued again"


def test_a_preempted_job_is_queued_again_and_goes_on(lab):
    """The preempted job ends as asked, within its grace, and SLURM starts it again."""
    run = lab.start("a.counted", options=("--retries", "0"), runtime=5, goal=30)
    job = lab.job_running()
    lab.cluster.until(lambda: lab.counted() > 2, 90)
    urgent = lab.cluster.command(
        *("sbatch", "--parsable", "-p", "urgent", "--exclusive", "-N2", "--wrap", "sleep 2")
    ).strip()
    lab.cluster.until(lambda: "PENDING" in state(lab, job), 90)
    lab.cluster.until(lambda: state(lab, urgent).strip() == "COMPLETED", 120)
    assert run.wait(240) == 0, run.said()
    starts = [int(line) for line in lab.read("a.starts").split()]
    assert len(starts) == 2
    assert starts[1] > 0


def state(lab, job: str) -> str:
    return lab.cluster.command("squeue", "-h", "-t", "all", "-j", job, "-o", "%T", check=False)


def test_a_job_goes_on_elsewhere_when_its_node_dies(lab):
    run = lab.start("a.counted", options=("--retries", "0"), runtime=5, goal=40)
    job = lab.job_running()
    lab.cluster.until(lambda: lab.counted() > 2, 90)
    node = lab.cluster.command("squeue", "-h", "-j", job, "-o", "%N").strip()
    lab.cluster.crash_node(node)
    try:
        lab.cluster.until(lambda: "PENDING" in state(lab, job), 90)
        assert run.wait(300) == 0, run.said()
    finally:
        lab.cluster.start_node(node)
    starts = [int(line) for line in lab.read("a.starts").split()]
    assert starts[1] > 0, "it went on where it was"
    assert lab.jobs()[-1]["NodeList"] != node


def test_accounting_that_is_down_is_waited_for(lab):
    """Every poll fails meanwhile; the plugin alone would lose sight of all jobs."""
    run = lab.start("a.waited", seconds=15)
    lab.job_running()
    lab.cluster.halt("slurmdbd")
    lab.cluster.until(lambda: (lab.folder / "a.waited").exists(), 120)
    lab.cluster.start_slurmdbd()
    assert run.wait(120) == 0, run.said()


def test_a_controller_that_restarts_costs_nothing(lab):
    run = lab.start("a.waited", "b.waited", options=("--retries", "0", "--jobs", "1"), seconds=4)
    lab.job_running()
    lab.cluster.halt("slurmctld")
    time.sleep(8)  # meanwhile the first job ends, and the second one is to be submitted
    lab.cluster.start_slurmctld()
    assert run.wait(240) == 0, run.said()
    assert set(states(lab)) == {"COMPLETED"}


def test_a_job_that_waits_for_ever_says_why(lab):
    run = lab.start("a.counted", options=("--retries", "0"), runtime=5, goal=2, partition="short")
    try:
        lab.cluster.until(lambda: "PartitionTimeLimit" in run.said(), 90)
        assert "The partition allows less than the job asks for" in run.said()
    finally:
        run.process.send_signal(signal.SIGINT)
        run.wait(120)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_an_interrupted_run_ends_and_leaves_no_job(lab, end):
    run = lab.start("a.waited", seconds=20)
    lab.job_running()
    run.process.send_signal(end)
    run.wait(120)
    lab.cluster.until(lambda: not lab.cluster.command("squeue", "-h"), 90)
