"""What the tests of vLLM share."""

import torch
from lm_material import TEXTS
from valley.core.files import PROBLEM, write_parquet
from valley.lm import students
from valley.lm.requests import Request

GREEDY = {"precision": "fp32", "temperature": 0, "top_p": 1.0, "stop": []}
# The machine's memory is the "GPU's" here; compiling pays on longer runs only.
SPEED = {"gpu_memory_utilization": 0.1, "max_num_seqs": 64, "enforce_eager": True}
# Engines side by side in one process: a share would count what the others hold as the engine's own.
SMALL = {**SPEED, "kv_cache_memory_bytes": 1 << 28}
GPUS = int(torch.cuda.is_available())  # vLLM for CUDA has a newer model runner, see test_seeds.py
PROMPTS = [f"Add {number} and {number * 7 % 31}. " * (1 + number % 5) for number in range(100)]


def answers(engine, texts, *, max_tokens, seed=0):
    """Return an engine's answers in the order of the texts."""
    requests = [Request(engine.encode(text), seed + n, max_tokens) for n, text in enumerate(texts)]
    found = {}
    for finished in engine.answers(requests, lambda: False):
        assert not found.keys() & dict(finished).keys()
        found |= dict(finished)
    return [found[number] for number in range(len(texts))]


def benchmark(path, texts):
    """Write texts as a benchmark's problems."""
    problem = dict.fromkeys(PROBLEM.names)
    rows = [{**problem, "id": f"p{n:03}", "statement": text} for n, text in enumerate(texts)]
    write_parquet(path, rows, PROBLEM)
    return path


def student(folder):
    """Make a student that vLLM can run on a CPU; return its manifest."""
    import torch

    tokenizer = students.train_tokenizer(TEXTS, 400)
    model = students.create(tokenizer, hidden=128, layers=4, heads=4, positions=256, seed=5)
    with torch.no_grad():  # an untrained model repeats itself: larger weights make it say more
        for weight in model.parameters():
            weight.mul_(3)
    students.save(model, tokenizer, folder / "checkpoint.json")
    return folder / "checkpoint.json"
