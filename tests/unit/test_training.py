"""Training: packing changes nothing, the plan of batches is exact, runs repeat."""

import json

import pytest
import torch
from lm_material import pool_rows, tiny
from train import Training, train
from valley.core.files import POOL, read_json, write_parquet
from valley.core.recipes import Recipe
from valley.lm import chat, packing, students
from valley.lm.loss import response_loss
from valley.lm.optim import learning_rate

MODEL, TOKENIZER = tiny()


def tensors(examples, row_tokens):
    rows = packing.micro_batches(examples, row_tokens, None)[0][0]
    batch = packing.collate(rows, TOKENIZER.pad_token_id)
    return {name: torch.from_numpy(array) for name, array in batch.items()}


@pytest.fixture
def examples():
    rows = pool_rows(20)
    return [chat.encode(TOKENIZER, r["id"], r["prompt"], r["response"]) for r in rows]


def test_packed_loss_equals_unpacked(examples):
    """Against transformers' own loss, one example at a time, without any packing."""
    total, count = 0.0, 0
    for example in examples:
        ids = torch.tensor([example.ids])
        labels = ids.clone()
        labels[:, : example.prompt_tokens] = packing.IGNORED
        answered = int((labels[:, 1:] != packing.IGNORED).sum())
        total += MODEL(input_ids=ids, labels=labels).loss.item() * answered
        count += answered
    for row_tokens in (1, 128, 400):
        loss = response_loss(MODEL, tensors(examples, row_tokens)).item()
        assert loss == pytest.approx(total / count, abs=1e-5)


def test_packed_gradients_equal_unpacked(examples):
    gradients = []
    for row_tokens in (1, 400):
        MODEL.zero_grad()
        response_loss(MODEL, tensors(examples, row_tokens)).backward()
        gradients.append([weight.grad.clone() for weight in MODEL.parameters()])
    for unpacked, packed in zip(*gradients, strict=True):
        assert torch.allclose(unpacked, packed, atol=1e-5)


def test_rows_hold_every_example_once_and_no_more_than_fits():
    lengths = [5, 90, 33, 64, 12, 100, 8, 47, 51]
    rows = packing.pack(lengths, 100)
    assert sorted(at for row in rows for at in row) == list(range(len(lengths)))
    assert all(sum(lengths[at] for at in row) <= 100 for row in rows)
    assert len(rows) < len(lengths)


def test_epochs_see_every_example_equally_often():
    plan = packing.batches([9] * 50, 16, seed=3, epochs=3, steps=None)
    seen = [at for batch in plan for at in batch]
    assert sorted(seen) == sorted(list(range(50)) * 3)
    assert [len(batch) for batch in plan] == [16] * 9 + [6]


def test_steps_count_updates_whatever_the_size():
    for size in (5, 500):
        plan = packing.batches([9] * size, 16, seed=3, epochs=None, steps=12)
        assert [len(batch) for batch in plan] == [16] * 12


@pytest.mark.parametrize("both", [(None, None), (1, 1)])
def test_epochs_or_steps_but_not_both(both):
    with pytest.raises(ValueError, match="either epochs or steps"):
        packing.batches([9] * 5, 2, 0, epochs=both[0], steps=both[1])


def test_learning_rate_warms_up_peaks_and_ends():
    rates = [learning_rate(step, 100, 1.0, 0.1, "cosine") for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 0.01
    assert learning_rate(99, 100, 1.0, 0.1, "linear") == pytest.approx(1 / 90)
    assert learning_rate(99, 100, 1.0, 0.1, "constant") == 1.0


def run(folder, **settings):
    shard = folder / "shard.parquet"
    write_parquet(shard, pool_rows(40), POOL)
    model, tokenizer = tiny()
    chosen = {"learning_rate": 0.01, "batch_examples": 8, "epochs": 4, "row_tokens": 128}
    train(model, tokenizer, training(folder, shard, **{**chosen, **settings}))
    return read_json(folder / "checkpoint.json")


def training(folder, shard, seed=1, **recipe):
    manifest = str(folder / "checkpoint.json")
    recipe = Recipe(**{"warmup": 0.0, **recipe})
    return Training(shard=str(shard), manifest=manifest, recipe=recipe, seed=seed)


def test_training_lowers_the_loss_and_repeats_bit_for_bit(tmp_path):
    one = run(tmp_path / "one")
    other = run(tmp_path / "other")
    assert one == other, "files' hashes stand in the manifest"
    losses = [json.loads(line)["loss"] for line in (tmp_path / "one" / "losses.jsonl").open()]
    assert len(losses) == one["updates"] == 20
    assert losses[-1] < 0.5 * losses[0]


def test_another_seed_is_another_model(tmp_path):
    assert run(tmp_path / "one") != run(tmp_path / "other", seed=2)


def test_the_next_stage_starts_from_the_saved_checkpoint(tmp_path):
    run(tmp_path / "first")
    model, tokenizer = students.load(tmp_path / "first" / "checkpoint.json")
    shard = tmp_path / "first" / "shard.parquet"
    manifest = tmp_path / "second" / "checkpoint.json"
    how = {"learning_rate": 1e-4, "batch_examples": 8, "steps": 2}
    train(model, tokenizer, training(manifest.parent, shard, **how))
    first, second = read_json(tmp_path / "first" / "checkpoint.json"), read_json(manifest)
    assert second["final_loss"] < 1.5 * first["final_loss"]


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16"},
        {"gradient_checkpointing": True},
    ],
    ids=["bf16", "checkpointing"],
)
def test_other_ways_to_train_lower_the_loss_too(tmp_path, settings):
    run(tmp_path / "other", **settings)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "other" / "losses.jsonl").open()]
    assert losses[-1] < 0.5 * losses[0]


def test_lora_trains_adapters_only_and_saves_a_plain_merged_model(tmp_path):
    started = run(tmp_path / "start", epochs=2)
    model, tokenizer = students.load(tmp_path / "start" / "checkpoint.json")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    manifest = tmp_path / "adapted" / "checkpoint.json"
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
    shard = tmp_path / "start" / "shard.parquet"
    how = {"learning_rate": 0.02, "batch_examples": 8, "epochs": 12, "lora": lora}
    train(model, tokenizer, training(manifest.parent, shard, **how))
    assert read_json(manifest)["final_loss"] < started["final_loss"] - 0.1
    after = students.load(manifest)[0].state_dict()
    assert after.keys() == before.keys(), "adapters are merged: a plain model again"
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert any("q_proj" in name for name in changed)
    assert not any("embed" in name or "norm" in name for name in changed)


def test_checkpointing_changes_memory_not_the_result(tmp_path):
    plain = run(tmp_path / "plain")["final_loss"]
    saved = run(tmp_path / "saved", gradient_checkpointing=True)["final_loss"]
    assert saved == pytest.approx(plain, abs=1e-5)


def test_a_loss_that_is_not_finite_stops_with_update_and_examples(tmp_path):
    with pytest.raises(FloatingPointError, match=r"update \d+ of 20, on examples p\d+/t"):
        run(tmp_path / "bad", learning_rate=1e30, clip=1e30)
    assert not (tmp_path / "bad" / "checkpoint.json").exists()


def test_examples_longer_than_the_limit_are_counted(tmp_path):
    made = run(tmp_path / "short", max_length=40)
    assert made["overlong"]["count"] == 40 - made["examples"] > 0
    with pytest.raises(ValueError, match="longer than 8 tokens"):
        run(tmp_path / "none", max_length=8)


def test_a_student_may_be_any_causal_model_of_the_hub_or_a_folder(tmp_path):
    """A small Qwen2 under its own name, as `hub: {id: …}` in a study file names it."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    qwen = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(TOKENIZER), **shape, **heads))
    qwen.save_pretrained(tmp_path / "qwen")
    TOKENIZER.save_pretrained(tmp_path / "qwen")
    named = tmp_path / "checkpoint.json"
    named.write_text(json.dumps({"hub": {"id": str(tmp_path / "qwen"), "revision": None}}))

    model, tokenizer = students.load(named)
    shard = tmp_path / "shard.parquet"
    write_parquet(shard, pool_rows(16), POOL)
    manifest = tmp_path / "trained" / "checkpoint.json"
    how = {"learning_rate": 0.01, "batch_examples": 8, "steps": 4}
    train(model, tokenizer, training(manifest.parent, shard, seed=0, **how))
    trained, _ = students.load(manifest)
    assert trained.config.model_type == "qwen2"
    assert tokenizer("a 12 b")["input_ids"] == TOKENIZER("a 12 b")["input_ids"]
