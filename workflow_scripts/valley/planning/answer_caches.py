"""Which cache of answers in the store a result is cut out of."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from valley.asking.questions import teacher_cache
from valley.core.spending import GONE
from valley.lm.answer_cache import AnswerCache, cache_of_checkpoint

STAGES = ("generate", "answer")
TEACHERS = ("ask_endpoint", "ask_endpoint_part", "ask_model", "ask_model_part")


def cache_of_job(rule: str, params: dict, inputs: Iterable[str], store: str) -> AnswerCache | None:
    """Return the cache of a job's answers; None if there is none or it is unknown.

    Args:
        rule: the job's rule.
        params: its params, as its sidecar has them.
        inputs: its files, as its sidecar has them: with the digest of each. Where there are none,
            as of a job that has not run, the cache of a teacher that is a folder can't be known.
        store: root of the store.
    """
    if rule in TEACHERS:
        content = {Path(path).name: path for path in inputs if Path(path).parent == _folder(params)}
        if content and not isinstance(inputs, Mapping):
            return None
        return teacher_cache(store, params, {name: inputs[path] for name, path in content.items()})
    manifests = [path for path in inputs if Path(path).name == "checkpoint.json"]
    if rule not in STAGES or not manifests:
        return None
    manifest = next((p for p in (Path(manifests[0]), tombstone(manifests[0])) if p.is_file()), None)
    if manifest is None:
        return None
    return cache_of_checkpoint(manifest, store, params)


def _folder(params: dict) -> Path | None:
    """Return the folder of a teacher that is run here."""
    return Path(params["id"]).expanduser() if "id" in params else None


def tombstone(manifest: str | Path) -> Path:
    """Return the path of a checkpoint's manifest after its weights were removed."""
    return Path(manifest).with_name(GONE)
