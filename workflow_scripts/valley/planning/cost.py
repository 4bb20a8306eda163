"""What jobs cost: learnt from the sidecars of jobs that have run, else estimated."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from valley.core import snapshots
from valley.core.files import read_json
from valley.core.parts import PARTIAL, Part, wildcards_of
from valley.core.sidecars import SUFFIX, provenances, warn
from valley.core.study import Study
from valley.planning import lengths
from valley.planning.dag import PlannedJob
from valley.planning.estimates import EstimateError, Lengths, estimate, trained_examples

# Folders below a study's root whose next part is the student.
BY_STUDENT = ("students", "checkpoints", "generations", "verdicts", "scores")
# Rules whose results grow with the work.
GROWING = ("shard", "declared_shard", "answer", "generate")


@dataclass(frozen=True)
class Cost:
    """What a job is expected to cost.

    Attributes:
        seconds: wall time; None where nothing tells.
        gpu_seconds: that time on each of its GPUs.
        disk_bytes: what it leaves; resume_bytes: what it keeps while it runs; encoded_bytes: of a
            training's shard as token ids, which trainings on that shard share.
        source: "measured", "estimated" or "unknown".
        said: the arithmetic, for people.
    """

    seconds: float | None
    gpu_seconds: float = 0.0
    disk_bytes: float = 0.0
    resume_bytes: float = 0.0
    encoded_bytes: float = 0.0
    source: str = "estimated"
    said: str = ""


class Costs:
    """The costs of a study's jobs.

    A rule's time is a straight line in its work, fitted without a negative part; with one amount of
    work seen, the line through it and the time that starting a job is assumed to take.

    Attributes:
        unknown: what the study file would have to say for the costs that are not known.
        counted: by student, the lengths of traces that estimates used.

    Args:
        study: the study.
        roots: results folders to learn from; the study's own by default.
    """

    def __init__(self, study: Study, roots: Iterable[str | Path] = ()):
        self.config = study.config
        self.unknown: set[str] = set()
        self.counted: dict[str, Lengths] = {}
        self._lengths = lengths.of_study(study)
        seen = defaultdict(list)
        for root in dict.fromkeys(map(Path, roots or [study.root])):
            for key, *point in measurements(root):
                seen[key].append(point)
        start = self.config["estimates"]["job_seconds"]
        self._lines = {key: _line([p[:2] for p in points], start) for key, points in seen.items()}
        self._disk = {
            key: _size(key[0], [(p[0], p[2]) for p in points]) for key, points in seen.items()
        }

    def of(self, job: PlannedJob) -> Cost:
        """Return what a job is expected to cost."""
        try:
            assumed = estimate(self.config, job.rule, job.wildcards, self._counting)
        except EstimateError as error:
            self.unknown.add(str(error))
            assumed = None
        on_gpu = job.gpus or int(bool(assumed and assumed.gpu_seconds))
        key = job.rule, _student(job.outputs[0].split("/"))
        if key not in self._lines and job.rule in PARTIAL:  # a share of what one job took
            key = job.rule.removesuffix("_part"), key[1]
        # Of jobs that judged whole files nothing follows for one that reads what its parts judged.
        reads = assumed is not None and assumed.unit == "programs" and not assumed.amount
        if key in self._lines and not reads:
            fixed, slope = self._lines[key]
            amount = work(job.rule, job.params, job.wildcards)
            if snapshots.whole_of(self.config, job.wildcards.get("recipe", "")):
                amount = 0.0  # its whole training has left its state
            seconds, each = fixed + slope * amount, self._disk[key]
            return Cost(
                seconds,
                seconds * on_gpu,
                0.0 if key[0] != job.rule else each * (amount if job.rule in GROWING else 1),
                assumed.resume_bytes if assumed else 0.0,
                assumed.encoded_bytes if assumed else 0.0,
                "measured",
                "what jobs of this study took",
            )
        if assumed is None:
            return Cost(None, source="unknown")
        seconds = assumed.wall_seconds(on_gpu, job.threads)
        return Cost(
            seconds,
            assumed.gpu_seconds + assumed.start_seconds * on_gpu if on_gpu else 0.0,
            assumed.disk_bytes,
            assumed.resume_bytes,
            assumed.encoded_bytes,
            "estimated",
            assumed.said,
        )

    def _counting(self, student: str) -> Lengths | None:
        found = self._lengths(student)
        if found:
            self.counted[student] = found
        return found


def work(rule: str, params: dict, wildcards: dict) -> float:
    """Return how much a job has to do, in a unit that its rule's time grows with.

    Training grows with the examples seen, sampling with the answers to a problem, a shard with its
    size; every other rule's jobs are alike within a study. A part has its share of the work.
    """
    if rule == "train":
        # A batch in tokens is as many examples as the estimates assume, a quarter of the longest.
        batch = params["batch_examples"] or 4 * params["batch_tokens"] / params["max_length"]
        seen = trained_examples(int(wildcards["size"]), params["epochs"], params["steps"], batch)
        return (params.get("until") or 1.0) * seen
    if rule in PARTIAL:
        return float(params.get("samples") or 1) / Part.named(wildcards["part"]).of
    if rule == "generate":
        return float(params.get("samples") or 1)
    return float(wildcards["size"]) if rule in ("shard", "declared_shard") else 1.0


def measurements(root: Path) -> Iterator[tuple[tuple[str, str], float, float, float]]:
    """Yield ((rule, student), work, wall seconds, bytes) of each job recorded in a folder.

    Jobs that only took their result from the store say nothing about what it costs to make.
    """
    for path, about in provenances(root, damaged=warn):
        if about.get("restored") or "wall_seconds" not in about["measured"]:
            continue
        if about["params"].get("until"):  # most of it may have been done by its whole training
            continue
        parts = path.relative_to(root).parts
        size = next((p for p in reversed(parts) if p.startswith("n") and "-s" in p), "n1-")
        wildcards = {
            "size": size.partition("-")[0].removeprefix("n"),
            **wildcards_of(path.name.removesuffix(SUFFIX)),
        }
        key = about["rule"], _student(("results", "study", *parts))
        size_here = sum(size_of(Path(name)) for name in about["outputs"])
        done = work(about["rule"], about["params"], wildcards)
        yield key, done, about["measured"]["wall_seconds"], size_here


def size_of(target: Path) -> int:
    """Return the bytes of a result, the folder of a checkpoint included; 0 if it is not there."""
    if not target.is_file():
        return 0
    own = target.stat().st_size
    if target.name != "checkpoint.json":
        return own
    try:
        files = read_json(target).get("files", {})
    except ValueError:  # damaged: only its own size is known
        return own
    return own + sum(described["bytes"] for described in files.values())


def _student(parts) -> str:
    at = next((n for n, part in enumerate(parts) if part in BY_STUDENT), None)
    return parts[at + 1] if at is not None and at + 1 < len(parts) else ""


def _line(points: list[tuple[float, float]], start: float) -> tuple[float, float]:
    """Return the fixed part and the slope of time in work."""
    import numpy as np

    amounts, seconds = map(np.array, zip(*points, strict=True))
    if len(set(amounts)) > 1:
        slope = max(0.0, float(np.polyfit(amounts, seconds, 1)[0]))
        return max(0.0, float(np.median(seconds - slope * amounts))), slope
    middle = float(np.median(seconds))
    fixed = min(middle, start)
    return fixed, (middle - fixed) / float(amounts[0])


def _size(rule: str, points: list[tuple[float, float]]) -> float:
    """Return the bytes of a result, or of one unit of work where they grow with it."""
    total = sum(size for _, size in points)
    return total / (sum(amount for amount, _ in points) if rule in GROWING else len(points))
