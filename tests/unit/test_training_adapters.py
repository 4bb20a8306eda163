"""Adapters: merged or kept apart, they are the same model."""

import pytest
import torch
from training_material import description, hub_student, made, work
from valley.core.files import read_json
from valley.lm import adapters, students

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


def test_kept_adapters_loaded_are_the_merged_model(tmp_path, start):
    merged = description(tmp_path / "merged", start, lora={**LORA, "merge": True})
    kept = description(tmp_path / "kept", start, lora={**LORA, "merge": False})
    work(merged)
    work(kept)
    one, other = made(merged)["weights"], made(kept)["weights"]
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=1e-6), name
    base = students.load(start)[0].state_dict()
    assert not torch.equal(
        one["model.layers.0.mlp.up_proj.weight"], base["model.layers.0.mlp.up_proj.weight"]
    )


def test_a_manifest_of_adapters_says_what_base_they_need(tmp_path, start):
    job = description(tmp_path, start, lora={**LORA, "merge": False}, epochs=1)
    work(job)
    described = read_json(job["manifest"])
    assert described["adapter"] == {"base": read_json(start)["hub"], "rank": 4}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(
        described["files"]
    )
    assert "model.safetensors" not in described["files"]
    assert students.source_of(described, job["manifest"]) == (read_json(start)["hub"]["id"], None)
    assert "they belong to" in (tmp_path / "made/model/README.md").read_text()


def test_the_next_stage_starts_from_kept_adapters(tmp_path, start):
    first = description(tmp_path / "one", start, lora={**LORA, "merge": False})
    work(first)
    second = description(
        tmp_path / "two", first["manifest"], lora={**LORA, "merge": True}, epochs=1
    )
    work(second)
    assert made(second)["losses"][0]["loss"] < 0.8 * made(first)["losses"][0]["loss"]


def test_adapters_on_a_start_that_is_not_on_the_hub_can_not_be_kept_apart(tmp_path, start):
    first = description(tmp_path / "one", start, epochs=1)
    work(first)
    second = description(tmp_path / "two", first["manifest"], lora={**LORA, "merge": False})
    with pytest.raises(ValueError, match="only when they start from an undistilled student"):
        work(second)


def test_weights_put_into_the_starts_model_are_those_trained(tmp_path, start):
    """The way for sharded weights and quantized bases, here without either."""
    from valley.lm.loss import Learner
    from valley.lm.parallel import World

    torch.manual_seed(0)
    model = adapters.with_lora(students.load(start)[0], **LORA)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    lora = {**LORA, "merge": True, "bits": 8}
    again = lambda: (students.load(start)[0], [])  # noqa: E731
    rebuilt = adapters.whole_model(Learner(model), lora, World(), again).state_dict()
    direct = model.merge_and_unload().state_dict()
    for name, weight in direct.items():
        assert torch.allclose(weight, rebuilt[name], atol=1e-6), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lora": {**LORA, "bits": 4}}, "lora: {bits: 4}` needs a CUDA GPU"),
        ({"optimizer": "adamw8bit"}, "optimizer: adamw8bit` needs a CUDA GPU"),
        ({"attention": "flash_attention_2"}, "attention: flash_attention_2` needs a CUDA GPU"),
        ({"attention": "flex_attention"}, "attention: flex_attention` needs a CUDA GPU"),
    ],
)
def test_what_only_a_gpu_can_do_says_so(tmp_path, start, settings, said):
    with pytest.raises(RuntimeError, match="or choose") as error:
        work(description(tmp_path, start, **settings))
    assert said in str(error.value)
