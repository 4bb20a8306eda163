"""Tokens per second, MFU and memory of full-size students on one GPU, against the estimate.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_students.py --write docs/benchmarks.md
    python tests/bench/bench_students.py --device cpu    (tiny shapes: a look at the table)
    python tests/bench/bench_students.py --estimate     (no device: the table of docs/training.md)

Models are initialised at random in their true shapes: speed and memory do not depend on what the
weights say. Rows are packed with examples of half, a quarter and two eighths of their length; an
update has 32K tokens or a row. The first updates warm up, then the median counts. MFU counts real
tokens once, recomputation never (valley/lm/flops.py).

Cases stand in the order of what one wants to know first, and none begins when the time is over.
"""

import argparse
import gc
import random
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from valley.core.recipes import Recipe
from valley.lm import attention, blocks, flops, memory, optim, parallel
from valley.lm.adapters import with_lora
from valley.lm.chat import Example
from valley.lm.forward import Forward
from valley.lm.loss import Learner

SHAPES = {
    "Qwen2.5-0.5B": flops.Shape(151936, 896, 24, 14, 2, 64, 4864, tied=True, biases=True),
    **flops.STUDENTS,
}
TINY = flops.Shape(1000, 64, 4, 4, 2, 16, 160, biases=True)
LORA = {"rank": 16, "bits": None}
UPDATE = 32768  # tokens
PARTS = (2, 4, 8, 8)  # of a row: its examples
PROMPT = 64  # tokens of an example without loss
WARMUP, REPEATS = 2, 3
MARKS = ("<!-- students: table -->", "<!-- students: end -->")


@dataclass(frozen=True)
class Case:
    """What is measured: a student, how it is trained, and the levers.

    Attributes:
        student: name of its shape.
        lora: train adapters of rank 16 alone, else all weights; both are in bf16.
        tokens: of a row, and of a pass.
        kernel: of attention.
        checkpointing: the recipe's `gradient_checkpointing`.
        compiled: the recipe's `compile`.
        head: the recipe's `head_positions`; None is its default.
    """

    student: str
    lora: bool
    tokens: int = 16384
    kernel: str = attention.VARLEN
    checkpointing: bool | str = "selective"
    compiled: bool = False
    head: int | None = None


def cases() -> list[Case]:
    """Return all cases, the most telling first."""
    small, large = Case("Qwen2.5-1.5B", False), Case("Qwen2.5-7B", False)
    adapters, least = Case("Qwen2.5-7B", True), Case("Qwen2.5-0.5B", False)
    plain = [adapters, small, large, least]
    best = [replace(case, compiled=True, checkpointing="auto") for case in (small, adapters, large)]
    levers = [
        {"compiled": True},
        {"checkpointing": "auto"},
        {"checkpointing": True},
        {"checkpointing": False},
        {"kernel": attention.SDPA},
        {"head": 8192},
    ]
    turned = [replace(small, **lever) for lever in levers]
    lengths = [replace(case, tokens=n) for n in (4096, 32768) for case in plain]
    return plain + best + turned + lengths + [replace(adapters, **lever) for lever in levers]


def asked_of(case: Case) -> dict:
    """Return a case as `memory.training_need` takes it."""
    return {
        "tokens": case.tokens,
        "precision": "bf16",
        "weights": "bf16",
        "gradient_checkpointing": case.checkpointing,
        "attention": case.kernel,
        "lora": LORA if case.lora else None,
        "head_positions": case.head,
    }


def fitting(shape: flops.Shape, has: float, case: Case) -> flops.Shape:
    """Return a shape with as many of its blocks as fit a device's memory, at least two."""
    for layers in range(shape.layers, 2, -1):
        fewer = replace(shape, layers=layers)
        if memory.training_need(fewer, **asked_of(case)).total <= has * (1 - memory.RESERVE):
            return fewer
    return replace(shape, layers=2)


def random_model(shape: flops.Shape, device: str, kernel: str):
    """Return a model of a shape, in bf16 and initialised where it is used."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    if kernel == attention.VARLEN:
        attention.register()
    config = (Qwen2Config if shape.biases else LlamaConfig)(
        **shape.config(), max_position_embeddings=32768
    )
    with torch.device(device):
        return AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation=kernel
        )


def examples_of(shape: flops.Shape, row: int, update: int) -> list[Example]:
    """Return the examples of an update: rows that they fill to the last token."""
    draw = random.Random(0)
    lengths = [row // part for part in PARTS] * max(1, update // row)
    return [
        Example(f"x{n}", [draw.randrange(shape.vocabulary) for _ in range(length)], PROMPT)
        for n, length in enumerate(lengths)
    ]


def measured(
    shape: flops.Shape, case: Case, device: str, has: float, examples: list[Example]
) -> tuple[float, float | None, int]:
    """Return the median seconds of an update, the peak bytes (on a GPU), and the blocks alone."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model = random_model(shape, device, case.kernel)
    if case.lora:
        model = with_lora(model, rank=LORA["rank"], alpha=32, dropout=0.0, targets="all-linear")
    alone = 0
    if case.checkpointing == "auto":
        alone = memory.most_alone(shape, has, **asked_of(case))
    learner = Learner(model, case.head).train()
    blocks.recompute(parallel.blocks(learner), case.checkpointing, alone)
    if case.compiled:
        blocks.compile_each(parallel.blocks(learner))
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, Recipe(learning_rate=1e-6))
    forward = Forward(
        learner,
        parallel.World(device=device),
        pad_id=0,
        row_tokens=case.tokens,
        micro_tokens=case.tokens,
        precision="bf16",
        few_shapes=case.compiled,
    )
    took = []
    for _ in range(WARMUP + REPEATS):
        begun = time.perf_counter()
        forward.train(examples)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    return statistics.median(took[WARMUP:]), peak, alone


def clean(device: str) -> None:
    """Give back what a case has held."""
    gc.collect()
    torch._dynamo.reset()
    if device == "cuda":
        torch.cuda.empty_cache()


def scaled(few: float, fewer: float, blocks: tuple[int, int], layers: int) -> float:
    """Return the seconds of a whole model, from those at two depths: blocks take alike.

    Args:
        few, fewer: seconds with these
        blocks: numbers of blocks.
        layers: of the whole.
    """
    each = (few - fewer) / (blocks[0] - blocks[1])
    return few + (layers - blocks[0]) * each


def row(case: Case, device: str, has: float, update: int = UPDATE) -> str:
    """Measure a case; return its line of the table.

    Where the student does not fit, as many blocks as fit are measured, and half of them: what one
    block takes is their difference, and the time of all is told from it.
    """
    whole = TINY if device == "cpu" else SHAPES[case.student]
    shape = fitting(whole, has, case)
    examples = examples_of(whole, case.tokens, update)
    tokens = sum(len(example.ids) for example in examples)
    kind = "LoRA" if case.lora else "full"
    levers = f"{case.kernel} | {case.checkpointing} | {'yes' if case.compiled else 'no'} "
    label = f"| {case.student} | {kind} | {case.tokens // 1024}K | {levers}| {case.head or '-'} "
    try:
        seconds, peak, alone = measured(shape, case, device, has, examples)
        clean(device)
        of = f"{shape.layers} of {whole.layers}"
        if shape != whole:
            half = replace(shape, layers=shape.layers // 2)
            # With "auto", half as deep a model would recompute a smaller share of its blocks.
            fewer, _, _ = measured(half, case, device, has * half.layers / shape.layers, examples)
            seconds = scaled(seconds, fewer, (shape.layers, half.layers), whole.layers)
    except torch.OutOfMemoryError:
        return f"{label}| {shape.layers} of {whole.layers} | - | - | out of memory | - |"
    finally:
        clean(device)
    done = flops.training(
        whole,
        tokens,
        sum(len(example.ids) ** 2 for example in examples),
        tokens - PROMPT * len(examples),
        case.lora,
    )
    share = flops.utilisation(done, seconds, card_of(device))
    need = memory.training_need(shape, alone=alone, **asked_of(case))
    return (
        f"{label}| {of} | {tokens / seconds:,.0f} | {'-' if share is None else f'{share:.1%}'} | "
        f"{'-' if peak is None else f'{peak / 1e9:.1f}'} | {need.total / 1e9:.1f} |"
    )


def card_of(device: str) -> str:
    """Return the device's name."""
    return torch.cuda.get_device_name() if device == "cuda" else "the CPU"


def table(device: str, minutes: float, chosen: list[Case], update: int = UPDATE) -> str:
    """Measure cases until the time is over; return the table with what it was measured on."""
    has = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else 80e9
    lines = [
        "| student | way | row | attention | checkpointing | compiled | head | blocks | tokens/s "
        "| MFU | peak GB | estimated GB |",
        "| --- | --- | ---: | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    begun, left = time.monotonic(), list(chosen)
    while left and time.monotonic() - begun < 60 * minutes:
        lines.append(row(left.pop(0), device, has, update))
        print(lines[-1], flush=True)
    missing = f" {len(left)} further cases were not measured: the time was over." if left else ""
    lines.append(
        f"\n{card_of(device)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}; "
        f"median of {REPEATS} updates of {update:,} tokens.{missing}"
    )
    print(lines[-1], flush=True)
    return "\n".join(lines)


def between(document: str, text: str) -> str:
    """Return a document with a text between its marks."""
    before, begin, rest = document.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise ValueError(f"the document lacks the marks {MARKS[0]} and {MARKS[1]}")
    return f"{before}{begin}\n{text}\n{end}{after}"


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
                        flops.STUDENTS[name],
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
    """Print a table, and put it into a document if asked to; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=8, help="no case begins later")
    parser.add_argument("--write", type=Path, help="replace the table between the students' marks")
    parser.add_argument("--estimate", action="store_true", help="print estimates of memory only")
    options = parser.parse_args()
    if options.estimate:
        print("\n".join(estimates()))
        return 0
    if options.device == "cuda" and not torch.cuda.is_available():
        print("No CUDA GPU here, so nothing was measured; run this on a GPU node.")
        return 2
    if options.device == "cpu":
        if options.write:
            parser.error("--write is for figures of a GPU")
        short = [replace(case, tokens=1024, kernel="sdpa", compiled=False) for case in cases()]
        table("cpu", options.minutes, list(dict.fromkeys(short)), update=2048)
        return 0
    found = table("cuda", options.minutes, cases())
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        options.write.write_text(between(text, found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
