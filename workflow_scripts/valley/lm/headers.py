"""What a model's files say before any weight is read: parameters, and lengths of texts.

Of safetensors only the headers are read, and of the tokenizer its own file: nothing here imports
torch or transformers.
"""

import json
import math
from functools import cache
from pathlib import Path

from valley.lm.flops import Shape

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
NUMBERS = ("F64", "F32", "F16", "BF16")  # others are buffers, or packed weights


def folder_of(name: str, revision: str | None = None) -> Path | None:
    """Return where a model's files are: a folder here, or in the hub's cache; None if neither.

    Args:
        name: a folder, or an id of the hub.
        revision: its commit, tag or branch there.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except ValueError:  # a folder that is not there, and no id of the hub's
        return None
    return Path(found).parent if isinstance(found, str) else None


@cache
def parameters_of(name: str, revision: str | None = None) -> int | None:
    """Return the parameters of a model that is here; see `folder_of` and `parameters`."""
    folder = folder_of(name, revision)
    return parameters(folder) if folder else None


def parameters(folder: Path) -> int | None:
    """Return a model's parameters, by its weights' headers, else by its configuration's shape.

    Args:
        folder: with config.json, as `save_pretrained` writes it.

    Returns:
        Their number, a head that is tied to the embedding not counted again; None where the files
        don't tell (packed weights, an unknown architecture without weights).

    Raises:
        ValueError: a file is damaged; the message names it.
    """
    config = _json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if config.get("quantization_config"):
        return None
    files = _files(folder)
    if not files:
        return _by_shape(config)
    shapes = {}
    for file in files:
        shapes |= _shapes(file)
    if config.get("tie_word_embeddings"):
        shapes.pop("lm_head.weight", None)
    return sum(map(math.prod, shapes.values()))


def _files(folder: Path) -> list[Path]:
    """Return a model's files of weights, all of them or none."""
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        try:
            names = sorted(set(_json(index)["weight_map"].values()))
        except (KeyError, AttributeError, TypeError):
            raise ValueError(f"{index}: it has no weight_map of names and files") from None
    else:
        names = [WEIGHTS]
    files = [folder / name for name in names]
    return files if all(file.is_file() for file in files) else []


def _shapes(file: Path) -> dict[str, list[int]]:
    """Return the shapes of a safetensors file's tensors of numbers, from its header."""
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if length <= LONGEST_HEADER else b""
    try:
        tensors = json.loads(header)
        return {
            name: about["shape"]
            for name, about in tensors.items()
            if name != "__metadata__" and about["dtype"] in NUMBERS
        }
    except (ValueError, AttributeError, KeyError, TypeError):
        raise ValueError(
            f"{file}: it has no header of safetensors; the file is damaged or cut short: fetch it "
            "again"
        ) from None


def _by_shape(config: dict) -> int | None:
    try:
        return Shape.of(config).parameters
    except (KeyError, TypeError):
        return None


def _json(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{file}: not JSON; the file is damaged: fetch it again") from None


def token_counts(folder: Path, texts: list[str]) -> list[int] | None:
    """Return the tokens of texts, without what a chat template adds; None without a tokenizer.

    Args:
        folder: of the model, with tokenizer.json.
        texts: to be counted.
    """
    file = folder / TOKENIZER
    if not file.is_file():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [len(one.ids) for one in encoded]
