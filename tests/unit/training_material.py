"""Small students of the true architectures, and trainings of them by their plain description."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import train
from lm_material import TEXTS, pool_rows
from valley.core.files import POOL, read_json, write_json, write_parquet
from valley.core.recipes import Recipe
from valley.lm import launch, students

# Written like the published ones: a system message of their own, and roles between markers.
QWEN_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}"
    "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role != 'system' %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
LLAMA_TEMPLATE = (
    "{{- bos_token }}"
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string }}"
    "{{- '\\n\\n<|eot_id|>' }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    # as some published templates do: reasoning is cut out of what the assistant said
    "{{- message['content'].split('</think>')[-1] | trim + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
MARKERS = {
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
}


def tokenizer_of(kind: str, *, eos: str | None = None):
    """Return a tokenizer with a family's markers and template, and no think tags of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=MARKERS[kind],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS, trainer)
    markers = MARKERS[kind]
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=markers[0] if kind == "llama" else None,
        eos_token=eos or markers[-1],
        pad_token=markers[0],
        chat_template=QWEN_TEMPLATE if kind == "qwen2" else LLAMA_TEMPLATE,
    )


def model_of(kind: str, tokenizer, *, spare: int = 0, seed: int = 0, **shape):
    """Return an untrained model of a family's true architecture, with grouped keys and values."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    config = {"qwen2": Qwen2Config, "llama": LlamaConfig}[kind]
    small = {
        "hidden_size": 32,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "initializer_range": 0.1,
    }
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(
        config(
            vocab_size=len(tokenizer) + spare,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **{**small, **shape},
        )
    )


def hub_student(folder: Path, kind: str = "qwen2", *, spare: int = 0, **shape) -> Path:
    """Save a student as the hub would have it; return the manifest of the undistilled start."""
    tokenizer = tokenizer_of(kind)
    model_of(kind, tokenizer, spare=spare, **shape).save_pretrained(folder / "hub")
    tokenizer.save_pretrained(folder / "hub")
    manifest = folder / "start.json"
    write_json(manifest, {"hub": {"id": str(folder / "hub"), "revision": None}})
    return manifest


RECIPE = {
    "learning_rate": 0.01,
    "batch_examples": 8,
    "epochs": 3,
    "row_tokens": 128,
    "max_length": 512,
    "warmup": 0.0,
}
BESIDE = ("seed", "think", "evaluations")  # what a training says beside its recipe


def description(folder: Path, start: Path, *, rows: int = 40, how=None, **settings) -> dict:
    """Return a training in plain values, with its shard and held-out rows written.

    Args:
        folder: where it lies.
        start: manifest that it starts from.
        rows: examples.
        how: of the study file's `training`.
        settings: of the recipe, or beside it.
    """
    write_parquet(folder / "shard.parquet", pool_rows(rows), POOL)
    write_parquet(folder / "held_out.parquet", pool_rows(rows + 8)[rows:], POOL)
    beside = {"seed": 1, "think": "text", "evaluations": 2}
    beside |= {name: settings.pop(name) for name in BESIDE if name in settings}
    what = train.Training(
        start=str(start),
        shard=str(folder / "shard.parquet"),
        validation=str(folder / "held_out.parquet"),
        manifest=str(folder / "made" / "checkpoint.json"),
        validated=str(folder / "made" / "validation.json"),
        state=str(folder / "state"),
        recipe=Recipe(**{**RECIPE, **settings}),
        how={"save_every": 30, "check_memory": True, **(how or {})},
        about={"study": "s", "arm": {}, "recipe": {}, "data": "d", "start": ""},
        **beside,
    )
    return dataclasses.asdict(what)


def work(job: dict, *how) -> dict | None:
    """Do a training that is described in plain values, as each of its processes does."""
    return train.work(train.Training.of(job), *how)


def made(job: dict) -> dict:
    """Return what a training left: its weights, losses and validation losses."""
    weights = students.load(job["manifest"])[0].state_dict()
    losses = [json.loads(line) for line in train.Training.of(job).losses.read_text().splitlines()]
    return {"weights": weights, "losses": losses, "looks": read_json(job["validated"])}


def same(one: dict, other: dict) -> None:
    """Check that two trainings left the same (see `made`)."""
    import torch

    assert one["losses"] == other["losses"]
    assert one["looks"] == other["looks"]
    assert one["weights"].keys() == other["weights"].keys()
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), name


def begin(job: dict, **settings: str) -> subprocess.Popen:
    """Start a training as a process of its own, which a test may stop or kill.

    Args:
        job: its description.
        settings: of its environment.
    """
    file = Path(job["manifest"]).parents[1] / "job.json"
    write_json(file, job)
    environment = {**os.environ, "RANK": "0", "WORLD_SIZE": "1", "OMP_NUM_THREADS": "1"}
    environment |= settings
    worker = train.one_of_several.__name__
    command = [sys.executable, str(launch.SCRIPT), worker, "--job", str(file)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def stop(process: subprocess.Popen, job: dict, number: int = signal.SIGTERM) -> str:
    """Send a signal once a state is saved; return what the process had printed at its end."""
    saved = Path(job["state"]) / "position.json"
    while not saved.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    return process.communicate()[0]
