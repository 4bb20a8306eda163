"""`valley plan` says what Snakemake would do, and what that took when it was done before."""

import json
import re
from collections import Counter

import pytest
from valley.core.text import duration
from workspace import Workspace


def valley(workspace, *arguments):
    """Run `valley plan` in a workspace; return its exit status and what it printed."""
    return workspace.asked("plan", str(workspace.study), *arguments)


def with_sizes(workspace, sizes):
    config = workspace.smoke()
    config["axes"]["scaling"]["sizes"] = sizes
    workspace.write(config)


def test_nothing_would_run_on_a_finished_study(finished):
    status, printed = valley(finished)
    assert status == 0
    assert "Nothing would run." in printed


def test_the_plan_is_snakemakes_own(copy):
    with_sizes(copy, [0, 16, 24, 32])
    status, printed = valley(copy, "--json")
    assert status == 1
    jobs = json.loads(printed)["jobs"]
    waiting = Counter(job["rule"] for job in jobs if job["state"] != "done")
    assert {**waiting, "all": 1} == copy.plan()
    states = {job["rule"]: set() for job in jobs}
    for job in jobs:
        states[job["rule"]].add(job["state"])
    assert states["train"] == {"done", "missing"}
    assert states["curve"] == {"stale"}


def test_lengths_are_counted_in_the_pool_and_encoded_shards_take_room(copy):
    with_sizes(copy, [0, 16, 24, 32])
    _, printed = valley(copy)
    counted = re.search(
        r"Tokens of tiny: (\d+) a trace, (\d+) of them the question, counted by its tokenizer in "
        r"(\d+) rows of the pool",
        printed,
    )
    assert counted, printed
    trace, question, rows = map(int, counted.groups())
    assert 0 < question < trace < 512 and 0 < rows <= 200
    assert re.search(r"Disk: [\d.]+ .?B that stay \([\d.]+ .?B of encoded shards\)", printed)
    value = json.loads(valley(copy, "--json")[1])
    assert len(value["counted"]["tiny"]["traces"]) == rows
    # Two replicates of the one new size, each 24 rows of token ids; no row is longer than 512.
    lengths = [min(length, 512) for length in value["counted"]["tiny"]["traces"]]
    encoded = 2 * 24 * (4 * sum(lengths) / rows + 50)
    assert value["totals"]["encoded_bytes"] == pytest.approx(encoded)
    assert value["totals"]["disk_bytes"] > encoded


def test_expected_times_come_from_what_jobs_took(copy):
    with_sizes(copy, [0, 16, 24, 32])
    root = copy.folder / "results/smoke/checkpoints"
    took = [
        json.loads(p.read_text())["measured"]["wall_seconds"] for p in root.rglob("*.meta.json")
    ]
    jobs = json.loads(valley(copy, "--json")[1])["jobs"]
    for job in jobs:
        if job["rule"] == "train" and job["state"] == "missing":
            assert 0.5 * min(took) <= job["seconds"] <= 2 * max(took)


def test_people_see_the_arms_the_reasons_and_the_time(copy):
    with_sizes(copy, [0, 16, 24, 32])
    printed = valley(copy, "--arms")[1]
    assert "tiny/distil/base/all.any/n24-s1  train, generate, judge, score  " in printed
    assert "1 curve: Input files updated by another job; Set of input files has cha" in printed
    assert re.search(r"Figures: \d+ jobs measured \(see", printed)


def test_the_plan_names_changed_settings_and_changed_code(copy):
    beside = copy.folder / "results/smoke/corpus/pool.meta.json"
    about = json.loads(beside.read_text())
    about["params"]["code"] = "another"
    beside.write_text(json.dumps(about))
    config = copy.smoke()
    config["sampling"] |= {"temperature": 0.9, "top_p": 0.5}
    copy.write(config)
    printed = valley(copy)[1]
    assert (
        "1 pool: its code has changed (./valley accept, if the results are still valid)" in printed
    )
    assert "generate: changed settings: temperature, top_p" in printed
    assert "Params have changed" not in printed


def test_a_mistake_in_the_study_file_is_told_and_nothing_planned(copy):
    with_sizes(copy, [0, -1])
    status, printed = valley(copy)
    assert status == 2
    assert "axes.scaling.sizes[1]: -1 is out of range" in printed


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5.0 s"), (120, "2 min"), (7200, "2.0 h"), (360000, "100.0 h")]
)
def test_durations_read_well(seconds, said):
    assert duration(seconds) == said


def test_why_tells_what_made_a_file_and_what_would_make_it_again(copy):
    why = ("why", "results/smoke/generations/tiny/base/bank.parquet", "--study", "study.yaml")
    printed = copy.valley(*why)
    assert "rule generate: up to date" in printed
    assert "temperature = 0.6" in printed
    assert "results/smoke/verdicts/tiny/base/bank.parquet" in printed

    config = copy.smoke()
    config["sampling"]["temperature"] = 0.9
    copy.write(config)
    printed = copy.valley(*why, status=1)
    assert "temperature = 0.6   (now 0.9)" in printed
    assert "files depend on it" in printed
    assert "torch " in printed

    copy.write(copy.smoke())
    told = copy.folder / "results/smoke/generations/tiny/base/bank.meta.json"
    about = json.loads(told.read_text())
    benchmark = next(name for name in about["inputs"] if "benchmarks" in name)
    then, about["inputs"][benchmark] = about["inputs"][benchmark], "0" * 64
    about["params"]["code"] = "another"
    told.write_text(json.dumps(about))
    printed = copy.valley(*why, status=1)
    assert f"{benchmark}  000000000000   (now {then[:12]})" in printed
    assert "code = another" in printed
    assert "its code, or code that it reaches, has changed" in printed

    file = "results/smoke/nothing.parquet"
    printed = copy.valley("why", file, "--study", "study.yaml", status=2)
    assert "makes results/smoke/nothing.parquet" in printed


def test_an_edit_is_priced_before_it_is_made(copy):
    before = copy.study.read_text()
    status, printed = valley(copy, "--with", "sizes+=24", "--json")
    assert status == 1
    found = json.loads(printed)
    assert found["before"]["totals"]["jobs"] == 0
    kinds = Counter((change["kind"], change["rule"]) for change in found["changes"])
    assert kinds["new", "train"] == 2, "two replicates"
    assert kinds["again", "curve"] == 1
    assert ("again", "train") not in kinds
    assert found["after"]["totals"]["disk_bytes"] > 0
    assert copy.study.read_text() == before

    with_sizes(copy, [0, 16, 24, 32])
    made = json.loads(valley(copy, "--json")[1])
    assert made["totals"] == found["after"]["totals"], "the edit made costs what was said"


def test_another_study_file_is_priced_against_this_one(copy, tmp_path):
    config = copy.smoke()
    config["axes"]["scaling"]["sizes"] = [0, 16, 24]
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(config))
    status, printed = valley(copy, "--against", str(other), "--cores", "2")
    assert status == 1
    row = next(line.split() for line in printed.splitlines() if line.startswith("train"))
    assert row == ["train", "2", ".", "1"], "n24 twice is new; n32-s0 is needed as a start still"
    assert "on the partition" in printed


def test_an_edit_that_cannot_be_made_says_what_can(copy):
    status, printed = valley(copy, "--with", "sizez+=24")
    assert status == 2
    assert "no 'sizez' (did you mean 'size'?)" in printed or "did you mean 'sizes'" in printed
    status, printed = valley(copy, "--with", "sampling.temperature=-1")
    assert status == 2
    assert "sampling.temperature: -1 is out of range" in printed


def test_a_study_of_the_papers_size_is_planned_without_any_data(tmp_path):
    config = Workspace.smoke()
    recipe = {"learning_rate": 8e-5, "batch_examples": 128, "epochs": 5, "precision": "bf16"}
    config["students"] = {"qwen": {"hub": {"id": "Qwen/Qwen2.5-7B-Instruct"}}}
    config["recipes"] = {name: recipe for name in config["recipes"]}
    config["sampling"] = {"samples": 4}
    config["axes"]["scaling"]["sizes"] = [0, 1000, 10000, 30000]
    workspace = Workspace(tmp_path / "large")
    workspace.write(config)
    status, printed = valley(workspace, "--gpus", "8", "--cores", "64", "--json")
    assert status == 1, printed
    found = json.loads(printed.splitlines()[0])  # a note on the folder follows
    largest = next(job for job in found["jobs"] if job["wildcards"].get("size") == "30000")
    assert 50 < found["totals"]["gpu_seconds"] / 3600 < 500
    assert largest["rule"] == "shard" or largest["source"] == "estimated"
    serial = found["totals"]["gpu_seconds"] / 8
    assert found["partition_seconds"] >= max(serial, found["critical_path_seconds"]) * 0.999
    status, printed = valley(workspace, "--gpus", "8")
    assert "On 8 GPUs and 64 cores: " in printed
    assert "GPU-hours: " in printed
