"""A training in plain values, and the loop that does it; it can be read from top to bottom."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from valley.core.chats import Chat
from valley.core.files import read_parquet, write_json, write_text
from valley.core.recipes import Recipe
from valley.core.resume import Stopped
from valley.core.seeds import derive


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A training in plain values, as each of its processes gets it.

    Attributes:
        start: manifest that it starts from; None makes a new student, from
        texts: pool rows for its vocabulary, and
        made: its shape, seed and positions, and what the study file says of its chat.
        shard: pool rows to train on.
        validation: held-out pool rows, or None.
        manifest: `checkpoint.json` to write, last of all.
        validated: JSON file for the held-out losses, or None.
        state: folder of what a stopped run goes on from; None keeps nothing.
        encoded: folder of encoded shards, of this training and others; None encodes in memory.
        digests: of the content of `shard` and `validation`, and of the `code`, where known.
        recipe: how is trained.
        seed: decides the order of the examples (and dropout).
        evaluations: how often held-out loss is taken; None is once beside the first.
        think: see `Train`.
        snapshots: shares of the updates at which a state is left for a snapshot's job, each with
            its folder.
        gpus: of this machine that the job asked for.
        how: `processes`, `save_every` (minutes), `check_memory` of the study file's `training`.
        tracking: fields of `workflow.tracking.Run`, or None.
        about: study, arm, recipe and digests of data, for the card.
    """

    start: str | None = None
    texts: list[str] = dataclasses.field(default_factory=list)
    made: dict = dataclasses.field(default_factory=dict)
    shard: str
    validation: str | None = None
    manifest: str
    validated: str | None = None
    state: str | None = None
    encoded: str | None = None
    digests: dict[str, str] = dataclasses.field(default_factory=dict)
    recipe: Recipe
    seed: int
    evaluations: int | None = None
    think: str | None = None
    snapshots: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    gpus: int = 0
    how: dict = dataclasses.field(default_factory=dict)
    tracking: dict | None = None
    about: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, values: dict) -> "Training":
        """Return the training that JSON values are (see `dataclasses.asdict`)."""
        return cls(**{**values, "recipe": Recipe(**values["recipe"])})

    @property
    def losses(self) -> Path:
        """JSON-lines file for the loss and rate of every update."""
        return Path(self.manifest).with_name("losses.jsonl")


def new_student(
    texts: list[str], *, vocabulary: int, seed: int, chat: dict | None = None, **shape: int
):
    """Make a tokenizer from texts and an untrained model of the given shape.

    Args:
        texts: for the vocabulary.
        vocabulary: tokens.
        seed: of the weights.
        chat: fields of `Chat`.
        shape: see `students.create`.

    Raises:
        ChatError: the chat template can't do what is said of the chat.
    """
    from valley.lm import students, templates

    tokenizer = students.train_tokenizer(texts, vocabulary)
    templates.settle(tokenizer, Chat(**(chat or {})), "the student")
    return students.create(tokenizer, seed=seed, **shape), tokenizer


def train(
    model,
    tokenizer,
    what: Training,
    *,
    world=None,
    should_stop: Callable[[], bool] = lambda: False,
    log: Callable[[int, dict], None] = lambda update, values: None,
    reload_start: Callable | None = None,
) -> dict | None:
    """Train on a shard, response tokens only, and save a Hugging Face folder with its manifest.

    Args:
        model: a transformers causal model; its weights' precision is the optimizer's.
        tokenizer: its tokenizer, with a chat template.
        what: the training.
        world: processes that share the work (`valley.lm.parallel.World`); None is this one alone.
        should_stop: tells whether to stop.
        log: gets each update's values.
        reload_start: makes the start's plain model once more, to put trained weights into that are
            sharded, or adapters that were trained on quantized weights.

    Returns:
        Measurements for the sidecar, of this process' run: tokens, seconds, tokens per second, peak
        memory. None in processes other than the first.

    Raises:
        ValueError: no example fits the length limit, or the student can't be trained like this.
        FloatingPointError: the loss or the gradient's norm is not finite; the message names update
            and examples, and no state is saved after the update before.
        Stopped: as asked, with the state saved.
    """
    import torch

    from valley.lm import (
        adapters,
        blocks,
        chat,
        encoded,
        optim,
        packing,
        parallel,
        preflight,
        students,
    )
    from valley.lm.encoded import Encoded
    from valley.lm.forward import Forward
    from valley.lm.loss import Learner
    from valley.lm.state import StateManager
    from valley.lm.time_limit import TimeLimit, end_of_job

    world = world or parallel.World(device="cuda" if torch.cuda.is_available() else "cpu")
    recipe, seed = what.recipe, what.seed
    said, end = chat.layout(tokenizer), chat.end_of_turn(tokenizer)
    new = chat.add_think_tokens(model, tokenizer) if what.think == "tokens" else []

    def encode(path: str, name: str) -> Encoded:
        if not what.encoded:
            return Encoded(list(encoded.encode(tokenizer, path, end)))
        about = {"shard": what.digests.get(name), "code": what.digests.get("code", "")}
        return world.first_then_others(
            f"encoding {path}",
            lambda: encoded.kept(tokenizer, path, end, what.encoded, about, first=world.first),
        )

    fit = recipe.max_length, recipe.overlong
    examples, too_long = encode(what.shard, "shard").fitting(*fit)
    if not len(examples):
        raise ValueError(
            f"{what.shard}: all {too_long} examples are longer than {recipe.max_length} tokens; "
            "let the recipe's max_length be larger, or its overlong be cut"
        )
    held_out = (
        list(encode(what.validation, "validation").fitting(*fit)[0]) if what.validation else []
    )
    lengths = examples.lengths.tolist()
    part = chat.Part(tokenizer, recipe.loss_on)
    if not packing.response_tokens([part(examples[at]) for at in range(min(100, len(examples)))]):
        raise ValueError(
            f"{what.shard}: the first examples have no {chat.THINK[1]}, so that loss_on: "
            f"{recipe.loss_on} leaves nothing to learn; choose another part or slice"
        )
    plan = packing.batches(
        lengths,
        recipe.batch_examples,
        seed,
        epochs=recipe.epochs,
        steps=recipe.steps,
        batch_tokens=recipe.batch_tokens,
        first=first_of(recipe.order, lengths, what.shard, examples.indices),
    )
    end_at = updates_until(recipe.until, len(plan))
    evaluation_steps = packing.spread(what.evaluations or 1, len(plan)) if held_out else set()
    evaluation_steps = {step for step in evaluation_steps if step < end_at} | (
        {end_at} if held_out else set()
    )
    leaving = {updates_until(share, len(plan)): Path(folder) for share, folder in what.snapshots}

    torch.manual_seed(seed)
    kernel = model.config._attn_implementation
    alone = preflight.blocks_alone(model.config, recipe, world)
    if recipe.liger:
        blocks.with_liger(model)
    if recipe.lora:
        model = adapters.with_lora(model, tokens=new, **recipe.lora)
    learner = Learner(model, recipe.head_positions)
    blocks.recompute(parallel.blocks(learner), recipe.gradient_checkpointing, alone)
    if recipe.compile:
        blocks.compile_each(parallel.blocks(learner))
    learner = parallel.shard_model(learner, world, recipe.precision).train()
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, recipe)
    forward = Forward(
        learner,
        world,
        pad_id=tokenizer.pad_token_id or 0,
        row_tokens=recipe.row_tokens,
        micro_tokens=recipe.micro_tokens,
        precision=recipe.precision,
        quadratic=preflight.quadratic_of(model),
        few_shapes=recipe.compile,
    )
    every = what.how.get("save_every")  # minutes
    states = StateManager(
        what.state and Path(what.state), learner, adamw, world, every and every * 60
    )
    at = states.load() or {"done": 0, "tokens": 0, "history": [], "looks": []}
    first = at["done"]
    if first:
        print(f"resuming after update {first} of {end_at}")

    limit = TimeLimit(end_of_job())
    begun, seen = time.monotonic(), 0
    for step in range(first, end_at + 1):
        if step in evaluation_steps and step not in [look["step"] for look in at["looks"]]:
            loss = forward.measure(held_out)
            at["looks"].append({"step": step, "tokens": at["tokens"], "loss": loss})
            log(step, {"loss/held-out": loss})
        if step == end_at:
            break
        if step in leaving:
            states.save_for(leaving[step], at)
        world.note(f"update {step + 1} of {end_at}")
        states.check()
        stop, near, due = world.all_reduce_any(
            should_stop(), limit.near(states.seconds), states.due
        )
        if stop or near or due:
            states.save(at)
        if stop or near:
            states.finish()
            raise Stopped(f"{step} of {end_at} updates are done and saved", limit=near)

        chosen = [part(examples[i]) for i in plan[step]]
        now = optim.rate_of(recipe, step, len(plan))
        for group in adamw.param_groups:
            group["lr"] = now
        torch.manual_seed(derive("dropout", seed, step, world.rank))
        loss = forward.train(chosen)
        when = f"update {step + 1} of {end_at}"
        norm = parallel.full_tensor(torch.nn.utils.clip_grad_norm_(trained, recipe.clip)).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            states.finish()  # what was saved before this update is good
            raise FloatingPointError(not_finite(loss, norm, when, chosen))
        adamw.step()
        adamw.zero_grad(set_to_none=True)

        at["done"] = step + 1
        tokens = sum(lengths[i] for i in plan[step])
        at["tokens"] += tokens
        seen += tokens
        pace = seen / (time.monotonic() - begun)
        at["history"].append({"step": step + 1, "loss": loss, "norm": norm, "rate": now})
        values = {"loss/trained": loss, "gradient/norm": norm, "rate": now}
        log(step + 1, {**values, "tokens": at["tokens"], "tokens per second": pace})
        if world.first and (step + 1) % max(1, end_at // 10) == 0:
            print(f"{when}  loss {loss:.4f}  gradient {norm:.3g}  {pace:,.0f} tokens/s")
    seconds = time.monotonic() - begun
    states.finish()

    model = adapters.whole_model(learner, recipe.lora, world, reload_start)
    if not world.first:
        return None
    history = at["history"]
    last = [entry["loss"] for entry in history[-max(1, len(history) // 20) :]]
    text = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in history)
    write_text(what.losses, text)
    if what.validated:
        write_json(Path(what.validated), at["looks"])
    students.stop_at(model, end)
    base = preflight.base_of(what.start, recipe.lora)
    students.save(
        model.to(torch.bfloat16) if recipe.precision == "bf16" else model,
        tokenizer,
        Path(what.manifest),
        examples=len(examples),
        overlong={"policy": recipe.overlong, "count": too_long},
        updates=end_at,
        tokens=at["tokens"],
        final_loss=sum(last) / len(last),
        chat=said,
        **({"adapter": {"base": base, "rank": recipe.lora["rank"]}} if base else {}),
    )
    ran = [at for batch in plan[first:end_at] for at in batch]
    learnt = packing.response_tokens(part(examples[at]) for at in ran)
    found = measured(examples.lengths[ran], learnt, seconds, world)
    return {**found, "attention": kernel, "blocks_alone": alone}


def updates_until(share: float | None, updates: int) -> int:
    """Return how many of a training's updates are made until a share of them; None is all."""
    return updates if share is None else max(1, round(share * updates))


def not_finite(loss: float, norm: float, when: str, examples: list) -> str:
    """Return which value of an update is not finite, its loss or its gradient, or None."""
    what = f"gradient's norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
    named = ", ".join(example.id for example in examples)
    return (
        f"the {what} at {when}, on examples {named}; the update was not made. "
        "Lower the learning rate or look at these examples"
    )


def first_of(
    order: str | list[str], lengths: list[int], shard: str, indices: list[int]
) -> list[int] | None:
    """Return what examples are sorted by in each epoch; None where they are in random order.

    Args:
        order: "random", "short-first", or the difficulties in their order; others come last.
        lengths: tokens of each example.
        shard: pool rows.
        indices: where the examples stand in it.
    """
    if order == "random":
        return None
    if order == "short-first":
        return lengths
    ranks = {word: number for number, word in enumerate(order)}
    words = [row["difficulty"] for row in read_parquet(shard, ["difficulty"])]
    return [ranks.get(words[at], len(ranks)) for at in indices]


def measured(lengths, learnt: int, seconds: float, world) -> dict:
    """Return a run's measurements for the sidecar.

    Args:
        lengths: tokens of each example that it saw (array).
        learnt: how many of all of them carried loss.
        seconds: that it took.
        world: its processes.
    """
    import torch

    from valley.lm import devices

    gpu = world.device != "cpu"
    return {
        "tokens": int(lengths.sum()),
        "response_tokens": learnt,
        "squared_lengths": int((lengths**2).sum()),
        "train_seconds": seconds,
        "processes": world.size,
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "kernels": devices.kernels(),
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if gpu else None,
    }
