"""How much memory a training needs on each device, computed before it starts.

Plain numbers; imports nothing heavy. Counted are weights, gradients and moments, what a forward
pass keeps for the backward one, and logits; not counted are the allocator's gaps, kernels'
workspaces and the CUDA context, for which `RESERVE` is left. The counts of activations were taken
from transformers' Llama and Qwen2 code and checked against what PyTorch really keeps; see
tests/unit/test_training_memory.py and docs/training.md.
"""

from dataclasses import dataclass, fields

from valley.lm.chunks import chunk_positions
from valley.lm.flops import Shape

GB = 1e9
RESERVE = 0.08  # share of a device's memory
LOGIT_BYTES = 4 * 3  # in fp32: logits, their normalised form, their gradient


@dataclass(frozen=True)
class Need:
    """Bytes on one device.

    Attributes:
        weights: the process' part of the weights, and what of them is whole at a time.
        gradients: of trained weights.
        moments: of the optimizer.
        activations: kept for the backward pass.
        mask: of block-diagonal attention, where a kernel wants one written out.
        logits: of one chunk of positions.
    """

    weights: float
    gradients: float
    moments: float
    activations: float
    mask: float
    logits: float

    @property
    def total(self) -> float:
        return sum(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        parts = [(field.name, getattr(self, field.name)) for field in fields(self)]
        listed = ", ".join(f"{name} {size / GB:.1f}" for name, size in parts if size)
        return f"{self.total / GB:.1f} GB ({listed})"


def block_bytes(shape: Shape, width: int, stream: int) -> int:
    """Return the bytes that one block keeps per token without checkpointing.

    Two normalisations keep their input, its normalised form and their output (the next matrices'
    input): 6 hidden. Attention keeps queries, keys and values after rotation (keys and values
    repeated for all heads) and its output: 4 query widths. The feed-forward part keeps gate, its
    activation, up and their product: 4 inner widths.

    Args:
        shape: the model's.
        width: bytes of what passes work in.
        stream: bytes of what runs from block to block, which the normalisations work in.
    """
    return 6 * shape.hidden * stream + 4 * (shape.query + shape.inner) * width


def attention_bytes(shape: Shape, width: int) -> int:
    """Return the bytes of attention's results per token: its output, and a sum for each head."""
    return shape.query * width + 4 * shape.heads


def stream_bytes(precision: str, weights: str, devices: int) -> int:
    """Return the bytes of a number in what runs from block to block.

    The embedding decides: autocast leaves it as it is stored, sharded weights are cast before use.
    """
    return 2 if precision == "bf16" and (weights == "bf16" or devices > 1) else 4


def training_need(
    shape: Shape,
    tokens: int,
    *,
    row_tokens: int | None = None,
    precision: str = "bf16",
    weights: str = "fp32",
    optimizer: str = "adamw",
    gradient_checkpointing: bool | str = True,
    alone: int = 0,
    attention: str = "sdpa",
    lora: dict | None = None,
    devices: int = 1,
    head_positions: int | None = None,
) -> Need:
    """Return what a training needs on each of its devices.

    Args:
        shape: the model's.
        tokens: of one forward pass on a device (micro_tokens).
        row_tokens: length of a packed row; None is all tokens in one row.
        precision: "fp32" or "bf16": what the passes work in.
        weights: "fp32" or "bf16": what the optimizer updates.
        optimizer: "adamw", or "adamw8bit".
        gradient_checkpointing: whether only blocks' inputs are kept; "selective" and "auto" keep
            attention's outputs too.
        alone: blocks that keep everything nevertheless.
        attention: "sdpa" writes its mask out; the other kernels don't.
        lora: the recipe's (rank, bits), or None.
        devices: among which weights, gradients and moments are sharded.
        head_positions: whose logits are held at once; None is as valley/lm/loss.py has it.
    """
    width, master = (2 if precision == "bf16" else 4), (2 if weights == "bf16" else 4)
    stored = shape.parameters * master
    if lora and lora.get("bits"):
        ends = shape.parameters - shape.layers * shape.block_matrices
        stored = shape.layers * shape.block_matrices * lora["bits"] / 8 * 1.03 + ends * master
    trained = shape.adapters(lora["rank"]) if lora else shape.parameters
    trained_width = 4 if lora else master
    stored += trained * 4 if lora else 0
    # In bf16, working copies: of every matrix on one device (autocast keeps them until the pass
    # ends), of two blocks and the ends when sharded (one at work, the next on its way).
    copies = 0.0
    ends = shape.embedding * (1 if shape.tied else 2)
    if devices > 1:
        copies = (2 * shape.block + ends) * width
    elif precision == "bf16" and master == 4 and not (lora and lora.get("bits")):
        copies = (shape.layers * shape.block_matrices + shape.embedding) * width
    moment = {"adamw": 2 * trained_width, "adamw8bit": 2.03}[optimizer]
    stream = stream_bytes(precision, weights, devices)
    block = block_bytes(shape, width, stream) * tokens
    recomputed = shape.layers - alone if gradient_checkpointing else 0
    kept_by_each = shape.hidden * stream
    if gradient_checkpointing in ("selective", "auto"):
        kept_by_each += attention_bytes(shape, width)
    # One block at a time is whole again while its gradients are taken.
    kept = (
        recomputed * kept_by_each * tokens
        + (shape.layers - recomputed + min(1, recomputed)) * block
    )
    row = row_tokens or tokens
    positions = min(tokens, head_positions or chunk_positions(shape.vocabulary))
    return Need(
        weights=stored / devices + copies,
        gradients=trained * trained_width / devices,
        moments=trained * moment / devices,
        activations=kept,
        mask=float(tokens * row) if attention == "sdpa" else 0.0,
        logits=positions * shape.vocabulary * LOGIT_BYTES,
    )


def most_alone(shape: Shape, has: float, **asked) -> int:
    """Return how many blocks may keep everything within a device's memory.

    Args:
        shape: the model's.
        has: bytes of the device.
        asked: arguments of `training_need`.
    """
    fitting = (
        alone
        for alone in range(shape.layers, 0, -1)
        if training_need(shape, alone=alone, **asked).total <= has * (1 - RESERVE)
    )
    return next(fitting, 0)


def check(need: Need, has: float, device: str, settings: dict) -> None:
    """Refuse a training that can't fit.

    Args:
        need: per device.
        has: bytes of a device.
        device: its name.
        settings: the recipe's, of `training_need`, to say which would help.

    Raises:
        MemoryError: with the parts of the need and what to change, by what it would save.
    """
    if need.total <= has * (1 - RESERVE):
        return
    helps = []
    if not settings["gradient_checkpointing"]:
        helps.append("gradient_checkpointing: true")
    elif settings["gradient_checkpointing"] in ("selective", "auto"):
        helps.append("gradient_checkpointing: true (keeps no attention outputs)")
    if settings["precision"] == "fp32":
        helps.append("precision: bf16")
    if need.mask > 0.05 * has:
        helps.append("attention: varlen (no mask written out), or shorter row_tokens")
    if need.activations + need.logits > 0.3 * has:
        helps.append("a smaller micro_tokens")
    if need.weights + need.gradients + need.moments > 0.5 * has:
        helps.append("more gpus (weights and moments are sharded)")
        if settings["optimizer"] == "adamw" and not settings["lora"]:
            helps.append("optimizer: adamw8bit")
        if settings["weights"] == "fp32":
            helps.append("weights: bf16")
        if not settings["lora"]:
            helps.append("lora")
    raise MemoryError(
        f"this training needs about {need} on each device, but {device} has {has / GB:.0f} GB, of "
        f"which {RESERVE:.0%} are left alone. In the recipe, any of these helps: "
        + "; ".join(helps or ["a smaller student"])
        + ". `training: {check_memory: false}` tries it anyway"
    )
