"""How students' answers are drawn: `sampling` of the study file."""

from dataclasses import dataclass, field

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
    vllm: dict = field(default_factory=dict, metadata=HANDLING)
