"""One update of a small model in several ways: their losses and gradients must agree."""

from dataclasses import dataclass

import torch
from lm_material import pool_rows
from training_material import model_of, tokenizer_of
from valley.core.recipes import Recipe
from valley.lm import adapters, attention, blocks, chat, flops, memory, optim, parallel
from valley.lm.forward import Forward
from valley.lm.loss import Learner

LORA = {"rank": 8, "alpha": 16, "dropout": 0.0, "targets": "all-linear"}


@dataclass(frozen=True)
class Setup:
    """Where checks run, and how large they are.

    Attributes:
        device: "cpu" or "cuda".
        precision: of passes; PyTorch's packed attention knows half precision only.
        plain, packed: attention kernels that are compared; the latter is used everywhere else.
        backend: of torch.compile.
        shape: of the models, beside what `model_of` says.
        rows: examples of a training.
        loss, gradient: largest relative difference of two ways to compute the same.
    """

    device: str
    precision: str
    plain: str
    packed: str
    backend: str
    shape: dict
    rows: int
    loss: float
    gradient: float


CPU = Setup("cpu", "fp32", "eager", "sdpa", "aot_eager", {}, 24, 1e-5, 1e-4)
CUDA = Setup(
    device="cuda",
    precision="bf16",
    plain="sdpa",
    packed="varlen",
    backend="inductor",
    shape={
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.04,
    },
    rows=160,
    loss=0.01,
    gradient=0.05,
)
SETUPS = {"cpu": CPU, "cuda": CUDA}


def once(
    setup: Setup,
    kind: str,
    *,
    kernel: str | None = None,
    row_tokens: int = 512,
    recomputed: bool | str = False,
    compiled: bool = False,
) -> tuple[float, torch.Tensor]:
    """Return the loss of some examples, and its gradients as one vector.

    Args:
        setup: device, precision, kernels and sizes.
        kind: "qwen2" or "llama".
        kernel: of attention; None is the setup's own.
        row_tokens: of a packed row; 1 has an example in each.
        recomputed: see `valley.lm.blocks.recompute`.
        compiled: compile each block.
    """
    tokenizer = tokenizer_of(kind)
    examples = [
        chat.encode(tokenizer, row["id"], row["prompt"], row["response"])
        for row in pool_rows(setup.rows // 4)
    ]
    attention.register()
    model = model_of(kind, tokenizer, **setup.shape)
    model.set_attn_implementation(kernel or setup.packed)
    learner = Learner(model)
    blocks.recompute(parallel.blocks(learner), recomputed)
    if compiled:
        blocks.compile_each(parallel.blocks(learner), setup.backend)
    learner.to(setup.device).train()
    forward = Forward(
        learner,
        parallel.World(device=setup.device),
        pad_id=0,
        row_tokens=row_tokens,
        micro_tokens=4 * row_tokens,
        precision=setup.precision,
        few_shapes=compiled,
    )
    loss = forward.train(examples)
    return loss, torch.cat([w.grad.flatten().double() for w in learner.parameters()])


def apart(one: tuple, other: tuple) -> tuple[float, float]:
    """Return the relative differences of two losses and of two gradients."""
    (loss, gradient), (expected, wanted) = one, other
    return abs(loss - expected) / abs(expected), ((gradient - wanted).norm() / wanted.norm()).item()


def peak_against_estimate(length: int, recomputed: bool, *, lora: bool) -> tuple[float, float]:
    """Return the peak bytes of two updates on a GPU, and the estimate of them.

    Args:
        length: tokens of the one example of an update.
        recomputed: whether blocks are computed again.
        lora: train adapters alone.
    """
    tokenizer = tokenizer_of("qwen2")
    shape = {**CUDA.shape, "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8}
    attention.register()
    model = model_of("qwen2", tokenizer, spare=32_000, **shape).bfloat16()
    model.set_attn_implementation(CUDA.packed)
    of = flops.Shape.of(model.config.to_dict())
    if lora:
        model = adapters.with_lora(model, **LORA)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    learner = Learner(model).to("cuda").train()
    blocks.recompute(parallel.blocks(learner), recomputed)
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, Recipe(learning_rate=1e-5))
    forward = Forward(
        learner,
        parallel.World(device="cuda"),
        pad_id=0,
        row_tokens=length,
        micro_tokens=None,
        precision="bf16",
    )
    ids = [7 + at % 300 for at in range(length)]
    for _ in range(2):
        forward.train([chat.Example("x", ids, 64)])
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
    need = memory.training_need(
        of,
        length,
        weights="bf16",
        gradient_checkpointing=recomputed,
        attention=CUDA.packed,
        lora={"rank": LORA["rank"], "bits": None} if lora else None,
    )
    return torch.cuda.max_memory_allocated() - before, need.total
