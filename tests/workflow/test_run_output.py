"""What a run prints: one line a job in the arm's words; a failed job's cause and log."""

import json
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
        "shards.py, line N, in run",
        "log: results/smoke/logs/shards/all.any/n5000-s0.log",
    ]
    assert printed.count("Traceback") == 0


def blocks(printed: str) -> dict[str, list[str]]:
    """Return what stands below each job that failed."""
    found = re.findall(r"FAILED  (.+)\n((?: {10}.*\n)+)", printed)
    return {job: [line.strip() for line in below.splitlines()] for job, below in found}


@pytest.mark.long
def test_each_stages_commonest_failure_says_its_cause_and_where_the_log_is(copy):
    """A step too large, an engine that is not installed, a file of problems that is cut short."""
    config = copy.smoke()
    config["recipes"]["distil"]["learning_rate"] = 1e30
    config["sampling"]["engine"] = "vllm"
    config["axes"] = {"scaling": {**config["axes"]["scaling"], "sizes": [0, 32], "seeds": [0]}}
    copy.write(config)
    failed = blocks(copy.snakemake("--cores", "2", check=False))
    problem = {"id": "a", "statement": "Print 1.", "tests": [{"input": "", "expected": "1"}]}
    (copy.folder / "mine.jsonl").write_text(json.dumps(problem))
    source = {"format": "problems", "path": "mine.jsonl", "count": 2}
    copy.write({**config, "benchmarks": {"mine": {"source": source}}})
    problems = "results/smoke/benchmarks/mine.parquet"
    failed |= blocks(copy.snakemake("--cores", "2", "--", problems, check=False))
    told = {
        "Train tiny (distil, from base) on 32 traces of all.any, replicate 0": (
            "FloatingPointError: the gradient's norm is nan at update",
            "Lower the learning rate",
            "logs/train/tiny/distil/base/all.any/n32-s0.log",
        ),
        "Answer: tiny/base answers its benchmarks (answers)": (
            "RuntimeError: sampling.engine is vllm, but this Python has no vLLM",
            "or choose engine: transformers",
            "logs/answer/tiny/base.log",
        ),
        "Benchmark mine: its problems and tests": (
            "mine.jsonl hold 1 rows, but 2 problems were expected",
            "put `count: 1` into the study file",
            "logs/benchmark/mine.log",
        ),
    }
    assert failed.keys() == told.keys()
    for job, (what, mend, log) in told.items():
        *cause, last = failed[job]
        assert len(cause) <= 3
        assert what in cause[0] and mend in cause[0], cause
        assert re.fullmatch(r"\w+\.py, line \d+, in \w+", cause[-1])
        assert last == f"log: results/smoke/{log}"


def test_logs_hold_no_bars(finished):
    """They are for a terminal: ours, those of transformers and of the hub."""
    logs = list((finished.folder / "results/smoke/logs").rglob("*.log"))
    assert len(logs) > 50
    assert [str(log) for log in logs if "%|" in log.read_text(encoding="utf-8")] == []
