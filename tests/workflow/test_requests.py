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
    place = root / "checkpoints/tiny/distil/base/all.any/n32-s0/checkpoint.meta.json"
    about = read_json(place)
    about["measured"]["wall_seconds"] = 3600.0
    write_json(place, about)
    asked = {**ARM, "size": "32"}
    before = requests.request(config, "train", asked, seen=seen).runtime
    after = requests.request(config, "train", asked, seen=requests.measured(config, root)).runtime
    assert before < 60 < 120 <= after


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
    noted = tmp_path / "noted"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, does in {
        "sbatch": f'echo "$@" >> {noted}; echo refused >&2; exit 1',
        "scontrol": 'echo "Slurmctld(primary) at here is UP"',
        **dict.fromkeys(("sinfo", "squeue", "sacct", "sacctmgr"), "exit 0"),
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def submissions(*targets: str) -> list[dict[str, str]]:
        noted.unlink(missing_ok=True)
        how = ("--workflow-profile", str(PROFILE), "--retries", "0", "--rerun-triggers", "mtime")
        said = copy.snakemake(*how, "--", *targets, check=False)
        assert noted.exists(), said
        lines = noted.read_text().splitlines()
        return [dict(re.findall(r"--([a-z-]+)[= ](\S+)", line)) for line in lines]

    return submissions


def test_a_job_asks_for_all_its_cores_and_a_group_for_a_small_node_s(copy, submitted):
    config = copy.smoke()
    config["resources"] = {"train": {"cpus": 64}, "judge": {"cpus": 3}}
    copy.write(config)
    place = "tiny/distil/base/all.any/n16-s0"
    shutil.rmtree(copy.folder / "results/smoke/checkpoints" / place)
    (training,) = submitted(f"results/smoke/checkpoints/{place}/checkpoint.json")
    assert training["cpus-per-task"] == "64"
    shutil.rmtree(copy.folder / "results/smoke/verdicts")
    groups = [one for one in submitted("verdicts") if one["cpus-per-task"] != "64"]
    assert [group["cpus-per-task"] for group in groups] == ["15"], "five at a time, not all"


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
