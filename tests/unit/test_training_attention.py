"""Attention of packed rows: every kernel computes the same, or says why not before it starts."""

import pytest
import torch
from lm_material import pool_rows
from training_material import description, hub_student, made, model_of, tokenizer_of, work
from valley.lm import adapters, attention, blocks, chat, packing, parallel
from valley.lm.forward import Forward
from valley.lm.loss import Learner
from varlen_on_cpu import pretended

TOKENIZER = tokenizer_of("qwen2")
EXAMPLES = [
    chat.encode(TOKENIZER, row["id"], row["prompt"], row["response"]) for row in pool_rows(12)
]
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}


def learnt(kind, kernel, *, row_tokens, lora=None, recomputed=False, compiled=False, **shape):
    """Return the loss of the examples and its gradients, in double precision."""
    model = model_of(kind, TOKENIZER, **shape).double()
    model.set_attn_implementation(kernel)
    if lora:
        torch.manual_seed(0)
        model = adapters.with_lora(model, **lora).double()
        for name, weight in model.named_parameters():
            if "lora_B" in name:  # zero at the start, and so no gradient would reach lora_A
                torch.nn.init.normal_(weight, std=0.1)
    learner = Learner(model).train()
    blocks.recompute(parallel.blocks(learner), recomputed)
    if compiled:  # traced and differentiated ahead, as ever; only C++ code is not made
        blocks.compile_each(parallel.blocks(learner), backend="aot_eager")
    forward = Forward(
        learner,
        parallel.World(),
        pad_id=0,
        row_tokens=row_tokens,
        micro_tokens=400,
        precision="fp32",
        few_shapes=compiled,
    )
    loss = forward.train(EXAMPLES)
    gradients = {n: w.grad for n, w in learner.named_parameters() if w.requires_grad}
    assert all(gradient is not None for gradient in gradients.values())
    return loss, gradients


def same(one, other, tolerance=1e-6):
    assert one[0] == pytest.approx(other[0], abs=tolerance)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        assert torch.allclose(gradient, other[1][name], atol=tolerance, rtol=1e-4), name


@pytest.mark.long
@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["qwen2", "llama"])  # keys and values have fewer heads
def test_packed_is_unpacked_for_every_kernel(monkeypatch, kind, lora):
    """One example a row with plain eager attention, against 200 tokens a row, two rows a pass."""
    plain = learnt(kind, "eager", row_tokens=1, lora=lora)
    attention.register()
    with pretended(monkeypatch, exact=True) as kernel:
        for name in ("eager", "sdpa", "varlen"):
            for recomputed in (False, True, "selective"):
                packed = learnt(kind, name, row_tokens=200, lora=lora, recomputed=recomputed)
                same(packed, plain)
    assert kernel.forward and max(shape[0] for shape in kernel.shapes) > 200, "rows together"


@pytest.mark.long
@pytest.mark.parametrize("recomputed", [False, True, "selective"])
def test_compiled_blocks_learn_the_same_on_rows_of_few_lengths(monkeypatch, recomputed):
    """Attention is computed as often as without: what selective keeps is kept."""
    attention.register()
    with pretended(monkeypatch, exact=True) as kernel:
        plain = learnt("llama", "varlen", row_tokens=200, recomputed=recomputed)
        calls, lengths = kernel.forward, {shape[0] for shape in kernel.shapes}
        kernel.shapes.clear()
        torch._dynamo.utils.counters.clear()
        compiled = learnt("llama", "varlen", row_tokens=200, recomputed=recomputed, compiled=True)
    same(compiled, plain)
    assert kernel.forward == 2 * calls
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert not torch._dynamo.utils.counters["graph_break"]
    assert all(shape[0] % 50 == 0 for shape in kernel.shapes)
    assert any(length % 50 for length in lengths)


def test_a_sliding_window_is_the_masks(monkeypatch):
    window = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
    attention.register()
    with pretended(monkeypatch, exact=True):
        masked = learnt("qwen2", "sdpa", row_tokens=200, **window)
        same(learnt("qwen2", "varlen", row_tokens=200, **window), masked)
    assert masked[0] != pytest.approx(learnt("qwen2", "sdpa", row_tokens=200)[0], abs=1e-6)


def test_bounds_are_those_of_the_examples_and_end_with_the_pass():
    one, two, three = (EXAMPLES[at] for at in range(3))
    lengths = [len(example.ids) for example in (one, two, three)]
    width = lengths[0] + lengths[1]
    told = packing.bounds([[one, two], [three]], width).tolist()
    assert told == [0, lengths[0], width, width + lengths[2], 2 * width]
    assert packing.bounds([], 2).tolist() == [0, 2]


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "recomputed", "settings"),
    [
        ("qwen2", False, {}),
        ("llama", True, {"lora": LORA}),
        ("qwen2", "selective", {"lora": LORA, "weights": "bf16"}),
        ("llama", "selective", {}),
    ],
)
def test_a_training_on_a_card_takes_the_packed_kernel(
    tmp_path, monkeypatch, kind, recomputed, settings
):
    """Through the job's own function; in half precision, since the kernel knows no other."""
    start, losses = hub_student(tmp_path, kind), {}
    recipe = {
        "precision": "bf16",
        "gradient_checkpointing": recomputed,
        "micro_tokens": 256,
        "epochs": 1,
    }
    with pretended(monkeypatch) as kernel:
        for name in ("sdpa", "auto"):
            job = description(tmp_path / name, start, attention=name, **recipe, **settings)
            measured = work(job)
            assert measured["attention"] == {"sdpa": "sdpa", "auto": "varlen"}[name]
            losses[name] = [entry["loss"] for entry in made(job)["losses"]]
    for one, other in zip(*losses.values(), strict=True):
        assert one == pytest.approx(other, rel=0.01)
    again = 2 if recomputed is True else 1
    looked = kernel.forward - again * kernel.backward  # held-out losses, taken without gradients
    assert kernel.backward > 0 and 0 < looked < kernel.backward
    assert max(shape[0] for shape in kernel.shapes) > 128, "several rows a pass"


def test_on_the_cpu_auto_is_sdpa_to_the_last_bit(tmp_path):
    start, weights = hub_student(tmp_path), []
    for name in ("auto", "sdpa"):
        job = description(tmp_path / name, start, attention=name, epochs=1)
        assert work(job)["attention"] == "sdpa"
        weights.append((tmp_path / name / "made/model/model.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("settings", "shape", "capability", "said"),
    [
        ({"precision": "fp32"}, {}, (9, 0), "half precision only; set `precision: bf16`"),
        ({}, {}, (7, 5), "needs compute capability 8.0, and a card has 7.5"),
        ({}, {"head_dim": 12}, (9, 0), "a multiple of 8 up to 256, and this student's have 12"),
        ({}, {"head_dim": 264}, (9, 0), "this student's have 264"),
        ({}, {"attention_dropout": 0.1}, (9, 0), "has no dropout, and this student's"),
        ({"attention": "flash_attention_2"}, {}, (8, 0), "needs the package flash-attn"),
        ({"attention": "flash_attention_3"}, {}, (8, 0), "needs compute capability 9.0"),
    ],
)
def test_what_a_kernel_can_not_do_is_told_before_weights_are_loaded(
    tmp_path, monkeypatch, settings, shape, capability, said
):
    start = hub_student(tmp_path, "llama", **shape)
    for weights in (tmp_path / "hub").glob("*.safetensors"):
        weights.unlink()
    recipe = {"attention": "varlen", "precision": "bf16", **settings}
    with (
        pretended(monkeypatch, capability=capability),
        pytest.raises(RuntimeError, match="or choose `sdpa`") as error,
    ):
        work(description(tmp_path, start, **recipe))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert f"`attention: {recipe['attention']}`" in str(error.value)


def test_auto_takes_what_runs_and_says_why(tmp_path, monkeypatch, capsys):
    """A miniature in single precision trains on a card too."""
    with pretended(monkeypatch) as kernel:
        job = description(tmp_path, hub_student(tmp_path), epochs=1)
        assert work(job)["attention"] == "sdpa"
    assert kernel.forward == 0
    assert "auto takes sdpa, since varlen works in half precision only" in capsys.readouterr().out


def test_a_layer_that_wants_more_than_the_kernel_has_is_refused():
    states = torch.zeros(1, 2, 4, 8)
    bounds = torch.tensor([0, 4], dtype=torch.int32)
    with pytest.raises(ValueError, match=r"Identity needs softcap .* choose `sdpa`"):
        attention.varlen(
            torch.nn.Identity(),
            *(states, states, states, None),
            softcap=30.0,
            cu_seq_lens_q=bounds,
            max_length_q=4,
        )
