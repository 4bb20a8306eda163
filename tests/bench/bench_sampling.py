"""Sampling speed on cores: this workflow's engine beside others, on the same prompts, in turns.

It needs PYTHONPATH=workflow_scripts.

    python tests/bench/bench_sampling.py MODEL
        [--before CHECKOUT]       an older checkout's engine
        [--vllm PYTHON]           of an environment that has vLLM's build for CPUs
        [--write docs/benchmarks.md]

MODEL is a model's folder; `./valley model FOLDER` writes one. Each way runs in its own process.
What is measured is the time of answering, loading left out: the processor's, and the clock's.
`generate` is that of transformers, which draws from one stream and is given the same batches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS, BEFORE, GENERATE, VLLM = "this engine", "before", "generate()", "vLLM"
VLLM_SPEED = {"gpu_memory_utilization": 0.1, "enforce_eager": True}


def measure(way: str, options: argparse.Namespace) -> dict:
    """Answer by one way in this process; return tokens, and seconds of processor and clock."""
    from valley.bank import problems
    from valley.lm.requests import Request

    if way == VLLM:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from valley.lm.engines.with_vllm import Engine
    else:
        from valley.lm.engines.with_transformers import Engine
    speed = {**VLLM_SPEED, "max_num_seqs": options.batch_size}
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "checkpoint.json")
        manifest.write_text(json.dumps({"hub": {"id": options.model, "revision": None}}))
        engine = Engine(
            manifest,
            precision=options.precision,
            temperature=options.temperature,
            top_p=options.top_p,
            stop=[],
            batch_size=options.batch_size,
            group=options.prompts * options.samples,
            vllm=speed,
        )
    rows = problems.generate(options.prompts, 3, "eval")
    prompts = [engine.encode(row["statement"]) for row in rows]
    requests = [
        Request(prompt, number * options.samples + sample, options.max_tokens)
        for number, prompt in enumerate(prompts)
        for sample in range(options.samples)
    ]
    if way == VLLM:
        engine._started(max(map(len, prompts)) + options.max_tokens)
    clock, processor = time.perf_counter(), time.process_time()
    if way == GENERATE:
        tokens = generate(engine, requests, options)
    else:
        batches = engine.answers(requests, lambda: False)
        tokens = sum(len(answer.ids) for batch in batches for _, answer in batch)
    return {
        "tokens": tokens,
        "processor": time.process_time() - processor,
        "clock": time.perf_counter() - clock,
    }


def generate(engine, requests: list, options: argparse.Namespace) -> int:
    """Answer by transformers' own way, batches by length; return how many tokens were said."""
    import torch

    model, ends = engine._model, engine._settings["end_ids"]
    if model.config._attn_implementation not in ("sdpa", "eager"):
        model.set_attn_implementation("sdpa")  # as it was loaded
    pad, tokens = engine._settings["pad_id"], 0
    torch.manual_seed(0)
    ordered = sorted(requests, key=lambda request: len(request.prompt))
    for at in range(0, len(ordered), options.batch_size):
        batch = [request.prompt for request in ordered[at : at + options.batch_size]]
        width = max(map(len, batch))
        ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in batch])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=options.max_tokens,
            do_sample=True,
            temperature=options.temperature,
            top_p=options.top_p,
            top_k=0,
            eos_token_id=ends,
            pad_token_id=pad,
        )[:, width:]
        for row in made.tolist():
            tokens += next((n for n, token in enumerate(row) if token in ends), len(row))
    return tokens


def rounds(options: argparse.Namespace) -> dict[str, list[dict]]:
    """Run each way in turns, each time in a new process; return what was measured."""
    ways = {OURS: (sys.executable, ROOT), GENERATE: (sys.executable, ROOT)}
    if options.before:
        ways[BEFORE] = (sys.executable, options.before)
    if options.vllm:
        ways[VLLM] = (options.vllm, ROOT)
    found = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, (python, root) in ways.items():
            path = f"{Path(python).parent}:{os.environ['PATH']}"
            environment = {
                **os.environ,
                "PATH": path,
                "PYTHONPATH": f"{root}/workflow_scripts",
                "OMP_NUM_THREADS": str(options.threads),
            }
            command = [python, __file__, *sys.argv[1:], "--way", way]
            run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            found[way].append(json.loads(run.stdout.decode().splitlines()[-1]))
            print(way, found[way][-1], file=sys.stderr, flush=True)
    return found


def speeds_of(found: dict[str, list[dict]]) -> dict[str, dict[str, float]]:
    """Return each way's median tokens a second, of the processor and by the clock."""
    return {
        way: {
            kind: statistics.median(run["tokens"] / run[kind] for run in runs)
            for kind in ("processor", "clock")
        }
        for way, runs in found.items()
    }


def put(page: Path, name: str, text: str) -> None:
    """Put a table into a page, between the marks of its name."""
    start, end = f"<!-- {name}: table -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def table(found: dict[str, list[dict]], options: argparse.Namespace) -> str:
    """Return the measurements as a table of Markdown."""
    speeds = speeds_of(found)
    lines = [
        "| way | tokens | tokens a processor second | tokens a second | this engine / it |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {way} | {runs[0]['tokens']:,} | {speeds[way]['processor']:.1f} "
        f"| {speeds[way]['clock']:.1f} "
        f"| {speeds[OURS]['processor'] / speeds[way]['processor']:.2f} |"
        for way, runs in found.items()
    ]
    rounds = f"{options.rounds} rounds" if options.rounds > 1 else "one round"
    return "\n".join(
        [
            *lines,
            "",
            f"{options.prompts} prompts x {options.samples} answers of up to {options.max_tokens} "
            f"tokens, {options.batch_size} side by side, {options.precision}, temperature "
            f"{options.temperature:g}, top_p {options.top_p:g}; {rounds} in turns, "
            f"{options.threads} thread{'s' * (options.threads > 1)}. "
            "The ratio is of processor time.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a model's folder")
    parser.add_argument("--before", type=Path, help="an older checkout")
    parser.add_argument("--vllm", help="Python of an environment with vLLM")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page that the table is put into")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options)))
        return
    text = table(rounds(options), options)
    print(text)
    if options.write:
        put(options.write, "sampling", text)


if __name__ == "__main__":
    main()
