"""Reports of a really run study: Snakemake's own, and ours with what was measured."""

import csv
import json
import re

import pytest
from edits import LATER, study
from valley.reporting import partial
from valley.reporting.studies import layout_of


def test_snakemakes_report_has_every_category_with_captions(finished, tmp_path):
    out = tmp_path / "report.html"
    finished.snakemake("--report", str(out))
    page = out.read_text(encoding="utf-8")
    for words in ("Report", "Figures", "Tables", "Claims", "Paired differences in"):
        assert words in page


def test_a_finished_studys_report_uses_the_workflows_fits_and_adds_what_was_measured(
    finished, tmp_path
):
    out = tmp_path / "page.html"
    status, printed = finished.asked("report", str(finished.study), "--out", str(out))
    assert status == 0, printed
    page = out.read_text(encoding="utf-8")
    made = set(re.findall(r"\(made for this page\) (\w+/\w+)", page))
    assert made == {"figures/losses"}, "all else is the workflow's own"
    assert "A partial report" not in page
    assert re.search(r'<th scope="row">train</th><td class="n">8</td>', page)
    assert "torch 2" in page
    assert "<caption>Hours of GPUs and cores, by stage</caption>" in page
    assert "<td>tiny/distil/base/all.any/n32-s1</td>" in page
    assert "is installed" not in page


def test_hours_of_a_run_without_slurm_are_told_by_its_sidecars(finished, tmp_path):
    table = tmp_path / "cost.csv"
    told = finished.valley("cost", str(finished.study), "--arms", "--csv", str(table)).splitlines()
    rows = list(csv.DictReader(table.open()))
    assert len(told) == len(rows) + 1
    trained = [row for row in rows if row["stage"] == "train"]
    assert len({row["arm"] for row in trained}) == len(trained) == 8
    assert {row["source"] for row in rows} == {"sidecars"}
    assert all(0 < float(row["cpu_hours_held"]) < float(row["cpu_hours_asked"]) for row in trained)
    assert all(float(row["cpu_hours_used"]) > 0 and not row["cpu_hours_lost"] for row in trained)
    assert {"judge", "generate", "pool", "curve"} <= {row["stage"] for row in rows}
    ended, said = finished.asked("cost")
    assert ended == 2
    assert "valley cost STUDY" in said


def test_results_of_other_versions_are_told(copy, tmp_path):
    beside = copy.folder / "results/smoke/checkpoints/tiny/distil/base/all.any/n32-s0"
    about = json.loads((beside / "checkpoint.meta.json").read_text())
    about["measured"]["versions"]["torch"] = "2.0.0"
    (beside / "checkpoint.meta.json").write_text(json.dumps(about))
    out = tmp_path / "page.html"
    status, printed = copy.asked("report", "study.yaml", "--out", str(out))
    assert status == 0, printed
    assert "1 results of train were made with torch 2.0.0" in out.read_text(encoding="utf-8")


def test_what_is_made_for_the_page_is_what_the_workflow_makes(finished, tmp_path, monkeypatch):
    """The command calls the workflow's own functions: with its own settings, to the byte."""
    monkeypatch.chdir(finished.folder)
    monkeypatch.setattr(partial, "_current", lambda path, inputs: False)
    found = partial.Gathered(layout_of("study.yaml"), tmp_path)
    assert found.state["left_out"] == []
    made = [path for path in tmp_path.rglob("*") if path.is_file() and "losses" not in str(path)]
    assert len(made) > 25
    for path in made:
        own = finished.folder / "results/smoke" / path.relative_to(tmp_path)
        assert path.read_bytes() == own.read_bytes(), own


@pytest.mark.long
def test_interactions_and_curves_over_tokens_come_to_the_report(copy, tmp_path, monkeypatch):
    later = {"kind": "interaction", "text": "difficulty matters more later", "of": "later"}
    study(
        ("axes.difficulty.interactions", LATER),
        ("axes.scaling.x", "tokens"),
        ("axes.scaling.forecast", 60_000),
        ("claims", {"later": later}),
    )(copy)
    copy.snakemake("--cores", "2")
    assert copy.plan() == {}
    root = copy.folder / "results/smoke"
    manifests = root / "checkpoints/tiny/distil/base/all.any"
    spent = {
        size: [
            json.loads((manifests / f"n{size}-s{seed}/checkpoint.json").read_text())["tokens"]
            for seed in (0, 1)
        ]
        for size in (16, 32)
    }
    curve = json.loads((root / "curves/scaling/tiny/distil/base/all.any/bank.json").read_text())
    assert [point["examples"] for point in curve["points"]] == [0, 16, 32]
    assert [point["size"] for point in curve["points"][1:]] == [
        round(sum(tokens) / 2) for tokens in spent.values()
    ]
    rows = list(csv.DictReader((root / "figures/contrasts/bank.csv").open()))
    assert rows[-1]["a"] == "easy.any minus hard.any (start mid)" and rows[-1]["kind"] == "pooled"
    (claim,) = json.loads((root / "claims/bank.json").read_text())["claims"][4:]
    assert claim["name"] == "later" and claim["parts"], claim

    monkeypatch.chdir(copy.folder)
    monkeypatch.setattr(partial, "_current", lambda path, inputs: False)
    found = partial.Gathered(layout_of("study.yaml"), tmp_path / "page")
    assert found.state["left_out"] == []
    for name in ("interactions/difficulty/later/bank.json", "claims/bank.json"):
        assert (tmp_path / "page" / name).read_bytes() == (root / name).read_bytes(), name
    made = tmp_path / "page/curves/scaling/tiny/distil/base/all.any/bank.json"
    assert json.loads(made.read_text()) == curve


@pytest.mark.long
def test_a_stopped_studys_report_is_partial_and_leaves_the_study_alone(copy, tmp_path):
    root = copy.folder / "results/smoke"
    for kind in ("generations", "verdicts"):
        (root / kind / "tiny/distil/base/all.any/n32-s1/bank.parquet").unlink()
    before = copy.results()
    out = tmp_path / "page.html"
    status, printed = copy.asked("report", "study.yaml", "--out", str(out))
    assert status == 1
    assert "Partial: 8 of 9 results" in printed
    assert "N = 32 · distil · replicate 1 on bank: begun, not finished" in printed
    page = out.read_text(encoding="utf-8")
    assert "A partial report." in page
    assert "F1 supported" not in page and "F1 refuted" not in page
    assert "Not yet: 2 of 3 sizes are finished (4 of 5 arms)." in page
    assert copy.results() == before
