"""Reruns that really run: what comes out is what a run from scratch gives, and the store spares."""

import json
import os

import pytest
from edits import code, delete, study
from workspace import Workspace

LARGER = study(("axes.scaling.sizes", [0, 16, 24, 32]))


def restored(desk: Workspace, name: str, kind: str, number: int) -> bool:
    """Tell whether all results of a kind, as many as there must be, came from the store."""
    found = list((desk.folder / "results" / name / kind).rglob("*.meta.json"))
    assert len(found) == number
    return all(json.loads(path.read_text())["restored"] for path in found)


def programs(desk: Workspace) -> set[str]:
    """Return the segments of the verdict cache: a program judged anew adds one."""
    found = {path.name for path in (desk.folder / "results/store/programs").iterdir()}
    assert found
    return found


@pytest.mark.long
def test_an_added_size_gives_the_bytes_of_a_run_from_scratch_on_one_core(copy, tmp_path):
    before = copy.results()
    LARGER(copy)
    copy.snakemake("--cores", "2")
    after = copy.results()
    assert b",24,0," in after["tables/scores.csv"]
    assert copy.plan() == {}

    scratch = Workspace(tmp_path / "scratch")
    LARGER(scratch)
    scratch.snakemake("--cores", "1")
    assert scratch.results() == after

    copy.write(copy.smoke())
    copy.snakemake("--cores", "2")
    again = copy.results()
    assert {name: again[name] for name in before} == before


def test_a_deleted_verdict_file_comes_back_and_nothing_else_changes(copy):
    before = copy.results()
    delete("verdicts/tiny/base/bank.parquet")(copy)
    copy.snakemake("--cores", "2")
    assert copy.results() == before
    assert copy.plan() == {}


def test_an_upstream_job_that_runs_again_costs_no_training(copy):
    """Early cut-off: Snakemake runs all that follows, and the store has every result."""
    before = copy.results()
    assert copy.plan("--forcerun", "pool")["train"] == 8
    copy.snakemake("--cores", "2", "--forcerun", "pool")
    assert copy.results() == before
    assert restored(copy, "smoke", "checkpoints", 8)
    assert restored(copy, "smoke", "generations/tiny/distil", 8)


def test_what_an_upstream_job_leaves_as_it_was_runs_nothing_afterwards(copy):
    """The same edit in two steps: whether the pool changes is known before anything follows."""
    pool = "results/smoke/corpus/pool.parquet"
    copy.snakemake("--cores", "2", "--forcerun", "pool", "--", pool)
    assert copy.plan() == {}


def test_a_judge_that_judges_alike_leaves_the_pool_alone_and_another_does_not(desk):
    labels = "results/smoke/corpus/labels.parquet"
    judge = "workflow_scripts/valley/judging/compare.py"
    code(judge, "if got == wanted:", "if bytes(got) == wanted:")(desk)
    desk.snakemake("--cores", "2", "--", labels)
    assert "pool" not in desk.plan()

    code("workflow_scripts/judge.py", "else word == ACCEPTED", "else False")(desk)
    desk.snakemake("--cores", "2", "--", labels)
    plan = desk.plan()
    assert (plan["pool"], plan["train"], plan.get("labels")) == (1, 8, None)


def test_a_renamed_study_is_brought_back_from_the_store(copy):
    """Shards are cut and answers looked up again; nothing is trained, sampled or run."""
    study(("study", "renamed"))(copy)
    known = programs(copy)
    copy.snakemake("--cores", "2", "verdicts")
    root = copy.folder / "results"
    assert restored(copy, "renamed", "checkpoints", 8)
    assert restored(copy, "renamed", "generations", 9)
    assert programs(copy) == known, "every program's verdict was known"
    for path in (root / "smoke" / "verdicts").rglob("bank.parquet"):
        twin = root / "renamed" / path.relative_to(root / "smoke")
        assert twin.read_bytes() == path.read_bytes()


def test_added_samples_are_all_that_is_sampled(copy):
    study(("sampling.samples", 3))(copy)
    target = "results/smoke/generations/tiny/base/bank.parquet"
    assert copy.plan(target) == {"generate": 1}
    copy.snakemake("--cores", "2", target)
    measured = json.loads((copy.folder / target).with_suffix(".meta.json").read_text())["measured"]
    assert (measured["reused"], measured["sampled"]) == (48, 24)


def test_restored_targets_are_copies_so_that_one_study_cannot_age_another(finished):
    target = finished.folder / "results/smoke/students/tiny/checkpoint.json"
    entries = list((finished.folder / "results/store").rglob("file0"))
    assert entries
    assert not any(os.path.samefile(target, entry) for entry in entries)


def test_a_wrong_study_file_stops_before_anything_runs(copy):
    study(("axes.scaling.sizes", [0, -4]))(copy)
    output = copy.snakemake("--dry-run", check=False)
    assert "axes.scaling.sizes[1]: -4 is out of range; it must be ≥ 0" in output
    assert "Job stats" not in output


def test_a_slice_too_small_stops_before_anything_runs_once_the_pool_is_there(copy):
    study(("axes.scaling.sizes", [0, 5000]))(copy)
    output = copy.snakemake("--dry-run", check=False)
    assert "slice all.any holds" in output
    assert "but arms ask for 5000" in output
