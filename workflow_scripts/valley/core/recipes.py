"""Recipes: how is trained, and what a recipe may say together that a schema can't see."""

from dataclasses import dataclass, field, fields
from typing import Any

from valley.core.arms import BASE
from valley.core.chats import Chat
from valley.core.config import nearest
from valley.core.settings import HANDLING, later

EASY_FIRST = "easy-first"  # stands for the corpus' difficulties in their order
ORDERS = ["random", "short-first", EASY_FIRST]
EITHER = (("epochs", "steps"), ("batch_examples", "batch_tokens"))


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained; the fields are the schema's keys, and its defaults.

    Attributes:
        learning_rate: peak rate of AdamW. Sidecars and cards call it "rate".
        batch_examples: examples per update; or
        batch_tokens: tokens per update. Neither depends on how many processes share the work.
        epochs: passes over the shard; or
        steps: updates, whatever the size of the shard.
        schedule: see `valley.lm.optim.learning_rate`.
        warmup: share of updates.
        final_rate: share of the peak rate at the end of cosine and linear.
        beta1: AdamW's decay of the gradient's mean.
        beta2: AdamW's decay of the squared gradient's mean.
        eps: AdamW's addend to the root of that mean.
        weight_decay: of AdamW, on
        decay_on: "matrices" or "all" weights.
        clip: largest norm of the gradient.
        max_length: tokens of an example, prompt included.
        overlong: "drop" or "cut" longer examples; both are counted.
        row_tokens: length of a packed row.
        micro_tokens: tokens of a process' forward pass; an update accumulates as many as it needs.
            None is all at once.
        precision: "fp32", or "bf16" for autocast; the checkpoint is then saved in bf16 too.
        weights: "fp32" or "bf16": what the optimizer updates.
        optimizer: see `valley.lm.optim.adamw`.
        attention: kernel that keeps packed examples apart, see `valley.lm.attention.chosen`.
        gradient_checkpointing: trade time for memory, see `valley.lm.blocks.recompute`.
        compile: compile each block.
        liger: run Liger's fused kernels.
        head_positions: positions whose logits are computed at once; None is by the vocabulary.
        loss_on: "response", "reasoning", "answer" or "all", see `valley.lm.chat.Part`.
        order: of the examples in an epoch: "random", "short-first", or difficulties in their order.
        until: share of the updates after which it ends, on the schedule of all; None is all.
        save_at: shares of the updates at which a snapshot is left (`valley.core.snapshots`).
        lora: None for full-parameter training, else rank, alpha, dropout, targets, merge and bits.
    """

    learning_rate: float = field(metadata={"recorded": "rate"})
    batch_examples: int | None = None
    batch_tokens: int | None = None
    epochs: float | None = None
    steps: int | None = None
    schedule: str = "cosine"
    warmup: float = 0.1
    final_rate: float = later(0.0)
    beta1: float = later(0.9)
    beta2: float = later(0.95)
    eps: float = later(1e-8)
    weight_decay: float = 0.0
    decay_on: str = later("matrices")
    clip: float = 1.0
    max_length: int = 32768
    overlong: str = "drop"
    row_tokens: int = 512
    micro_tokens: int | None = None
    precision: str = "fp32"
    weights: str = "fp32"
    optimizer: str = "adamw"
    attention: str = later("auto", earlier="sdpa")
    gradient_checkpointing: bool | str = False
    compile: bool = later(False)
    liger: bool = later(False)
    head_positions: int | None = later(None)
    loss_on: str = later("response")
    order: str | list[str] = later("random")  # noqa: RUF009
    until: float | None = later(None)
    save_at: list[float] = field(default_factory=list, metadata=HANDLING)
    lora: dict[str, Any] | None = None


def as_recorded_now(then: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return the params of an earlier result, with what today's defaults are in today's words.

    Args:
        then: params by name, as recorded.
        now: those of the same job today.
    """
    same = {
        key.name: now[key.name]
        for key in (*fields(Recipe), *fields(Chat))
        if "earlier" in key.metadata
        and key.name in now
        and now[key.name] in (key.default, None)
        and then.get(key.name, ...) == key.metadata["earlier"]
    }
    return {**then, **same}


def mistakes(config: dict[str, Any]) -> list[str]:
    """Return the mistakes in a completed study file's recipes, each with how to fix it."""
    found = []
    for name, recipe in config["recipes"].items():
        where, lora = f"recipes.{name}", recipe["lora"]
        for one, other in EITHER:
            if (recipe[one] is None) == (recipe[other] is None):
                found.append(f"{where}: give either {one} or {other}, one of the two")
        order, words = recipe["order"], list(config["corpus"]["difficulties"])
        if isinstance(order, str) and order not in ORDERS:
            found.append(
                f"{where}.order: {order!r} is not allowed{nearest(order, ORDERS)}; choose from: "
                f"{', '.join(ORDERS)}, or a list of difficulties ({', '.join(words)})"
            )
        for word in order if isinstance(order, list) else []:
            if word not in words:
                found.append(
                    f"{where}.order: there is no difficulty {word!r}{nearest(word, words)}; "
                    f"choose from: {', '.join(words)}"
                )
        if recipe["weights"] == "bf16" and recipe["precision"] == "fp32":
            found.append(
                f"{where}.weights: bf16 weights are computed with in bf16; set `precision: bf16` "
                "too"
            )
        if lora and lora["bits"] and config["training"]["processes"] > 1:
            found.append(
                f"{where}.lora.bits: quantized weights can't be sharded, but training.processes is "
                f"{config['training']['processes']}; set it to 1, or bits to null"
            )
    for name, recipe in config["recipes"].items():
        if recipe["lora"] and not recipe["lora"]["merge"]:
            found += _unmergeable(config, name)
    return found


def _unmergeable(config: dict[str, Any], name: str) -> list[str]:
    """Return why a recipe's adapters can't be kept unmerged: their base must be on the hub."""
    where = f"recipes.{name}.lora.merge: false"
    found = []
    for student, made in config["students"].items():
        used = any(
            name in axis["recipes"] and student in axis.get("students", config["students"])
            for axis in config["axes"].values()
        )
        if used and "scratch" in made:
            found.append(
                f"{where} keeps adapters beside their base on the hub, but student {student!r} "
                "is made here; set it to true"
            )
        elif used and made["hub"]["think"] == "tokens":
            found.append(
                f"{where} keeps adapters alone, but student {student!r} learns new tokens "
                "(`think: tokens`), which they don't hold; set it to true"
            )
    for axis, settings in config["axes"].items():
        later = [start for start in settings["starts"] if start != BASE]
        if name in settings["recipes"] and later:
            found.append(
                f"{where} keeps adapters beside their base on the hub, but axes.{axis} starts from "
                f"{later[0]!r}, which is not there; set it to true"
            )
    found += [
        f"{where} keeps adapters beside their base on the hub, but starts.{start} begins from "
        f"{settings['start']!r}; set it to true"
        for start, settings in config["starts"].items()
        if settings["recipe"] == name and settings["start"] != BASE
    ]
    return found
