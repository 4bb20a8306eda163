"""What a study file may not ask of trainings, each answered with what to do."""

import pytest
from valley.core.disk import require_free
from valley.core.study import Study, StudyError
from workspace import Workspace

HUB = {"hub": {"id": "Qwen/Qwen2.5-7B-Instruct"}}
KEPT = {
    "learning_rate": 1e-4,
    "batch_examples": 8,
    "epochs": 1,
    "lora": {"rank": 8, "merge": False},
}


def told(config):
    with pytest.raises(StudyError) as error:
        Study(config)
    return str(error.value)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"batch_tokens": 99}, "give either batch_examples or batch_tokens, one of the two"),
        ({"batch_examples": None}, "give either batch_examples or batch_tokens, one of the two"),
        ({"steps": 9}, "give either epochs or steps, one of the two"),
        ({"weights": "bf16"}, "recipes.distil.weights: bf16 weights are computed with in bf16"),
        ({"optimiser": "adamw"}, "unknown key (did you mean 'optimizer'?)"),
        ({"optimizer": "adam"}, "'adam' is not allowed (did you mean 'adamw'?)"),
        (
            {"attention": "flash"},
            "choose from: auto, sdpa, varlen, flash_attention_2, flash_attention_3",
        ),
        ({"micro_tokens": 0}, "recipes.distil.micro_tokens: 0 is out of range"),
        ({"lora": {"rank": 8, "bits": 5}}, "recipes.distil.lora.bits: 5 is not allowed"),
        ({"lora": {"rank": 8, "merge": False}}, "but student 'tiny' is made here"),
    ],
)
def test_a_recipes_mistake_is_told(recipe, said):
    config = Workspace.smoke()
    config["recipes"]["distil"] |= recipe
    assert said in told(config)


def test_adapters_are_kept_apart_only_beside_a_base_on_the_hub():
    config = Workspace.smoke()
    config["students"]["qwen"] = HUB
    config["recipes"]["kept"] = KEPT
    config["axes"]["scaling"] |= {"recipes": ["kept"], "students": ["qwen"], "starts": ["base"]}
    Study(config)
    config["axes"]["scaling"]["starts"] = ["mid"]
    assert "axes.scaling starts from 'mid', which is not there" in told(config)
    config["axes"]["scaling"]["starts"] = ["base"]
    config["students"]["qwen"] = {"hub": {**HUB["hub"], "think": "tokens"}}
    assert "learns new tokens (`think: tokens`)" in told(config)


def test_quantized_weights_are_not_sharded():
    config = Workspace.smoke()
    config["recipes"]["distil"]["lora"] = {"rank": 8, "bits": 4}
    config["training"] = {"processes": 2}
    assert "quantized weights can't be sharded, but training.processes is 2" in told(config)


def test_how_trainings_run_is_no_part_of_what_a_study_is():
    config = Workspace.smoke()
    one = Study(config).described
    config["training"] = {"processes": 2, "save_every": 5}
    config["tracking"] = {"to": ["tensorboard"], "project": "p"}
    assert Study(config).described == one


def test_a_full_disk_is_told_before_work_begins_with_both_numbers(tmp_path):
    require_free(tmp_path / "not" / "there" / "yet", 1000, "the checkpoint")
    with pytest.raises(OSError, match=r"needs 1,000,000,000,000,000,000 bytes .* only [\d,]+ are"):
        require_free(tmp_path, 1e18, "the checkpoint")
