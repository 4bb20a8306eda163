"""What a study's jobs do, in small, where they will run: started by `valley doctor` on a node.

    PYTHONPATH=workflow_scripts python -P -m valley.cluster.trial_run FOLDER

FOLDER has `trial.json`, a `Trial` in plain values; findings are added to `findings.jsonl` there as
they come, the last one being that of the end. Trainings and answers go through the functions that
the study's jobs call.
"""

import dataclasses
import functools
import json
import os
import platform
import re
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from valley.cluster.finding import BAD, NOTE, OK, Finding
from valley.core.files import POOL, read_json, write_parquet
from valley.core.recipes import Recipe
from valley.core.sampling import Sampling

END = "end"  # the last finding: nothing was cut off
EXAMPLES, TOKENS = 4, 512  # of an update and a process; of an example
ANSWER_TOKENS = 16
OFTEN = 1e-9  # minutes between two states: one after every update
APART = 0.02  # of two losses, as a share: on GPUs sums are not taken in the same order
BEGINS = "--- "  # a line before what each trial prints
# The last line of a traceback, as torch's launcher hands it on.
ERROR = re.compile(r"^(?:\[rank\d+\]: ?)?(\w+(?:Error|Exception): .+)$", re.MULTILINE)
CHUNK, MOST_BYTES = 1 << 24, 1 << 30  # of the file that is written to measure the file system
WARNING_SECONDS = 180  # before a time limit, see rules/train.smk


@dataclasses.dataclass(frozen=True)
class Trial:
    """What one job tries.

    Attributes:
        gpus: of the whole job.
        nodes: machines.
        threads: cores of each.
        models: students and teachers by name: `scratch` or `hub`, as the study file has students.
        recipes: by name, of the study file.
        trainings: pairs of names, a student's and a recipe's.
        answers: pairs of a model's name and the settings of `Sampling`.
        training: of the study file.
        state_bytes: what the largest training keeps while it runs, its checkpoint included; 0 is
            not known or none.
        isolation: of judged programs, or None where none is judged.
    """

    gpus: int
    nodes: int
    threads: int
    models: dict[str, dict]
    recipes: dict[str, dict]
    trainings: list[tuple[str, str]]
    answers: list[tuple[str, dict]]
    training: dict
    state_bytes: float
    isolation: str | None


def findings(trial: Trial, folder: Path) -> Iterator[Finding]:
    """Try everything, cheapest first; without its GPUs nothing more is tried.

    Args:
        trial: what.
        folder: for files, on the file system of the results.
    """
    from valley.lm import devices

    attempt = functools.partial(tried, log=folder / "log")
    yield cards(trial)

    if devices.lacking(trial.gpus // trial.nodes):
        yield Finding("trainings and answers", NOTE, "not tried without the GPUs")
        return
    if trial.isolation:
        yield attempt(
            "isolation of programs", lambda: isolated(trial.isolation), "see docs/judge.md"
        )
    made: dict[str, Path] = {}
    for model in trial.models:
        found = attempt(
            f"model {model}",
            lambda name=model: start(trial, name, folder, made),
            "`./valley doctor STUDY --fetch` brings what is missing of the hub",
        )
        if found.verdict == BAD:
            yield found
    for student, recipe in trial.trainings:
        if student in made:
            yield attempt(
                f"training of {student} by {recipe}",
                lambda pair=(student, recipe): trained(trial, *pair, made[pair[0]], folder),
                "docs/training.md says what a recipe needs",
            )
    for model, sampling in trial.answers:
        if model in made:
            yield attempt(
                f"answer of {model} by {sampling['engine']}",
                lambda how=sampling, at=made[model]: answered(trial, how, at, folder),
                "see docs/generation.md",
            )
    if trial.trainings:
        what = "file system of the results"
        yield attempt(what, lambda: speed(trial, folder), "is it full, or may you not write there?")


def tried(what: str, trial: Callable[[], str | Finding], advice: str, log: Path) -> Finding:
    """Return what a trial says; of one that fails its error, with what to do.

    Args:
        what: it is about.
        trial: does it.
        advice: what to do.
        log: file that this process and those that it starts print to.
    """
    print(f"{BEGINS}{what}", flush=True)
    try:
        said = trial()
    except Exception as error:
        why = cause(error, log)
        traceback.print_exc()
        return Finding(what, BAD, f"{why}; {advice}")
    return said if isinstance(said, Finding) else Finding(what, OK, said)


def cause(error: Exception, log: Path) -> str:
    """Return an error in a line; of a training in several processes that of the one that failed."""
    from valley.lm.launch import ERROR_ABOVE

    sys.stdout.flush(), sys.stderr.flush()
    printed = log.read_text(errors="replace") if log.is_file() else ""
    told = ERROR.findall(printed[printed.rfind(BEGINS) + 1 :])
    if told and ERROR_ABOVE in str(error):
        return told[0]
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"


def cards(trial: Trial) -> Finding:
    """Say which GPUs the job has, with driver and CUDA, held against what it asked for."""
    import torch

    from valley.lm import devices

    each = trial.gpus // trial.nodes
    if why := devices.lacking(each):
        return Finding("cards", BAD, f"{platform.node()}: {why}")
    built = f"PyTorch {torch.__version__}"
    built += f" for CUDA {torch.version.cuda}" if torch.version.cuda else " without CUDA"
    if not trial.gpus:
        return Finding("cards", OK, f"{platform.node()}: none asked for; {built}")
    names = sorted({torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())})
    said = f"{torch.cuda.device_count()} x {', '.join(names)}, driver {devices.driver()}, {built}"
    return Finding("cards", OK, f"{platform.node()}: {said}")


def isolated(isolation: str) -> str:
    """Return the name of the isolation that judged programs get here."""
    from valley.judging import isolation as isolating

    return isolating.tier(isolation).name


def start(trial: Trial, name: str, folder: Path, made: dict[str, Path]) -> str:
    """Make a small model of a model's architecture; note its manifest by that model's name."""
    from valley.lm import tiny

    made[name] = tiny.save(trial.models[name], folder / "starts" / name)
    return "made"


def small(recipe: Recipe, processes: int) -> Recipe:
    """Return a recipe for two small updates, with what decides how they are computed as it is."""
    return dataclasses.replace(
        recipe,
        epochs=None,
        steps=2,
        batch_tokens=None,
        batch_examples=EXAMPLES * processes,
        max_length=min(recipe.max_length, TOKENS),
        row_tokens=min(recipe.row_tokens, TOKENS),
        micro_tokens=recipe.micro_tokens and min(recipe.micro_tokens, TOKENS),
        overlong="cut",
        order="random",
        warmup=0.0,
    )


def trained(trial: Trial, student: str, recipe: str, manifest: Path, folder: Path) -> str | Finding:
    """Make two updates, then the second one again from the state saved after the first.

    Args:
        trial: what.
        student, recipe: names.
        manifest: of the small start.
        folder: where all of it lies.

    Raises:
        RuntimeError: no state was saved, or going on from it does not come to the same.
    """
    from train import run_processes

    from valley.lm import launch
    from valley.lm.training import Training
    from valley.workflow.job import Job

    begun = time.monotonic()
    layout = launch.layout(trial.gpus, trial.nodes, trial.training["processes"])
    training_folder = folder / "trainings" / f"{student}-{recipe}"
    training_folder.mkdir(parents=True)
    job = Job(
        state=training_folder / "state",
        threads=trial.threads * trial.nodes,
        gpus=trial.gpus,
        nodes=trial.nodes,
    )
    job.state.mkdir()
    how = small(Recipe(**trial.recipes[recipe]), layout.processes)
    write_parquet(training_folder / "shard.parquet", _rows(2 * how.batch_examples), POOL)
    what = Training(
        start=str(manifest),
        shard=str(training_folder / "shard.parquet"),
        manifest=str(training_folder / "made" / "checkpoint.json"),
        state=str(job.state),
        recipe=how,
        seed=0,
        gpus=trial.gpus // trial.nodes,
        how={**trial.training, "save_every": OFTEN},
        about={"study": "doctor", "arm": {}, "recipe": {}, "data": "", "start": ""},
    )
    first = run_processes(what, job)
    straight = _losses(what)
    if read_json(job.state / "position.json")["done"] != 1:
        raise RuntimeError("no state was saved after the first update")
    shutil.rmtree(training_folder / "made")
    again = run_processes(what, job)
    resumed = _losses(what)
    if again["tokens"] >= first["tokens"] or len(resumed) != 2:
        raise RuntimeError("the second run did not go on from the saved state")
    apart = abs(resumed[1] - straight[1]) / straight[1]
    if apart > APART:
        raise RuntimeError(
            f"after going on, update 2 has a loss of {resumed[1]:.4f}, not of {straight[1]:.4f}"
        )
    where = (
        f"{layout.processes} processes on {layout.nodes} nodes"
        if layout.nodes > 1
        else (f"{layout.processes} processes" if layout.processes > 1 else "1 process")
    )
    return (
        f"two updates, saved and gone on with, by {first['attention']} in {how.precision}, "
        f"{where} on {first['device']}; loss {straight[0]:.2f}, then {straight[1]:.2f} "
        f"({apart:.1e} apart after going on); {time.monotonic() - begun:.0f} s"
    )


def _rows(count: int) -> list[dict]:
    from valley.lm import tiny

    same = {"difficulty": "easy", "correct": True, "teacher": "t", "tokens": 10, "source": "made"}
    return [
        {"id": f"p{n}/t", "problem_id": f"p{n}", "prompt": prompt, "response": response, **same}
        for n, (prompt, response) in enumerate(tiny.texts(count))
    ]


def _losses(what) -> list[float]:
    return [json.loads(line)["loss"] for line in what.losses.read_text().splitlines()]


def answered(trial: Trial, how: dict, manifest: Path, folder: Path) -> str:
    """Let each engine of the job answer one question; return how long it took.

    Args:
        trial: what.
        how: settings of `Sampling`.
        manifest: of the small model.
        folder: where the answer is kept.
    """
    from generate import answer

    from valley.lm import replicas
    from valley.lm.answer_cache import AnswerCache, Question

    # One answer is a group, so that each engine has one.
    sampling = Sampling(**{**how, "max_tokens": ANSWER_TOKENS, "batch_size": 1, "group": 1})
    engines = replicas.engines(trial.gpus, sampling.tensor_parallel)
    asked = [Question("Add 7 to every number.", "doctor", at, at) for at in range(engines)]
    cache = AnswerCache(folder, {"doctor": str(manifest)})
    found = answer(manifest, [asked], cache, sampling, trial.gpus)
    if len(cache.known(question.key for question in asked)) < engines:
        raise RuntimeError("the engine ended without an answer")
    return (
        f"{found['tokens']} tokens in {sampling.precision}; {found['start_seconds']:.0f} s to "
        f"start, {found['sample_seconds']:.0f} s to answer"
    )


def speed(trial: Trial, folder: Path) -> Finding:
    """Write a file to the disk; say how long the largest state and its checkpoint would take."""
    size = int(min(max(trial.state_bytes, CHUNK), MOST_BYTES))
    chunk, file = os.urandom(CHUNK), folder / "written"
    begun, written = time.monotonic(), 0
    with open(file, "wb") as out:
        while written < size:
            written += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    pace = written / (time.monotonic() - begun)
    file.unlink()
    return saving("file system of the results", trial.state_bytes, pace, trial.training)


def saving(what: str, size: float, pace: float, training: dict) -> Finding:
    """Judge the time that a state takes.

    Args:
        what: the finding's subject.
        size: bytes of the state and the checkpoint; 0 is not known.
        pace: bytes a second, by one process.
        training: of the study file; `save_every` is in minutes.
    """
    said = f"{pace / 1e6:,.0f} MB/s by one process"
    if not size:
        return Finding(what, NOTE, f"{said}; the size of a state is not known")
    seconds = size / pace
    said += (
        f": state and checkpoint of the largest training, {size / 1e9:,.1f} GB, {seconds:,.0f} s"
    )
    if seconds > 60 * training["save_every"]:
        return Finding(
            what,
            BAD,
            f"{said}, longer than `training: save_every` ({training['save_every']:g} minutes); "
            f"let it be more than {seconds / 60:,.0f}, or put `results` on a faster file system",
        )
    if seconds > WARNING_SECONDS:
        return Finding(
            what,
            NOTE,
            f"{said}; trainings stop that long before their time limit: let limits be long, or put "
            "`results` on a faster file system",
        )
    return Finding(what, OK, said)


def main(folder: Path) -> None:
    """Try what `trial.json` says, and write a line for each finding as it comes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    trial = Trial(**read_json(folder / "trial.json"))
    os.environ.setdefault("OMP_NUM_THREADS", str(trial.threads))
    with open(folder / "findings.jsonl", "w", encoding="utf-8") as out:
        for finding in findings(trial, folder):
            print(json.dumps(dataclasses.asdict(finding)), file=out, flush=True)
        print(json.dumps(dataclasses.asdict(Finding(END, OK, ""))), file=out, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
