"""What jobs ask for in the real workflow: learnt, overridden, more on a retry; and scratch."""

import os
import re
import shutil

import pytest
from valley.cluster import requests
from valley.core.files import read_json, write_json
from valley.core.study import Study
from workspace import REPOSITORY

PROFILE = REPOSITORY / "profiles" / "slurm"
SHARD = "results/smoke/shards/all.any/n16-s0.parquet"
VERDICTS = "results/smoke/verdicts/tiny/base/bank.parquet"
ARM = {"student": "tiny", "recipe": "distil", "start": "base", "slice": "all.any", "seed": "0"}


def beside(workspace, target: str) -> dict:
    return read_json((workspace.folder / target).with_suffix(".meta.json"))["measured"]


def test_requests_are_learnt_from_the_sidecars_of_a_real_run(copy):
    root = copy.folder / "results/smoke"
    config = Study.read(copy.study).config
    seen = requests.measured(config, root)
    assert set(seen) == {(rule, "tiny") for rule in ("train", "generate", "judge")}
    checkpoint = root / "checkpoints/tiny/distil/base/all.any/n32-s0/checkpoint.meta.json"
    about = read_json(checkpoint)
    about["measured"]["wall_seconds"] = 3600.0
    write_json(checkpoint, about)
    asked = {**ARM, "size": "32"}
    before = requests.request(config, "train", asked, seen=seen).runtime
    after = requests.request(config, "train", asked, seen=requests.measured(config, root)).runtime
    assert before < 60 < 120 <= after


@pytest.mark.long
def test_a_retry_asks_for_more_and_the_study_file_for_what_it_says(copy, monkeypatch):
    """A job whose process dies at its first start, and a study file with a time of its own."""
    config = copy.smoke()
    config["resources"] = {"judge": {"runtime": 7, "cpus": 2}}
    copy.write(config)
    assert copy.plan() == {}, "what jobs ask for makes nothing run again"
    (copy.folder / VERDICTS).unlink()
    dying = copy.folder / "dying"
    dying.mkdir()
    (dying / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if sys.argv and 'judge.py' in ' '.join(sys.orig_argv):\n"
        f"    if not os.path.exists({str(dying / 'once')!r}):\n"
        f"        open({str(dying / 'once')!r}, 'w').close()\n"
        "        os._exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(dying))
    copy.snakemake("--cores", "2", "--retries", "1", VERDICTS)
    assert (dying / "once").is_file()
    assert beside(copy, VERDICTS)["asked"] == {"minutes": 14, "gpus": 0, "nodes": 1, "cpus": 2}


@pytest.fixture
def submitted(copy, tmp_path, monkeypatch):
    """Return a function: what a run with SLURM's profile asks for, submission by submission.

    Commands of SLURM's names note it and refuse: nothing runs.
    """
    noted, nodes = tmp_path / "noted", tmp_path / "nodes"
    nodes.touch()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, does in {
        "sbatch": f'echo "$@" >> {noted}; echo refused >&2; exit 1',
        "scontrol": 'echo "Slurmctld(primary) at here is UP"',
        "sinfo": f"cat {nodes}",
        **dict.fromkeys(("squeue", "sacct", "sacctmgr"), "exit 0"),
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def submissions(*targets: str, offered: str = "") -> list[dict[str, str]]:
        noted.unlink(missing_ok=True)
        nodes.write_text(offered)
        how = ("--workflow-profile", str(PROFILE), "--retries", "0", "--rerun-triggers", "mtime")
        said = copy.snakemake(*how, "--", *targets, check=False)
        if "Nothing was submitted" in said:
            assert not noted.exists()
            raise ValueError(said)
        assert noted.exists(), said
        lines = noted.read_text().splitlines()
        return [dict(re.findall(r"--?([a-z-]+)[= ](\S+)", line)) for line in lines]

    return submissions


@pytest.mark.long
def test_a_job_asks_for_all_its_cores_and_a_group_for_a_small_nodes(copy, submitted):
    config = copy.smoke()
    config["resources"] = {"train": {"cpus": 64}, "judge": {"cpus": 3}}
    copy.write(config)
    checkpoint = "tiny/distil/base/all.any/n16-s0"
    shutil.rmtree(copy.folder / "results/smoke/checkpoints" / checkpoint)
    (training,) = submitted(f"results/smoke/checkpoints/{checkpoint}/checkpoint.json")
    assert training["cpus-per-task"] == "64"
    shutil.rmtree(copy.folder / "results/smoke/verdicts")
    groups = [one for one in submitted("verdicts") if one["cpus-per-task"] != "64"]
    assert [group["cpus-per-task"] for group in groups] == ["15"], "five at a time, not all"


def offered(cores: int, minutes: int = 1440, gigabytes_a_core: int = 4) -> str:
    """Return what sinfo says of nodes of one size, in the order that is asked for."""
    memory = 1000 * gigabytes_a_core * cores
    return f"all|all*|{minutes}:00|1-infinite|4|{cores}|{memory}|(null)"


@pytest.mark.long
@pytest.mark.parametrize("cores", [2, 8, 64, 192])
def test_no_group_asks_for_more_than_a_node_has(copy, submitted, cores):
    shutil.rmtree(copy.folder / "results/smoke/verdicts")
    groups = submitted("verdicts", offered=offered(cores))
    assert {int(group["cpus-per-task"]) for group in groups} == {min(cores, 9)}
    assert all(int(group["mem"]) <= 4000 * cores for group in groups)


@pytest.mark.long
def test_a_group_asks_for_memory_that_a_node_has(copy, submitted):
    """Of 2 GB each, as many at a time as a node of 8 GB holds, and time for all of them."""
    config = copy.smoke()
    config["resources"] = {"judge": {"runtime": 30}}
    copy.write(config)
    shutil.rmtree(copy.folder / "results/smoke/verdicts")
    (group,) = submitted("verdicts", offered=offered(8, gigabytes_a_core=1))
    assert (group["mem"], group["cpus-per-task"]) == ("8000", "4")


@pytest.mark.long
def test_a_group_asks_for_no_longer_than_is_allowed(copy, submitted):
    """Nine judges of half an hour each, two at once: three groups of four or fewer, or 150 min."""
    config = copy.smoke()
    config["resources"] = {"judge": {"runtime": 30}}
    copy.write(config)
    for kind in ("verdicts", "scores"):
        shutil.rmtree(copy.folder / "results/smoke" / kind)
    (whole,) = times(submitted(*scores(copy), offered=offered(2)))
    assert whole == 5 * 30 + 5 * 10
    parts = times(submitted(*scores(copy), offered=offered(2, minutes=90)))
    assert len(parts) == 3
    assert max(parts) <= 90


def scores(copy) -> list[str]:
    """Return the files of all scores."""
    paths = sorted((copy.folder / "results/smoke/generations").rglob("bank.parquet"))
    folder = copy.folder / "results/smoke"
    return [
        f"results/smoke/scores/{path.relative_to(folder / 'generations').with_suffix('.json')}"
        for path in paths
    ]


def times(groups: list[dict[str, str]]) -> list[int]:
    return [int(group["t"]) for group in groups]


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"train": {"cpus": 16}}, "train: asked 16 cores, .*; but 16 cores are wanted of one node"),
        ({"train": {"runtime": 2000}}, r"put `resources: \{longest: 1440\}` in the study file"),
    ],
)
def test_what_fits_nowhere_is_an_error_before_the_first_submission(
    copy, submitted, resources, told
):
    config = copy.smoke()
    config["resources"] = resources
    copy.write(config)
    checkpoint = "tiny/distil/base/all.any/n16-s0"
    target = f"results/smoke/checkpoints/{checkpoint}/checkpoint.json"
    shutil.rmtree(copy.folder / "results/smoke/checkpoints" / checkpoint)
    with pytest.raises(ValueError, match=told):
        submitted(target, offered=offered(8))


def test_jobs_use_the_scratch_that_they_are_told(copy):
    scratch = copy.folder / "scratch"
    scratch.mkdir()
    for target in (SHARD, VERDICTS):
        (copy.folder / target).unlink()
    before = scratch.stat().st_mtime_ns
    told = ("--default-resources", f"tmpdir='{scratch}'")
    copy.snakemake("--cores", "1", *told, "--", SHARD, VERDICTS)
    assert {beside(copy, target)["scratch"] for target in (SHARD, VERDICTS)} == {str(scratch)}
    assert scratch.stat().st_mtime_ns > before, "files came"
    assert not list(scratch.iterdir()), "and went"
