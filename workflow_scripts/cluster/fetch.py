"""Bringing models and data sets of a study to the shared cache, from where there is a network."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from core.hub import SourceError, find
from core.published import home, patterns
from core.study import Study


@dataclass(frozen=True)
class Wanted:
    """Something of the hub that a study reads.

    Attributes:
        what: its place in the study file.
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


def wanted(study: Study) -> Iterator[Wanted]:
    """Return what a study reads of the Hugging Face hub: models, corpora, benchmarks."""
    for name, student in study.config["students"].items():
        hub = student.get("hub")
        if hub and not os.path.isdir(hub["id"]):
            yield Wanted(f"students.{name}", "model", hub["id"], hub["revision"])
    for name in study.asked("model"):
        model = study.config["corpus"]["teachers"][name]["model"]
        if not os.path.isdir(model["id"]):
            yield Wanted(f"corpus.teachers.{name}", "model", model["id"], model.get("revision"))
    given = {f"corpus.sources.{name}": source for name, source in study.all_corpora.items()}
    given |= {f"corpus.questions.{name}": source for name, source in study.questions.items()}
    for what, source in given.items():
        if source["path"] is None:
            files = source["files"]
            globs = files if isinstance(files, list) else chain(*files.values())
            yield Wanted(what, "dataset", source["hub"], source["revision"], tuple(globs))
    for name, source in study.sources.items():
        if source["path"] is None:
            hub = source["hub"] or home(source["format"], source["release"]).hub
            globs = tuple(patterns(source))
            yield Wanted(f"benchmarks.{name}", "dataset", hub, source["revision"], globs)


def missing(thing: Wanted) -> str:
    """Return why something can't be read without a network; empty if it can."""
    return _have(thing, offline=True)


def fetch(thing: Wanted) -> str:
    """Bring something to the cache; return why that failed, empty if it is there."""
    return _have(thing, offline=False)


def _have(thing: Wanted, offline: bool) -> str:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline or before
    try:
        if thing.kind == "dataset":
            find(thing.files, hub=thing.id, revision=thing.revision)
        else:
            snapshot_download(thing.id, revision=thing.revision, local_files_only=offline)
    except GatedRepoError:
        return (
            "its owners let in only whom they know: ask on its page of the hub, make a token in "
            "your settings there, and `export HF_TOKEN=…` (never in a file)"
        )
    except RepositoryNotFoundError:
        return "the hub has none of that name, or not for you: is HF_TOKEN set?"
    except (SourceError, HfHubHTTPError, OSError) as error:
        return str(error).splitlines()[0]
    finally:
        constants.HF_HUB_OFFLINE = before
    return ""
