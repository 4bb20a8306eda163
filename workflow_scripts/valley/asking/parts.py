"""What several jobs that share one teacher's questions have to agree on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from valley.asking.settings import Endpoint, Model
from valley.core import tempfiles
from valley.core.files import write_json
from valley.core.parts import Part
from valley.lm.shares import Groups


def share_of_limits(endpoint: Endpoint, part: Part) -> Endpoint:
    """Return an endpoint with a part's share of what all parts may ask in a minute.

    Args:
        endpoint: the teacher's.
        part: one of the jobs; each asks `concurrent` questions at a time.
    """
    requests, tokens = endpoint.requests_per_minute, endpoint.tokens_per_minute
    return replace(
        endpoint,
        requests_per_minute=requests and max(1, requests // part.of),
        tokens_per_minute=tokens and max(1, tokens // part.of),
    )


def mistakes(config: dict[str, Any]) -> list[str]:
    """Return what a study file says of jobs that share a teacher and can't be kept.

    Args:
        config: a completed study file.
    """
    return [
        f"corpus.teachers.{name}.jobs: {teacher['jobs']} jobs can't share {limit} requests a "
        f"minute (endpoint.requests_per_minute); give at most {limit} jobs"
        for name, teacher in config["corpus"].get("teachers", {}).items()
        if (limit := teacher.get("endpoint", {}).get("requests_per_minute"))
        and teacher["jobs"] > limit
    ]


@contextmanager
def groups_of(model: Model, max_tokens: int) -> Iterator[Groups | None]:
    """Yield how a model's answers are composed in groups; None with vLLM, where none are.

    Rounding may depend on who stands beside whom. So parts of the questions are whole groups, as
    one job alone composes them.

    Args:
        model: the teacher.
        max_tokens: longest answer.
    """
    if model.engine == "vllm":
        yield None
        return
    with tempfiles.scratch() as folder:
        manifest = Path(folder) / "checkpoint.json"
        write_json(manifest, {"hub": {"id": model.id, "revision": model.revision}})
        yield Groups(manifest, model.batch_size, max_tokens)
