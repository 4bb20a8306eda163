"""Groups of short jobs and two runs of one study, on a real SLURM."""

import json
import shutil

import yaml
from configuration import CPUS, MEMORY_MB
from lab import PROFILE
from workspace import Workspace

ROOT = "results/smoke"
STUDY = ("--configfile", "study.yaml")


def times(lab, *names: str) -> list[tuple[float, float]]:
    """Return when jobs of `small.smk` began and ended."""
    return [tuple(map(float, lab.read(f"{name}.timed").split())) for name in names]


def test_jobs_of_a_group_run_side_by_side_as_many_as_it_has_cores_for(lab):
    """Six of one core each in a group of three: three at a time."""
    names = [f"g{number}" for number in range(6)]
    run = lab.start(
        *(f"{name}.timed" for name in names),
        options=(
            *("--retries", "0", "--cores", "8"),
            *("--group-components", "timed=6", "--resources", "group_cores=3"),
        ),
        seconds=10,
    )
    assert run.wait(300) == 0, run.said()
    (job,) = lab.jobs()
    assert "cpu=3" in job["AllocTRES"]
    spans = times(lab, *names)
    most = max(sum(a <= begin < b for a, b in spans) for begin, _ in spans)
    assert most == 3


def written(lab, **changes) -> None:
    (lab.folder / "study.yaml").write_text(yaml.safe_dump({**Workspace.smoke(), **changes}))


def beside(lab, name: str) -> dict:
    return json.loads((lab.folder / ROOT / f"{name}.meta.json").read_text())["measured"]


def test_what_a_group_had_finished_stays_when_it_ends_early_and_a_retry_does_the_rest(lab):
    """The corpus of the smoke study: its group is cancelled when the problems are there."""
    written(lab)
    run = lab.start(
        f"{ROOT}/corpus/summary.json",
        snakefile="Snakefile",
        options=(*STUDY, "--retries", "1"),
    )
    first = lab.job_running()
    there = lab.folder / ROOT / "corpus" / "problems.meta.json"
    lab.cluster.until(there.is_file, 200)
    before = (lab.folder / ROOT / "corpus" / "problems.parquet").stat().st_mtime_ns
    lab.cluster.command("scancel", first)
    assert run.wait(400) == 0, run.said()
    made = {name: beside(lab, f"corpus/{name}")["slurm_job"] for name in ("problems", "pool")}
    assert made["problems"] == first
    assert made["pool"] != first
    assert (lab.folder / ROOT / "corpus" / "problems.parquet").stat().st_mtime_ns >= before


def test_a_dry_run_shows_the_partitions_and_what_fits_nowhere_is_never_submitted(lab):
    written(lab, resources={"judge": {"cpus": CPUS + 1}})
    options = (*STUDY, "--cores", "64")
    run = lab.start("verdicts", snakefile="Snakefile", options=(*options, "--dry-run"))
    assert run.wait(200) != 0
    said = run.said()
    offered = f"main: 2 nodes of {CPUS} cores, {MEMORY_MB} MB, 2 GPUs (fake); up to 240 minutes"
    assert f"Partition (default) {offered}" in said
    wanted = f"judge: asked {CPUS + 1} cores, 2000 MB, "
    assert wanted in said
    assert f"partition {offered}; but {CPUS + 1} cores are wanted of one node" in said
    run = lab.start("verdicts", snakefile="Snakefile", options=options)
    assert run.wait(200) != 0
    assert wanted in run.said()
    assert not lab.jobs()


TARGET = f"{ROOT}/corpus/summary.json"
AWAY = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
ALONE = {"snakefile": "Snakefile", "options": (*STUDY, "--retries", "0")}


def stopped_job(lab) -> str:
    """Wait for a job and stop it, so that it lasts as long as the test wants."""
    job = lab.job_running()
    lab.cluster.command("scontrol", "suspend", job)
    shutil.rmtree(lab.folder / ".snakemake" / "locks")
    return job


def test_a_killed_runs_jobs_are_not_run_beside(lab):
    """Snakemake is killed outright; its job goes on. Then one starts plainly, its lock is gone."""
    written(lab)
    first = lab.start(TARGET, **ALONE)
    job = stopped_job(lab)
    first.process.kill()
    first.process.wait()
    second = lab.start(TARGET, **ALONE)
    assert second.wait(400) != 0, second.said()
    assert "has ended, and SLURM may still have jobs of it" in second.said()
    assert "./valley resume" in second.said()
    assert len(lab.jobs()) == 1, "none beside it"
    lab.cluster.command("scontrol", "resume", job)
    lab.cluster.until(lambda: lab.state(job) not in ("RUNNING", "COMPLETING"), 400)
    third = lab.start(TARGET, **ALONE)
    assert third.wait(400) == 0, third.said()
    assert len(lab.jobs()) == 1, "the job that was left has done all"


def test_a_run_on_another_host_is_left_alone(lab):
    """A host that shares the folder and no processes: here a namespace of processes."""
    written(lab)
    first = lab.start(TARGET, within=AWAY, **ALONE)
    job = stopped_job(lab)
    second = lab.start(TARGET, **ALONE)
    assert second.wait(400) != 0, second.said()
    assert f"is already running on {ROOT}: wait for it" in second.said()
    status, said = lab.valley("resume", "study.yaml", "--profile", PROFILE, within=AWAY)
    assert status == 2, said
    assert f"is already running on {ROOT}: wait for it" in said
    lab.cluster.command("scontrol", "resume", job)
    assert first.wait(400) == 0, first.said()
    assert len(lab.jobs()) == 1
    assert not (lab.folder / ROOT / "logs" / "lease.json").exists()
