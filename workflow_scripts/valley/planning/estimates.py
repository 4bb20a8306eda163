"""Costs of jobs without measurements: documented arithmetic over a study file.

Pure functions over plain numbers, then `estimate(config, rule, wildcards)` that feeds them from a
completed study file: `valley plan` and a cluster profile's resource functions ask the same one.
Every assumption stands in the study file's `estimates` (defaults in the schema); docs/plan.md says
where each comes from. Imports nothing heavy, and nothing of Snakemake.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from valley.core import snapshots
from valley.core.parts import Part, judging_parts, sampling_rule
from valley.core.published import origin
from valley.core.recipes import Recipe
from valley.core.sampling import of_benchmark as drawn
from valley.core.sampling import together
from valley.lm import flops as flops_of
from valley.lm import headers
from valley.lm.flops import Shape

MOMENT_BYTES = 8  # AdamW's two moments per trained parameter, in single precision
MASTER_BYTES = 4  # the weights that the optimizer updates, in single precision
LORA_SHARE = 0.01  # of the parameters, in the adapters: the moments of the rest don't exist
TEXT_BYTES = 1.5  # of compressed text per token
ROW_BYTES = 30  # of a verdict
TOKEN_BYTES = 4  # of an encoded shard: a token id
ID_BYTES = 50  # of each of its rows: the id, and where it ends
PROGRAM_SECONDS = {"bank": 0.01, "real": 1.0}  # see docs/benchmarks.md; long tests of real corpora

SHAPE = ("vocabulary", "hidden", "layers", "heads")  # of a student made here

# Parameters of models whose names round them; others are read off the name ("-7B").
KNOWN = {
    "qwen2.5-coder-0.5b": 0.494e9,
    "qwen2.5-coder-1.5b": 1.544e9,
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


class EstimateError(ValueError):
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
        encoded_bytes: of its shard as token ids; trainings on one shard share it.
        said: the arithmetic, for people.
    """

    amount: float
    unit: str
    start_seconds: float
    gpu_seconds: float = 0.0
    core_seconds: float = 0.0
    disk_bytes: float = 0.0
    resume_bytes: float = 0.0
    encoded_bytes: float = 0.0
    said: str = ""

    def wall_seconds(self, gpus: int = 1, threads: int = 1) -> float:
        """Return the time on that many GPUs and threads, assuming that it divides among them."""
        return (
            self.start_seconds
            + self.gpu_seconds / max(1, gpus)
            + self.core_seconds / max(1, threads)
        )


@dataclass(frozen=True)
class Lengths:
    """Tokens of some of a study's traces, by one student's tokenizer.

    Attributes:
        traces: of each, its prompt included.
        prompts: of each one's prompt alone.
    """

    traces: tuple[int, ...]
    prompts: tuple[int, ...]


def _uncounted(_student: str) -> Lengths | None:
    return None


def trained_examples(size: int, epochs: float | None, steps: int | None, batch: int) -> float:
    """Return how many examples a training sees: passes over the shard, or updates of a batch."""
    return steps * batch if steps else size * (epochs or 1)


def seconds(flops: float, tera: float, utilisation: float) -> float:
    """Return device seconds of some work at a share of a peak in 10^12 operations a second."""
    return flops / (tera * 1e12 * utilisation)


def checkpoint_bytes(parameters: float, precision: str) -> float:
    """Return the size of a checkpoint's weights."""
    return parameters * (2 if precision == "bf16" else 4)


def resume_bytes(parameters: float, lora: bool = False) -> float:
    """Return the size of a stopped training's state: weights and AdamW's moments."""
    trained = parameters * (LORA_SHARE if lora else 1)
    return trained * (MASTER_BYTES + MOMENT_BYTES)


def named_parameters(name: str) -> float | None:
    """Return the parameters of a model by its name: known ones exactly; None if unknown."""
    low = name.lower().rsplit("/", 1)[-1]
    for known, count in KNOWN.items():
        if low.startswith(known):
            return count
    found = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", low)
    return float(found[1]) * {"b": 1e9, "m": 1e6}[found[2]] if found else None


def parameters_of(config: dict, student: str) -> float:
    """Return a student's parameters: declared, of its shape, counted in its files, or by its name.

    Raises:
        Unestimated: none of these.
    """
    declared = config["estimates"]["parameters"].get(student)
    if declared:
        return declared
    described = config["students"][student]
    if "scratch" in described:
        made = described["scratch"]
        return Shape.scratch(*(made[n] for n in SHAPE)).parameters
    hub = described.get("hub") or {}
    name = str(hub.get("id", ""))
    try:
        count = headers.parameters_of(name, hub.get("revision")) or named_parameters(name)
    except ValueError as error:
        raise EstimateError(f"student {student!r}: {error}") from error
    if count is None:
        raise EstimateError(
            f"the number of parameters of student {student!r} is unknown: the weights of {name!r} "
            "are neither in a folder here nor in the hub's cache, and the name does not tell it; "
            f"put `estimates: {{parameters: {{{student}: 7.6e+9}}}}` in the study file, "
            "with the right number"
        )
    return count


def problems_of(config: dict, benchmark: str) -> int:
    """Return how many problems a benchmark has: as declared or published, else as assumed.

    What a source leaves out by day, platform or difficulty nobody knows before it is read.
    """
    described = config["benchmarks"][benchmark]
    if "bank" in described:
        return described["bank"]["problems"]
    source = described["source"]
    count = source["count"] or origin(source["format"], source["release"]).count
    chosen = any(source[key] for key in ("from", "to", "platforms", "difficulties"))
    return config["estimates"]["problems"] if chosen or not count else count


def estimate(
    config: dict,
    rule: str,
    wildcards: dict,
    lengths: Callable[[str], Lengths | None] = _uncounted,
) -> Estimate:
    """Return what a job is expected to need.

    Args:
        config: a completed study file (`Study.config`).
        rule: the job's rule; one that is not known is a small job.
        wildcards: the job's.
        lengths: a student's lengths where they have been counted, which go before what is assumed.

    Raises:
        Unestimated: the study file does not say enough; the message says what to add.
    """
    made = _STAGES.get(rule, _small)
    return made(config, dict(wildcards), lengths)


def _train(config: dict, wildcards: dict, lengths: Callable) -> Estimate:
    student, size = wildcards["student"], int(wildcards["size"])
    share = 0.0 if snapshots.whole_of(config, wildcards["recipe"]) else 1.0
    return _training(config, student, wildcards["recipe"], size, "traces", lengths, share)


def _student(config: dict, wildcards: dict, lengths: Callable) -> Estimate:
    scratch = config["students"][wildcards["student"]].get("scratch")
    if not scratch:
        return _small(config, wildcards, lengths)
    recipe, pairs = scratch["recipe"], scratch["pairs"]
    # Its pairs are no traces: these say nothing of their length.
    return _training(config, wildcards["student"], recipe, pairs, "pairs", _uncounted)


def _training(
    config: dict,
    student: str,
    recipe: str,
    size: int,
    what: str,
    lengths: Callable,
    share: float = 1.0,
) -> Estimate:
    """Return what a training is expected to need.

    Args:
        share: of its updates that are not made yet: none where a snapshot's state is there.
    """
    assumed, how = config["estimates"], Recipe(**config["recipes"][recipe])
    count, lora = parameters_of(config, student), bool(how.lora)
    length = min(assumed["trace_tokens"] or how.max_length / 4, how.max_length)
    counted = None if assumed["trace_tokens"] else lengths(student)
    if counted:
        length = fmean(min(tokens, how.max_length) for tokens in counted.traces)
    batch = how.batch_examples or how.batch_tokens / length
    share *= how.until or 1.0
    seen = share * trained_examples(size, how.epochs, how.steps, batch)
    flops = flops_of.dense(count, seen * length, lora)
    return Estimate(
        flops,
        "FLOP",
        assumed["job_seconds"],
        **_device_seconds(config, student, "train", flops, "training_utilisation", 1),
        disk_bytes=checkpoint_bytes(count, how.precision),
        resume_bytes=resume_bytes(count, lora),
        encoded_bytes=size * (length * TOKEN_BYTES + ID_BYTES),
        said=f"{flops_of.dense(1, 1, lora):.0f} x {count:.3g} parameters x {seen:,.0f} {what} x "
        f"{length:,.0f} tokens",
    )


def _device_seconds(
    config: dict, student: str, rule: str, flops: float, on_gpus: str, on_cores: float
) -> dict[str, float]:
    """Return how long some work takes, by what it runs on.

    Students made here run on cores, and others where `resources` asks for no GPU.

    Args:
        config: a completed study file.
        student: whose work it is.
        rule: whose request it is, "train" or the rule that samples.
        flops: the work.
        on_gpus: the assumption that says which share of a GPU's peak it reaches.
        on_cores: which share of the assumed peak of cores.
    """
    assumed = config["estimates"]
    gpus = config["resources"].get(rule, {}).get("gpus")
    if gpus == 0 or (gpus is None and "scratch" in config["students"][student]):
        return {"core_seconds": seconds(flops, assumed["core_tflops"], on_cores)}
    return {"gpu_seconds": seconds(flops, assumed["gpu_tflops"], assumed[on_gpus])}


def _generate(config: dict, wildcards: dict, lengths: Callable) -> Estimate:
    assumed, rule = config["estimates"], sampling_rule(config)
    if rule == "answer" and "benchmark" in wildcards:  # copied out of the cache
        return Estimate(0, "FLOP", assumed["job_seconds"], said="answers are copied")
    student = wildcards["checkpoint"].split("/")[0]
    count = parameters_of(config, student)
    benchmarks = answered_by(config, wildcards)
    answers = {benchmark: _answers(config, {"benchmark": benchmark}) for benchmark in benchmarks}
    longest = [drawn(config, benchmark)["max_tokens"] for benchmark in benchmarks]
    each = [min(assumed["answer_tokens"] or most / 2, most) for most in longest]
    total = sum(answers.values())
    length = sum(n * one for n, one in zip(answers.values(), each, strict=True)) / total
    total /= Part.named(wildcards.get("part", "")).of
    counted = lengths(student)
    question = fmean(counted.prompts) if counted else 0
    flops = flops_of.FORWARD * count * total * (question + length)
    on_cores = assumed["core_decoding_utilisation"]
    return Estimate(
        flops,
        "FLOP",
        assumed["job_seconds"],
        **_device_seconds(config, student, rule, flops, "decoding_utilisation", on_cores),
        disk_bytes=total * length * TEXT_BYTES,
        said=f"{flops_of.FORWARD} x {count:.3g} parameters x {total:,.0f} answers x "
        + (f"({question:,.0f} + {length:,.0f}) tokens" if counted else f"{length:,.0f} tokens"),
    )


def answered_by(config: dict, wildcards: dict) -> list[str]:
    """Return the benchmarks that a job answers: its own, or (`answer`) all drawn in its way."""
    if "benchmark" in wildcards:
        return [wildcards["benchmark"]]
    return together(config)[wildcards.get("way", "").removeprefix("-")]


def _judge(config: dict, wildcards: dict, _lengths: Callable) -> Estimate:
    kind = "bank" if "bank" in config["benchmarks"][wildcards["benchmark"]] else "real"
    return _programs(config, _answers(config, wildcards), kind, wildcards)


def _labels(config: dict, wildcards: dict, _lengths: Callable) -> Estimate:
    corpus = config["corpus"]
    kind = "bank" if "bank" in corpus else "real"
    return _programs(config, _traces(config), kind, wildcards)


def _programs(config: dict, number: float, kind: str, wildcards: dict) -> Estimate:
    start, written = config["estimates"]["job_seconds"], number * ROW_BYTES
    if "part" in wildcards:
        number /= Part.named(wildcards["part"]).of
    elif judging_parts(config):
        said = "verdicts of its parts are read"
        return Estimate(0, "programs", start, disk_bytes=written, said=said)
    each = config["estimates"]["program_seconds"] or PROGRAM_SECONDS[kind]
    return Estimate(
        number,
        "programs",
        start,
        core_seconds=number * each,
        disk_bytes=0 if "part" in wildcards else written,
        said=f"{number:,.0f} programs x {each:g} s",
    )


def _pool(config: dict, _wildcards: dict, _lengths: Callable) -> Estimate:
    return _rows(config, _traces(config))


def _shard(config: dict, wildcards: dict, _lengths: Callable) -> Estimate:
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


def _small(config: dict, _wildcards: dict, _lengths: Callable) -> Estimate:
    return Estimate(1, "jobs", config["estimates"]["job_seconds"], said="a small job")


def _answers(config: dict, wildcards: dict) -> float:
    benchmark = wildcards["benchmark"]
    return problems_of(config, benchmark) * drawn(config, benchmark)["samples"]


def _traces(config: dict) -> float:
    """Return the traces of the corpus: as it says, else the largest size that an axis asks for."""
    corpus = config["corpus"]
    largest = max(size for axis in config["axes"].values() for size in axis["sizes"])
    problems = corpus["bank"]["problems"] if "bank" in corpus else largest
    return problems * max(1, len(corpus.get("teachers", {})))


_STAGES = {
    "train": _train,
    "student": _student,
    "answer": _generate,
    "generate": _generate,
    "judge": _judge,
    "judge_part": _judge,
    "labels": _labels,
    "labels_part": _labels,
    "pool": _pool,
    "traces": _pool,
    "slice": _pool,
    "shard": _shard,
    "declared_shard": _shard,
}
