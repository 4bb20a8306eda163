"""What is asked before a training begins, and noted beside it: nothing here changes its result."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from valley.core.disk import require_free
from valley.core.files import read_json
from valley.core.recipes import Recipe
from valley.lm import flops, memory

GPU_KERNELS = {"flash_attention_2": "flash_attn", "flex_attention": None}


def check_kernels(attention: str, device: str) -> None:
    """Check that an attention kernel runs here.

    Raises:
        RuntimeError: it needs a GPU or a package that is missing; the message says what to do.
    """
    from importlib.util import find_spec

    if attention not in GPU_KERNELS:
        return
    if device == "cpu":
        raise RuntimeError(
            f"the recipe's `attention: {attention}` needs a CUDA GPU, and this machine has none; "
            "run it on a GPU node, or choose `sdpa`"
        )
    package = GPU_KERNELS[attention]
    if package and not find_spec(package):
        raise RuntimeError(
            f"the recipe's `attention: {attention}` needs the package {package}: "
            "`pip install flash-attn --no-build-isolation`, or choose `flex_attention` or `sdpa`"
        )


def pass_tokens(recipe: Recipe) -> int | None:
    """Return the tokens of a forward pass; flash attention keeps examples apart in one row."""
    return 1 if recipe.attention == "flash_attention_2" else recipe.micro_tokens


def shape_of(start: str) -> flops.Shape | None:
    """Return the shape of a start's model; None for one of an unknown kind."""
    from transformers import AutoConfig

    from valley.lm import students

    source, revision = students.source_of(read_json(start), start)
    return _shape(AutoConfig.from_pretrained(source, revision=revision))


def quadratic_of(model) -> float:
    """Return how a model's work grows with an example's length (`packing.cost`); 0 if unknown."""
    shape = _shape(model.config)
    return flops.quadratic(shape) if shape else 0.0


def _shape(config) -> flops.Shape | None:
    try:
        return flops.Shape.of(config.to_dict())
    except KeyError:
        return None


def largest_pass(recipe: Recipe, processes: int) -> tuple[int, int]:
    """Return the tokens of the largest forward pass that a recipe allows, and of its longest row.

    Args:
        recipe: how is trained.
        processes: that share an update.
    """
    # An example may be longer than a row: it then has one to itself.
    row = max(recipe.row_tokens, recipe.max_length)
    if recipe.attention == "flash_attention_2":
        return row, row
    if recipe.micro_tokens:
        return max(recipe.micro_tokens, row), row
    update = recipe.batch_tokens or recipe.batch_examples * recipe.max_length
    return max(update // processes, row), row


def check_memory(shape: flops.Shape | None, recipe: Recipe, how: dict, world) -> None:
    """Refuse a training that can't fit this process' GPU, before its weights are loaded.

    Raises:
        MemoryError: with what it needs and what to change.
    """
    if world.device == "cpu" or shape is None or not how["check_memory"]:
        return
    import torch

    card = torch.cuda.get_device_properties(world.device)
    tokens, row = largest_pass(recipe, world.size)
    asked = {
        name: getattr(recipe, name)
        for name in ("precision", "weights", "optimizer", "gradient_checkpointing", "lora")
    }
    need = memory.training_need(
        shape,
        tokens,
        row_tokens=row,
        attention=recipe.attention,
        devices=world.size,
        **asked,
    )
    memory.check(need, card.total_memory, card.name, asked)


def check_disk(model, recipe: Recipe, manifest: str, state: str) -> None:
    """Check that the checkpoint and the states kept while training fit on the disk.

    Raises:
        OSError: with the bytes needed and the bytes free.
    """
    weights = sum(weight.numel() for weight in model.parameters())
    width = 2 if recipe.precision == "bf16" else 4
    require_free(Path(manifest).parent, weights * width, "the checkpoint")
    if not recipe.lora:
        # The state before is removed only when the next one is whole.
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


@contextlib.contextmanager
def logger(folder: str | None) -> Iterator[Callable[[int, dict], None]]:
    """Yield what is told of each update's values: TensorBoard's writer, or nothing."""
    if folder is None:
        yield lambda update, values: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:

        def log(update: int, values: dict) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, update)

        yield log


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
