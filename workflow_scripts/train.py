"""Train a student on a shard: the undistilled start, or an arm of the study.

One script for all scales: the model, lengths, precision and LoRA come from the study file. From top
to bottom: what a job is, how its processes are started, what each of them does; then
`valley.lm.training`, the loop.
"""

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

from valley.core import disk
from valley.core.chats import Chat
from valley.core.files import (
    digest,
    file_digest,
    read_json,
    read_parquet,
    write_json,
    write_text,
)
from valley.core.recipes import Recipe
from valley.core.resume import Stopped, stop_signals
from valley.lm.encoded import FOLDER as ENCODED
from valley.lm.training import Training, new_student, train
from valley.workflow import tracking
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

NOT_ON_CARDS = ("hub", "chat_template")  # the hub's own; long, and beside the card


@task
class Train(Task):
    """An arm's checkpoint, from its start and its shard.

    Attributes:
        start: manifest of the checkpoint that it starts from.
        shard: pool rows (prompt, response).
        validation: held-out pool rows, or None.
        canary: waited for; it determines nothing.
        whole: of a snapshot: the training that it is taken from, waited for; None of others.
        manifest: `checkpoint.json`, written last of all; the Hugging Face folder lies beside it.
        validated: losses on the held-out rows, or None.
        recipe: how is trained.
        seed: decides the order of the examples (and dropout).
        evaluations: how often the held-out loss is taken, beside the one before the first update.
        think: "tokens" to make the think tags tokens where they are not.
        store: root of the store.
        training: the study file's `training`: how trainings run.
        tracking: its `tracking`: where they are logged besides.
    """

    rules = ("train",)
    costly = True
    kept = True
    resumes = True

    start: Path = reads()
    shard: Path = reads()
    validation: Path | None = reads(None)
    canary: Path | None = reads(None)
    whole: Path | None = reads(None)
    manifest: Path = writes()
    validated: Path | None = writes(None)
    recipe: Recipe = param("recipes.{recipe}")
    seed: int = param()
    evaluations: int | None = param("validation.evaluations", None)
    think: str | None = param("students.{student}.hub.think", None)
    store: Path = option()
    training: dict = option("training")
    tracking: dict = option("tracking")

    def folders(self) -> list[Path]:
        return [self.manifest.parent / "model"]

    def run(self, job: Job) -> dict:
        """Train, in as many processes as the job has GPUs or the study file says."""
        what = Training(
            start=str(self.start),
            shard=str(self.shard),
            validation=self.validation and str(self.validation),
            manifest=str(self.manifest),
            validated=self.validated and str(self.validated),
            state=str(job.state),
            recipe=self.recipe,
            seed=self.seed,
            evaluations=self.evaluations,
            think=self.think,
            gpus=job.gpus // job.nodes,
            how=self.training,
            snapshots=self.snapshots(job),
            **noted(self, job),
        )
        return run_processes(what, job)

    def snapshots(self, job: Job) -> list[tuple[float, str]]:
        """Return each snapshot's share of the updates, with the folder of its job's state."""
        shares = self.recipe.save_at or ()
        return [(share, str(job.state_of(until=share))) for share in shares]


@task
class Student(Task):
    """An undistilled student: the hub's, or one that is made here and taught direct answers.

    Attributes:
        shard: direct answers to learn first; None for one of the hub.
        text: what the vocabulary is made from besides, or None.
        files: of a model that is a folder here.
        manifest: `checkpoint.json`.
        recipe: how is trained; all None for one of the hub.
        hub: the model's id and revision, or None.
        vocabulary: tokens.
        hidden: width.
        layers: blocks.
        heads: of attention.
        seed: of its weights, and of the order of the examples.
        think: always None: its vocabulary has what its texts have.
        chat: how it is spoken to; its template as text.
        store: root of the store.
        training: the study file's `training`: how trainings run.
        tracking: its `tracking`: where they are logged besides.
    """

    rules = ("student",)
    costly = True
    kept = True
    resumes = True

    shard: Path | None = reads(None)
    text: Path | None = reads(None)
    files: list[Path] = reads(())
    manifest: Path = writes()
    recipe: Recipe = param()
    hub: dict | None = param()
    vocabulary: int | None = param("students.{student}.scratch.vocabulary", None)
    hidden: int | None = param("students.{student}.scratch.hidden", None)
    layers: int | None = param("students.{student}.scratch.layers", None)
    heads: int | None = param("students.{student}.scratch.heads", None)
    seed: int | None = param("students.{student}.scratch.seed", None)
    think: None = param(default=None)
    chat: Chat = param()
    store: Path = option()
    training: dict = option("training")
    tracking: dict = option("tracking")

    def stored(self) -> bool:
        return not self.hub

    def folders(self) -> list[Path]:
        return [] if self.hub else [self.manifest.parent / "model"]

    def run(self, job: Job) -> dict | None:
        """Note where the hub has it, or make and train it."""
        if self.hub:
            # A folder has no revision: its content tells whether it is still the same model.
            content = {path.name: file_digest(path) for path in self.files}
            same = {"content": digest(content)} if content else {}
            write_json(self.manifest, {"hub": {**self.hub, **same}, **self.template(job)})
            return None
        shape = {name: getattr(self, name) for name in ("vocabulary", "hidden", "layers", "heads")}
        what = Training(
            texts=[str(self.shard), str(self.text)],
            made={
                **shape,
                **({"chat": dataclasses.asdict(self.chat)} if self.chat.given else {}),
                "seed": self.seed,
                "positions": self.recipe.max_length,
            },
            shard=str(self.shard),
            manifest=str(self.manifest),
            state=str(job.state),
            recipe=self.recipe,
            seed=self.seed,
            how=self.training,
            **noted(self, job),
        )
        return run_processes(what, job)

    def template(self, job: Job) -> dict[str, str]:
        """Return a manifest's entry for a hub student whose chat settings differ."""
        if not self.chat.given:
            return {}
        from valley.lm import students, templates

        tokenizer = students.load_tokenizer(self.hub["id"], self.hub["revision"])
        templates.settle(tokenizer, self.chat, f"students.{job.wildcards['student']}")
        return {"chat_template": tokenizer.chat_template}


def noted(made: Train | Student, job: Job) -> dict:
    """Return what a training notes of itself, beside its result."""
    digests = job.about["inputs"]
    known = {name: found[0] for name, found in digests.items() if found}
    recipe = {name: value for name, value in made.settings().items() if name not in NOT_ON_CARDS}
    about = {"study": job.study, "arm": job.wildcards, "recipe": recipe}
    run = tracking.run_of(
        made.tracking,
        study=job.study,
        root=job.root,
        key=job.key,
        name=str(made.manifest.parent.relative_to(job.root)),
        about=about,
    )
    return {
        "tracking": dataclasses.asdict(run) if run.to else None,
        "encoded": str(made.store / ENCODED),
        "digests": {**known, "code": str(job.about["params"].get("code", ""))},
        "about": {
            "study": job.study,
            "arm": job.wildcards,
            "recipe": {name: value for name, value in recipe.items() if value is not None},
            "data": digests["shard"][0],
            "start": digests.get("start", [""])[0],
        },
    }


def run_processes(what: Training, job: Job) -> dict:
    """Train in this process, or start several and wait for them; return measurements."""
    from valley.lm import devices, launch

    where = launch.layout(job.gpus, job.nodes, what.how["processes"])
    devices.require(what.gpus)
    if where.processes == 1:
        with stop_signals() as should_stop:
            return work(what, should_stop)
    file = job.state / "job.json"
    write_json(file, dataclasses.asdict(what))
    # Named, not spelt: so the digest of this stage's code covers what the processes do.
    return launch.run(file, where, max(1, job.threads // where.each), one_of_several.__name__)


def one_of_several(job: Path) -> None:
    """Do this process' part of a training that a launcher started; report to who launched it."""
    from valley.lm import launch

    parent = os.getppid()

    def should_stop() -> bool:
        if launch.orphaned(parent):
            os._exit(1)
        return stop_requested() or launch.stop_file(job).exists()

    def report_hang(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        write_json(launch.outcome_file(job), {"hangs": line})

    with stop_signals() as stop_requested:
        try:
            what = Training.of(read_json(job))
            with disk.explained(what.manifest, what.state):
                outcome = {"measured": work(what, should_stop, report_hang)}
        except Stopped as stopped:
            outcome = {"stopped": stopped.message, "limit": stopped.limit}
    if os.environ["RANK"] == "0":
        write_json(launch.outcome_file(job), outcome)


def work(
    what: Training,
    should_stop: Callable[[], bool] = lambda: False,
    on_hang: Callable[[str], None] = lambda line: None,
) -> dict | None:
    """Load the start, train it and save it; every process of a training calls this.

    Args:
        what: the training.
        should_stop: tells whether to stop.
        on_hang: gets the line that names a process that hangs, before this one ends.

    Returns:
        Measurements for the sidecar; None in processes other than the first.
    """
    from valley.lm import card, chat, devices, parallel, preflight, students

    recipe = what.recipe
    preflight.settle_allocator()
    devices.require(what.gpus)
    world = parallel.join(what.how.get("timeout", parallel.TIMEOUT), on_hang)
    if what.start:
        config = preflight.config_of(what.start)
        kernel = preflight.check(config, recipe, what.how, world)
        loaded = {"dtype": students.DTYPES[recipe.weights], "attention": kernel}
        bits = (recipe.lora or {}).get("bits")
        preflight.base_of(what.start, recipe.lora)  # refuses before any weight is loaded
        model, tokenizer = world.first_then_others(
            "loading its start",
            lambda: students.load(what.start, bits=bits, skeleton=not world.first, **loaded),
        )
    else:
        texts = [row["prompt"] + row["response"] for p in what.texts for row in read_parquet(p)]
        model, tokenizer = new_student(texts, **what.made)
        model.set_attn_implementation(preflight.check(model.config, recipe, what.how, world))
    preflight.check_disk(model, recipe, what.manifest, what.state)

    def reload_start():
        """Make the start's plain model once more; return it with the ids of new tokens."""
        if not what.start:
            return new_student(texts, **what.made)[0], []
        # What is trained whole needs no weights but its own.
        model, tokenizer = students.load(what.start, skeleton=not recipe.lora, **loaded)
        new = chat.add_think_tokens(model, tokenizer) if what.think == "tokens" else []
        return model, new

    followed = tracking.Run(**what.tracking) if what.tracking and world.first else None
    with tracking.tracked(followed) as log:
        found = train(
            model,
            tokenizer,
            what,
            world=world,
            should_stop=should_stop,
            log=log,
            reload_start=reload_start,
        )
    if world.first:
        folder = Path(what.manifest).parent / students.FOLDER
        write_text(folder / students.CARD, card.card(what.about, read_json(what.manifest)))
        shape = preflight.shape_of(config) if what.start else None
        found["mfu"] = preflight.mfu(shape, found, bool(recipe.lora))
    world.shutdown()
    return found


if "snakemake" in globals():
    execute(snakemake, Student, Train)

if __name__ == "__main__" and "snakemake" not in globals():
    import argparse

    parser = argparse.ArgumentParser(description="One process of a training (lm/launch.py).")
    parser.add_argument("worker", choices=[one_of_several.__name__], help="what it does")
    parser.add_argument("--job", type=Path, required=True, help="JSON description of the work")
    globals()[parser.parse_args().worker](parser.parse_args().job)
