"""The study files that come along: what the paper did, what is beyond it, and the rehearsal."""

import json
import subprocess
import sys

import pytest
import yaml
from valley.core.study import Study
from workspace import REPOSITORY, Workspace

STUDIES = REPOSITORY / "studies"


def study(name):
    return Study.read(STUDIES / f"{name}.yaml")


def valley(folder, *arguments):
    command = [sys.executable, str(REPOSITORY / "valley"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_the_paper_s_study_is_its_fourteen_runs():
    runs = {(arm.student, arm.start, arm.slice, arm.size, arm.seed) for arm in study("paper").arms}
    sizes = {(s, "base", "all.any", n, 0) for s in ("qwen", "llama") for n in (1000, 10000, 30000)}
    subsets = {
        ("qwen", start, name, number, 0)
        for start in ("base", "thirty")
        for name, number in (
            ("all.correct", 6000),
            ("all.incorrect", 6000),
            ("easy.any", 4000),
            ("hard.any", 4000),
        )
    }
    assert runs == sizes | subsets
    assert len(runs) == 14


@pytest.mark.parametrize("name", ["paper", "beyond"])
def test_a_large_study_is_planned_on_a_laptop_without_any_data(name, tmp_path):
    done = valley(tmp_path, "plan", str(STUDIES / f"{name}.yaml"), "--json")
    assert done.returncode == 1, done.stderr
    planned = json.loads(done.stdout)
    jobs = planned["jobs"] if isinstance(planned, dict) else planned
    trained = [job for job in jobs if job["rule"] == "train"]
    assert len(trained) == len(study(name).arms)
    assert all(job["state"] == "missing" for job in trained)
    told = valley(tmp_path, "plan", str(STUDIES / f"{name}.yaml")).stdout
    assert "GPU-hours: " in told


def test_the_study_of_structure_is_planned_with_its_slices(tmp_path):
    done = valley(tmp_path, "plan", str(STUDIES / "structure.yaml"), "--json")
    assert done.returncode == 1, done.stderr
    planned = json.loads(done.stdout)
    rules = [job["rule"] for job in (planned["jobs"] if isinstance(planned, dict) else planned)]
    declared = study("structure").slices
    assert rules.count("slice") == sum("mix" not in one for one in declared.values())
    assert rules.count("declared_shard") == 2 * (len(declared) + 1)
    assert rules.count("train") == 2 * (len(declared) + 1) + 4
    compared = {item["b"] for item in study("structure").config["axes"]["structure"]["contrasts"]}
    assert compared == set(declared)


def test_the_rehearsal_has_every_arm_of_the_paper_in_small():
    def shape(arms):
        return sorted((arm.student, arm.start, arm.slice) for arm in arms)

    rehearsed = [arm for arm in study("rehearsal").arms if arm.recipe == "paper"]
    assert shape(rehearsed) == shape(study("paper").arms)


@pytest.mark.timeout(1500)
def test_the_rehearsal_runs_every_rule_of_the_paper_s_study(tmp_path):
    material = tmp_path / "results" / "rehearsal-material"
    assert valley(tmp_path, "rehearse", str(material)).returncode == 0
    workspace = Workspace(tmp_path)
    rehearsal = (STUDIES / "rehearsal.yaml").read_text(encoding="utf-8")
    workspace.write(yaml.safe_load(rehearsal))
    planned = workspace.plan()
    workspace.snakemake("--cores", "2")
    assert workspace.plan() == {}

    paper = yaml.safe_load((STUDIES / "paper.yaml").read_text(encoding="utf-8"))
    paper["sampling"]["engine"] = "transformers"  # the rule of vLLM's is run by its own tests
    workspace.write(paper)
    assert set(workspace.plan()) <= set(planned)

    root = tmp_path / "results" / "rehearsal"
    assert (root / "report.html").is_file()
    summary = json.loads((root / "corpus/summary.json").read_text())
    assert summary["slices"]["all.correct"] and summary["slices"]["all.incorrect"]
    adapted = root / "checkpoints/qwen/adapters/base/all.any/n40-s0/checkpoint.json"
    assert "model.safetensors" in json.loads(adapted.read_text())["files"]
