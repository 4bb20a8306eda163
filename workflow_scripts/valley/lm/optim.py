"""How fast the weights move: the learning rate's course and the optimizer."""

import math

from valley.core.recipes import Recipe


def learning_rate(
    step: int, steps: int, peak: float, warmup: float, schedule: str, final: float = 0.0
) -> float:
    """Return the learning rate of an update (0-based): linear warm-up, then the schedule.

    Args:
        step: the update.
        steps: all updates of the run.
        peak: highest rate.
        warmup: share of the updates that warm up.
        schedule: "cosine" or "linear" (both down to the final rate) or "constant".
        final: share of the peak that they end at.
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return peak * (step + 1) / rising
    if schedule == "constant":
        return peak
    through = (step - rising) / max(1, steps - rising)
    left = 1 - through if schedule == "linear" else (1 + math.cos(math.pi * through)) / 2
    return peak * (final + (1 - final) * left)


def rate_of(recipe: Recipe, step: int, steps: int) -> float:
    """Return a recipe's learning rate at an update (0-based) of so many."""
    peak, final = recipe.learning_rate, recipe.final_rate
    return learning_rate(step, steps, peak, recipe.warmup, recipe.schedule, final)


def adamw(weights: list, recipe: Recipe):
    """Return a recipe's AdamW over the weights.

    Args:
        weights: parameters to train.
        recipe: its rate to begin with, betas, eps, decay and what decays, and the optimizer:
            "adamw", or "adamw8bit" for moments in 8 bits (bitsandbytes, on a GPU).

    Raises:
        RuntimeError: 8-bit moments are wanted where they can't be had.
    """
    import torch

    least = {"matrices": 2, "all": 0}[recipe.decay_on]
    groups = [
        {"params": [w for w in weights if w.ndim >= least], "weight_decay": recipe.weight_decay},
        {"params": [w for w in weights if w.ndim < least], "weight_decay": 0.0},
    ]
    how = {"lr": recipe.learning_rate, "betas": (recipe.beta1, recipe.beta2), "eps": recipe.eps}
    if recipe.optimizer == "adamw8bit":
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
