"""What the study file says of teachers that are asked: below `corpus.teachers`."""

from dataclasses import dataclass, field

from valley.core.settings import HANDLING


@dataclass(frozen=True)
class AskSettings:
    """How a teacher is asked, whoever it is; the fields are the schema's keys, and its defaults.

    Attributes:
        seed: of the draws.
        answers: per question.
        temperature: of the draws; 0 is greedy.
        top_p: nucleus of the draws; 1 is off.
        max_tokens: longest answer, in tokens.
        unanswered: "stop", or "skip" questions that are not answered.
        chunk: answers that are saved together.
    """

    seed: int = 0
    answers: int = 1
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 32768
    unanswered: str = "stop"
    chunk: int = field(default=32, metadata=HANDLING)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A teacher behind an address; the fields are the schema's keys, and its defaults.

    Attributes:
        base_url: up to /v1, as providers give it.
        model: name of the model there.
        key_variable: environment variable that holds the key; None where no key is needed.
        send_seed: whether the server takes a seed.
        extra: further fields of each request, as the server names them.
        concurrent: requests at a time.
        requests_per_minute: limit to keep; None is none.
        tokens_per_minute: limit to keep, of tokens read and written; None is none.
        timeout_s: longest wait for one answer, in seconds.
        attempts: how often a question is asked in all, when the server is busy or breaks off.
        backoff_s: first pause before asking again, in seconds; it doubles each time.
        price_in: of a million tokens read, in any currency; None is unknown.
        price_out: of a million tokens written.
    """

    base_url: str = field(metadata=HANDLING)
    model: str
    key_variable: str | None = field(default=None, metadata=HANDLING)
    send_seed: bool = True
    extra: dict = field(default_factory=dict)
    concurrent: int = field(default=8, metadata=HANDLING)
    requests_per_minute: int | None = field(default=None, metadata=HANDLING)
    tokens_per_minute: int | None = field(default=None, metadata=HANDLING)
    timeout_s: float = field(default=1800, metadata=HANDLING)
    attempts: int = field(default=8, metadata=HANDLING)
    backoff_s: float = field(default=2, metadata=HANDLING)
    price_in: float | None = field(default=None, metadata=HANDLING)
    price_out: float | None = field(default=None, metadata=HANDLING)


@dataclass(frozen=True)
class Model:
    """A teacher that is run here; the fields are the schema's keys, and its defaults.

    Attributes:
        id: of the hub, or a folder here.
        revision: its commit on the hub.
        engine: "vllm" or "transformers".
        precision: "fp32" or "bf16", of the weights.
        gpus: of the job.
        batch_size: answers side by side, of the transformers engine.
        vllm: arguments of vLLM's engine, handed on as they are.
    """

    id: str
    revision: str | None = None
    engine: str = "vllm"
    precision: str = "bf16"
    gpus: int = field(default=1, metadata=HANDLING)
    batch_size: int = field(default=64, metadata=HANDLING)
    vllm: dict = field(default_factory=dict, metadata=HANDLING)
