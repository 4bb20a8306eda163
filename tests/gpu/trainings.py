"""Whole trainings by `work()`, the function that jobs call: what they learn, stop at and refuse."""

import json
import os
from pathlib import Path

import torch
import train
from comparing import LORA, Setup
from training_material import begin, description, hub_student, made, stop, work
from valley.core.files import read_json, write_json
from valley.lm import launch, students
from valley.lm.engines import with_transformers
from valley.lm.requests import Request

OFTEN = {"save_every": 1e-9}  # minutes: after every update


def start_of(folder: Path, setup: Setup, kind: str) -> Path:
    """Save a student as the hub would have it; return its manifest."""
    folder.mkdir(parents=True)
    return hub_student(folder, kind, **setup.shape)


def recipe_of(setup: Setup, lora: bool) -> dict:
    """Return what the recipes of these trainings have in common."""
    settings = {"precision": setup.precision, "micro_tokens": 1024, "learning_rate": 0.002}
    if lora:
        settings |= {"lora": LORA, "learning_rate": 0.01}
    return settings


def losses(job: dict) -> list[float]:
    """Return a finished training's loss of every update."""
    return [entry["loss"] for entry in made(job)["losses"]]


def learns(folder: Path, setup: Setup, kind: str, lora: bool) -> tuple[float, str]:
    """Train a student; return its last held-out loss over its first, and the kernel used."""
    start = start_of(folder / "start", setup, kind)
    folder = folder / "job"
    folder.mkdir()
    job = description(folder, start, rows=setup.rows, epochs=3, **recipe_of(setup, lora))
    measured = work(job)
    looks = [look["loss"] for look in made(job)["looks"]]
    return looks[-1] / looks[0], measured["attention"]


def resumed(folder: Path, setup: Setup) -> tuple[float, bool]:
    """Stop a training by SIGTERM and go on.

    Returns:
        The largest difference of a loss from an undisturbed run's (see `differ`), and whether
        weights and losses are the same to the last bit.
    """
    start = start_of(folder / "start", setup, "qwen2")
    jobs = {}
    for name, how in (("straight", None), ("stopped", OFTEN)):
        (folder / name).mkdir()
        jobs[name] = description(
            folder / name, start, rows=setup.rows, how=how, epochs=8, **recipe_of(setup, False)
        )
    straight, job = jobs["straight"], jobs["stopped"]
    work(straight)
    process = begin(job)
    said = stop(process, job)
    done = read_json(Path(job["state"]) / "position.json")["done"]
    if process.returncode or Path(job["manifest"]).exists() or not done:
        raise RuntimeError(f"SIGTERM did not stop it, {done} updates saved: {said[-300:]}")
    work({**job, "how": straight["how"]})
    one, other = made(job), made(straight)
    same = one["losses"] == other["losses"] and all(
        torch.equal(weight, other["weights"][name]) for name, weight in one["weights"].items()
    )
    return differ(losses(job), losses(straight)), same


def differ(these: list[float], those: list[float]) -> float:
    """Return the largest difference of two runs' losses, as a share of the first of them.

    Later losses are small, and runs that round differently drift apart.
    """
    return max(abs(a - b) for a, b in zip(these, those, strict=True)) / those[0]


def poisoned(folder: Path, setup: Setup) -> str:
    """Train a student whose loss is finite and whose gradient's norm is not; return what it says.

    Raises:
        RuntimeError: it trained all the same, or left a checkpoint or a state.
    """
    start = start_of(folder / "start", setup, "llama")
    model, _ = students.load(start)
    with torch.no_grad():  # logits stay as they are; the norm weight's gradient squared overflows
        model.model.norm.weight.mul_(1e-25)
        model.lm_head.weight.mul_(1e25)
    model.save_pretrained(read_json(start)["hub"]["id"])
    folder = folder / "job"
    folder.mkdir()
    job = description(folder, start, rows=setup.rows, **recipe_of(setup, False))
    try:
        work(job)
    except FloatingPointError as error:
        left = [p for p in (job["manifest"], f"{job['state']}/position.json") if os.path.exists(p)]
        if left:
            raise RuntimeError(f"it stopped, but left {', '.join(left)}") from error
        return str(error)
    raise RuntimeError("the training ended as if nothing were wrong")


def greedy(folder: Path, setup: Setup, kind: str) -> float:
    """Return the share of greedy answers that are those of transformers' own `generate()`."""
    manifest = start_of(folder / "start", setup, kind)
    engine = with_transformers.Engine(
        manifest, precision="fp32", temperature=0, top_p=1.0, stop=[], batch_size=8
    )
    prompts = [
        engine.encode(f"Add {n} and {n * 7 % 31}. " * (1 + n % 5)) for n in range(setup.rows // 4)
    ]
    requests = [Request(prompt, n, 32) for n, prompt in enumerate(prompts)]
    ours = dict(found for some in engine.answers(requests, lambda: False) for found in some)
    model, tokenizer = students.load(manifest)
    model.to(setup.device).eval()
    equal = 0
    for number, prompt in enumerate(prompts):
        ids = torch.tensor([prompt], device=setup.device)
        ends = {tokenizer.eos_token_id, *_listed(model.generation_config.eos_token_id)}
        with torch.no_grad():
            whole = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=32,
                eos_token_id=sorted(ends),
            )
        theirs = whole[0, len(prompt) :].tolist()
        if theirs and theirs[-1] in ends:
            theirs.pop()
        equal += ours[number].ids == theirs
    return equal / len(prompts)


def _listed(value) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]


def sharded(folder: Path, setup: Setup, processes: int) -> float:
    """Return the largest difference of a loss (see `differ`): several processes against one."""
    start = start_of(folder / "start", setup, "qwen2")
    jobs = []
    for name in ("alone", "sharded"):
        (folder / name).mkdir()
        jobs.append(description(folder / name, start, rows=setup.rows, **recipe_of(setup, False)))
    alone, several = jobs
    work(alone)
    file = folder / "sharded" / "job.json"
    write_json(file, several)
    where = launch.Layout(1, processes)
    launch.run(file, where, 1, train.one_of_several.__name__)
    return differ(_losses_of(several), losses(alone))


def _losses_of(job: dict) -> list[float]:
    lines = train.Training.of(job).losses.read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]
