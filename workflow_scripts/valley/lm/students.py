"""Students: Hugging Face causal models made from scratch, loaded, and saved with a manifest."""

import json
from collections.abc import Iterable
from pathlib import Path

from valley.core.files import file_digest, read_json, write_json
from valley.lm.adapters import quantization
from valley.lm.flops import Shape
from valley.lm.templates import THINK

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
FOLDER = "model"  # the Hugging Face folder's name beside its manifest
CARD = "README.md"


def train_tokenizer(texts: Iterable[str], vocabulary: int):
    """Train a byte-level BPE tokenizer with chat markers and think tags.

    Numbers of one or two digits are tokens, sign and space included, so that a number is read alike
    wherever it stands. Elsewhere merges may cross spaces up to the next stop, colon or line end:
    tokens are the whole cost of a small study, and a common line of code becomes one or two.

    Args:
        texts: what the student will read and write; the order matters not.
        vocabulary: number of tokens, markers included.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?-?\d{1,2}"), "isolated"),
            pre_tokenizers.Split(Regex(r"[.,:;]?\n+|[.,:;]"), "merged_with_previous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    # The tags are ordinary vocabulary, not "special": they must survive decoding.
    tokenizer.add_tokens(list(THINK))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def create(tokenizer, *, hidden: int, layers: int, heads: int, positions: int, seed: int):
    """Create an untrained Llama-type model, embeddings tied, in single precision."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **Shape.scratch(len(tokenizer), hidden, layers, heads).config(),
        max_position_embeddings=positions,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # The usual 0.02 suits widths of thousands; a narrow model would take long to leave it.
        initializer_range=0.05,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def load_tokenizer(source: str | Path, revision: str | None = None):
    """Load the tokenizer of a model folder or hub id.

    A tokenizer saved as `PreTrainedTokenizerFast` is loaded as that: `AutoTokenizer` would go by
    the model's type instead and split a custom vocabulary differently, without a word.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = Path(source) / "tokenizer_config.json"
    if settings.is_file():
        kind = json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class")
        if kind in ("PreTrainedTokenizerFast", "TokenizersBackend"):
            return PreTrainedTokenizerFast.from_pretrained(source)
    return AutoTokenizer.from_pretrained(source, revision=revision)


def identity(manifest: str | Path) -> dict:
    """Return a checkpoint's identity: its files' digests, or its id on the hub."""
    described = read_json(manifest)
    if "hub" in described:
        return {name: described[name] for name in ("hub", "chat_template") if name in described}
    files = {name: about["sha256"] for name, about in described["files"].items()}
    return {"files": files, **{name: described[name] for name in ("adapter",) if name in described}}


def source_of(described: dict, manifest: str | Path) -> tuple[str | Path, str | None]:
    """Return the location of a manifest's full model: a folder or hub id, and its revision.

    For a checkpoint of adapters it is the model that they belong to.

    Raises:
        FileNotFoundError: the manifest's folder lacks a file; the message says which.
    """
    hub = described.get("hub") or described.get("adapter", {}).get("base")
    folder = Path(manifest).parent / FOLDER
    for name in described.get("files", {}):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{manifest} lists {name}, but {folder} has no such file; "
                f"delete {manifest} to have the checkpoint made again"
            )
    return (hub["id"], hub["revision"]) if hub else (folder, None)


def tokenizer_of(described: dict, manifest: str | Path):
    """Return the tokenizer of a checkpoint, with the chat template of the student's, if it has one.

    Args:
        described: the manifest's content.
        manifest: its path.
    """
    if "adapter" in described:
        return load_tokenizer(Path(manifest).parent / FOLDER)
    tokenizer = load_tokenizer(*source_of(described, manifest))
    if "chat_template" in described:
        tokenizer.chat_template = described["chat_template"]
    return tokenizer


def load(
    manifest: str | Path,
    *,
    dtype: str = "float32",
    attention: str | None = None,
    bits: int | None = None,
    skeleton: bool = False,
):
    """Load the model (on the CPU) and tokenizer that a manifest describes.

    A checkpoint of adapters comes as the plain model that it stands for, adapters merged.

    Args:
        manifest: `checkpoint.json`.
        dtype: of the weights.
        attention: transformers' name of an attention kernel; None is its own choice.
        bits: 4 or 8 to quantize the weights (on a GPU, with bitsandbytes).
        skeleton: without its weights, on PyTorch's device "meta": shapes and settings only.

    Raises:
        FileNotFoundError: the manifest's folder lacks a file; the message says which.
    """
    from transformers import AutoModelForCausalLM

    described = read_json(manifest)
    source, revision = source_of(described, manifest)
    how = {"attn_implementation": attention} if attention else {}
    if skeleton:
        how["device_map"] = "meta"
    if bits:
        how["quantization_config"] = quantization(bits)
    model = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=dtype, **how)
    tokenizer = tokenizer_of(described, manifest)
    if "adapter" not in described or skeleton:  # merged adapters leave no trace but in weights
        return model, tokenizer
    from peft import PeftModel

    folder = Path(manifest).parent / FOLDER
    return PeftModel.from_pretrained(model, folder).merge_and_unload(), tokenizer


def stop_at(model, end: int) -> None:
    """Let generation end at a token, beside those at which it ends already.

    A base model's generation config knows the end of a document only; trained on turns, it would be
    asked for tokens after the end of its answer.
    """
    config = model.generation_config
    known = config.eos_token_id
    known = [known] if isinstance(known, int) else list(known or [])
    if end not in known:
        config.eos_token_id = [end, *known]


def save(model, tokenizer, manifest: str | Path, **facts: object) -> None:
    """Save a Hugging Face folder and, last, the manifest that vouches for it.

    The folder's README.md is for people and no part of what the manifest vouches for: it names the
    study, and the same checkpoint may serve another.

    Args:
        model: the trained model, or adapters (then the folder holds just them).
        tokenizer: its tokenizer.
        manifest: path of `checkpoint.json`; the folder lies beside it.
        facts: deterministic facts about the training (steps, tokens, loss).
    """
    folder = Path(manifest).parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(folder.iterdir())
        if path.name != CARD
    }
    write_json(manifest, {"files": files, **facts})
