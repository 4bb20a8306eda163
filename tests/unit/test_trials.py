"""What `valley doctor` tries: jobs composed from a study and a profile, and what they find."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from training_material import hub_student
from transformers import AutoConfig
from valley.cluster import demands, offers, requests, trial_run, trials
from valley.cluster.finding import Finding
from valley.core.recipes import Recipe
from valley.core.study import Study
from valley.lm import students, tiny
from valley.lm.launch import ERROR_ABOVE
from workspace import REPOSITORY, Workspace

NODE = offers.Nodes(4, 64, 500_000, (("h100", 8),))
OFFERED = {
    "cpu": offers.Partition("cpu", True, 1440, None, (offers.Nodes(9, 32, 100_000),)),
    "gpu": offers.Partition("gpu", False, 1440, None, (NODE,)),
}
PROFILE = {
    "default-resources": ["slurm_account=mine", "gpu_model=h100", "mem_mb=2000", "runtime=10"],
    "set-resources": [
        "train:slurm_partition=gpu",
        "train:constraint=infiniband",
        "generate:slurm_partition=gpu",
    ],
    "slurm-qos": "night",
}


def study(**changes) -> Study:
    config = Workspace.smoke()
    config["students"] = {"big": {"hub": {"id": "x/Some-7B", "revision": "0" * 40}}}
    recipe = {**config["recipes"]["distil"], "precision": "bf16"}
    config["recipes"] = {
        "distil": recipe,
        "slower": {**recipe, "learning_rate": 1e-6},
        "lora": {**recipe, "lora": {"rank": 4, "alpha": 8}},
    }
    config["axes"]["scaling"]["recipes"] = ["distil", "slower", "lora"]
    config["resources"] = {"train": {"gpus": 16, "nodes": 2}}
    return Study({**config, **changes})


def jobs(**changes) -> dict[tuple[str, ...], trials.TrialJob]:
    return {job.rules: job for job in trials.jobs(study(**changes), PROFILE, OFFERED)}


def test_there_is_a_job_for_each_partition_and_request_with_what_its_rules_do():
    train, generate, others = jobs().values()
    assert train.rules == ("train",)
    assert (train.trial.gpus, train.trial.nodes) == (16, 2)
    # A rate changes nothing of how updates are computed.
    assert train.trial.trainings == [("big", "distil"), ("big", "lora")]
    assert train.trial.answers == [] and train.trial.isolation is None
    assert train.trial.state_bytes > 12 * 7e9

    assert generate.rules == ("generate",)
    assert generate.trial.gpus == 1
    assert [name for name, _ in generate.trial.answers] == ["big"]

    assert {"judge", "score"} <= {*others.rules}
    assert others.trial.gpus == 0 and others.trial.isolation == "auto"
    assert others.name.startswith("default partition (")


def test_a_job_is_submitted_as_the_rules_own_jobs_are_but_for_minutes():
    train, generate, others = jobs().values()
    said = " ".join(train.sbatch)
    for words in (
        "-p gpu",
        "-A mine",
        "-C infiniband",
        "--nodes=2",
        "--gpus=h100:16",
        "--gpus-per-node=h100:8",
        "--cpus-per-task=64",
        "--qos=night",
        "--no-requeue",
    ):
        assert words in said
    assert f"-t {trials.minutes(train.trial)} " in said
    assert f"-t {train.wanted.request.runtime} " in " ".join(train.whole)
    assert "-C" not in generate.sbatch and "--gpus=h100:1" in generate.sbatch
    assert not any("gpu" in word for word in others.sbatch)


def test_gpus_are_asked_for_in_the_sites_way():
    by_gres = {**PROFILE, "default-resources": [*PROFILE["default-resources"], "gpus_as_gres=1"]}
    train = trials.jobs(study(), by_gres, OFFERED)[0]
    assert "--gres=gpu:h100:8" in train.sbatch
    assert not any(word.startswith("--gpus") for word in train.sbatch)


def test_a_teacher_that_is_run_here_answers_by_its_own_engine():
    made, wanted = study(), offers.Demand(requests.Request(4, 1, 8, 16000, 60), "gpu")
    model = {"id": "x/Teacher-32B", "revision": "1" * 40, "engine": "vllm", "precision": "bf16"}
    made.config["corpus"]["teachers"]["t"] = {"model": model}
    job = trials.job_of(made, PROFILE, [("ask_model", {"teacher": "t"}, wanted)], None)
    assert job.trial.answers == [("teacher t", {"engine": "vllm", "precision": "bf16"})]
    assert job.trial.models["teacher t"]["hub"]["id"] == "x/Teacher-32B"


def test_answers_that_are_cut_over_jobs_are_tried_as_a_benchmark_draws_them():
    """With either engine: the rule is `answer`, whose partition and request count."""
    bank = Workspace.smoke()["benchmarks"]["bank"]["bank"]
    warm, cold = {"temperature": 0.5}, {"temperature": 0.25}
    changes = {
        "benchmarks": {
            "warm": {"bank": bank, "sampling": warm},
            "cold": {"bank": bank, "sampling": cold},
        },
        "sampling": {**Workspace.smoke()["sampling"], "jobs": 3},
    }
    made = study(**changes)
    wildcards = [one for one, _ in demands.each(made, "answer", {}, OFFERED)]
    ways, ends = ("-warm", "-cold"), (".1-of-3", ".2-of-3", ".3-of-3")
    checkpoints = {made.checkpoint_name(arm) for arm in made.evaluated()}
    assert {(one["checkpoint"], one["way"], one["part"]) for one in wildcards} == {
        (checkpoint, way, end) for checkpoint in checkpoints for way in ways for end in ends
    }
    partitions = [f"{rule}:slurm_partition=gpu" for rule in ("train", "answer")]
    profile = {**PROFILE, "set-resources": partitions}
    by_rules = {job.rules: job.trial for job in trials.jobs(made, profile, OFFERED)}
    ((model, how),) = by_rules["answer",].answers
    assert (model, how["temperature"], how["jobs"]) == ("big", 0.5, 3)
    assert not any(trial.answers for rules, trial in by_rules.items() if rules != ("answer",))


def test_on_one_machine_a_job_is_cut_to_what_is_there():
    here = trials.local(jobs()["train",], 1).trial
    assert (here.gpus, here.nodes) == (1, 1)
    assert trials.local(jobs()["train",], 0).trial.gpus == 0


def test_a_small_recipe_is_computed_as_the_whole_one():
    recipe = Recipe(
        learning_rate=1e-5,
        batch_tokens=1 << 20,
        epochs=3,
        row_tokens=32768,
        precision="bf16",
        attention="varlen",
        compile=True,
        lora={"rank": 8},
    )
    small = trial_run.small(recipe, processes=8)
    assert (small.steps, small.epochs, small.batch_tokens) == (2, None, None)
    assert small.batch_examples % 8 == 0
    same = set(trials.COMPUTED) - {"row_tokens", "micro_tokens"}
    assert all(getattr(small, name) == getattr(recipe, name) for name in same)


def test_a_small_model_has_the_students_heads_and_width(tmp_path):
    hub_student(tmp_path, "qwen2", hidden_size=96, num_attention_heads=6, num_hidden_layers=5)
    hub = {"hub": {"id": str(tmp_path / "hub"), "revision": None}}
    manifest = tiny.save(hub, tmp_path / "small")
    small = AutoConfig.from_pretrained(tmp_path / "small")
    assert small.model_type == "qwen2"
    assert (small.hidden_size, small.num_attention_heads, small.num_key_value_heads) == (96, 6, 2)
    assert small.num_hidden_layers == tiny.LAYERS
    model, tokenizer = students.load(manifest)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


@pytest.mark.parametrize(
    ("gigabytes", "verdict", "told"),
    [
        (0, "note", "is not known"),
        (10, "ok", "10.0 GB, 100 s"),
        (30, "note", "trainings stop that long before their time limit"),
        (300, "BAD", "let it be more than 50"),
    ],
)
def test_the_time_of_a_state_is_held_against_limits(gigabytes, verdict, told):
    found = trial_run.saving("file system", gigabytes * 1e9, 100e6, {"save_every": 30})
    assert found.verdict == verdict
    assert told in found.said


def test_of_a_job_that_was_cut_off_what_it_found_is_told_and_its_last_words(tmp_path):
    found = Finding("cards", "ok", "8 x H100")
    whole = json.dumps(dataclasses.asdict(found))
    (tmp_path / "findings.jsonl").write_text(f'{whole}\n{{"what": "tra')
    (tmp_path / "log").write_text("loading\nslurmstepd: error: CANCELLED DUE TO TIME LIMIT\n\n")
    first, last = trials.read("gpu (train)", tmp_path)
    assert str(first) == "ok   gpu (train), cards: 8 x H100"
    assert last.verdict == "BAD"
    assert last.said.endswith("CANCELLED DUE TO TIME LIMIT")
    (tmp_path / "findings.jsonl").write_text(
        f'{whole}\n{{"what": "{trial_run.END}", "verdict": "ok", "said": ""}}\n'
    )
    assert len(list(trials.read("gpu (train)", tmp_path))) == 1


def test_of_several_processes_the_error_of_one_is_told_of_this_trial_alone(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "--- training of a by b\nKeyError: 'earlier'\n--- training of c by d\n"
        "[rank1]: torch.AcceleratorError: CUDA error: no kernel image\n"
        "[rank1]: RuntimeError: NCCL error: unhandled system error\nmore\n"
    )
    failed = RuntimeError(f"a process of this training failed (status 1); {ERROR_ABOVE}")
    assert trial_run.cause(failed, log) == "RuntimeError: NCCL error: unhandled system error"
    assert trial_run.cause(OSError("full\nmore"), log) == "OSError: full"


def doctor(folder: Path, config: dict, *options: str) -> tuple[int, str]:
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, str(REPOSITORY / "valley"), "doctor", "study.yaml", "--here"]
    where = ["--profile", str(REPOSITORY / "profiles" / "slurm")]
    done = subprocess.run(
        [*command, *where, *options], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.fixture
def pretrained(tmp_path) -> dict:
    """The smoke study with a student like the hub's, trained whole and by adapters, on cores."""
    hub_student(tmp_path, "qwen2")
    config = Workspace.smoke()
    config["students"] = {"q": {"hub": {"id": str(tmp_path / "hub")}}}
    config["recipes"]["lora"] = {
        **config["recipes"]["distil"],
        "lora": {"rank": 4, "alpha": 8},
        "precision": "bf16",
    }
    config["axes"]["scaling"]["recipes"] = ["distil", "lora"]
    config["resources"] = {"train": {"gpus": 0}, "generate": {"gpus": 0}}
    return config


@pytest.mark.long
def test_without_slurm_all_of_it_is_tried_here(tmp_path, pretrained):
    status, said = doctor(tmp_path, pretrained)
    assert status == 0, said
    for line in (
        "ok   here, cards: ",
        "ok   here, training of q by distil: two updates, saved and gone on with, by sdpa in fp32",
        "ok   here, training of q by lora: two updates, saved and gone on with, by sdpa in bf16",
        "ok   here, answer of q by transformers: ",
        "here, file system of the results: ",
    ):
        assert line in said
    assert not (tmp_path / "results").exists(), "it leaves nothing"


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which has this kernel")
def test_what_can_not_run_here_is_told_with_its_cause(tmp_path, pretrained):
    """A kernel for GPUs, in a training of two processes: the error of one of them is told."""
    pretrained["recipes"]["distil"] |= {"attention": "varlen", "precision": "bf16"}
    pretrained["recipes"]["matched"] = {**pretrained["recipes"]["distil"]}
    pretrained["axes"]["scaling"]["recipes"] = ["distil"]
    pretrained["training"] = {"processes": 2}
    status, said = doctor(tmp_path, pretrained)
    assert status == 1
    (line,) = (line for line in said.splitlines() if line.startswith("BAD"))
    assert line.startswith("BAD  here, training of q by distil: RuntimeError: the recipe's")
    assert "`attention: varlen` needs a CUDA GPU" in line


def test_a_dry_look_and_a_quick_one_try_nothing(tmp_path, pretrained):
    status, said = doctor(tmp_path, pretrained, "--dry")
    assert status == 0
    assert (
        "would try cards, isolation, two updates of q by distil, two updates of q by lora" in said
    )
    assert "cards: " not in said
    assert "would try" not in doctor(tmp_path, pretrained, "--quick")[1]
