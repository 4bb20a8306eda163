"""A study that is killed comes back by one command, to the same bytes (`make chaos` in small)."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from chaos import KINDS, Hunt, Kill, Timeline, differences
from valley.core import processes
from workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.mark.long
def test_a_study_that_is_killed_again_and_again_ends_with_the_same_bytes(finished, tmp_path):
    timeline, chance = Timeline.of(finished), random.Random(7)
    moments = sorted(chance.uniform(0.05, 0.75) * timeline.duration for _ in KINDS)
    kinds = chance.sample(KINDS, len(KINDS))
    kills = [Kill(moment, kind) for moment, kind in zip(moments, kinds, strict=True)]
    workspace = Workspace(tmp_path)
    told = Hunt(workspace, timeline, kills, 2, chance).run()
    assert told.faults == []
    assert len(told.kills) == len(KINDS)
    assert differences(workspace.results(), finished.results()) == []


@pytest.fixture
def orphan(tmp_path):
    """A job that works on the smoke study of a folder, and whose run is gone."""
    script = (
        "import os, subprocess, sys; from valley.core import processes\n"
        "os.environ[processes.MARK] = processes.mark('results/smoke')\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n"
    )
    scripts = str(Workspace(tmp_path).repository / "workflow_scripts")
    done = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": scripts},
        stdout=subprocess.PIPE,
        text=True,
    )
    job = int(done.stdout.readline())
    done.wait()
    yield job
    if job in processes.orphans(tmp_path):
        os.kill(job, signal.SIGKILL)


def test_no_run_begins_beside_the_jobs_of_one_that_was_killed(orphan, tmp_path):
    workspace = Workspace(tmp_path)
    output = workspace.snakemake("--cores", "1", check=False)
    assert f"still running on results/smoke (process {orphan})" in output
    assert "`./valley resume` with this study file waits" in output
    assert not (tmp_path / "results").exists(), "nothing was begun"
    assert not list((tmp_path / ".snakemake" / "locks").glob("*")), "nothing is to be unlocked"
    assert workspace.plan()["train"] > 0, "one may look at any time"


@pytest.mark.long
def test_resuming_waits_for_orphans_or_ends_them(orphan, tmp_path):
    workspace = Workspace(tmp_path)
    snakefile = str(workspace.repository / "Snakefile")
    more = [
        "--more",
        "--snakefile",
        snakefile,
        "--cores",
        "1",
        "results/smoke/benchmarks/bank.parquet",
    ]
    command = [sys.executable, str(workspace.repository / "valley"), "resume", "study.yaml"]
    waiting = subprocess.Popen(
        [*command, *more],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a note that there are no results yet
        text=True,
    )
    said = waiting.stdout.readline()
    assert f"1 orphaned jobs on this machine: process {orphan}; waiting" in said
    status, output = workspace.asked("resume", "study.yaml")
    assert (status, "`valley resume` is already running here" in output) == (2, True)
    time.sleep(1)
    assert waiting.poll() is None
    waiting.kill()
    waiting.wait()
    output = workspace.valley("resume", "study.yaml", "--cancel", *more)
    assert f"process {orphan}; asked to end" in output
    assert (tmp_path / "results/smoke/benchmarks/bank.parquet").is_file()
    assert processes.orphans(tmp_path) == {}
