"""What is asked before a training begins, and noted beside it: nothing here changes its result."""

import os
from pathlib import Path

from valley.core.disk import require_free
from valley.core.files import read_json
from valley.core.recipes import Recipe
from valley.lm import flops, memory

# What of a recipe decides how much memory it takes.
SIZES = (
    "precision",
    "weights",
    "optimizer",
    "gradient_checkpointing",
    "lora",
    "head_positions",
)
ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def settle_allocator() -> None:
    """Let CUDA's memory grow in place, unless the environment says how; before CUDA is used.

    Passes have rows of many lengths, which leave gaps between blocks of fixed size.
    """
    if not any(name in os.environ for name in ALLOCATOR):
        os.environ[ALLOCATOR[0]] = "expandable_segments:True"


def config_of(start: str):
    """Return the configuration of a start's model, as transformers has it."""
    from transformers import AutoConfig

    from valley.lm import students

    source, revision = students.source_of(read_json(start), start)
    return AutoConfig.from_pretrained(source, revision=revision)


def quadratic_of(model) -> float:
    """Return how a model's work grows with an example's length (`packing.cost`); 0 if unknown."""
    shape = shape_of(model.config)
    return flops.quadratic(shape) if shape else 0.0


def shape_of(config) -> flops.Shape | None:
    """Return the shape in a model's configuration; None for one of an unknown kind."""
    try:
        return flops.Shape.of(config.to_dict())
    except KeyError:
        return None


def check(config, recipe: Recipe, how: dict, world) -> str:
    """Check that a recipe can train a model here, before its weights are loaded.

    Args:
        config: the model's.
        recipe: how is trained.
        how: the study file's `training`.
        world: the processes.

    Returns:
        The attention kernel, by transformers' name.

    Raises:
        RuntimeError: a kernel can't run here.
        ValueError: the loss does not hold for this model.
        MemoryError: it does not fit.
    """
    from valley.lm import attention, blocks, loss

    kernel = attention.chosen(recipe.attention, config, recipe.precision, world.device)
    if recipe.liger:
        blocks.check_liger(world.device)
    loss.check_logits(config)
    check_memory(shape_of(config), recipe, kernel, how, world)
    return kernel


def largest_pass(recipe: Recipe, processes: int) -> tuple[int, int]:
    """Return the tokens of the largest forward pass that a recipe allows, and of its longest row.

    Args:
        recipe: how is trained.
        processes: that share an update.
    """
    # An example may be longer than a row: it then has one to itself.
    row = max(recipe.row_tokens, recipe.max_length)
    if recipe.micro_tokens:
        return max(recipe.micro_tokens, row), row
    update = recipe.batch_tokens or recipe.batch_examples * recipe.max_length
    return max(update // processes, row), row


def memory_settings(recipe: Recipe, kernel: str, processes: int) -> dict:
    """Return a training's size, as `memory.training_need` takes it."""
    tokens, row = largest_pass(recipe, processes)
    sizes = {name: getattr(recipe, name) for name in SIZES}
    return {**sizes, "tokens": tokens, "row_tokens": row, "attention": kernel, "devices": processes}


def blocks_alone(config, recipe: Recipe, world) -> int:
    """Return how many blocks need not be computed again: with "auto", as many as fit the GPU."""
    shape = shape_of(config)
    if recipe.gradient_checkpointing != "auto" or world.device == "cpu" or shape is None:
        return 0
    import torch

    has = torch.cuda.get_device_properties(world.device).total_memory
    settings = memory_settings(recipe, config._attn_implementation, world.size)
    return memory.most_alone(shape, has, **settings)


def check_memory(shape: flops.Shape | None, recipe: Recipe, kernel: str, how: dict, world) -> None:
    """Refuse a training that can't fit this process' GPU, before its weights are loaded.

    Raises:
        MemoryError: with what it needs and what to change.
    """
    if world.device == "cpu" or shape is None or not how["check_memory"]:
        return
    import torch

    card = torch.cuda.get_device_properties(world.device)
    settings = memory_settings(recipe, kernel, world.size)
    need = memory.training_need(shape, **settings)
    memory.check(need, card.total_memory, card.name, settings)


def check_disk(model, recipe: Recipe, manifest: str, state: str) -> None:
    """Check that the checkpoint and the states kept while training fit on the disk.

    Raises:
        OSError: with the bytes needed and the bytes free.
    """
    weights = sum(weight.numel() for weight in model.parameters())
    width = 2 if recipe.precision == "bf16" else 4
    require_free(Path(manifest).parent, weights * width, "the checkpoint")
    if not recipe.lora:
        # The previous state is removed only when the next one is complete.
        each = weights * {"fp32": 12, "bf16": 6}[recipe.weights]
        require_free(state, 2 * each + weights * width, "the training's state and checkpoint")


def base_of(start: str | None, lora: dict | None) -> dict | None:
    """Return the hub's model that unmerged adapters belong to; None when they are merged.

    Raises:
        ValueError: the start is no undistilled student of the hub, so nobody could find it again.
    """
    if not lora or lora.get("merge", True):
        return None
    hub = read_json(start).get("hub")
    if not hub:
        raise ValueError(
            "adapters can be kept unmerged (`lora: {merge: false}`) only when they start from an "
            f"undistilled student of the hub, and {start} is another; set `merge: true`"
        )
    return {"id": hub["id"], "revision": hub["revision"]}


def mfu(shape: flops.Shape | None, measured: dict, lora: bool) -> float | None:
    """Return which share of the devices' peak a training reached; None where it isn't known."""
    if shape is None:
        return None
    done = flops.training(
        shape, measured["tokens"], measured["squared_lengths"], measured["response_tokens"], lora
    )
    return flops.utilisation(
        done, measured["train_seconds"], measured["device"], measured["processes"]
    )
