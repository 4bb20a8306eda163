"""Which book of answers in the store a result is cut out of."""

from pathlib import Path

from valley.asking.questions import teacher_book
from valley.lm.book import Book, of_job

STAGES = ("generate", "answer")
TEACHERS = ("ask_endpoint", "ask_model")


def book_of(rule: str, params: dict, inputs: list[str], store: str) -> Book | None:
    """Return the book that a job's answers are in; None where there are none, or can't be known.

    Args:
        rule: the job's rule.
        params: its params, as its sidecar has them.
        inputs: its files; the first is the checkpoint's manifest.
        store: root of the store.
    """
    if rule in TEACHERS:
        return teacher_book(store, params)
    manifests = [path for path in inputs if Path(path).name == "checkpoint.json"]
    if rule not in STAGES or not manifests:
        return None
    manifest = next((p for p in (Path(manifests[0]), tombstone(manifests[0])) if p.is_file()), None)
    if manifest is None:
        return None
    return of_job(manifest, store, params)


def tombstone(manifest: str | Path) -> Path:
    """Return where a checkpoint's manifest lies when its weights are gone."""
    return Path(manifest).with_name("checkpoint.gone.json")
