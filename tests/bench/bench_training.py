"""Training speed, packed against padded, in one run on one core.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_training.py
    python tests/bench/bench_training.py --device cuda    (full-size students: bench_students.py)

Both ways train the same student on the same examples in the same batches, in turns; only the layout
differs. Padded rows hold one example each, with plain causal attention; packed rows hold as many as
fit, kept apart by a block-diagonal mask. Only real tokens count.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # as the workflow's jobs have

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from valley.bank import problems, teacher
from valley.lm import chat, packing, students
from valley.lm.loss import response_loss


def examples_of(kind: str, count: int) -> tuple[list[chat.Example], object]:
    """Return encoded examples (direct answers, traces, or both by turns) and their tokenizer."""
    rows = problems.generate(count, 1, "tune")
    write = {
        "answers": lambda row, seed: teacher.direct(row),
        "traces": lambda row, seed: teacher.trace(row, seed, 0.2),
    }
    kinds = list(write) if kind == "mixed" else [kind]
    texts = [
        (row["statement"], write[kinds[at % len(kinds)]](row, at)) for at, row in enumerate(rows)
    ]
    tokenizer = students.train_tokenizer([prompt + text for prompt, text in texts], 1536)
    return [chat.encode(tokenizer, "", *text) for text in texts], tokenizer


def padded_loss(model, batch: dict) -> torch.Tensor:
    """Return the same loss without positions: plain causal attention over padded rows."""
    hidden = model.model(input_ids=batch["input_ids"], use_cache=False).last_hidden_state
    targets = batch["labels"][:, 1:]
    answered = targets != packing.IGNORED
    logits = model.lm_head(hidden[:, :-1][answered])
    return torch.nn.functional.cross_entropy(logits, targets[answered])


def speed(model, batches: list[list[chat.Example]], row_tokens: int, loss_of) -> float:
    """Return real tokens trained per second over the batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    begun = time.perf_counter()
    for chosen in batches:
        batch = packing.collate(packing.micro_batches(chosen, row_tokens, None)[0][0], 0)
        batch = {name: torch.from_numpy(array) for name, array in batch.items()}
        loss_of(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    tokens = sum(len(example.ids) for chosen in batches for example in chosen)
    return tokens / (time.perf_counter() - begun)


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--write", type=Path, help="document for the table of full-size students")
    options = parser.parse_args()
    if options.device == "cuda":
        command = [sys.executable, str(Path(__file__).with_name("bench_students.py"))]
        command += ["--write", str(options.write)] if options.write else []
        sys.exit(subprocess.call(command))
    print("| examples | batch | padded: share of real tokens | packed | packed / padded |")
    print("| --- | --- | --- | --- | --- |")
    for kind in ("answers", "traces", "mixed"):
        for size in (8, 32):
            examples, tokenizer = examples_of(kind, size * options.batches)
            batches = [examples[at : at + size] for at in range(0, len(examples), size)]
            model = students.create(
                tokenizer, hidden=128, layers=4, heads=4, positions=512, seed=0
            ).train()
            filled = []
            for row_tokens in (1, 256):
                cells = sum(
                    packing.collate(packing.micro_batches(b, row_tokens, None)[0][0], 0)[
                        "input_ids"
                    ].size
                    for b in batches
                )
                filled.append(sum(len(e.ids) for e in examples) / cells)
            ratios = []
            for _ in range(options.rounds + 1):  # the first round warms up
                padded = speed(model, batches, 1, padded_loss)
                ratios.append(speed(model, batches, 256, response_loss) / padded)
            ratio = statistics.median(ratios[1:])
            print(
                f"| {kind} | {size} | {filled[0]:.2f} | {filled[1]:.2f} | {ratio:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
