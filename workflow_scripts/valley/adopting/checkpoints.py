"""A Hugging Face folder from elsewhere, checked without loading the model."""

import json
import re
import shutil
from pathlib import Path

from valley.core.files import file_digest, write_json

# What makes up a model; trainer states, logs and checkpoints within stay behind.
KEPT = re.compile(
    r"config\.json|generation_config\.json|.*\.safetensors|.*\.safetensors\.index\.json"
    r"|pytorch_model.*\.bin|pytorch_model\.bin\.index\.json|tokenizer.*|vocab\..*|merges\.txt"
    r"|special_tokens_map\.json|added_tokens\.json|chat_template\.(jinja|json)|.*\.tiktoken"
)
LEFT = re.compile(r"training_args\.bin|optimizer.*|scheduler.*|rng_state.*")


def faults(folder: Path) -> list[str]:
    """Return what is wrong with a folder that is to be a causal model with its tokenizer."""
    if not folder.is_dir():
        return [f"{folder} is not a folder"]
    if (folder / "adapter_config.json").is_file():
        return [f"{folder} holds a LoRA adapter; merge it into its model first"]
    return [*_config_faults(folder), *_weight_faults(folder), *_tokenizer_faults(folder)]


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder that make up the model and its tokenizer."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and KEPT.fullmatch(path.name) and not LEFT.fullmatch(path.name)
    ]


def adopt(folder: Path, manifest: Path) -> None:
    """Copy a model into a checkpoint's folder; write its manifest last."""
    weights = manifest.with_name("model")
    shutil.rmtree(weights, ignore_errors=True)
    weights.mkdir(parents=True)
    for path in files_of(folder):
        shutil.copyfile(path, weights / path.name)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(weights.iterdir())
    }
    write_json(manifest, {"files": files})


def _config_faults(folder: Path) -> list[str]:
    config = _json(folder / "config.json")
    if config is None:
        return [f"{folder}/config.json is missing or not JSON"]
    names = config.get("architectures") or []
    if not any(str(name).endswith("ForCausalLM") for name in names):
        return [f"{folder}/config.json: architectures is {names}, not a model that generates text"]
    return []


def _weight_faults(folder: Path) -> list[str]:
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = _json(folder / f"{name}.index.json")
        if index is not None:
            wanted = sorted(set(index.get("weight_map", {}).values()))
            gone = [part for part in wanted if not (folder / part).is_file()]
            found = [f"{folder}: weights {part} are missing" for part in gone]
            return found + [fault for part in wanted if (fault := _cut_short(folder / part))]
        if (folder / name).is_file():
            fault = _cut_short(folder / name)
            return [fault] if fault else []
    return [f"{folder} has no weights: model.safetensors, or its index with all parts"]


def _cut_short(path: Path) -> str | None:
    """Return a complaint about a safetensors file that is not as long as its head says."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            head = json.loads(file.read(length) if length < 1 << 30 else b"")
            ends = [item["data_offsets"][1] for n, item in head.items() if n != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError):
            return f"{path} is not a safetensors file"
    wanted, size = 8 + length + max(ends, default=0), path.stat().st_size
    return None if size == wanted else f"{path} has {size} bytes, but should have {wanted}"


def _tokenizer_faults(folder: Path) -> list[str]:
    settings = _json(folder / "tokenizer_config.json")
    if settings is None:
        return [f"{folder}/tokenizer_config.json is missing or not JSON"]
    found = []
    if not any((folder / n).is_file() for n in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        found.append(f"{folder} has no tokenizer: tokenizer.json, tokenizer.model or vocab.json")
    if "chat_template" not in settings and not list(folder.glob("chat_template*")):
        found.append(f"{folder}: the tokenizer has no chat template")
    return found


def _json(path: Path) -> dict | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
