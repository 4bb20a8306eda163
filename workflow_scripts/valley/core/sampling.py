"""How students' answers are drawn: `sampling` of the study file."""

from dataclasses import dataclass, field
from typing import Any

from valley.core.settings import HANDLING


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; the fields are the schema's keys, and its defaults.

    Attributes:
        samples: answers per problem.
        temperature: of the draws; 0 is greedy.
        top_p: nucleus of the draws; 1 is off.
        max_tokens: longest answer, in tokens; less where the model's context window leaves less.
        stop: texts of tokens that end an answer, beside the model's own.
        seed: with the problem and the sample's number it seeds an answer.
        engine: "transformers" or "vllm".
        precision: "fp32" or "bf16", of the weights.
        batch_size: answers side by side, of the transformers engine.
        group: answers that the transformers engine composes and finishes together, at least
            `batch_size`: within it the next takes the place of one that has ended.
        chunk: answers that are saved together, at least (an engine may finish more at once).
        vllm: arguments of vLLM's engine, handed on as they are.
        jobs: that share a checkpoint's answers, of those that are drawn in one way.
        tensor_parallel: GPUs that an engine splits the model over; a job with more GPUs runs
            several engines.
    """

    samples: int = 4
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 32768
    stop: list[str] = field(default_factory=list)
    seed: int = 0
    engine: str = "transformers"
    precision: str = "fp32"
    # They change no answer but by rounding.
    batch_size: int = field(default=256, metadata=HANDLING)
    group: int = field(default=256, metadata=HANDLING)
    chunk: int = field(default=256, metadata=HANDLING)
    vllm: dict[str, Any] = field(default_factory=dict, metadata=HANDLING)
    jobs: int = field(default=1, metadata=HANDLING)
    tensor_parallel: int = field(default=1, metadata=HANDLING)


# What one benchmark may draw in another way: the rest says on what a checkpoint is run.
OVERRIDES = ("samples", "temperature", "top_p", "max_tokens", "stop", "seed")


def of_benchmark(config: dict[str, Any], benchmark: str) -> dict[str, Any]:
    """Return how a benchmark's answers are drawn: the study's way, and what is its own.

    Args:
        config: a completed study file.
        benchmark: its name.
    """
    return {**config["sampling"], **config["benchmarks"][benchmark]["sampling"]}


def together(config: dict[str, Any]) -> dict[str, list[str]]:
    """Return the benchmarks whose answers are drawn in one way, and so by one start of an engine.

    Returns:
        "" with those of the study's way, and each other way by the first benchmark that has it.
    """
    own = {key: config["sampling"][key] for key in OVERRIDES}
    ways: list[tuple[dict[str, Any], str]] = [(own, "")]
    found: dict[str, list[str]] = {}
    for name in config["benchmarks"]:
        drawn = of_benchmark(config, name)
        way = {key: drawn[key] for key in OVERRIDES}
        first = next((first for known, first in ways if known == way), None)
        if first is None:
            first = name
            ways.append((way, name))
        found.setdefault(first, []).append(name)
    return found
