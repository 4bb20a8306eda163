"""Short jobs that do in small what a study's jobs will do, with their own requests.

From a study and a profile to jobs, and from what a job wrote to findings: pure functions. Between
them SLURM, or on a machine without one a process here.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace

from valley.cluster import demands, offers, slurm_patches
from valley.cluster.finding import BAD, NOTE, OK, Finding
from valley.cluster.runs import ask
from valley.cluster.trial_run import END, Trial
from valley.core.files import write_json
from valley.core.parts import JUDGING, sampling_rule
from valley.core.study import Study
from valley.planning.estimates import EstimateError, answered_by, estimate

# That a job may take, and each training and answer in it: many times what they take on idle nodes.
MINUTES, TRAINING_MINUTES, ANSWER_MINUTES = 10, 10, 5
POLL_SECONDS = 5
SCRIPTS = Path(__file__).resolve().parents[2]
WORK = "valley.cluster.trial_run"
ENGINE = ("engine", "precision", "batch_size", "vllm")  # of a teacher, as of `sampling`
# What of a recipe decides how updates are computed, not what is learnt.
COMPUTED = (
    *("precision", "weights", "optimizer", "attention", "gradient_checkpointing", "compile"),
    *("liger", "head_positions", "row_tokens", "micro_tokens", "loss_on", "lora"),
)
# What a site says of a rule's jobs beside how much they ask for.
TEXTS = ("slurm_account", "constraint", "qos", "clusters", "slurm_extra", "gpu_model")
NUMBERS = ("gpus_as_gres", "tasks_per_gpu", "cpus_per_task", "cpus_per_gpu")


@dataclass(frozen=True)
class TrialJob:
    """One job.

    Attributes:
        rules: that it stands for.
        wanted: what it asks for, but for its time.
        sbatch: the command that submits it.
        whole: that of the rule's own jobs, with their time.
        trial: what it tries.
    """

    rules: tuple[str, ...]
    wanted: offers.Demand
    sbatch: tuple[str, ...]
    whole: tuple[str, ...]
    trial: Trial

    @property
    def name(self) -> str:
        """Its partition and rules, as findings are headed."""
        return f"{self.wanted.partition or 'default partition'} ({', '.join(self.rules)})"

    def __str__(self) -> str:
        parts = ["cards"]
        parts += ["isolation"] * bool(self.trial.isolation)
        parts += [f"two updates of {s} by {r}" for s, r in self.trial.trainings]
        parts += [f"an answer of {m} by {how['engine']}" for m, how in self.trial.answers]
        parts += ["the file system"] * bool(self.trial.trainings)
        return ", ".join(parts)


def jobs(study: Study, profile: dict, offered: dict[str, offers.Partition]) -> list[TrialJob]:
    """Return a job for each partition and kind of request that the study's jobs have.

    Jobs that differ in cores, memory and time alone are one, with the request of that which asks
    for most.

    Args:
        study: what is to run.
        profile: the site's, read.
        offered: what SLURM has; empty without one.
    """
    asked = demands.site(profile)
    found: dict[tuple, list[tuple[str, dict, offers.Demand]]] = {}
    for rule in demands.rules_of(study):
        options = site_of(asked, rule)
        for wildcards, wanted in demands.each(study, rule, asked, offered):
            if not wanted.request.gpus:
                wanted = replace(wanted, model=None)
            request = wanted.request
            kind = wanted.partition, request.gpus, request.nodes, wanted.model, json.dumps(options)
            found.setdefault(kind, []).append((rule, wildcards, wanted))
    wheres = (offers.partition_of(offered, members[0][2].partition) for members in found.values())
    limits = [where and where.minutes for where in wheres]
    each = zip(found.values(), limits, strict=True)
    return [job_of(study, profile, members, limit) for members, limit in each]


def site_of(asked: dict[str, str], rule: str) -> dict[str, str | int]:
    """Return what a profile says of how a rule's jobs are submitted."""
    said = {
        name: (asked.get(f"{rule}:{name}") or asked.get(name) or "").strip("'\"")
        for name in (*TEXTS, *NUMBERS)
    }
    return {n: int(value) if n in NUMBERS else value for n, value in said.items() if value}


def job_of(
    study: Study,
    profile: dict,
    members: list[tuple[str, dict, offers.Demand]],
    limit: int | None,
) -> TrialJob:
    """Return the job that stands for some jobs.

    Args:
        study: what is to run.
        profile: the site's, read.
        members: rules with wildcards and what each asks for.
        limit: minutes that a job there may ask for; None is no limit.
    """
    rules = tuple(dict.fromkeys(rule for rule, _, _ in members))
    wanted = max(
        (wanted for _, _, wanted in members),
        key=lambda one: (one.request.cpus, one.request.mem_mb, one.request.runtime),
    )
    config, request = study.config, wanted.request
    trained, answers, models = {}, {}, {}
    for rule, wildcards, _ in members:
        name = wildcards.get("student") or wildcards.get("checkpoint", "").split("/")[0]
        if rule in ("ask_model", "ask_model_part"):
            name = f"teacher {wildcards['teacher']}"
            teacher = config["corpus"]["teachers"][wildcards["teacher"]]["model"]
            models[name] = {"hub": {"id": teacher["id"], "revision": teacher["revision"]}}
            answers[name] = {key: teacher[key] for key in ENGINE if key in teacher}
        elif rule == sampling_rule(config):
            # Ways of sampling differ in what is drawn, not in how: one that is used stands for all.
            first = answered_by(config, wildcards)[0]
            answers.setdefault(name, study.sampling(first))
        elif rule == "train":
            arm = name, wildcards["recipe"]
            trained[arm] = max(trained.get(arm, 0), state_bytes(config, wildcards))
        elif rule == "student" and (made := config["students"][name].get("scratch")):
            trained.setdefault((name, made["recipe"]), 0)
        if name in config["students"]:
            models[name] = config["students"][name]
    pairs = alike(config, list(trained))
    used = {name for name, _ in pairs} | set(answers)
    trial = Trial(
        gpus=request.gpus,
        nodes=request.nodes,
        threads=request.cpus,
        models={name: model for name, model in models.items() if name in used},
        recipes=config["recipes"],
        trainings=pairs,
        answers=list(answers.items()),
        training=config["training"],
        state_bytes=max(trained.values(), default=0),
        isolation=config["judge"]["isolation"] if {*rules} & {*JUDGING} else None,
    )
    site, most = site_of(demands.site(profile), rules[0]), minutes(trial)
    times = min(most, limit or most), request.runtime or most
    short, whole = (submission(profile, site, wanted, time) for time in times)
    return TrialJob(rules, wanted, short, whole, trial)


def alike(config: dict, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return pairs of students and recipes without those that are computed as another one is."""
    firsts = {}
    for student, recipe in pairs:
        how = {name: config["recipes"][recipe][name] for name in COMPUTED}
        firsts.setdefault((student, json.dumps(how, sort_keys=True)), (student, recipe))
    return list(firsts.values())


def minutes(trial: Trial) -> int:
    """Return the minutes that a job may take, on a slow file system."""
    return MINUTES + TRAINING_MINUTES * len(trial.trainings) + ANSWER_MINUTES * len(trial.answers)


def state_bytes(config: dict, arm: dict) -> float:
    """Return the bytes of an arm's state and checkpoint; 0 if its student's size is not known."""
    try:
        expected = estimate(config, "train", arm)
    except EstimateError:
        return 0
    return expected.resume_bytes + expected.disk_bytes


class Asked(dict):
    """A job's resources, as the executor's plugin reads them."""

    __getattr__ = dict.get


def submission(profile: dict, site: dict, wanted: offers.Demand, runtime: int) -> tuple[str, ...]:
    """Return the command that submits a job, by the very functions that submit a study's jobs.

    Args:
        profile: the site's, read.
        site: from `site_of`.
        wanted: what the job asks for, beside
        runtime: minutes.
    """
    request = wanted.request
    resources = Asked(
        site,
        mem_mb=request.mem_mb,
        runtime=runtime,
        nodes=request.nodes,
        gpu=request.gpus,
    )
    job = SimpleNamespace(resources=resources, threads=request.cpus, is_group=lambda: False)
    settings = SimpleNamespace(
        requeue=False,
        no_requeue=True,
        qos=profile.get("slurm-qos"),
        reservation=profile.get("slurm-reservation"),
    )
    params = {
        "run_uuid": "valley-doctor",
        "slurm_logfile": "log",
        "comment_str": "valley doctor",
        "account": option("-A", site.get("slurm_account")),
        "partition": option("-p", wanted.partition),
        "workdir": None,
    }
    command, gpus = slurm_patches.composing()
    return tuple(shlex.split(command(job, params, settings=settings) + gpus(job)))


def option(name: str, value: str | None) -> str:
    return f"{name} {shlex.quote(value)}" if value else ""


def local(job: TrialJob, gpus: int) -> TrialJob:
    """Return a job as far as this machine can do it.

    Args:
        job: as the study asks for it.
        gpus: that CUDA can use here.
    """
    here = min(job.trial.gpus, gpus)
    threads = min(job.trial.threads, os.cpu_count() or 1)
    return replace(job, trial=replace(job.trial, gpus=here, nodes=1, threads=threads))


def work(folder: Path) -> list[str]:
    """Return the command that does a job's work on its node."""
    return [sys.executable, "-P", "-m", WORK, str(folder)]


@contextmanager
def folders(study: Study, some: list[TrialJob]) -> Iterator[list[Path]]:
    """Yield a folder below the results for each job, described there; all are gone afterwards."""
    root = Path(study.config["results"]).resolve() / f".doctor-{secrets.token_hex(4)}"
    made = [root / str(number) for number in range(len(some))]
    before = root.parent.exists()
    try:
        for job, folder in zip(some, made, strict=True):
            folder.mkdir(parents=True)
            write_json(folder / "trial.json", asdict(job.trial))
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)
        if not before:
            with suppress(OSError):
                root.parent.rmdir()


def here(study: Study, some: list[TrialJob], gpus: int) -> Iterator[Finding]:
    """Do the jobs on this machine, one after another.

    Args:
        study: what is to run.
        some: as the study asks for them.
        gpus: that CUDA can use here.
    """
    fitted = [local(job, gpus) for job in some]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with folders(study, fitted) as made:
        for job, folder in zip(fitted, made, strict=True):
            with open(folder / "log", "wb") as log, suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    work(folder),
                    stdout=log,
                    stderr=log,
                    env=environment,
                    timeout=60 * minutes(job.trial),
                )
            yield from read(f"here ({', '.join(job.rules)})" if len(some) > 1 else "here", folder)


def submitted(study: Study, some: list[TrialJob], wait: float) -> Iterator[Finding]:
    """Submit the jobs, and say what each found as it ends.

    Args:
        study: what is to run.
        some: jobs that fit their partitions.
        wait: minutes for which a job may wait to begin; it is cancelled then.
    """
    with folders(study, some) as made:
        waiting: dict[str, tuple[TrialJob, Path]] = {}
        try:
            for job, folder in zip(some, made, strict=True):
                try:
                    number = submit(job, folder)
                    waiting[number] = job, folder
                except RuntimeError as error:
                    yield Finding(job.name, BAD, refusal(str(error)))
            yield from watched(waiting, wait)
        finally:
            if waiting:
                ask("scancel", *waiting)


def refusal(said: str) -> str:
    """Return what SLURM said of a submission in a line, with what to do."""
    return f"SLURM refuses such a job: {' '.join(said.split())}; mend the profile or `resources`"


def submit(job: TrialJob, folder: Path) -> str:
    """Submit a job, after its rules' whole request has been put to SLURM; return its number.

    Raises:
        RuntimeError: SLURM refuses it.
    """
    ask(*job.whole, "--test-only", "--wrap=true")
    options = f"--output={folder / 'log'}", f"--wrap={shlex.join(work(folder))}"
    return ask(*job.sbatch, *options, PYTHONPATH=str(SCRIPTS)).strip().split(";")[0]


def watched(waiting: dict[str, tuple[TrialJob, Path]], wait: float) -> Iterator[Finding]:
    """Yield what jobs found as they end; those that have ended are taken out.

    Args:
        waiting: jobs and their folders, by number.
        wait: minutes until those that have not begun are given up.
    """
    end = time.monotonic() + 60 * wait
    while waiting:
        states = states_of(list(waiting))
        for number, (job, folder) in list(waiting.items()):
            state, reason = states.get(number, ("ENDED", ""))
            if state == "PENDING" and time.monotonic() > end:
                ask("scancel", number)
                said = f"has not begun within {wait:g} minutes ({reason}) and was cancelled"
                yield Finding(job.name, NOTE, f"{said}; try again later, or with a longer --wait")
            elif state in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"):
                continue
            else:
                yield from read(job.name, folder)
            del waiting[number]
        if waiting:
            time.sleep(POLL_SECONDS)


def states_of(numbers: list[str]) -> dict[str, tuple[str, str]]:
    """Return the states of jobs, with the reasons for which they wait; forgotten ones are left out.

    While the controller does not answer, all of them count as running.
    """
    asked = (f"--jobs={','.join(numbers)}", "--states=all", "--noheader", "--format=%i|%T|%r")
    try:
        rows = [line.strip().split("|") for line in ask("squeue", *asked).splitlines()]
    except RuntimeError as error:
        if "Invalid job id" in str(error):
            return {}
        return dict.fromkeys(numbers, ("RUNNING", ""))
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}


def read(name: str, folder: Path) -> Iterator[Finding]:
    """Yield what a job has found; of one that was cut off also the end of its output.

    Args:
        name: of the job, put before what each finding is about.
        folder: the job's.
    """
    file, log = folder / "findings.jsonl", folder / "log"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found = [Finding(**json.loads(line)) for line in lines if line.endswith("}")]
    for one in found:
        if one.what != END:
            yield replace(one, what=f"{name}, {one.what}")
    if not any(one.what == END for one in found):
        printed = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
        late = [line for line in printed if "DUE TO TIME LIMIT" in line]
        last = [*printed, *late][-1].strip() if printed else "nothing"
        yield Finding(
            name, BAD, f"the job ended before it had tried everything; its last line: {last}"
        )


def shown(some: list[TrialJob], submitting: bool) -> Iterator[Finding]:
    """Say what each job would try, and with `submitting` the command that would submit it."""
    for job in some:
        if submitting:
            yield Finding(job.name, OK, f"would try {job}: {shlex.join(job.sbatch)}")
        else:
            yield Finding(f"here ({', '.join(job.rules)})", OK, f"would try {job}")
