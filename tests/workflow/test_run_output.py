"""What a run prints: one line a job in the arm's words; a failed job's cause and log."""

import re

import pytest
from workspace import Workspace


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> str:
    """What is printed while the shards are cut, one of which asks for too much."""
    workspace = Workspace(tmp_path_factory.mktemp("failing"))
    config = workspace.smoke()
    config["axes"]["scaling"]["sizes"] = [0, 16, 5000]
    workspace.write(config)
    return workspace.snakemake("--cores", "2", "shards", check=False)


def test_every_job_has_one_line(printed):
    jobs = re.findall(r"^\d\d:\d\d:\d\d +\d+/13  (.+)$", printed, re.MULTILINE)
    assert len(jobs) == len(set(jobs)) == 12
    assert "Shard all.any: 16 traces, replicate 0" in jobs
    assert "Select jobs" not in printed


def test_a_failed_job_ends_with_its_cause_and_its_log(printed):
    block = re.search(
        r"FAILED  Shard all.any: 5000 traces, replicate 0\n((?: {10}.*\n)+)", printed
    ).group(1)
    assert [re.sub(r"line \d+", "line N", line.strip()) for line in block.splitlines()] == [
        "ValueError: slice all.any holds 200 traces, but 5000 were asked for; "
        "ask for less in the study file, or enlarge its corpus",
        "shards.py, line N, in shard",
        "log: results/smoke/logs/shards/all.any/n5000-s0.log",
    ]
    assert printed.count("Traceback") == 0


def test_logs_hold_no_bars(finished):
    """They are for a terminal: ours, those of transformers and of the hub."""
    logs = list((finished.folder / "results/smoke/logs").rglob("*.log"))
    assert len(logs) > 50
    assert [str(log) for log in logs if "%|" in log.read_text(encoding="utf-8")] == []
