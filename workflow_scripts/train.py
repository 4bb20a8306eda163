"""Train a student on a shard: the undistilled start, or an arm of the study.

One script for all scales: the model, lengths, precision and LoRA come from the study file. The loop
is plain so that it can be read from top to bottom.
"""

import json
import math
import time
from pathlib import Path

from core.files import read_parquet, write_json


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


def new_student(texts: list[str], *, vocabulary: int, seed: int, **shape: int):
    """Make a tokenizer from texts and an untrained model of the given shape."""
    from lm import students

    tokenizer = students.train_tokenizer(texts, vocabulary)
    return students.create(tokenizer, seed=seed, **shape), tokenizer


def with_lora(model, *, rank: int, alpha: float, dropout: float, targets: list[str] | str):
    """Wrap a model so that only low-rank adapters are trained (peft)."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=targets,
            task_type="CAUSAL_LM",
        ),
    )


def train(
    model,
    tokenizer,
    shard: Path,
    manifest: Path,
    *,
    seed: int,
    rate: float,
    batch_examples: int,
    epochs: float | None = None,
    steps: int | None = None,
    schedule: str = "cosine",
    warmup: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 1.0,
    max_length: int = 32768,
    overlong: str = "drop",
    row_tokens: int = 512,
    precision: str = "fp32",
    gradient_checkpointing: bool = False,
    lora: dict | None = None,
    losses: Path | None = None,
) -> dict:
    """Train on a shard, response tokens only, and save a Hugging Face folder with its manifest.

    Args:
        model: a transformers causal model in single precision.
        tokenizer: its tokenizer, with a chat template.
        shard: pool rows (prompt, response).
        manifest: `checkpoint.json` to write, last of all.
        seed: decides the order of the examples (and dropout).
        rate: peak learning rate of AdamW.
        batch_examples: examples per update.
        epochs: passes over the shard; or
        steps: updates, whatever the size of the shard.
        schedule: see `learning_rate`.
        warmup: share of updates.
        weight_decay: of AdamW, on matrices only.
        clip: largest norm of the gradient.
        max_length: tokens of an example, prompt included.
        overlong: "drop" or "cut" longer examples; both are counted.
        row_tokens: length of a packed row.
        precision: "fp32", or "bf16" for autocast over single-precision weights.
        gradient_checkpointing: trade time for memory.
        lora: None for full-parameter training, else rank, alpha, dropout, targets.
        losses: JSON-lines file for the loss and rate of every update.

    Returns:
        Measurements for the sidecar: tokens, seconds, tokens per second, peak memory.

    Raises:
        ValueError: no example fits the length limit.
        FloatingPointError: the loss is not finite; the message names update and examples.
    """
    import torch
    from lm import chat, packing, students

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = read_parquet(shard, columns=["id", "prompt", "response"])
    encoded = [chat.encode(tokenizer, **row) for row in rows]
    examples, overlong_count = chat.fit_length(encoded, max_length, overlong)
    if not examples:
        raise ValueError(f"{shard}: all {len(rows)} examples are longer than {max_length} tokens")
    plan = packing.batches(len(examples), batch_examples, seed, epochs=epochs, steps=steps)

    if lora:
        model = with_lora(model, **lora)
    if gradient_checkpointing:
        model.gradient_checkpointing_enable()
    model.to(device).train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [w for w in trained if w.ndim >= 2], "weight_decay": weight_decay},
            {"params": [w for w in trained if w.ndim < 2], "weight_decay": 0.0},
        ],
        lr=rate,
        betas=(0.9, 0.95),
        fused=True,
    )

    history, tokens_seen, begun = [], 0, time.monotonic()
    for step, chosen in enumerate(plan):
        batch = packing.collate(
            [examples[i] for i in chosen], row_tokens, tokenizer.pad_token_id or 0
        )
        batch = {name: torch.from_numpy(array).to(device) for name, array in batch.items()}
        now = learning_rate(step, len(plan), rate, warmup, schedule)
        for group in optimizer.param_groups:
            group["lr"] = now
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            loss = response_loss(model, batch)
        if not torch.isfinite(loss):
            named = ", ".join(examples[i].id for i in chosen[:5])
            raise FloatingPointError(
                f"the loss is {loss.item()} at update {step + 1} of {len(plan)}, "
                f"on examples {named} …; lower the learning rate or look at these examples"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens_seen += sum(len(examples[i].ids) for i in chosen)
        history.append({"step": step + 1, "loss": loss.item(), "rate": now})
        if (step + 1) % max(1, len(plan) // 10) == 0:
            pace = tokens_seen / (time.monotonic() - begun)
            print(f"update {step + 1}/{len(plan)}  loss {loss.item():.4f}  {pace:,.0f} tokens/s")

    seconds = time.monotonic() - begun
    if lora:
        model = model.merge_and_unload()
    last = [entry["loss"] for entry in history[-max(1, len(history) // 20) :]]
    if losses:
        losses.parent.mkdir(parents=True, exist_ok=True)
        losses.write_text("".join(json.dumps(entry) + "\n" for entry in history))
    students.save(
        model,
        tokenizer,
        manifest,
        examples=len(examples),
        overlong={"policy": overlong, "count": overlong_count},
        updates=len(plan),
        tokens=tokens_seen,
        final_loss=sum(last) / len(last),
    )
    return {
        "tokens": tokens_seen,
        "train_seconds": seconds,
        "tokens_per_second": tokens_seen / seconds,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None,
    }


def response_loss(model, batch):
    """Return the mean cross-entropy over the response tokens of a batch of packed rows.

    Logits are computed at labelled positions only: prompts cost no vocabulary-wide product.
    """
    import torch
    from lm.packing import IGNORED

    # use_cache=False: with a cache, transformers does not build the block-diagonal mask.
    body = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = body.model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    targets = batch["labels"][:, 1:]
    answered = targets != IGNORED
    logits = body.get_output_embeddings()(hidden[:, :-1][answered])
    return torch.nn.functional.cross_entropy(logits.float(), targets[answered])


if "snakemake" in globals():
    from core.job import bind, settings

    manifest = Path(snakemake.output[0])
    losses = manifest.with_name("losses.jsonl")
    with bind(snakemake, store=snakemake.params.store, folders=[manifest.parent / "model"]) as job:
        if job.restored:
            pass
        elif snakemake.params.get("hub"):
            write_json(manifest, {"hub": dict(snakemake.params.hub)})
        else:
            made = ("hub", "vocabulary", "hidden", "layers", "heads")
            if snakemake.rule == "student":
                rows = read_parquet(snakemake.input.shard) + read_parquet(snakemake.input.text)
                texts = [row["prompt"] + row["response"] for row in rows]
                chosen = {name: snakemake.params[name] for name in (*made[1:], "seed")}
                start = new_student(texts, positions=snakemake.params.max_length, **chosen)
            else:
                from lm import students

                start = students.load(snakemake.input.start)
            job.measured |= train(
                *start, snakemake.input.shard, manifest, losses=losses, **settings(snakemake, *made)
            )
