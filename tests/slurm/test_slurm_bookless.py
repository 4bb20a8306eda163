"""A site that keeps no accounts: SLURM's controller is all that can be asked."""

import pytest

WHY = {
    "disabled": "Slurm accounting storage is disabled",
    "absent": "No such file or directory: 'sacct'",
}


@pytest.mark.parametrize("sacct", WHY)
def test_without_accounting_every_end_is_noticed_and_cost_points_to_sidecars(bookless_lab, sacct):
    lab = bookless_lab
    if sacct == "absent":
        lab.lacks("sacct")
    run = lab.start("a.waited", "b.failed", options=("--retries", "1"), seconds=8)

    def waiting() -> list[str]:
        return [job for job in lab.running() if lab.comment(job) == "rule_wait_wildcards_a"]

    lab.cluster.until(waiting, 60)
    (cancelled,) = waiting()
    lab.cluster.command("scancel", cancelled)
    assert run.wait(150) != 0
    said = run.said()
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in said
    assert lab.read("a.waited") == "waited\n", "tried again"
    assert said.count("SLURM status is: 'FAILED'") == 2
    assert lab.read("b.failed-starts") == 2 * "started\n"
    assert not (lab.folder / "b.failed").exists()
    status, said = lab.valley("cost")
    assert status == 2
    assert WHY[sacct] in said
    assert "without accounting: valley cost STUDY" in said
