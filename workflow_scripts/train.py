"""Train a student on a shard: the undistilled start, or an arm of the study.

One script for all scales: the model, lengths, precision and LoRA come from the study file. The loop
is plain so that it can be read from top to bottom; `work` around it is what a process does.
"""

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from valley.core import disk
from valley.core.files import read_json, read_parquet, write_json, write_text
from valley.core.resume import Stopped, stop_signals
from valley.core.seeds import derive

ENCODED = ["id", "prompt", "response"]  # what examples are made of


def new_student(texts: list[str], *, vocabulary: int, seed: int, **shape: int):
    """Make a tokenizer from texts and an untrained model of the given shape."""
    from valley.lm import students

    tokenizer = students.train_tokenizer(texts, vocabulary)
    return students.create(tokenizer, seed=seed, **shape), tokenizer


def train(
    model,
    tokenizer,
    shard: Path,
    manifest: Path,
    *,
    seed: int,
    rate: float,
    batch_examples: int | None = None,
    batch_tokens: int | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    schedule: str = "cosine",
    warmup: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 1.0,
    max_length: int = 32768,
    overlong: str = "drop",
    row_tokens: int = 512,
    micro_tokens: int | None = None,
    precision: str = "fp32",
    optimizer: str = "adamw",
    gradient_checkpointing: bool = False,
    lora: dict | None = None,
    think: str | None = None,
    base: dict | None = None,
    again: Callable | None = None,
    validation: Path | None = None,
    evaluations: int | None = None,
    validated: Path | None = None,
    losses: Path | None = None,
    world=None,
    state: Path | None = None,
    save_every: float | None = None,
    asked: Callable[[], bool] = lambda: False,
    log: Callable[[int, dict], None] = lambda update, values: None,
) -> dict | None:
    """Train on a shard, response tokens only, and save a Hugging Face folder with its manifest.

    Args:
        model: a transformers causal model; its weights' precision is the optimizer's.
        tokenizer: its tokenizer, with a chat template.
        shard: pool rows (prompt, response).
        manifest: `checkpoint.json` to write, last of all.
        seed: decides the order of the examples (and dropout).
        rate: peak learning rate of AdamW.
        batch_examples: examples per update; or
        batch_tokens: tokens per update. Neither depends on how many processes share the work.
        epochs: passes over the shard; or
        steps: updates, whatever the size of the shard.
        schedule: see `valley.lm.optim.learning_rate`.
        warmup: share of updates.
        weight_decay: of AdamW, on matrices only.
        clip: largest norm of the gradient.
        max_length: tokens of an example, prompt included.
        overlong: "drop" or "cut" longer examples; both are counted.
        row_tokens: length of a packed row.
        micro_tokens: tokens of a process' forward pass; an update accumulates as many as it needs.
            None is all at once.
        precision: "fp32", or "bf16" for autocast; the checkpoint is then saved in bf16 too.
        optimizer: see `valley.lm.optim.adamw`.
        gradient_checkpointing: trade time for memory.
        lora: None for full-parameter training, else rank, alpha, dropout, targets, and merge.
        think: "tokens" to make the think tags tokens where they are not.
        base: the hub's model that adapters are saved for, when they are not merged.
        again: makes the start's plain model once more, to put trained weights into that are
            sharded, or adapters that were trained on quantized weights.
        validation: held-out pool rows; their loss goes to `validated`.
        evaluations: how often it is taken, beside the one before the first update; None is once.
        validated: JSON file for it.
        losses: JSON-lines file for the loss and rate of every update.
        world: processes that share the work (`valley.lm.parallel.World`); None is this one alone.
        state: folder of what a stopped run goes on from; None keeps nothing.
        save_every: seconds between two states; None saves only when asked to stop.
        asked: tells whether to stop.
        log: is told of each update's values.

    Returns:
        Measurements for the sidecar, of this process' run: tokens, seconds, tokens per second, peak
        memory. None in processes other than the first.

    Raises:
        ValueError: no example fits the length limit, or the student can't be trained like this.
        FloatingPointError: the loss is not finite; the message names update and examples.
        Stopped: as asked, with the state saved.
    """
    import torch
    from valley.lm import adapters, chat, optim, packing, parallel, students
    from valley.lm.forward import Forward
    from valley.lm.loss import Learner
    from valley.lm.state import Keeper

    world = world or parallel.World(device="cuda" if torch.cuda.is_available() else "cpu")
    said, end = chat.layout(tokenizer), chat.end_of_turn(tokenizer)
    new = chat.add_think_tokens(model, tokenizer) if think == "tokens" else []

    encoding = {"end": end, "max_length": max_length, "overlong": overlong}
    examples, too_long = chat.encode_all(tokenizer, read_parquet(shard, ENCODED), **encoding)
    if not examples:
        raise ValueError(
            f"{shard}: all {too_long} examples are longer than {max_length} tokens; let the "
            "recipe's max_length be larger, or its overlong be cut"
        )
    held_out = read_parquet(validation, ENCODED) if validation else []
    held_out, _ = chat.encode_all(tokenizer, held_out, **encoding)
    lengths = [len(example.ids) for example in examples]
    plan = packing.batches(
        lengths, batch_examples, seed, epochs=epochs, steps=steps, batch_tokens=batch_tokens
    )
    looks = packing.spread(evaluations or 1, len(plan)) if held_out else set()

    torch.manual_seed(seed)
    if lora:
        model = adapters.with_lora(model, tokens=new, **lora)
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    learner = parallel.place(Learner(model), world, precision).train()
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, rate, weight_decay, optimizer)
    forward = Forward(
        learner,
        world,
        pad_id=tokenizer.pad_token_id or 0,
        row_tokens=row_tokens,
        micro_tokens=micro_tokens,
        precision=precision,
    )
    keeper = Keeper(state, learner, adamw, world, save_every)
    at = keeper.load() or {"done": 0, "tokens": 0, "history": [], "looks": []}
    first = at["done"]
    if first:
        print(f"going on after update {first} of {len(plan)}")

    begun = time.monotonic()
    for step in range(first, len(plan) + 1):
        if step in looks and step not in [look["step"] for look in at["looks"]]:
            loss = forward.measure(held_out)
            at["looks"].append({"step": step, "tokens": at["tokens"], "loss": loss})
            log(step, {"loss/held-out": loss})
        if step == len(plan):
            break
        stop = world.any(asked())
        if stop or world.any(keeper.due):
            keeper.save(at)
        if stop:
            raise Stopped(f"{step} of {len(plan)} updates are done and saved")

        chosen = [examples[i] for i in plan[step]]
        now = optim.learning_rate(step, len(plan), rate, warmup, schedule)
        for group in adamw.param_groups:
            group["lr"] = now
        torch.manual_seed(derive("dropout", seed, step, world.rank))
        loss = forward.train(chosen)
        require_finite(loss, f"update {step + 1} of {len(plan)}", chosen)
        torch.nn.utils.clip_grad_norm_(trained, clip)
        adamw.step()
        adamw.zero_grad(set_to_none=True)

        at["done"] = step + 1
        at["tokens"] += sum(lengths[i] for i in plan[step])
        at["history"].append({"step": step + 1, "loss": loss, "rate": now})
        log(step + 1, {"loss/trained": loss, "rate": now})
        if world.first and (step + 1) % max(1, len(plan) // 10) == 0:
            seen = sum(lengths[i] for batch in plan[first : step + 1] for i in batch)
            pace = seen / (time.monotonic() - begun)
            print(f"update {step + 1}/{len(plan)}  loss {loss:.4f}  {pace:,.0f} tokens/s")
    seconds = time.monotonic() - begun

    model = adapters.whole_model(learner, lora, world, again)
    if not world.first:
        return None
    history = at["history"]
    last = [entry["loss"] for entry in history[-max(1, len(history) // 20) :]]
    if losses:
        write_text(losses, "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in history))
    if validated:
        write_json(validated, at["looks"])
    students.stop_at(model, end)
    kept = lora is not None and not lora.get("merge", True)
    students.save(
        model.to(torch.bfloat16) if precision == "bf16" else model,
        tokenizer,
        manifest,
        examples=len(examples),
        overlong={"policy": overlong, "count": too_long},
        updates=len(plan),
        tokens=at["tokens"],
        final_loss=sum(last) / len(last),
        chat=said,
        **({"adapter": {"base": base, "rank": lora["rank"]}} if kept else {}),
    )
    return measured([examples[i] for batch in plan[first:] for i in batch], seconds, world)


def require_finite(loss: float, when: str, examples: list) -> None:
    """Raise FloatingPointError, with the update and its examples, if a loss is no number."""
    if not math.isfinite(loss):
        named = ", ".join(example.id for example in examples[:5])
        raise FloatingPointError(
            f"the loss is {loss} at {when}, on examples {named} …; lower the learning rate or "
            "look at these examples"
        )


def measured(ran: list, seconds: float, world) -> dict:
    """Return what the sidecar says of a run that saw these examples."""
    import torch
    from valley.lm import packing

    gpu = world.device != "cpu"
    return {
        "tokens": sum(len(example.ids) for example in ran),
        "response_tokens": packing.answered(ran),
        "squared_lengths": sum(len(example.ids) ** 2 for example in ran),
        "train_seconds": seconds,
        "processes": world.size,
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if gpu else None,
    }


def work(job: dict, asked: Callable[[], bool] = lambda: False) -> dict | None:
    """Do what a description says; every process of a training calls this.

    Args:
        job: plain values: start (a manifest) or made (shape and texts of a new student); shard,
            validation, manifest, losses, validated, state (paths); settings (the recipe's); how
            (the study's `training`); about (for the card); tensorboard (a folder or null).
        asked: tells whether to stop.

    Returns:
        Measurements for the sidecar; None in processes other than the first.
    """
    from valley.lm import card, chat, parallel, students, upfront

    world = parallel.join()
    settings = dict(job["settings"])
    loaded = {"dtype": {"fp32": "float32", "bf16": "bfloat16"}[settings.pop("weights")]}
    loaded["attention"] = settings.pop("attention")
    upfront.check_kernels(loaded["attention"], world.device)
    shape = None
    if job["start"]:
        shape = upfront.shape_of(job["start"])
        upfront.check_memory(shape, job["settings"], job["how"], world)
        bits = (settings["lora"] or {}).get("bits")
        settings["base"] = upfront.base_of(job["start"], settings["lora"])
        model, tokenizer = students.load(job["start"], bits=bits, **loaded)
    else:
        texts = [row["prompt"] + row["response"] for p in job["texts"] for row in read_parquet(p)]
        model, tokenizer = new_student(texts, **job["made"])
    upfront.check_disk(model, job["settings"], job["manifest"], job["state"])

    def again():
        """Make the start's plain model once more; return it with the ids of new tokens."""
        if not job["start"]:
            return new_student(texts, **job["made"])[0], []
        model, tokenizer = students.load(job["start"], **loaded)
        new = chat.add_think_tokens(model, tokenizer) if settings["think"] == "tokens" else []
        return model, new

    with upfront.logger(job["tensorboard"] if world.first else None) as log:
        found = train(
            model,
            tokenizer,
            **{name: job[name] and Path(job[name]) for name in FILES},
            **upfront.one_row_a_pass(settings, loaded["attention"]),
            world=world,
            save_every=job["how"]["save_every"] * 60,
            asked=asked,
            log=log,
            again=again,
        )
    if world.first:
        folder = Path(job["manifest"]).parent / students.FOLDER
        write_text(folder / students.CARD, card.card(job["about"], read_json(job["manifest"])))
        found["mfu"] = upfront.mfu(shape, found, bool(settings["lora"]))
    world.leave()
    return found


FILES = ("shard", "validation", "manifest", "losses", "validated", "state")


def one_of_several(job: Path) -> None:
    """Do this process' part of a training that a launcher started; report to who launched it."""
    from valley.lm import launch

    parent = os.getppid()

    def asked() -> bool:
        if launch.orphaned(parent):
            os._exit(1)
        return told() or launch.wish_of(job).exists()

    with stop_signals() as told:
        try:
            described = read_json(job)
            with disk.explained(described["manifest"], described["state"]):
                outcome = {"measured": work(described, asked)}
        except Stopped as stopped:
            outcome = {"stopped": stopped.message}
    if os.environ["RANK"] == "0":
        write_json(launch.outcome_of(job), outcome)


def describe(snakemake, job) -> dict:
    """Return the plain description of a Snakemake job's work.

    Args:
        snakemake: the object that Snakemake gives to scripts.
        job: `valley.workflow.job.Job`.
    """
    from valley.core.config import complete
    from valley.workflow.job import settings

    manifest, source, params = Path(snakemake.output[0]), snakemake.input, snakemake.params
    made = ("vocabulary", "hidden", "layers", "heads")
    scratch = snakemake.rule == "student"
    how = complete(snakemake.config)["training"]
    board = Path(snakemake.log[0]).with_suffix("") if how["tensorboard"] else None
    digests = job.about["inputs"]
    return {
        "start": None if scratch else source.start,
        "texts": [source.shard, source.text] if scratch else [],
        "made": {
            **{name: params[name] for name in (*made, "seed") if scratch},
            **({"positions": params.max_length} if scratch else {}),
        },
        "shard": source.shard,
        "validation": next(iter(source.get("validation", [])), None),
        "manifest": str(manifest),
        "losses": str(manifest.with_name("losses.jsonl")),
        "validated": snakemake.output.get("validation") or None,
        "state": str(job.state),
        "settings": settings(snakemake, "hub", *made),
        "how": how,
        "tensorboard": board and str(board),
        "about": {
            "study": snakemake.config["study"],
            "arm": dict(snakemake.wildcards.items()),
            "recipe": {n: v for n, v in settings(snakemake, "hub").items() if v is not None},
            "data": digests["shard"][0],
            "start": digests.get("start", [""])[0],
        },
    }


if "snakemake" in globals():
    from valley.workflow.job import bind

    manifest, hub = Path(snakemake.output[0]), snakemake.params.get("hub")
    folders = [] if hub else [manifest.parent / "model"]
    with bind(snakemake, store=snakemake.params.store, folders=folders, resumes=not hub) as job:
        if job.restored:
            pass
        elif hub:
            write_json(manifest, {"hub": dict(hub)})
        else:
            from valley.lm import launch

            described, asks = describe(snakemake, job), snakemake.resources
            where = launch.layout(
                asks.get("gpu", 0), asks.get("nodes", 1), described["how"]["processes"]
            )
            if where.processes == 1:
                with stop_signals() as asked:
                    job.measured |= work(described, asked)
            else:
                file = job.state / "job.json"
                write_json(file, described)
                job.measured |= launch.run(file, where, max(1, snakemake.threads // where.each))

if __name__ == "__main__" and "snakemake" not in globals():
    import argparse

    parser = argparse.ArgumentParser(
        description="One process of a training; see valley/lm/launch.py."
    )
    parser.add_argument("--job", type=Path, required=True, help="JSON description of the work")
    one_of_several(parser.parse_args().job)
