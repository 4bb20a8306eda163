"""The study files that come along: the ladder from a laptop to the paper, and the rehearsals."""

import dataclasses
import gzip
import json
import shutil
import subprocess
import sys

import pytest
import yaml
from lm_material import tiny
from valley.cluster import fetch
from valley.commands import material
from valley.core.files import read_parquet
from valley.core.recipes import Recipe
from valley.core.study import Study
from valley.lm import flops, memory, packaged, preflight
from valley.slicing import script
from workspace import REPOSITORY, Workspace

STUDIES = REPOSITORY / "studies"


def study(name):
    return Study.read(STUDIES / f"{name}.yaml")


def valley(folder, *arguments):
    command = [sys.executable, str(REPOSITORY / "valley"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_the_papers_study_is_its_fourteen_runs():
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


@pytest.mark.parametrize("name", ["paper", "beyond", "desk"])
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


@pytest.mark.parametrize("name", ["lengths", "answers", "repetition"])
def test_a_study_after_a_published_design_is_planned_in_minutes(name, tmp_path):
    """It asks for nothing but the repository, and no slice, shard, arm or fit is left out."""
    (tmp_path / "studies").mkdir()
    shutil.copy(STUDIES / "few_questions.py", tmp_path / "studies")
    done = valley(tmp_path, "plan", str(STUDIES / f"{name}.yaml"), "--json", "--cores", "2")
    assert done.returncode == 1, done.stderr
    planned = json.loads(done.stdout)
    rules = [job["rule"] for job in planned["jobs"]]
    declared = study(name)
    axes = declared.config["axes"].values()
    assert rules.count("train") == len(declared.arms)
    assert rules.count("generate") == len(declared.evaluated()) * len(declared.benchmarks)
    for rule, key in (("contrast", "contrasts"), ("interaction", "interactions")):
        assert rules.count(rule) == sum(len(axis[key]) for axis in axes) * len(declared.benchmarks)
    assert rules.count("slice") == sum("mix" not in one for one in declared.slices.values())
    assert not planned["not_known"] and planned["totals"]["gpu_seconds"] == 0
    assert {axis["x"] for axis in axes} - {"examples"}, "each has a curve over what was spent"


def test_the_script_of_a_study_keeps_whole_questions():
    transform = script.load(str(STUDIES / "few_questions.py"))
    texts = dict.fromkeys(["prompt", "response", "difficulty", "teacher", "source"], "x")
    rest = texts | {"correct": True, "tokens": 1}
    count, share = 20_000, 1 / 12
    rows = [
        {"id": f"p{i}/{who}", "problem_id": f"p{i}", **rest} for i in range(count) for who in "ab"
    ]
    kept = [row for row in rows if transform(row, None)]
    assert {row["problem_id"] for row in kept} == {row["problem_id"] for row in kept[::2]}
    error = (share * (1 - share) / count) ** 0.5
    assert abs(len(kept) / len(rows) - share) < 4 * error


def test_the_rehearsal_has_every_arm_of_the_paper_in_small():
    def shape(arms):
        return sorted((arm.student, arm.start, arm.slice) for arm in arms)

    rehearsed = [arm for arm in study("rehearsal").arms if arm.recipe == "paper"]
    assert shape(rehearsed) == shape(study("paper").arms)


def test_all_that_the_desks_study_reads_of_the_hub_is_pinned_at_commits():
    wanted = list(fetch.downloads(study("desk")))
    assert len(wanted) == 10
    assert all(thing.pinned for thing in wanted), [str(t) for t in wanted if not t.pinned]


@pytest.mark.parametrize("card", [24, 48, 80])
def test_the_desks_trainings_fit_a_card(card):
    """By the memory estimate, with the moments in 8 bits on the smallest card only."""
    shapes = [
        flops.Shape(151936, 896, 24, 14, 2, 64, 4864, tied=True, biases=True),
        flops.QWEN2_5_1_5B,
    ]
    for name, recipe in study("desk").config["recipes"].items():
        how = Recipe(**recipe)
        if card > 24:
            how = dataclasses.replace(how, optimizer="adamw")
        for shape in shapes:
            need = memory.training_need(shape, **preflight.memory_settings(how, "varlen", 1))
            # Of a card's GiB a few hundred MB are the driver's.
            assert need.total <= (card * 1.024**3 * 1e9 - 4e8) * (1 - memory.RESERVE), (name, need)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_study_that_trains_nothing_and_has_no_curve_comes_to_its_report(tmp_path):
    """As studies/pretrained-tune.yaml, with a student made here and the bank's functions."""
    config = Workspace.smoke()
    config["axes"] = {"base": {"question": "How good?", "recipes": ["distil"], "sizes": [0]}}
    bank = {"problems": 8, "seed": 23, "form": "function", "steps": [1]}
    config["benchmarks"] = {"bank": {"bank": bank}}
    del config["starts"]
    workspace = Workspace(tmp_path)
    workspace.write(config)
    planned = workspace.plan()
    assert planned["score"] == 1 and "figure" not in planned and "train" not in planned
    workspace.snakemake("--cores", "2")
    root = tmp_path / "results/smoke"
    assert (root / "report.html").is_file()
    assert json.loads((root / "scores/tiny/base/bank.json").read_text())["overall"]["pass@1"]
    judged = {row["verdict"] for row in read_parquet(root / "verdicts/tiny/base/bank.parquet")}
    assert judged and "judge_error" not in judged


@pytest.fixture
def with_material(tmp_path):
    """A folder that has what studies/pretrained.yaml names: a tiny student, HumanEval's form."""
    model, tokenizer = tiny()
    folder = tmp_path / "results/models"
    for one in (model, tokenizer):
        one.save_pretrained(folder / packaged.NAME)
    with gzip.open(folder / material.PROBLEMS, "wt") as file:
        file.write("{}\n")
    return tmp_path


@pytest.mark.parametrize("name", ["pretrained", "pretrained-tune"])
def test_the_pretrained_students_studies_are_planned(name, with_material):
    done = valley(with_material, "plan", str(STUDIES / f"{name}.yaml"), "--json", "--cores", "2")
    assert done.returncode == 1, done.stderr
    planned = json.loads(done.stdout)
    assert not planned["not_known"]
    trained = [job for job in planned["jobs"] if job["rule"] == "train"]
    assert len(trained) == len(study(name).arms)
    assert planned["totals"]["gpu_seconds"] == 0  # it asks for no GPU


def test_a_study_whose_model_is_not_there_says_how_to_get_it(tmp_path):
    done = valley(tmp_path, "plan", str(STUDIES / "pretrained.yaml"))
    assert done.returncode == 2
    assert "there is no folder results/models/SmolLM2-135M-Instruct" in done.stderr
    assert "MODEL=package" in done.stderr


def test_the_base_is_measured_on_problems_that_no_study_uses():
    tuned = study("pretrained-tune").config
    banks = [one["bank"] for one in tuned["benchmarks"].values()]
    assert {bank["split"] for bank in [*banks, tuned["corpus"]["bank"]]} == {"tune"}
    used = study("pretrained").config
    for bank in (used["corpus"]["bank"], used["benchmarks"]["bank"]["bank"]):
        assert bank["form"] == "function" and bank.get("split") != "tune"


def rehearsed(folder, rehearsal: str, whole: str):
    """Run a rehearsal; see that it has every rule of the whole study, and return its results."""
    assert valley(folder, "rehearse", str(folder / "results/rehearsal-material")).returncode == 0
    workspace = Workspace(folder)
    workspace.write(yaml.safe_load((STUDIES / f"{rehearsal}.yaml").read_text(encoding="utf-8")))
    planned = workspace.plan()
    workspace.snakemake("--cores", "2")
    assert workspace.plan() == {}

    real = yaml.safe_load((STUDIES / f"{whole}.yaml").read_text(encoding="utf-8"))
    real["sampling"]["engine"] = "transformers"  # the rule of vLLM's is run by its own tests
    workspace.write(real)
    assert set(workspace.plan()) <= set(planned)

    root = folder / "results" / rehearsal
    assert (root / "report.html").is_file()
    summary = json.loads((root / "corpus/summary.json").read_text())
    assert summary["slices"]["all.correct"] and summary["slices"]["all.incorrect"]
    return root


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_rehearsal_runs_every_rule_of_the_desks_study(tmp_path):
    rehearsed(tmp_path, "rehearsal-desk", "desk")


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_rehearsal_runs_every_rule_of_the_papers_study(tmp_path):
    root = rehearsed(tmp_path, "rehearsal", "paper")
    adapted = root / "checkpoints/qwen/adapters/base/all.any/n40-s0/checkpoint.json"
    assert "model.safetensors" in json.loads(adapted.read_text())["files"]
