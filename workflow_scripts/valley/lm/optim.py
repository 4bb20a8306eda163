"""How fast the weights move: the learning rate's course and the optimizer."""

import math


def learning_rate(step: int, steps: int, peak: float, warmup: float, schedule: str) -> float:
    """Return the learning rate of an update (0-based): linear warm-up, then the schedule.

    Args:
        step: the update.
        steps: all updates of the run.
        peak: highest rate.
        warmup: share of the updates that warm up.
        schedule: "cosine" or "linear" (both down to zero) or "constant".
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return peak * (step + 1) / rising
    if schedule == "constant":
        return peak
    through = (step - rising) / max(1, steps - rising)
    left = 1 - through if schedule == "linear" else (1 + math.cos(math.pi * through)) / 2
    return peak * left


def adamw(weights: list, rate: float, weight_decay: float, kind: str = "adamw"):
    """Return AdamW over the weights, with decay on matrices only.

    Args:
        weights: parameters to train.
        rate: learning rate to begin with.
        weight_decay: of matrices.
        kind: "adamw", or "adamw8bit" for moments in 8 bits (bitsandbytes, on a GPU).

    Raises:
        RuntimeError: 8-bit moments are wanted where they can't be had.
    """
    import torch

    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    how = {"lr": rate, "betas": (0.9, 0.95)}
    if kind == "adamw8bit":
        return needs_bitsandbytes("optimizer: adamw8bit", "adamw").optim.AdamW8bit(groups, **how)
    return torch.optim.AdamW(groups, fused=True, **how)


def needs_bitsandbytes(setting: str, instead: str):
    """Return the module bitsandbytes.

    Raises:
        RuntimeError: there is no GPU, or the package is missing; the message says what to do.
    """
    import importlib

    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(
            f"the recipe's `{setting}` needs a CUDA GPU, and this machine has none; "
            f"run it on a GPU node, or choose `{instead}`"
        )
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError:
        raise RuntimeError(
            f"the recipe's `{setting}` needs the package bitsandbytes: "
            f"`pip install bitsandbytes`, or choose `{instead}`"
        ) from None
