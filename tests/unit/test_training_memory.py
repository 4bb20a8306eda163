"""Memory and arithmetic told beforehand, against what PyTorch keeps, allocates and counts."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from training_material import model_of, tokenizer_of
from valley.core.recipes import Recipe
from valley.lm import blocks, flops, memory, parallel, preflight
from valley.lm.adapters import with_lora
from valley.lm.loss import Learner, causal_model, cross_entropy

TOKENIZER = tokenizer_of("qwen2")
WIDE = {"hidden_size": 64, "intermediate_size": 224, "num_hidden_layers": 3}


class Peak(TorchDispatchMode):
    """Counts the bytes of tensors that are alive, as operations make them and drop them."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self.known:
                    self.known.add(key)
                    self.now += storage.nbytes()
                    self.most = max(self.most, self.now)
                    weakref.finalize(storage, self._gone, key, storage.nbytes())
        return made

    def _gone(self, key, size):
        self.known.discard(key)
        self.now -= size


def kept(model, ids):
    """Return the bytes that a forward pass of the body keeps for the backward one."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    weights |= {buffer.untyped_storage().data_ptr() for buffer in model.buffers()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = causal_model(model).base_model(input_ids=ids, use_cache=False).last_hidden_state
        size = sum(storage.nbytes() for storage in found.values())
    return size, hidden


def shape_of(model):
    return flops.Shape.of(model.config.to_dict())


PRECISIONS = [("fp32", "fp32"), ("bf16", "fp32"), ("bf16", "bf16")]


def kept_by_a_block(kind, precision, weights, checkpointing):
    """Return the bytes a token that one more block keeps: two depths differ by whole blocks."""
    ids, sizes = torch.randint(0, 300, (2, 160)), []
    for layers in (2, 4):
        model = model_of(kind, TOKENIZER, **{**WIDE, "num_hidden_layers": layers}).train()
        model.to(torch.bfloat16 if weights == "bf16" else torch.float32)
        blocks.recompute(parallel.blocks(Learner(model)), checkpointing)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            sizes.append(kept(model, ids)[0])
    copies = shape_of(model).block_matrices * 2 if (precision, weights) == ("bf16", "fp32") else 0
    return ((sizes[1] - sizes[0]) / 2 - (0 if checkpointing else copies)) / ids.numel()


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize(("precision", "weights"), PRECISIONS)
def test_what_a_block_keeps_is_what_pytorch_keeps(kind, precision, weights):
    stream = memory.stream_bytes(precision, weights, devices=1)
    shape = flops.Shape.of(model_of(kind, TOKENIZER, **WIDE).config.to_dict())
    told = memory.block_bytes(shape, 2 if precision == "bf16" else 4, stream)
    assert told == pytest.approx(kept_by_a_block(kind, precision, weights, False), rel=0.12)


@pytest.mark.parametrize(("precision", "weights"), PRECISIONS)
def test_with_checkpointing_a_block_keeps_its_input(precision, weights):
    stream = memory.stream_bytes(precision, weights, devices=1)
    seen = kept_by_a_block("qwen2", precision, weights, True)
    assert seen == pytest.approx(WIDE["hidden_size"] * stream, rel=0.05)


def test_logits_in_chunks_need_the_memory_of_a_chunk():
    """Peak of forward and backward, counted operation by operation: 4,096 positions, 8,192 ids."""
    positions, vocabulary, peaks = 4096, 8192, {}
    for chunk in (positions, 256):
        head = torch.nn.Linear(16, vocabulary, bias=False)
        hidden = torch.randn(positions, 16, requires_grad=True)
        targets = torch.randint(0, vocabulary, (positions,))
        with Peak() as peak:
            cross_entropy(hidden, targets, head, chunk).backward()
        peaks[chunk] = peak.most
    for chunk, most in peaks.items():
        told = memory.LOGIT_BYTES * chunk * vocabulary
        assert 0.6 * told < most < 1.3 * told, (chunk, most / told)
    assert peaks[256] < peaks[positions] / 8


def test_gradients_and_moments_are_as_counted():
    model = model_of("llama", TOKENIZER, **WIDE)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(input_ids=torch.arange(9)[None], use_cache=False).logits.sum().backward()
    optimizer.step()
    need = memory.training_need(shape_of(model), 9, precision="fp32")
    assert need.weights == sum(w.nbytes for w in model.parameters())
    assert need.gradients == sum(w.grad.nbytes for w in model.parameters())
    moments = [t for state in optimizer.state.values() for t in state.values() if t.ndim]
    assert need.moments == sum(t.nbytes for t in moments)


@pytest.mark.parametrize(
    ("name", "kind", "billions"),
    [
        ("Qwen2.5-7B", "qwen2", 7.616),
        ("Qwen2.5-1.5B", "qwen2", 1.544),
        ("Llama-3.1-8B", "llama", 8.030),
    ],
)
def test_shapes_have_the_parameters_that_transformers_makes_of_them(name, kind, billions):
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    shape = flops.STUDENTS[name]
    config = {"qwen2": Qwen2Config, "llama": LlamaConfig}[kind](**shape.config())
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    assert shape.parameters / 1e9 == pytest.approx(billions, abs=6e-4)
    assert flops.Shape.of(config.to_dict()) == shape


def test_adapters_have_the_parameters_that_peft_makes_of_them():
    model = model_of("qwen2", TOKENIZER, **WIDE)
    shape = shape_of(model)
    adapted = with_lora(model, rank=4, alpha=8, dropout=0, targets="all-linear")
    made = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert shape.adapters(4) == made


@pytest.mark.parametrize("lora", [False, True])
def test_operations_are_those_that_pytorch_counts(lora):
    """To the last one; but PyTorch counts attention without its mask: all pairs, twice as many."""
    model = model_of("llama", TOKENIZER, **WIDE)
    model.set_attn_implementation("eager")  # PyTorch counts products, and fused kernels hide theirs
    shape = shape_of(model)
    if lora:  # frozen: their own gradients are never taken, adapters left aside
        model.requires_grad_(False)
        model.get_input_embeddings().weight.requires_grad_(True)
    ids = torch.randint(0, 300, (3, 64))
    with FlopCounterMode(display=False) as counted:
        model(input_ids=ids, use_cache=False).logits.sum().backward()
    squared = 3 * 64**2
    told = flops.training(shape, ids.numel(), squared, lora=lora)
    attention = 6 * shape.layers * shape.query * squared
    seen = counted.get_total_flops()
    assert seen == told + attention


def test_prompts_cost_no_vocabulary_and_length_costs_attention():
    shape = flops.QWEN2_5_7B
    one = flops.training(shape, 1000, 1000**2, response_tokens=0)
    assert flops.training(shape, 1000, 1000**2) - one == 6 * shape.embedding * 1000
    assert flops.training(shape, 1000, 2 * 500**2) < flops.training(shape, 1000, 1000**2)
    assert flops.dense(7e9, 1e6) == 6 * 7e15


def test_utilisation_is_of_all_devices_and_of_known_ones_only():
    assert flops.peak("NVIDIA H100 80GB HBM3") == 989e12
    assert flops.peak("NVIDIA H100 PCIe") == 756e12
    assert flops.utilisation(989e12 * 4, 2.0, "NVIDIA H100 80GB HBM3", 8) == pytest.approx(0.25)
    assert flops.utilisation(1.0, 1.0, "cpu") is None


ASKED = {
    "precision": "bf16",
    "weights": "fp32",
    "optimizer": "adamw",
    "gradient_checkpointing": True,
    "lora": None,
}


def need(devices=1, tokens=16384, shape=flops.QWEN2_5_7B, **other):
    settings = {"attention": "varlen", **ASKED, **other}
    return memory.training_need(shape, tokens, devices=devices, **settings)


def test_a_7b_model_is_refused_by_one_card_and_fits_eight():
    with pytest.raises(MemoryError) as error:
        memory.check(need(), 80e9, "the card", ASKED)
    for word in ("more gpus", "lora", "optimizer: adamw8bit", "the card has 80 GB", "moments 60.9"):
        assert word in str(error.value)
    memory.check(need(devices=8), 80e9, "the card", ASKED)
    memory.check(need(lora={"rank": 16, "bits": None}, weights="bf16"), 80e9, "the card", ASKED)


def test_each_setting_saves_what_it_should():
    assert need(gradient_checkpointing=False).activations > 8 * need().activations
    assert need(weights="bf16").moments == need().moments / 2
    assert need(optimizer="adamw8bit").moments < need().moments / 3
    assert need(devices=8).moments == need().moments / 8
    assert need(attention="sdpa").mask == 16384**2
    four, full = need(lora={"rank": 16, "bits": 4}), need(lora={"rank": 16, "bits": None})
    assert four.weights < full.weights / 3
    assert need(tokens=32768).activations == 2 * need().activations
    assert need(tokens=32768).logits == need().logits, "a chunk's, whatever the length"


@pytest.mark.parametrize(
    ("settings", "processes", "largest"),
    [
        ({"micro_tokens": 65536}, 8, (65536, 32768)),
        ({"micro_tokens": 16384}, 8, (32768, 32768)),  # one example may be longer
        ({"attention": "varlen", "micro_tokens": 65536}, 8, (65536, 32768)),
        ({}, 8, (128 * 32768 // 8, 32768)),  # all of an update at once
        ({"batch_examples": None, "batch_tokens": 500_000}, 2, (250_000, 32768)),
    ],
)
def test_the_largest_pass_that_a_recipe_allows(settings, processes, largest):
    recipe = {
        "learning_rate": 1e-5,
        "row_tokens": 16384,
        "max_length": 32768,
        "micro_tokens": None,
        "batch_examples": 128,
        "batch_tokens": None,
        "attention": "sdpa",
    }
    assert preflight.largest_pass(Recipe(**{**recipe, **settings}), processes) == largest


def test_selective_keeps_attentions_results_beside_a_blocks_input():
    """To the byte, by the tensors that are alive after the forward pass, against keeping inputs."""
    ids, layers, alive = torch.randint(0, 300, (2, 160)), 3, {}
    for gradient_checkpointing in (True, "selective"):
        model = model_of("llama", TOKENIZER, **{**WIDE, "num_hidden_layers": layers}).train()
        blocks.recompute(parallel.blocks(Learner(model)), gradient_checkpointing)
        with Peak() as peak:
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
            alive[gradient_checkpointing] = peak.now
        del hidden
    each = (alive["selective"] - alive[True]) / layers / ids.numel()
    assert each == memory.attention_bytes(shape_of(model), 4)


def test_as_many_blocks_are_left_alone_as_fit():
    asked = {**ASKED, "gradient_checkpointing": "auto", "attention": "varlen", "devices": 8}
    asked |= {"tokens": 16384, "row_tokens": 16384}
    counts = []
    for has in (30e9, 60e9, 80e9, 400e9):
        alone = memory.most_alone(flops.QWEN2_5_7B, has, **asked)
        room = has * (1 - memory.RESERVE)
        needs = [memory.training_need(flops.QWEN2_5_7B, alone=n, **asked).total for n in range(29)]
        assert alone == max((n for n in range(29) if needs[n] <= room), default=0)
        counts.append(alone)
    assert counts == sorted(counts) and counts[0] < counts[2] < counts[3] == 28
    plain = {**asked, "gradient_checkpointing": False}
    assert needs[28] == memory.training_need(flops.QWEN2_5_7B, **plain).total
