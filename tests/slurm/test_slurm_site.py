"""`valley doctor`, `valley cost` and `valley resume` on a real SLURM."""

import csv
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml
from lab import PROFILE, REPOSITORY
from workspace import Workspace

VALLEY = str(REPOSITORY / "valley")


def valley(lab, *arguments: str, cwd=None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, VALLEY, *arguments],
        env=lab.cluster.environment,
        cwd=cwd or lab.folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def written(lab, **changes) -> str:
    """Write the smoke study with changes; return its file."""
    (lab.folder / "study.yaml").write_text(yaml.safe_dump({**Workspace.smoke(), **changes}))
    return "study.yaml"


def profile(lab, *defaults: str, jobs: tuple[str, ...] = ()) -> str:
    """Write a profile with resources of a site; return its folder."""
    content = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())
    content["default-resources"] += defaults
    content["set-resources"] = list(jobs)
    folder = lab.folder / "profile"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return str(folder)


def test_the_doctor_finds_nothing_wrong_and_looks_at_a_compute_node(lab):
    status, said = valley(lab, "doctor", written(lab), "--profile", PROFILE)
    assert status == 0, said
    assert {line.split()[0] for line in said.splitlines()} == {"ok"}
    for what in ("SLURM", "accounting", "account", "partition of train", "shared folder"):
        assert f"ok   {what}: " in said
    assert "ok   isolation of programs: " in said
    assert "ok   environment: Python" in said
    trained = next(line for line in said.splitlines() if "training of tiny by distil" in line)
    assert trained.startswith("ok   default partition (train, generate")
    assert "two updates, saved and gone on with, by sdpa in fp32, 1 process on cpu" in trained
    assert re.search(r"^ok .* answer of tiny by transformers: \d+ tokens in fp32", said, re.M)
    assert re.search(r"^ok .* file system of the results: [\d,]+ MB/s", said, re.M)
    assert not list(lab.folder.rglob(".doctor-*")), "it leaves nothing"


def test_a_training_on_two_nodes_is_tried_on_two_nodes(lab):
    """With the rule's own request: cores of both nodes, the processes started by srun."""
    asked = {"train": {"nodes": 2, "cpus": 1, "mem_mb": 3000}}
    study = written(lab, resources=asked, training={"processes": 2})
    status, said = valley(lab, "doctor", study, "--profile", PROFILE)
    assert status == 0, said
    trained = re.search(r"^ok   (default partition \(train\)), training of tiny .*$", said, re.M)[0]
    assert "2 processes on 2 nodes on cpu" in trained
    assert "(0.0e+00 apart after going on)" in trained


def test_gpus_that_cuda_can_not_use_are_told_and_nothing_runs_on_cores_in_their_place(lab):
    """The cluster's GPUs are device nodes with nothing behind them."""
    asked = {"train": {"gpus": 2, "cpus": 1}, "generate": {"gpus": 1, "cpus": 1}}
    study = written(lab, resources=asked)
    where = profile(lab, "gpu_model=fake")
    status, shown = valley(lab, "doctor", study, "--profile", where, "--dry")
    assert status == 0, shown
    commands = [line for line in shown.splitlines() if ": would try " in line]
    assert [line.count("--gpus=fake:2 ") + line.endswith("--gpus=fake:2") for line in commands]
    assert any(
        re.search(r"\(train\): would try .*two updates of tiny.* --gpus=fake:2", line)
        for line in commands
    ), shown
    assert any(
        re.search(r"\(generate\): would try .*an answer.* --gpus=fake:1", line) for line in commands
    ), shown
    assert "a compute node" not in shown and lab.jobs() == [], "nothing was submitted"

    status, said = valley(lab, "doctor", study, "--profile", where)
    assert status == 1
    for rule, gpus in (("train", "2 GPUs"), ("generate", "1 GPU")):
        found = re.search(rf"^BAD  default partition \({rule}\), cards: .*$", said, re.M)[0]
        assert f"this job asked for {gpus} here and finds 0 that CUDA can use" in found
        assert f"note default partition ({rule}), trainings and answers: not tried" in said
    assert "training of tiny by distil: two updates" not in said


@pytest.mark.parametrize(
    ("defaults", "jobs", "changes", "told"),
    [
        (["slurm_account=nobodys"], [], {}, "you may not charge 'nobodys'; put one of these"),
        (["slurm_partition=gpus"], [], {}, "no partition 'gpus'; choose: main, short, urgent"),
        (
            ["slurm_partition=short"],
            [],
            {},
            "put `resources: {longest: 2}` in the study file",
        ),
        (
            [],
            ["train:gpu_model=h100"],
            {"resources": {"train": {"gpus": 1}}},
            "but 1 h100 GPU is wanted",
        ),
        (["gpu_model=h100"], [], {"resources": {"generate": {"gpus": 1}}}, "but 1 h100 GPU is"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(lab, defaults, jobs, changes, told):
    where = profile(lab, *defaults, jobs=tuple(jobs))
    status, said = valley(lab, "doctor", written(lab, **changes), "--profile", where)
    assert status == 1
    assert told in said


def test_a_node_that_does_not_see_the_folder_is_told(lab, tmp_path_factory):
    """A folder that only the login node has; here one that another mount hides from the node."""
    hidden = lab.folder / "results"
    hidden.mkdir()
    environment = dict(lab.cluster.environment)
    srun = lab.folder / "srun"
    # The node's view: an empty file system over the folder.
    real = lab.cluster.folder / "bin" / "srun"
    probe = 'until [ "${2##*/}" = probe.py ]; do shift; done; exec "$@"'
    srun.write_text(
        f"#!/bin/sh\nexec {real} unshare --mount sh -ec "
        f"'mount -t tmpfs none {hidden}; {probe}' sh \"$@\"\n"
    )
    srun.chmod(0o755)
    environment["PATH"] = f"{lab.folder}:{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, VALLEY, "doctor", written(lab), "--profile", PROFILE, "--quick"],
        env=environment,
        cwd=lab.folder,
        capture_output=True,
        text=True,
    )
    assert "BAD  shared folder: on a compute node:" in done.stdout, done.stdout + done.stderr


def test_cost_is_told_by_stage_and_arm_lost_hours_apart(lab):
    run = lab.start("a.waited", "b.granted", seconds=8)
    job = lab.job_running()
    time.sleep(3)
    lab.cluster.command("scancel", job)
    assert run.wait(150) == 0
    table = lab.folder / "cost.csv"
    status, said = valley(lab, "cost", "--csv", str(table))
    assert status == 0, said
    assert said.splitlines()[-1].split()[:2] == ["all", "3"]
    rows = {row["stage"]: row for row in csv.DictReader(table.open())}
    assert {name: row["jobs"] for name, row in rows.items()} in (
        {"wait": "2", "granted": "1"},
        {"wait": "1", "granted": "2"},
    )
    assert float(rows["granted"]["gpu_hours_held"]) > 0
    assert float(rows["wait"]["gpu_hours_held"]) == 0
    assert {row["source"] for row in rows.values()} == {"accounting"}
    lost = sum(float(row["cpu_hours_lost"]) for row in rows.values())
    held = sum(float(row["cpu_hours_held"]) for row in rows.values())
    assert 0 < lost < held


def test_on_a_site_nothing_of_others_is_touched(lab):
    """`make test-slurm SLURM=site`: what does harm is left out, and jobs of others go on."""
    foreign = lab.cluster.command(
        "sbatch", "--parsable", "--mem=100", "--wrap", "sleep 300"
    ).strip()
    running = ("squeue", "-h", "-t", "RUNNING", "-o", "%i")
    lab.cluster.until(lambda: lab.cluster.command(*running).split() == [foreign], 60)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/slurm", "-k", "doctor or grown", "-q", "-rs"],
        env={
            **lab.cluster.environment,
            **{"VALLEY_SLURM": "site", "VALLEY_SLURM_FOLDER": str(lab.folder / "mine")},
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1 passed, \d+ skipped", done.stdout, re.MULTILINE), done.stdout
    assert "not on your cluster" in done.stdout
    assert lab.cluster.command(*running).split() == [foreign]


@pytest.mark.parametrize("how", [[], ["--cancel"]], ids=["waiting", "cancelling"])
def test_a_killed_run_comes_back_with_one_command_and_one_writer(lab, how):
    """Snakemake is killed outright; its job goes on. Resuming lets no second one begin before."""
    (lab.folder / "small.yaml").write_text("{runtime: 5, goal: 24}\n")
    run = lab.start("a.counted", options=("--configfile", "small.yaml"))
    job = lab.job_running()
    lab.cluster.until(lambda: lab.counted() > 2, 90)
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    assert lab.cluster.command("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING"

    more = ["--snakefile", str(REPOSITORY / "tests/slurm/small.smk"), "a.counted"]
    more = ["--slurm-init-seconds-before-status-checks=2", "--latency-wait=15", *more]
    status, said = valley(lab, "resume", "small.yaml", "--profile", PROFILE, *how, "--more", *more)
    assert status == 0, said
    assert f"1 orphaned jobs: {job}" in said
    assert lab.read("a.counted") == "24\n"
    starts = [int(line) for line in lab.read("a.starts").split()]
    assert starts[0] == 0
    assert starts[1:] == ([] if not how else starts[1:2]), "finished work is not done again"
    assert not how or starts[1] > 0, "a cancelled orphan's state is gone on from"


def test_resuming_refuses_while_a_snakemake_is_at_work(lab):
    (lab.folder / "small.yaml").write_text("{seconds: 8}\n")
    run = lab.start("a.waited", options=("--configfile", "small.yaml"))
    lab.job_running()
    status, said = valley(lab, "resume", "small.yaml", "--profile", PROFILE)
    assert status == 2
    assert "Snakemake is still running here" in said
    assert run.wait(150) == 0
