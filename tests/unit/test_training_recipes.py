"""What a recipe's keys do to an update, and what becomes of an update that is no number."""

import dataclasses

import pytest
import torch
from training_material import description, hub_student, model_of, tokenizer_of, work
from transformers import AutoModelForCausalLM
from valley.core.files import POOL, read_json, read_parquet, write_parquet
from valley.core.recipes import Recipe
from valley.core.settings import HANDLING
from valley.lm import blocks, optim, packing, students
from valley.lm.loss import Learner, response_loss
from valley.workflow.records import differences


def test_a_gradient_that_is_not_finite_stops_with_update_and_examples(tmp_path):
    """The loss is finite; a normalisation divides by 1e-15, and its gradient by that cubed."""
    start = hub_student(tmp_path, "llama", rms_norm_eps=1e-30, num_hidden_layers=1)
    job = description(tmp_path, start, how={"save_every": 1e-6})
    rows = read_parquet(job["shard"])
    plan = packing.batches([1] * len(rows), 8, job["seed"], epochs=3, steps=None)
    odd = rows[plan[2][0]]
    odd["prompt"] = "~ " + odd["prompt"]
    write_parquet(job["shard"], rows, POOL)
    tokenizer = students.load_tokenizer(tmp_path / "hub")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "hub")
    (tilde,) = tokenizer("~", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding[tokenizer.pad_token_id] = 0.1  # not zero, which nothing divides either
        embedding[tilde] = 1e-15
    model.save_pretrained(tmp_path / "hub")

    said = r"the gradient's norm is inf at update 3 of 15, on examples p\d+/t, .*was not made"
    with pytest.raises(FloatingPointError, match=said) as error:
        work(job)
    assert all(rows[at]["id"] in str(error.value) for at in plan[2])
    assert read_json(tmp_path / "state" / "position.json")["done"] == 2
    assert [path.name for path in (tmp_path / "state").glob("update-*")] == ["update-2"]
    assert not (tmp_path / "made" / "checkpoint.json").exists()


@pytest.mark.parametrize("decay_on", ["matrices", "all"])
def test_adamw_is_the_recipes(decay_on):
    """One update by hand, from the published rule."""
    recipe = Recipe(
        learning_rate=0.1, beta1=0.7, beta2=0.8, eps=0.01, weight_decay=0.5, decay_on=decay_on
    )
    matrix, vector = (torch.nn.Parameter(torch.full(shape, 2.0)) for shape in ((2, 2), (2,)))
    optimizer = optim.adamw([matrix, vector], recipe)
    expected = {"matrix": 2.0, "vector": 2.0}
    mean = square = 0.0
    for step, gradient in enumerate((3.0, -1.0), start=1):
        mean, square = 0.7 * mean + 0.3 * gradient, 0.8 * square + 0.2 * gradient**2
        moved = mean / (1 - 0.7**step) / ((square / (1 - 0.8**step)) ** 0.5 + 0.01)
        for name in expected:
            decays = name == "matrix" or decay_on == "all"
            expected[name] -= 0.1 * (0.5 * expected[name] * decays + moved)
        matrix.grad, vector.grad = (torch.full_like(w, gradient) for w in (matrix, vector))
        optimizer.step()
    assert matrix.detach().flatten()[0].item() == pytest.approx(expected["matrix"], abs=1e-6)
    assert vector.detach()[0].item() == pytest.approx(expected["vector"], abs=1e-6)


def test_a_schedule_ends_at_the_final_rate():
    for schedule in ("cosine", "linear"):
        recipe = Recipe(learning_rate=2.0, schedule=schedule, final_rate=0.1, warmup=0.1)
        rates = [optim.rate_of(recipe, step, 10_000) for step in range(10_000)]
        assert max(rates) == 2.0
        assert rates[-1] == pytest.approx(0.2, abs=1e-3)
        assert rates[0] == pytest.approx(2.0 / 1000)


def test_the_head_works_on_as_many_positions_as_the_recipe_says(monkeypatch):
    model = model_of("qwen2", tokenizer_of("qwen2"))
    ids = torch.randint(0, 300, (2, 40))
    batch = {"input_ids": ids, "labels": ids, "position_ids": torch.arange(40).expand(2, 40)}
    whole = response_loss(model, batch)
    seen = []
    head = model.get_output_embeddings()
    head.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    loss = Learner(model, 7)(batch, 78)
    assert loss.item() == pytest.approx(whole.item(), abs=1e-5)
    assert set(seen) == {7, 1} and sum(seen) == 78


def test_liger_is_asked_for_where_it_can_run(tmp_path):
    start = hub_student(tmp_path)
    with pytest.raises(RuntimeError, match=r"`liger: true` needs a CUDA GPU.*or choose `liger: f"):
        work(description(tmp_path, start, liger=True))
    if blocks.find_spec("liger_kernel") is None:
        with pytest.raises(RuntimeError, match="needs the package liger-kernel"):
            blocks.check_liger("cuda")


def test_trainings_recorded_before_a_key_was_one_are_not_made_again():
    """At its default, a key says what was done without it; other values are a change."""
    now = {"rate": 0.1} | {
        field.name: field.default
        for field in dataclasses.fields(Recipe)
        if field.name != "learning_rate" and not HANDLING.items() <= field.metadata.items()
    }
    newer = {f.name for f in dataclasses.fields(Recipe) if "earlier" in f.metadata}
    then = {name: value for name, value in now.items() if name not in newer}
    then["attention"] = "sdpa"  # the default then, which auto is on the CPU
    about = {"params": then}
    assert {"beta1", "beta2", "eps", "decay_on", "final_rate"} < newer
    assert differences(about, now) == {}
    assert differences(about, {**now, "beta2": 0.999}) == {"beta2": (..., 0.999)}
    assert differences(about, {**now, "attention": "varlen"}) == {"attention": ("sdpa", "varlen")}
    flash = {"params": {**then, "attention": "flash_attention_2"}}
    assert differences(flash, now) == {"attention": ("flash_attention_2", "auto")}
    nothing = dict.fromkeys(now)  # a student of the hub is not trained
    assert differences({"params": {name: None for name in then}}, nothing) == {}
