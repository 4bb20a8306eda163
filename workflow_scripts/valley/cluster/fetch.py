"""Bringing models and data sets of a study to the shared cache, from where there is a network.

A token for gated ones is taken from the environment by huggingface_hub itself, and never kept.
"""

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from valley.core.hub import SourceError, find, unreached
from valley.core.published import origin, patterns
from valley.core.study import Study

# What other programs than ours load a model from.
ELSEWHERE = (
    *("original/*", "onnx/*", "*.onnx", "*.gguf", "*.h5", "*.msgpack", "*.ot", "*.pth", "*.pt"),
)
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first of them that is there is loaded


class FetchError(RuntimeError):
    """Something could not be had from the hub; the message says why, and what can be done."""


@dataclass(frozen=True)
class Download:
    """Something of the hub that a study reads.

    Attributes:
        what: its key in the study file.
        kind: "model" or "dataset".
        files: names or globs; None is all of a model.
    """

    what: str
    kind: str
    id: str
    revision: str | None
    files: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.id}{f' at {self.revision}' if self.revision else ''}"

    @property
    def pinned(self) -> bool:
        """Whether its revision is a commit, which can't become another one."""
        return bool(re.fullmatch(r"[0-9a-f]{40}", self.revision or ""))


def downloads(study: Study) -> Iterator[Download]:
    """Return what a study reads of the Hugging Face hub: models, corpora, benchmarks."""
    for name, student in study.config["students"].items():
        hub = student.get("hub")
        if hub and not os.path.isdir(hub["id"]):
            yield Download(f"students.{name}", "model", hub["id"], hub["revision"])
    for name in study.teachers_of_kind("model"):
        model = study.config["corpus"]["teachers"][name]["model"]
        if not os.path.isdir(model["id"]):
            yield Download(f"corpus.teachers.{name}", "model", model["id"], model.get("revision"))
    given = {f"corpus.sources.{name}": source for name, source in study.all_corpora.items()}
    given |= {f"corpus.questions.{name}": source for name, source in study.questions.items()}
    for what, source in given.items():
        if source.path is None:
            files = source.files
            globs = files if isinstance(files, list) else chain(*files.values())
            yield Download(what, "dataset", source.hub, source.revision, tuple(globs))
    for name, source in study.sources.items():
        if source["path"] is None:
            hub = source["hub"] or origin(source["format"], source["release"]).hub
            globs = tuple(patterns(source))
            yield Download(f"benchmarks.{name}", "dataset", hub, source["revision"], globs)


def missing(thing: Download) -> str:
    """Return why something can't be read without a network; empty if it can."""
    patterns = ["*.json"] if thing.kind == "model" else list(thing.files)
    try:
        folder = _ask_hub(thing, local_files_only=True, allow_patterns=patterns)
        if thing.kind == "dataset":
            find(thing.files, path=folder)
            return ""
    except FetchError:
        return "not in the cache"
    except SourceError as error:
        return str(error)
    return _lacks(Path(folder))


def commit(thing: Download) -> str:
    """Return the commit of something that is in the cache."""
    return Path(_ask_hub(thing, local_files_only=True, allow_patterns=[])).name


def size(thing: Download) -> int:
    """Return the bytes of something that are still to be fetched; only asks.

    Raises:
        Unfetched: the hub does not say.
    """
    return sum(file.file_size or 0 for file in _listed(thing) if file.will_download)


def room() -> tuple[int, Path]:
    """Return the free bytes of the hub's cache, and where it lies."""
    from huggingface_hub import constants

    cache = there = Path(constants.HF_HUB_CACHE).expanduser().resolve()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free, cache


def fetch(thing: Download) -> None:
    """Bring something to the cache; what is there already stays.

    Raises:
        Unfetched: it did not come, or lacks what the study reads.
    """
    _ask_hub(thing, allow_patterns=[file.filename for file in _listed(thing)])
    if why := missing(thing):
        raise FetchError(why)


def _listed(thing: Download) -> list:
    """Return the files of the hub that are loaded of something, with their sizes."""
    if thing.kind == "dataset":
        return _ask_hub(thing, dry_run=True, allow_patterns=list(thing.files))
    files = _ask_hub(thing, dry_run=True, ignore_patterns=list(ELSEWHERE))
    tensors = any(file.filename.endswith(".safetensors") for file in files)
    return [file for file in files if not (tensors and file.filename.endswith(".bin"))]


def _ask_hub(thing: Download, **how: object):
    """Call huggingface_hub's `snapshot_download`; say in our words what goes wrong.

    Raises:
        Unfetched: it did not work.
    """
    from httpx2 import HTTPError
    from huggingface_hub import constants, errors, snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    quiet = how.get("dry_run") or not sys.stderr.isatty()
    try:
        with disable_progress_bars() if quiet else contextlib.nullcontext():
            return snapshot_download(thing.id, repo_type=thing.kind, revision=thing.revision, **how)
    except (HTTPError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, errors.DryRunError) else error
        first = str(cause or error).strip().splitlines()[0]
    hub, tokened = constants.ENDPOINT, bool(os.environ.get("HF_TOKEN"))
    if isinstance(cause, errors.GatedRepoError):
        why = (
            "its owners let in only whom they know: "
            + ("the account of your HF_TOKEN is not (yet) among them: " if tokened else "")
            + f"ask on {hub}/{'datasets/' * (thing.kind == 'dataset')}{thing.id}, make a token at "
            f"{hub}/settings/tokens, and `export HF_TOKEN=…` (never in a file)"
        )
    elif isinstance(cause, errors.RepositoryNotFoundError):
        why = "the hub has none of that name" + (
            " that the account of your HF_TOKEN may see"
            if tokened
            else ", or a private one: then `export HF_TOKEN=…`"
        )
    elif isinstance(cause, errors.RevisionNotFoundError):
        why = f"it has no revision {thing.revision!r}: look for a commit on its page"
    elif isinstance(cause, errors.HfHubHTTPError) and cause.response.status_code < 500:
        why = first
    else:
        why = unreached(first)
    raise FetchError(why)


def _lacks(folder: Path) -> str:
    """Return what a model's folder in the cache lacks; empty if it can be loaded."""
    names = {path.name for path in folder.iterdir()}
    wanted = {"config.json", "tokenizer_config.json"}
    whole = next((name for name in WEIGHTS if f"{name}.index.json" in names), None)
    if whole:
        index = json.loads((folder / f"{whole}.index.json").read_text(encoding="utf-8"))
        wanted |= set(index["weight_map"].values())
    else:
        wanted.add(next((name for name in WEIGHTS if name in names), WEIGHTS[0]))
    lacking = sorted(wanted - names)
    return f"incomplete, without {', '.join(lacking[:3])}" if lacking else ""
