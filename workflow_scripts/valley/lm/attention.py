"""Attention kernels: which one runs a training, whether it can here, and PyTorch's packed one.

Packed rows hold several examples that must not see each other. A kernel is either given a mask, or
the bounds of the examples in a pass's tokens. PyTorch's own kernel for bounds, `varlen_attn`, is
made known to transformers here, under the name `varlen`.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

AUTO, SDPA, VARLEN, FLASH_2, FLASH_3, FLEX = (
    "auto",
    "sdpa",
    "varlen",
    "flash_attention_2",
    "flash_attention_3",
    "flex_attention",
)
BOUNDED = (VARLEN, FLASH_2, FLASH_3)  # kernels that are given bounds
LEAST_CAPABILITY = {VARLEN: (8, 0), FLASH_2: (8, 0), FLASH_3: (9, 0), FLEX: (7, 0)}
PACKAGES = {
    FLASH_2: ("flash_attn", "flash-attn"),
    FLASH_3: ("flash_attn_interface", "flash-attn-3"),
}
LARGEST_HEAD, HEAD_MULTIPLE = 256, 8


@dataclass(frozen=True)
class Card:
    """A CUDA device: its name, and its compute capability (major, minor)."""

    name: str
    capability: tuple[int, int]


def card_of(device: str) -> Card | None:
    """Return the card that a device is; None for the CPU."""
    if device == "cpu":
        return None
    return Card(torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device))


def chosen(attention: str, config, precision: str, device: str) -> str:
    """Return the kernel for a training, and let transformers know it.

    Args:
        attention: the recipe's. "auto" is varlen on a GPU that can run it, else sdpa.
        config: the model's.
        precision: what passes work in, "fp32" or "bf16".
        device: where.

    Raises:
        RuntimeError: the kernel can't run this; the message says what to set instead.
    """
    card = card_of(device)
    kernel = attention
    if attention == AUTO:
        why = obstacle(VARLEN, card, config, precision)
        kernel = SDPA if why else VARLEN
        if why and card:
            print(f"attention: auto takes sdpa, since varlen {why}")
    elif why := obstacle(kernel, card, config, precision):
        raise RuntimeError(f"the recipe's `attention: {attention}` {why}, or choose `sdpa`")
    if kernel == VARLEN:
        register()
    return kernel


def obstacle(kernel: str, card: Card | None, config, precision: str) -> str | None:
    """Return why a kernel can't run a model, with a remedy beside `sdpa`; None if it can."""
    if kernel not in LEAST_CAPABILITY:
        return None
    if card is None:
        return "needs a CUDA GPU, and this machine has none; run it on a GPU node"
    least = LEAST_CAPABILITY[kernel]
    if card.capability < least:
        has, wants = (".".join(map(str, version)) for version in (card.capability, least))
        return f"needs compute capability {wants}, and {card.name} has {has}; use a newer GPU"
    if kernel in PACKAGES and not find_spec(PACKAGES[kernel][0]):
        return f"needs the package {PACKAGES[kernel][1]}; install it, or choose `varlen`"
    if kernel == VARLEN and not find_spec("torch.nn.attention.varlen"):
        return f"needs PyTorch 2.10 or newer, and this is {torch.__version__}; install a newer one"
    return _unsuited(config, precision) if kernel in BOUNDED else None


def _unsuited(config, precision: str) -> str | None:
    """Return why a model's attention is none for flash kernels; None if it is."""
    if precision != "bf16":
        return "works in half precision only; set `precision: bf16`"
    config = config.get_text_config()
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head % HEAD_MULTIPLE or head > LARGEST_HEAD:
        return (
            f"takes heads of a multiple of {HEAD_MULTIPLE} up to {LARGEST_HEAD}, and this "
            f"student's have {head}; choose another student"
        )
    if getattr(config, "v_head_dim", None) not in (None, head):
        return "takes keys and values of one size only; choose another student"
    if getattr(config, "attention_dropout", 0):
        return "has no dropout, and this student's attention has; choose another student"
    return None


def register() -> None:
    """Make PyTorch's packed attention known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(VARLEN, varlen)
    AttentionMaskInterface.register(VARLEN, lambda *args, **kwargs: None)


def bounds_of(batch: dict) -> dict:
    """Return a pass's bounds under transformers' names; {} for kernels with a mask."""
    if "bounds" not in batch:
        return {}
    names = {"cu_seq_lens": batch["bounds"], "max_length": batch["longest"]}
    return {f"{name}_{side}": value for name, value in names.items() for side in "qk"}


def varlen(
    module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: object,
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each example, as transformers calls its kernels.

    Args:
        module: the layer.
        query, key, value: shape (rows, heads, width, head size); keys and values may have fewer
            heads.
        attention_mask: none: bounds take its place.
        scaling: of the scores.
        sliding_window: tokens that one sees, itself included; None is all before it.
        cu_seq_lens_q: int32, bounds of the examples in the pass's rows x width tokens.
        max_length_q: tokens of the longest example, or more.
        others: what other kernels know; dropout 0 and the like.

    Returns:
        Shape (rows, width, heads, head size), and no weights.

    Raises:
        ValueError: the layer wants what the kernel lacks.
    """
    from torch.nn.attention.varlen import varlen_attn

    wants = [name for name in ("dropout", "softcap", "s_aux", "position_bias") if others.get(name)]
    if cu_seq_lens_q is None or attention_mask is not None or wants:
        raise ValueError(
            f"{type(module).__name__} needs {', '.join(wants) or 'a mask'} of its attention, which "
            "`attention: varlen` lacks; choose `sdpa`"
        )
    rows, heads, width, size = query.shape
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    flat = (
        states.transpose(1, 2).reshape(rows * width, -1, size).to(dtype)
        for states in (query, key, value)
    )
    mixed = varlen_attn(
        *flat,
        *(cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q),
        scale=scaling,
        window_size=(sliding_window - 1 if sliding_window else -1, 0),
        enable_gqa=key.shape[1] != heads,
    )
    return mixed.view(rows, width, heads, size), None
