"""What jobs cost that nobody has measured yet: documented arithmetic over a study file.

Pure functions over plain numbers, then `estimate(config, rule, wildcards)` that feeds them from a
completed study file: `valley plan` and a cluster profile's resource functions ask the same one.
Every assumption stands in the study file's `estimates` (defaults in the schema); docs/plan.md says
where each comes from. Imports nothing heavy, and nothing of Snakemake.
"""

import re
from dataclasses import dataclass

TRAINING_FLOPS = 6  # per parameter and token: 2 forward, 4 backward (Kaplan et al., 2020, sec. 2.1)
LORA_FLOPS = 4  # the frozen weights' own gradients are never computed
DECODING_FLOPS = 2  # per parameter and token
MOMENT_BYTES = 8  # AdamW's two moments per trained parameter, in single precision
MASTER_BYTES = 4  # the weights that the optimizer updates, in single precision
GRADIENT_BYTES = 4
LORA_SHARE = 0.01  # of the parameters, in the adapters: the moments of the rest don't exist
TEXT_BYTES = 1.5  # of compressed text per token
ROW_BYTES = 30  # of a verdict
PROGRAM_SECONDS = {"bank": 0.01, "real": 1.0}  # see docs/benchmarks.md; long tests of real corpora

# Parameters of models whose names round them; others are read off the name ("-7B").
KNOWN = {
    "qwen2.5-0.5b": 0.494e9,
    "qwen2.5-1.5b": 1.544e9,
    "qwen2.5-3b": 3.086e9,
    "qwen2.5-7b": 7.616e9,
    "qwen2.5-14b": 14.77e9,
    "qwen2.5-32b": 32.76e9,
    "llama-3.1-8b": 8.030e9,
    "llama-3.2-1b": 1.236e9,
    "llama-3.2-3b": 3.213e9,
}


class Unestimated(ValueError):
    """The study file does not say enough to estimate a cost; the message says what to add."""


@dataclass(frozen=True)
class Estimate:
    """What one job is expected to need.

    Attributes:
        amount: what its time grows with, in `unit` ("FLOP", "programs", "jobs").
        start_seconds: wall time of starting up and of all that is small.
        gpu_seconds: GPU time, over all of its GPUs.
        core_seconds: processor time of its own work, over all of its threads.
        disk_bytes: what it leaves below the results root.
        resume_bytes: what it keeps there while it runs.
        said: the arithmetic, for people.
    """

    amount: float
    unit: str
    start_seconds: float
    gpu_seconds: float = 0.0
    core_seconds: float = 0.0
    disk_bytes: float = 0.0
    resume_bytes: float = 0.0
    said: str = ""

    def wall_seconds(self, gpus: int = 1, threads: int = 1) -> float:
        """Return the time on that many GPUs and threads, assuming that it divides among them."""
        return (
            self.start_seconds
            + self.gpu_seconds / max(1, gpus)
            + self.core_seconds / max(1, threads)
        )


def trained_examples(size: int, epochs: float | None, steps: int | None, batch: int) -> float:
    """Return how many examples a training sees: passes over the shard, or updates of a batch."""
    return steps * batch if steps else size * (epochs or 1)


def training_flops(parameters: float, tokens: float, lora: bool = False) -> float:
    """Return the floating-point operations of a training; attention counts as utilisation."""
    return (LORA_FLOPS if lora else TRAINING_FLOPS) * parameters * tokens


def decoding_flops(parameters: float, tokens: float) -> float:
    """Return the floating-point operations of writing tokens; reading prompts is left out."""
    return DECODING_FLOPS * parameters * tokens


def seconds(flops: float, tera: float, utilisation: float) -> float:
    """Return device seconds of some work at a share of a peak in 10^12 operations a second."""
    return flops / (tera * 1e12 * utilisation)


def checkpoint_bytes(parameters: float, precision: str) -> float:
    """Return the size of a checkpoint's weights."""
    return parameters * (2 if precision == "bf16" else 4)


def resume_bytes(parameters: float, lora: bool = False) -> float:
    """Return the size of what a stopped training goes on from: weights and AdamW's moments."""
    trained = parameters * (LORA_SHARE if lora else 1)
    return trained * (MASTER_BYTES + MOMENT_BYTES)


def training_memory_bytes(parameters: float, lora: bool = False) -> float:
    """Return the GPU memory of weights, gradients and moments; activations come on top."""
    trained = parameters * (LORA_SHARE if lora else 1)
    return parameters * MASTER_BYTES + trained * (GRADIENT_BYTES + MOMENT_BYTES)


def scratch_parameters(vocabulary: int, hidden: int, layers: int, **_other: object) -> float:
    """Return the parameters of a student made here (see lm/students.py)."""
    inner = -(-8 * hidden // 3 // 32) * 32
    return vocabulary * hidden + layers * (4 * hidden**2 + 3 * hidden * inner + 2 * hidden) + hidden


def named_parameters(name: str) -> float | None:
    """Return the parameters of a model that its name tells: known ones exactly; None if neither."""
    low = name.lower().rsplit("/", 1)[-1]
    for known, count in KNOWN.items():
        if low.startswith(known):
            return count
    found = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", low)
    return float(found[1]) * {"b": 1e9, "m": 1e6}[found[2]] if found else None


def parameters_of(config: dict, student: str) -> float:
    """Return a student's parameters: declared, counted from its shape, or told by its name.

    Raises:
        Unestimated: none of these.
    """
    declared = config["estimates"]["parameters"].get(student)
    if declared:
        return declared
    described = config["students"][student]
    if described.get("scratch"):
        return scratch_parameters(**described["scratch"])
    name = str((described.get("hub") or {}).get("id", ""))
    count = named_parameters(name)
    if count is None:
        raise Unestimated(
            f"how many parameters student {student!r} has can't be told from {name!r}; put "
            f"`estimates: {{parameters: {{{student}: 7.6e+9}}}}` in the study file, "
            "with the right number"
        )
    return count


def problems_of(config: dict, benchmark: str) -> int:
    """Return how many problems a benchmark has: as the study file says, else as it assumes."""
    return _declared(config["benchmarks"].get(benchmark)) or config["estimates"]["problems"]


def estimate(config: dict, rule: str, wildcards: dict) -> Estimate:
    """Return what a job is expected to need.

    Args:
        config: a completed study file (`Study.config`).
        rule: the job's rule; one that is not known is a small job.
        wildcards: the job's.

    Raises:
        Unestimated: the study file does not say enough; the message says what to add.
    """
    made = _STAGES.get(rule, _small)
    return made(config, dict(wildcards))


def _train(config: dict, wildcards: dict) -> Estimate:
    return _training(
        config, wildcards["student"], wildcards["recipe"], int(wildcards["size"]), "traces"
    )


def _student(config: dict, wildcards: dict) -> Estimate:
    scratch = config["students"][wildcards["student"]].get("scratch")
    if not scratch:
        return _small(config, wildcards)
    return _training(config, wildcards["student"], scratch["recipe"], scratch["pairs"], "pairs")


def _training(config: dict, student: str, recipe: str, size: int, what: str) -> Estimate:
    assumed, how, count = config["estimates"], config["recipes"][recipe], None
    count, lora = parameters_of(config, student), bool(how.get("lora"))
    length = assumed["trace_tokens"] or how["max_length"] / 4
    batch = how.get("batch_examples") or how["batch_tokens"] / min(length, how["max_length"])
    seen = trained_examples(size, how.get("epochs"), how.get("steps"), batch)
    tokens = seen * min(length, how["max_length"])
    flops = training_flops(count, tokens, lora)
    here = _on_cores(config, student)
    time = (
        seconds(flops, assumed["core_tflops"], 1)
        if here
        else seconds(flops, assumed["gpu_tflops"], assumed["training_utilisation"])
    )
    return Estimate(
        flops,
        "FLOP",
        assumed["job_seconds"],
        **{"core_seconds" if here else "gpu_seconds": time},
        disk_bytes=checkpoint_bytes(count, how["precision"]),
        resume_bytes=resume_bytes(count, lora),
        said=f"{LORA_FLOPS if lora else TRAINING_FLOPS} x {count:.3g} parameters x {seen:,.0f} "
        f"{what} x {min(length, how['max_length']):,.0f} tokens",
    )


def _generate(config: dict, wildcards: dict) -> Estimate:
    assumed, sampling = config["estimates"], config["sampling"]
    if sampling["engine"] == "vllm" and "benchmark" in wildcards:  # copied out of the book
        return Estimate(0, "FLOP", assumed["job_seconds"], said="answers are copied")
    student = wildcards["place"].split("/")[0]
    count = parameters_of(config, student)
    length = min(assumed["answer_tokens"] or sampling["max_tokens"] / 2, sampling["max_tokens"])
    asked = [wildcards["benchmark"]] if "benchmark" in wildcards else config["benchmarks"]
    answers = sum(_answers(config, {"benchmark": benchmark}) for benchmark in asked)
    flops = decoding_flops(count, answers * length)
    here = _on_cores(config, student)
    time = (
        seconds(flops, assumed["core_tflops"], assumed["core_decoding_utilisation"])
        if here
        else seconds(flops, assumed["gpu_tflops"], assumed["decoding_utilisation"])
    )
    return Estimate(
        flops,
        "FLOP",
        assumed["job_seconds"],
        **{"core_seconds" if here else "gpu_seconds": time},
        disk_bytes=answers * length * TEXT_BYTES,
        said=f"{DECODING_FLOPS} x {count:.3g} parameters x {answers:,.0f} answers x "
        f"{length:,.0f} tokens",
    )


def _judge(config: dict, wildcards: dict) -> Estimate:
    kind = "bank" if "bank" in (config["benchmarks"].get(wildcards["benchmark"]) or {}) else "real"
    return _programs(config, _answers(config, wildcards), kind)


def _labels(config: dict, _wildcards: dict) -> Estimate:
    corpus = config["corpus"]
    kind = "bank" if "bank" in corpus else "real"
    return _programs(config, _traces(config), kind)


def _programs(config: dict, number: float, kind: str) -> Estimate:
    each = config["estimates"]["program_seconds"] or PROGRAM_SECONDS[kind]
    return Estimate(
        number,
        "programs",
        config["estimates"]["job_seconds"],
        core_seconds=number * each,
        disk_bytes=number * ROW_BYTES,
        said=f"{number:,.0f} programs x {each:g} s",
    )


def _pool(config: dict, _wildcards: dict) -> Estimate:
    return _rows(config, _traces(config))


def _shard(config: dict, wildcards: dict) -> Estimate:
    return _rows(config, int(wildcards["size"]))


def _rows(config: dict, rows: float) -> Estimate:
    longest = max(recipe["max_length"] for recipe in config["recipes"].values())
    tokens = rows * (config["estimates"]["trace_tokens"] or longest / 4)
    return Estimate(
        1,
        "jobs",
        config["estimates"]["job_seconds"],
        disk_bytes=tokens * TEXT_BYTES,
        said=f"{rows:,.0f} rows",
    )


def _small(config: dict, _wildcards: dict) -> Estimate:
    return Estimate(1, "jobs", config["estimates"]["job_seconds"], said="a small job")


def _on_cores(config: dict, student: str) -> bool:
    return bool(config["students"][student].get("scratch"))


def _answers(config: dict, wildcards: dict) -> float:
    return problems_of(config, wildcards["benchmark"]) * config["sampling"]["samples"]


def _traces(config: dict) -> float:
    """Return the traces of the corpus: as it says, else the largest size that an axis asks for."""
    corpus = config["corpus"]
    largest = max(size for axis in config["axes"].values() for size in axis["sizes"])
    return (_declared(corpus) or largest) * max(1, len(corpus.get("teachers", {})))


def _declared(source: object) -> int | None:
    """Return a number of problems that a source declares, wherever in it that stands."""
    if not isinstance(source, dict):
        return None
    for key in ("problems", "limit"):
        if isinstance(source.get(key), int):
            return source[key]
    return next((found for value in source.values() if (found := _declared(value))), None)


_STAGES = {
    "train": _train,
    "student": _student,
    "answer": _generate,
    "generate": _generate,
    "judge": _judge,
    "labels": _labels,
    "pool": _pool,
    "traces": _pool,
    "shard": _shard,
}
