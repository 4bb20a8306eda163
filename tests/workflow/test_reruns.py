"""What runs again after an edit, on a really finished smoke study: exactly what must."""

import json
import os

import pytest

FITS = {
    "curve": 1,
    "contrast": 1,
    "rates": 1,
    "claims": 1,
    "figure": 4,
    "forest": 1,
    "table": 1,
    "answers": 1,
    "report": 1,
    "all": 1,
}


def edited(workspace, *path, value):
    config = workspace.smoke()
    at = config
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    workspace.write(config)


def sidecars(workspace, study, kind, number):
    """Return the sidecars of one kind of result, as many as there must be."""
    found = list((workspace.folder / "results" / study / kind).rglob("*.meta.json"))
    assert len(found) == number
    return found


def programs(workspace):
    """Return the segments of the verdict cache: a program judged anew adds one."""
    found = {path.name for path in (workspace.folder / "results/store/programs").iterdir()}
    assert found
    return found


def test_a_finished_study_has_nothing_to_do(finished):
    assert finished.plan() == {}


def test_adding_a_size_runs_its_chain_per_seed_and_the_fits_and_removing_it_only_the_fits(copy):
    before = copy.results()
    edited(copy, "axes", "scaling", "sizes", value=[0, 16, 24, 32])
    chain = {"shard": 2, "train": 2, "generate": 2, "judge": 2, "score": 2}
    assert copy.plan() == {**chain, **FITS}

    copy.snakemake("--cores", "2")
    after = copy.results()
    for name, content in before.items():
        kept = name.startswith(("corpus", "shards", "checkpoints", "generations", "verdicts"))
        assert not kept or after[name] == content, name
    assert b",24,0," in after["tables/scores.csv"]
    assert copy.plan() == {}

    copy.write(copy.smoke())
    assert copy.plan() == FITS
    copy.snakemake("--cores", "2")
    again = copy.results()
    assert {name: again[name] for name in before} == before


@pytest.mark.parametrize(
    ("path", "value", "jobs"),
    [
        (("sampling", "temperature"), 0.9, {"generate": 9, "judge": 9, "score": 9, **FITS}),
        (("sampling", "batch_size"), 7, {"report": 1, "all": 1}),
        (("sampling", "max_tokens"), 65, {"generate": 9, "judge": 9, "score": 9, **FITS}),
        (("statistics", "ks"), [1, 2], {"score": 9, "table": 1, "report": 1, "all": 1}),
        (
            ("statistics", "margin"),
            0.05,
            {
                **{k: v for k, v in FITS.items() if k not in ("rates", "table", "answers")},
                "figure": 2,
            },
        ),
        (("axes", "scaling", "question"), "Why?", {"report": 1, "all": 1}),
        (
            ("axes", "difficulty", "seeds"),
            [0, 1],
            {
                **{k: v for k, v in FITS.items() if k not in ("curve", "rates", "figure")},
                **{"shard": 2, "train": 4, "generate": 4, "judge": 4, "score": 4},
            },
        ),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_an_edit_runs_what_it_bears_on(copy, path, value, jobs):
    edited(copy, *path, value=value)
    assert copy.plan() == jobs


def test_editing_the_learning_rate_retrains_the_arms_of_that_recipe_only(copy):
    edited(copy, "recipes", "distil", "learning_rate", value=0.02)
    plan = copy.plan()
    assert plan["train"] == 8
    assert "student" not in plan
    assert "shard" not in plan


def test_a_small_file_rewritten_with_the_same_bytes_runs_nothing(copy):
    pool = copy.folder / "results/smoke/corpus/pool.parquet"
    pool.write_bytes(pool.read_bytes())
    assert copy.plan() == {}


def test_an_upstream_job_that_runs_again_costs_no_training(copy):
    """Early cut-off: Snakemake runs all that follows, and the store has every result."""
    before = copy.results()
    assert copy.plan("--forcerun", "pool")["train"] == 8
    copy.snakemake("--cores", "2", "--forcerun", "pool")
    assert copy.results() == before
    for path in sidecars(copy, "smoke", "checkpoints", 8):
        assert json.loads(path.read_text())["restored"], path
    students = sidecars(copy, "smoke", "generations/tiny/distil", 8)
    assert all(json.loads(path.read_text())["restored"] for path in students)


def test_a_renamed_study_is_brought_back_from_the_store(copy):
    """Shards are cut and answers looked up again; nothing is trained, sampled or run."""
    config = copy.smoke()
    config["study"] = "renamed"
    copy.write(config)
    known = programs(copy)
    copy.snakemake("--cores", "2", "verdicts")
    root = copy.folder / "results"
    for kind, number in (("checkpoints", 8), ("generations", 9)):
        for path in sidecars(copy, "renamed", kind, number):
            assert json.loads(path.read_text())["restored"], path
    assert programs(copy) == known, "every program's verdict was known"
    for path in (root / "smoke" / "verdicts").rglob("bank.parquet"):
        twin = root / "renamed" / path.relative_to(root / "smoke")
        assert twin.read_bytes() == path.read_bytes()


def test_added_samples_are_all_that_is_sampled(copy):
    edited(copy, "sampling", "samples", value=3)
    target = "results/smoke/generations/tiny/base/bank.parquet"
    assert copy.plan(target) == {"generate": 1}
    copy.snakemake("--cores", "2", target)
    measured = json.loads((copy.folder / target).with_suffix(".meta.json").read_text())["measured"]
    assert (measured["reused"], measured["sampled"]) == (48, 24)


def test_restored_targets_are_copies_so_that_one_study_cannot_age_another(copy):
    target = copy.folder / "results/smoke/students/tiny/checkpoint.json"
    entries = list((copy.folder / "results/store").rglob("file0"))
    assert entries
    assert not any(os.path.samefile(target, entry) for entry in entries)


def test_a_deleted_verdict_file_is_made_again_with_what_reads_it(copy):
    before = copy.results()
    (copy.folder / "results/smoke/verdicts/tiny/base/bank.parquet").unlink()
    assert copy.plan() == {"judge": 1, "score": 1, **FITS}
    copy.snakemake("--cores", "2")
    assert copy.results() == before
    assert copy.plan() == {}


def test_a_wrong_study_file_stops_before_anything_runs(copy):
    edited(copy, "axes", "scaling", "sizes", value=[0, -4])
    output = copy.snakemake("--dry-run", check=False)
    assert "axes.scaling.sizes[1]: -4 is out of range; it must be ≥ 0" in output
    assert "Job stats" not in output


def test_a_slice_too_small_stops_before_anything_runs_once_the_pool_is_there(copy):
    edited(copy, "axes", "scaling", "sizes", value=[0, 5000])
    output = copy.snakemake("--dry-run", check=False)
    assert "slice all.any holds" in output
    assert "but arms ask for 5000" in output
