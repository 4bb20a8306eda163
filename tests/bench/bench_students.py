"""Tokens per second, MFU and memory of full-size students on one GPU, against the estimate.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_students.py --device cuda
    python tests/bench/bench_students.py --device cpu --students tiny --tokens 512
    python tests/bench/bench_students.py --estimate     (no device: the table of docs/training.md)

Models are initialised at random in their true shapes: speed and memory do not depend on what the
weights say. Each way trains on examples of the given length, one an update; the first updates warm
up, then the median counts. MFU counts real tokens once, recomputation never (valley/lm/flops.py).
"""

import argparse
import random
import statistics
import sys
import time

import torch
from valley.core.recipes import Recipe
from valley.lm import attention, blocks, flops, memory, optim, parallel
from valley.lm.adapters import with_lora
from valley.lm.chat import Example
from valley.lm.forward import Forward
from valley.lm.loss import Learner

TINY = flops.Shape(1000, 64, 2, 4, 2, 16, 160, biases=True)
SHAPES = {**flops.STUDENTS, "tiny": TINY}
WAYS = {
    "full": {"lora": None, "weights": "bf16"},
    "LoRA, rank 16": {"lora": {"rank": 16, "bits": None}, "weights": "bf16"},
}


def random_model(shape: flops.Shape, device: str, attention: str):
    """Return a model of a shape, in bf16 and initialised where it is used."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    config = (Qwen2Config if shape.biases else LlamaConfig)(
        **shape.config(), max_position_embeddings=32768
    )
    with torch.device(device):
        return AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation=attention
        )


def measured(shape: flops.Shape, lora: dict | None, options) -> tuple[float, float | None]:
    """Return the median seconds of an update, and the peak of memory in bytes (on a GPU)."""
    device = options.device
    if options.attention == attention.VARLEN:
        attention.register()
    model = random_model(shape, device, options.attention)
    if lora:
        model = with_lora(model, rank=lora["rank"], alpha=32, dropout=0.0, targets="all-linear")
    learner = Learner(model).train()
    blocks.recompute(parallel.blocks(learner), True)
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, Recipe(learning_rate=1e-6))
    forward = Forward(
        learner,
        parallel.World(device=device),
        pad_id=0,
        row_tokens=options.tokens,
        micro_tokens=None,
        precision="bf16",
    )
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    draw, took = random.Random(0), []
    for _ in range(options.warmup + options.repeats):
        ids = [draw.randrange(shape.vocabulary) for _ in range(options.tokens)]
        begun = time.perf_counter()
        forward.train([Example("x", ids, options.prompt)])
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    return statistics.median(took[options.warmup :]), peak


def row(name: str, way: str, options) -> str:
    """Return one line of the table."""
    shape, settings = SHAPES[name], WAYS[way]
    need = memory.training_need(
        shape, options.tokens, attention=options.attention, **settings, precision="bf16"
    )
    label = f"| {name} | {way} | {options.tokens:,} "
    try:
        seconds, peak = measured(shape, settings["lora"], options)
    except torch.cuda.OutOfMemoryError:
        return f"{label}| - | - | out of memory | {need.total / 1e9:.1f} |"
    finally:
        if options.device == "cuda":
            torch.cuda.empty_cache()
    done = flops.training(
        shape,
        options.tokens,
        options.tokens**2,
        options.tokens - options.prompt,
        bool(settings["lora"]),
    )
    card = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    share = flops.utilisation(done, seconds, card)
    return (
        f"{label}| {options.tokens / seconds:,.0f} | {'-' if share is None else f'{share:.1%}'} | "
        f"{'-' if peak is None else f'{peak / 1e9:.1f}'} | {need.total / 1e9:.1f} |"
    )


ESTIMATED = {
    "full, fp32 weights": {"weights": "fp32"},
    "full, bf16 weights": {"weights": "bf16"},
    "full, fp32 weights, 8-bit moments": {"weights": "fp32", "optimizer": "adamw8bit"},
    "LoRA, rank 16, bf16 weights": {"weights": "bf16", "lora": {"rank": 16, "bits": None}},
    "LoRA, rank 16, 4-bit weights": {"weights": "bf16", "lora": {"rank": 16, "bits": 4}},
}
CARDS = {80: 80e9, 141: 141e9}


def estimates() -> list[str]:
    """Return a table of what trainings need on each GPU, and on which cards they fit."""
    lines = ["| student | way | GPUs | tokens | GB on each GPU | fits |"]
    lines.append("| --- | --- | ---: | ---: | ---: | --- |")
    for name in ("Qwen2.5-7B", "Llama-3.1-8B"):
        for way, settings in ESTIMATED.items():
            for devices in (8, 1) if way.startswith("full") else (1,):
                for tokens in (16384, 32768):
                    need = memory.training_need(
                        SHAPES[name],
                        tokens,
                        devices=devices,
                        attention="varlen",
                        **settings,
                    )
                    fits = [
                        f"{card} GB"
                        for card, size in CARDS.items()
                        if need.total <= size * (1 - memory.RESERVE)
                    ]
                    lines.append(
                        f"| {name} | {way} | {devices} | {tokens // 1024}K "
                        f"| {need.total / 1e9:.0f} | {', '.join(fits) or '-'} |"
                    )
    return lines


def main() -> int:
    """Print a table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--students", nargs="+", default=["Qwen2.5-1.5B", "Qwen2.5-7B"])
    parser.add_argument("--tokens", type=int, default=16384, help="of an example and an update")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of them without loss")
    parser.add_argument("--attention", default="sdpa", help="or varlen, flash_attention_2")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--estimate", action="store_true", help="print estimates of memory only")
    options = parser.parse_args()
    if options.estimate:
        print("\n".join(estimates()))
        return 0
    strange = sorted(set(options.students) - set(SHAPES))
    if strange:
        parser.error(f"no shape named {', '.join(strange)}; choose from: {', '.join(SHAPES)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "No CUDA GPU here, so nothing was measured. On a GPU node: "
            "python tests/bench/bench_students.py --device cuda"
        )
        return 2
    print("| student | way | tokens | tokens/s | MFU | peak GB | estimated GB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in options.students:
        for way in WAYS:
            print(row(name, way, options), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
