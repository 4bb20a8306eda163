"""Runs that start at the same moment, and one that is killed while it submits, on a real SLURM."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from lab import PROFILE, REPOSITORY
from workspace import Workspace

# The first goes through, all others wait until they may.
HELD_SBATCH = """#!/bin/sh
mkdir {folder}/first 2>/dev/null || while [ ! -e {folder}/open ]; do sleep 0.2; done
exec {real} "$@"
"""
NAMES = [f"b{number}.waited" for number in range(6)]


def submitted(lab) -> Counter:
    """Return how many jobs SLURM has had of each job of Snakemake."""
    return Counter(job["Comment"].rpartition("#")[0] for job in lab.jobs())


@pytest.mark.parametrize("places", [("one", "one"), ("one", "other")], ids=["folder", "results"])
def test_of_two_runs_that_start_at_once_one_runs_and_the_other_is_refused(lab, places):
    """In one folder, where Snakemake's own lock is too; and in two with the same results."""
    results = lab.folder / "shared"
    study = lab.folder / "study.yaml"
    study.write_text(yaml.safe_dump({**Workspace.smoke(), "results": str(results)}))
    for place in places:
        (lab.folder / place).mkdir(exist_ok=True)
    runs = [
        lab.start(
            "shards",
            snakefile="Snakefile",
            options=(
                *("--configfile", str(study), "--retries", "0"),
                *("--directory", str(lab.folder / place)),
            ),
        )
        for place in places
    ]
    status = [run.wait(600) for run in runs]
    said = [run.said() for run in runs]
    assert sorted(map(bool, status)) == [False, True], said
    winner, loser = said if not status[0] else reversed(said)
    lease = f"(is already running on|has just begun to work on) {results}"
    lock = "Directory cannot be locked"
    assert re.search(f"{lease}|{lock}" if len(set(places)) == 1 else lease, loser), loser
    assert "has been submitted" not in loser
    jobs = lab.jobs()
    assert jobs
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    assert {job["JobName"] for job in jobs} == set(re.findall(r"SLURM run ID: (\S+)", winner))
    assert set(submitted(lab).values()) == {1}
    made = [json.loads(path.read_text()) for path in results.rglob("*.meta.json")]
    assert {about["measured"]["slurm_job"] for about in made} == {job["JobID"] for job in jobs}
    assert not (results / "smoke" / "logs" / "lease.json").exists()


def test_a_run_killed_while_it_submits_comes_back_without_a_second_job_for_any_output(lab):
    """What it was submitting when it was killed SLURM gets to know only afterwards."""
    tools = lab.folder / "held"
    tools.mkdir()
    held = HELD_SBATCH.format(folder=tools, real=shutil.which("sbatch"))
    (tools / "sbatch").write_text(held)
    (tools / "sbatch").chmod(0o755)
    quick = lab.environment["PATH"]
    lab.environment["PATH"] = f"{tools}:{quick}"
    (lab.folder / "small.yaml").write_text("{seconds: 3}\n")
    run = lab.start(*NAMES, options=("--configfile", "small.yaml", "--retries", "0"))
    run.until_it_says("has been submitted")
    lab.cluster.until(lambda: children(run.process.pid, "sbatch"), 60)
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    known = run.said().count("has been submitted")
    lab.environment["PATH"] = quick
    command = [sys.executable, str(REPOSITORY / "valley"), "resume", "small.yaml"]
    command += ["--profile", PROFILE, "--more", "--slurm-init-seconds-before-status-checks=2"]
    command += ["--latency-wait=15", "--snakefile", str(REPOSITORY / "tests/slurm/small.smk")]
    log = lab.folder / "resume.log"
    with log.open("wb") as out:
        resumed = subprocess.Popen(
            [*command, *NAMES], env=lab.environment, cwd=lab.folder, stdout=out, stderr=out
        )
    try:
        lab.cluster.until(lambda: "still being submitted" in log.read_text(), 120)
        (tools / "open").touch()
        assert resumed.wait(400) == 0, log.read_text()
    finally:
        (tools / "open").touch()
        resumed.kill()
    assert 0 < known < len(NAMES)
    assert submitted(lab) == {f"rule_wait_wildcards_{name.partition('.')[0]}": 1 for name in NAMES}
    assert all((lab.folder / name).is_file() for name in NAMES)


def children(parent: int, word: str) -> list[int]:
    """Return the processes below another one whose command has a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            mother = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if mother == parent and word in (entry / "cmdline").read_bytes().decode():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found
