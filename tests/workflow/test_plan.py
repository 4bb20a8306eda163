"""`valley plan` says what Snakemake would do, and what that took when it was done before."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from planning.plan import duration
from workspace import REPOSITORY


def valley(workspace, *arguments):
    """Run `valley plan` in a workspace; return its exit status and what it printed."""
    command = [sys.executable, str(REPOSITORY / "valley"), "plan", str(workspace.study)]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=workspace.folder
    )
    return done.returncode, done.stdout + done.stderr


def with_sizes(workspace, sizes):
    config = workspace.smoke()
    config["axes"]["scaling"]["sizes"] = sizes
    workspace.write(config)


def test_nothing_would_run_on_a_finished_study(finished):
    status, printed = valley(finished)
    assert status == 0
    assert "Nothing would run." in printed


def test_the_plan_is_snakemake_s_own(copy):
    with_sizes(copy, [0, 16, 24, 32])
    status, printed = valley(copy, "--json")
    assert status == 1
    jobs = json.loads(printed)
    waiting = Counter(job["rule"] for job in jobs if job["state"] != "done")
    assert {**waiting, "all": 1} == copy.plan()
    states = {job["rule"]: set() for job in jobs}
    for job in jobs:
        states[job["rule"]].add(job["state"])
    assert states["train"] == {"done", "missing"}
    assert states["curve"] == {"stale"}


def test_expected_times_come_from_what_jobs_took(copy):
    with_sizes(copy, [0, 16, 24, 32])
    root = copy.folder / "results/smoke/checkpoints"
    took = [
        json.loads(p.read_text())["measured"]["wall_seconds"] for p in root.rglob("*.meta.json")
    ]
    jobs = json.loads(valley(copy, "--json")[1])
    for job in jobs:
        if job["rule"] == "train" and job["state"] == "missing":
            assert 0.5 * min(took) <= job["seconds"] <= 2 * max(took)


def test_people_see_the_arms_the_reasons_and_the_time(copy):
    with_sizes(copy, [0, 16, 24, 32])
    printed = valley(copy, "--arms")[1]
    assert "tiny/distil/base/all.any/n24-s1  train, generate, judge, score" in printed
    assert "1 curve: Input files updated by another job; Set of input files has cha" in printed
    assert "from what jobs of this study took" in printed


def test_a_mistake_in_the_study_file_is_told_and_nothing_planned(copy):
    with_sizes(copy, [0, -1])
    status, printed = valley(copy)
    assert status == 2
    assert "axes.scaling.sizes[1]: -1 is out of range" in printed


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (120, "2 min"), (7200, "2.0 h"), (360000, "100.0 h")]
)
def test_durations_read_well(seconds, said):
    assert duration(seconds) == said


def test_why_tells_what_made_a_file_and_what_would_make_it_again(copy):
    file = "results/smoke/generations/tiny/base/bank.parquet"
    command = [sys.executable, str(REPOSITORY / "valley"), "why", file, "--study", str(copy.study)]

    def why():
        done = subprocess.run(command, capture_output=True, text=True, cwd=copy.folder)
        return done.returncode, done.stdout + done.stderr

    status, printed = why()
    assert status == 0
    assert "rule generate: up to date" in printed
    assert "temperature = 0.6" in printed
    assert "results/smoke/verdicts/tiny/base/bank.parquet" in printed

    config = copy.smoke()
    config["sampling"]["temperature"] = 0.9
    copy.write(config)
    status, printed = why()
    assert status == 1
    assert "temperature = 0.6   (now 0.9)" in printed

    command[3] = "results/smoke/nothing.parquet"
    status, printed = why()
    assert status == 2
    assert "makes results/smoke/nothing.parquet" in printed
