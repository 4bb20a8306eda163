"""A small model of a student's own architecture, to try a machine before the real one is loaded.

Its blocks have the student's width, heads and kind; there are two of them, with a narrow
feed-forward part, random weights and a vocabulary made on the spot. So kernels, precision and the
division over GPUs meet the shapes of the real student, in seconds.
"""

from pathlib import Path

from valley.core.files import write_json
from valley.lm import students

LAYERS, INNER, VOCABULARY, POSITIONS = 2, 512, 400, 1024
# Lists in a configuration with an entry for each block.
BY_LAYER = ("layer_types", "mlp_layer_types")


def texts(count: int) -> list[tuple[str, str]]:
    """Return prompts with answers, of unlike lengths; an answer has reasoning and a program."""
    return [
        (
            f"Add {number} to every number. " * (1 + number % 4),
            f"<think>\nadd {number} to each\n</think>\n```python\n"
            + f"a = a + {number}\n" * (1 + number % 7)
            + "```\n",
        )
        for number in range(count)
    ]


def save(student: dict, folder: Path) -> Path:
    """Save a small model of a student's architecture, as the hub would have it.

    Args:
        student: of the study file: `scratch` with its shape, or `hub` with `id` and `revision`, of
            which the configuration alone is read.
        folder: new; gets the model's files.

    Returns:
        The manifest of the undistilled start, beside the folder.

    Raises:
        OSError: the hub's model is not in the cache, and can't be had.
    """
    tokenizer = students.train_tokenizer((a + b for a, b in texts(40)), VOCABULARY)
    if made := student.get("scratch"):
        shape = {"hidden": made["hidden"], "layers": LAYERS, "heads": made["heads"]}
        model = students.create(tokenizer, **shape, positions=POSITIONS, seed=0)
    else:
        model = _like(student["hub"], tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    manifest = folder.with_suffix(".json")
    write_json(manifest, {"hub": {"id": str(folder), "revision": None}})
    return manifest


def _like(hub: dict, tokenizer):
    """Return an untrained model like the hub's, small, in single precision."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(hub["id"], revision=hub["revision"])
    values = {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "dtype": "float32",
    }
    for name in BY_LAYER:
        if getattr(config, name, None):
            values[name] = getattr(config, name)[:LAYERS]
    small = type(config).from_dict({**config.to_dict(), **values})
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(small)
