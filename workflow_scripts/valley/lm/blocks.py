"""How a model's blocks run: computed again or not, compiled or not, by which kernels.

What a block computes stays the same, but for rounding; what it costs in time and memory does not.
"""

import functools
from importlib.util import find_spec

import torch
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

# Operations whose results selective recomputation keeps: attention, by whichever kernel. It is the
# only part of a block whose cost grows with the square of the length.
ATTENTION = (
    "torch_attn::_varlen_attn",
    "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "aten::_scaled_dot_product_efficient_attention",
    "aten::_scaled_dot_product_cudnn_attention",
    "flash_attn::_flash_attn_varlen_forward",
    "flash_attn_3::_flash_attn_forward",
)
SHAPES = 64  # of rows, each compiled by itself


def selective(gradient_checkpointing: bool | str) -> bool:
    """Tell whether attention's outputs are kept where blocks are computed again."""
    return gradient_checkpointing in ("selective", "auto")


def recompute(blocks: list, gradient_checkpointing: bool | str, alone: int = 0) -> None:
    """Let blocks keep their input alone, and compute the rest again in the backward pass.

    Args:
        blocks: modules, in order.
        gradient_checkpointing: the recipe's. True keeps nothing else, "selective" and "auto" keep
            attention's output too, False keeps all.
        alone: how many of them, the last ones, keep everything nevertheless.

    Raises:
        ValueError: the model's class does not name its blocks.
    """
    if not gradient_checkpointing:
        return
    if not blocks:
        raise ValueError(
            "the recipe's `gradient_checkpointing` needs a model whose class names its blocks, and "
            "this one does not; set it to false"
        )
    how = {"use_reentrant": False}
    if selective(gradient_checkpointing):
        how["context_fn"] = functools.partial(create_selective_checkpoint_contexts, _policy)
    for block in blocks[: len(blocks) - alone]:
        block.forward = _again(block, block.forward, how)


def _again(block, forward, how: dict):
    @functools.wraps(forward)
    def run(*args, **kwargs):
        if block.training and torch.is_grad_enabled():
            return checkpoint(forward, *args, **how, **kwargs)
        return forward(*args, **kwargs)

    return run


def _policy(_context, operation, *_args, **_kwargs) -> CheckpointPolicy:
    kept = operation.name().partition(".")[0] in ATTENTION
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


def compile_each(blocks: list, backend: str = "inductor") -> None:
    """Compile blocks, each by itself: all of them share the code that is made for the first.

    Shapes are fixed: code for any length is slower. Rows come in few lengths, see
    `valley.lm.forward.Forward`.

    Args:
        blocks: modules.
        backend: of torch.compile.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
    for block in blocks:
        block.forward = torch.compile(block.forward, dynamic=False, backend=backend)


def check_liger(device: str) -> None:
    """Check that Liger's kernels can run here.

    Raises:
        RuntimeError: there is no GPU, or the package is missing; the message says what to do.
    """
    if device == "cpu":
        raise RuntimeError(
            "the recipe's `liger: true` needs a CUDA GPU, and this machine has none; "
            "run it on a GPU node, or choose `liger: false`"
        )
    if not find_spec("liger_kernel"):
        raise RuntimeError(
            "the recipe's `liger: true` needs the package liger-kernel: "
            "`pip install liger-kernel`, or choose `liger: false`"
        )


def with_liger(model) -> None:
    """Let a model's normalisations, rotation and feed-forward parts run Liger's kernels.

    The loss stays ours: it is in chunks already.

    Raises:
        RuntimeError: Liger has no kernels for models of this type.
    """
    from liger_kernel.transformers import _apply_liger_kernel_to_instance
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    kind = model.config.model_type
    if kind not in MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise RuntimeError(
            f"the recipe's `liger: true`: Liger has no kernels for models of type {kind}; "
            "choose `liger: false`"
        )
    _apply_liger_kernel_to_instance(model, cross_entropy=False, fused_linear_cross_entropy=False)
