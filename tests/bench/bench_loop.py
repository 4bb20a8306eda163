"""Training speed of a pre-trained student beside a bare loop, on the same batches, in turns.

It needs PYTHONPATH=workflow_scripts.

    python tests/bench/bench_loop.py MODEL [--write docs/benchmarks.md]

MODEL is a model's folder; `./valley model FOLDER` writes one. "This workflow" is the very function
that its jobs call, checks, log lines, gradient clipping and the rate's schedule included; encoding
the shard is not. The bare loop pads each batch, calls transformers' model for its loss, goes
backward and steps AdamW. Only real tokens count, and the first update warms up.
Each turn runs in a process of its own, so that neither finds memory that the other has warmed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_sampling import put, speeds_of

OURS, BARE = "this workflow", "a bare loop"
SEED = 0


def written(folder: str, options: argparse.Namespace) -> Path:
    """Write the bank's traces as rows of a shard; return its path."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from valley.bank import problems, teacher

    rows = problems.generate(options.updates * options.batch, 1, "tune")
    columns = {
        "id": [str(at) for at in range(len(rows))],
        "prompt": [row["statement"] for row in rows],
        "response": [teacher.trace(row, at, 0.2) for at, row in enumerate(rows)],
    }
    path = Path(folder, "shard.parquet")
    pq.write_table(pa.table(columns), path)
    return path


def bare(model, tokenizer, batches: list[list], recipe, after) -> None:
    """Train as a script of thirty lines would: padded rows, the model's own loss, AdamW."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, fused=True)
    model.train()
    for update, batch in enumerate(batches):
        width = max(len(example.ids) for example in batch)
        ids = torch.full((len(batch), width), tokenizer.pad_token_id or 0)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for row, example in enumerate(batch):
            end = len(example.ids)
            ids[row, :end] = torch.tensor(list(example.ids))
            labels[row, example.prompt_tokens : end] = ids[row, example.prompt_tokens : end]
            mask[row, :end] = 1
        model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        after(update)


def measure(way: str, options: argparse.Namespace) -> dict:
    """Train by one way in this process.

    Returns:
        Tokens, and seconds of processor and clock, of all updates but the first, which warms up.
    """
    from valley.core.recipes import Recipe
    from valley.lm import chat, encoded, packing, students
    from valley.lm.training import Training, train

    recipe = Recipe(
        learning_rate=1e-5,
        batch_examples=options.batch,
        epochs=1,
        max_length=options.row_tokens,
        row_tokens=options.row_tokens,
        weights=options.precision,
        precision=options.precision,
    )
    times = []

    def after(update: int, values: dict | None = None) -> None:
        times.append((time.process_time(), time.perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder, "start.json")
        start.write_text(json.dumps({"hub": {"id": options.model, "revision": None}}))
        model, tokenizer = students.load(str(start), dtype=students.DTYPES[options.precision])
        shard = written(folder, options)
        examples = encoded.Encoded(
            list(encoded.encode(tokenizer, str(shard), chat.end_of_turn(tokenizer)))
        )
        lengths = examples.lengths.tolist()
        plan = packing.batches(lengths, options.batch, SEED, epochs=1, steps=None)
        if way == OURS:
            manifest = str(Path(folder, "made", "checkpoint.json"))
            what = Training(shard=str(shard), manifest=manifest, recipe=recipe, seed=SEED)
            train(model, tokenizer, what, log=after)
        else:
            batches = [[examples[at] for at in batch] for batch in plan]
            bare(model, tokenizer, batches, recipe, after)
    (processor, clock), (processor_end, clock_end) = times[0], times[-1]
    return {
        "tokens": sum(lengths[at] for batch in plan[1:] for at in batch),
        "processor": processor_end - processor,
        "clock": clock_end - clock,
    }


def rounds(options: argparse.Namespace) -> dict[str, list[dict]]:
    """Run both ways in turns; return what was measured."""
    found = {OURS: [], BARE: []}
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    for _ in range(options.rounds):
        for way, runs in found.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
            run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            runs.append(json.loads(run.stdout.decode().splitlines()[-1]))
            print(way, runs[-1], file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[dict]], options: argparse.Namespace) -> str:
    """Return the measurements as a table of Markdown."""
    speeds = speeds_of(found)
    ratio = speeds[OURS]["processor"] / speeds[BARE]["processor"]
    lines = ["| way | tokens a processor second | tokens a second |", "| --- | ---: | ---: |"]
    lines += [
        f"| {way} | {speed['processor']:.1f} | {speed['clock']:.1f} |"
        for way, speed in speeds.items()
    ]
    lines += [
        "",
        f"{options.updates - 1} updates of {options.batch} traces, {options.precision}, rows of "
        f"{options.row_tokens} tokens; median of {options.rounds} in turns, {options.threads} "
        f"thread{'s' * (options.threads > 1)}. By processor time this workflow reaches "
        f"**{ratio:.2f}** of the bare loop's tokens.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a model's folder")
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--row-tokens", type=int, default=1024)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="page that the table is put into")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options)))
        return
    text = table(rounds(options), options)
    print(text)
    if options.write:
        put(options.write, "loop", text)


if __name__ == "__main__":
    main()
