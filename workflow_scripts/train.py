"""Train a student on a shard: the undistilled start, or an arm of the study.

One script for all scales: the model, lengths, precision and LoRA come from the study file. From top
to bottom: what a job is, how its processes are started, what each of them does, and the loop.
"""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from valley.core import disk
from valley.core.files import read_json, read_parquet, write_json, write_text
from valley.core.recipes import Recipe
from valley.core.resume import Stopped, stop_signals
from valley.core.seeds import derive
from valley.workflow.contract import Task, execute, option, param, reads, task, writes
from valley.workflow.job import Job

ENCODED = ["id", "prompt", "response"]  # what examples are made of


@task
class Train(Task):
    """An arm's checkpoint, from its start and its shard.

    Attributes:
        start: manifest of the checkpoint that it starts from.
        shard: pool rows (prompt, response).
        validation: held-out pool rows, or None.
        canary: waited for; it determines nothing.
        manifest: `checkpoint.json`, written last of all; the Hugging Face folder lies beside it.
        validated: losses on the held-out rows, or None.
        recipe: how is trained.
        seed: decides the order of the examples (and dropout).
        evaluations: how often the held-out loss is taken, beside the one before the first update.
        think: "tokens" to make the think tags tokens where they are not.
        store: root of the store.
        training: the study file's `training`: how trainings run.
    """

    rules = ("train",)
    costly = True
    kept = True
    resumes = True

    start: Path = reads()
    shard: Path = reads()
    validation: Path | None = reads(None)
    canary: Path | None = reads(None)
    manifest: Path = writes()
    validated: Path | None = writes(None)
    recipe: Recipe = param()
    seed: int = param()
    evaluations: int | None = param("validation.evaluations", None)
    think: str | None = param("students.{student}.hub.think", None)
    store: Path = option()
    training: dict = option("training")

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
            how=self.training,
            **noted(self, job),
        )
        return run_processes(what, job)


@task
class Student(Task):
    """An undistilled student: the hub's, or one that is made here and taught direct answers.

    Attributes:
        shard: direct answers to learn first; None for one of the hub.
        text: what the vocabulary is made from besides, or None.
        manifest: `checkpoint.json`.
        recipe: how is trained; all None for one of the hub.
        hub: the model's id and revision, or None.
        vocabulary: tokens.
        hidden: width.
        layers: blocks.
        heads: of attention.
        seed: of its weights, and of the order of the examples.
        think: always None: its vocabulary has what its texts have.
        store: root of the store.
        training: the study file's `training`: how trainings run.
    """

    rules = ("student",)
    costly = True
    kept = True
    resumes = True

    shard: Path | None = reads(None)
    text: Path | None = reads(None)
    manifest: Path = writes()
    recipe: Recipe = param()
    hub: dict | None = param()
    vocabulary: int | None = param("students.{student}.scratch.vocabulary", None)
    hidden: int | None = param("students.{student}.scratch.hidden", None)
    layers: int | None = param("students.{student}.scratch.layers", None)
    heads: int | None = param("students.{student}.scratch.heads", None)
    seed: int | None = param("students.{student}.scratch.seed", None)
    think: None = param(default=None)
    store: Path = option()
    training: dict = option("training")

    def stored(self) -> bool:
        return not self.hub

    def folders(self) -> list[Path]:
        return [] if self.hub else [self.manifest.parent / "model"]

    def run(self, job: Job) -> dict | None:
        """Note where the hub has it, or make and train it."""
        if self.hub:
            write_json(self.manifest, {"hub": dict(self.hub)})
            return None
        shape = {name: getattr(self, name) for name in ("vocabulary", "hidden", "layers", "heads")}
        what = Training(
            texts=[str(self.shard), str(self.text)],
            made={**shape, "seed": self.seed, "positions": self.recipe.max_length},
            shard=str(self.shard),
            manifest=str(self.manifest),
            state=str(job.state),
            recipe=self.recipe,
            seed=self.seed,
            how=self.training,
            **noted(self, job),
        )
        return run_processes(what, job)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A training in plain values, as each of its processes gets it.

    Attributes:
        start: manifest that it starts from; None makes a new student, from
        texts: pool rows for its vocabulary, and
        made: its shape, seed and positions.
        shard: pool rows to train on.
        validation: held-out pool rows, or None.
        manifest: `checkpoint.json` to write, last of all.
        validated: JSON file for the held-out losses, or None.
        state: folder of what a stopped run goes on from; None keeps nothing.
        recipe: how is trained.
        seed: decides the order of the examples (and dropout).
        evaluations: how often held-out loss is taken; None is once beside the first.
        think: see `Train`.
        how: `processes`, `save_every` (minutes), `check_memory` of the study file's `training`.
        tensorboard: folder, or None.
        about: study, arm, recipe and digests of data, for the card.
    """

    start: str | None = None
    texts: list[str] = dataclasses.field(default_factory=list)
    made: dict = dataclasses.field(default_factory=dict)
    shard: str
    validation: str | None = None
    manifest: str
    validated: str | None = None
    state: str | None = None
    recipe: Recipe
    seed: int
    evaluations: int | None = None
    think: str | None = None
    how: dict = dataclasses.field(default_factory=dict)
    tensorboard: str | None = None
    about: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, values: dict) -> "Training":
        """Return the training that JSON values are (see `dataclasses.asdict`)."""
        return cls(**{**values, "recipe": Recipe(**values["recipe"])})

    @property
    def losses(self) -> Path:
        """JSON-lines file for the loss and rate of every update."""
        return Path(self.manifest).with_name("losses.jsonl")


def noted(made: Train | Student, job: Job) -> dict:
    """Return what a training notes of itself, beside its result."""
    board = job.log.with_suffix("") if job.log and made.training["tensorboard"] else None
    digests = job.about["inputs"]
    recipe = {name: value for name, value in made.settings().items() if name != "hub"}
    return {
        "tensorboard": board and str(board),
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
    from valley.lm import launch

    where = launch.layout(job.gpus, job.nodes, what.how["processes"])
    if where.processes == 1:
        with stop_signals() as asked:
            return work(what, asked)
    file = job.state / "job.json"
    write_json(file, dataclasses.asdict(what))
    # Named, not spelt: so the digest of this stage's code covers what the processes do.
    return launch.run(file, where, max(1, job.threads // where.each), one_of_several.__name__)


def one_of_several(job: Path) -> None:
    """Do this process' part of a training that a launcher started; report to who launched it."""
    from valley.lm import launch

    parent = os.getppid()

    def asked() -> bool:
        if launch.orphaned(parent):
            os._exit(1)
        return told() or launch.wish_of(job).exists()

    with stop_signals() as told:
        try:
            what = Training.of(read_json(job))
            with disk.explained(what.manifest, what.state):
                outcome = {"measured": work(what, asked)}
        except Stopped as stopped:
            outcome = {"stopped": stopped.message}
    if os.environ["RANK"] == "0":
        write_json(launch.outcome_of(job), outcome)


def work(what: Training, asked: Callable[[], bool] = lambda: False) -> dict | None:
    """Load the start, train it and save it; every process of a training calls this.

    Args:
        what: the training.
        asked: tells whether to stop.

    Returns:
        Measurements for the sidecar; None in processes other than the first.
    """
    from valley.lm import card, chat, parallel, students, upfront

    world, recipe = parallel.join(), what.recipe
    loaded = {"dtype": students.DTYPES[recipe.weights], "attention": recipe.attention}
    upfront.check_kernels(recipe.attention, world.device)
    shape = None
    if what.start:
        shape = upfront.shape_of(what.start)
        upfront.check_memory(shape, recipe, what.how, world)
        bits = (recipe.lora or {}).get("bits")
        upfront.base_of(what.start, recipe.lora)  # refuses before any weight is loaded
        model, tokenizer = students.load(what.start, bits=bits, **loaded)
    else:
        texts = [row["prompt"] + row["response"] for p in what.texts for row in read_parquet(p)]
        model, tokenizer = new_student(texts, **what.made)
    upfront.check_disk(model, recipe, what.manifest, what.state)

    def again():
        """Make the start's plain model once more; return it with the ids of new tokens."""
        if not what.start:
            return new_student(texts, **what.made)[0], []
        model, tokenizer = students.load(what.start, **loaded)
        new = chat.add_think_tokens(model, tokenizer) if what.think == "tokens" else []
        return model, new

    with upfront.logger(what.tensorboard if world.first else None) as log:
        found = train(model, tokenizer, what, world=world, asked=asked, log=log, again=again)
    if world.first:
        folder = Path(what.manifest).parent / students.FOLDER
        write_text(folder / students.CARD, card.card(what.about, read_json(what.manifest)))
        found["mfu"] = upfront.mfu(shape, found, bool(recipe.lora))
    world.leave()
    return found


def new_student(texts: list[str], *, vocabulary: int, seed: int, **shape: int):
    """Make a tokenizer from texts and an untrained model of the given shape."""
    from valley.lm import students

    tokenizer = students.train_tokenizer(texts, vocabulary)
    return students.create(tokenizer, seed=seed, **shape), tokenizer


def train(
    model,
    tokenizer,
    what: Training,
    *,
    world=None,
    asked: Callable[[], bool] = lambda: False,
    log: Callable[[int, dict], None] = lambda update, values: None,
    again: Callable | None = None,
) -> dict | None:
    """Train on a shard, response tokens only, and save a Hugging Face folder with its manifest.

    Args:
        model: a transformers causal model; its weights' precision is the optimizer's.
        tokenizer: its tokenizer, with a chat template.
        what: the training.
        world: processes that share the work (`valley.lm.parallel.World`); None is this one alone.
        asked: tells whether to stop.
        log: gets each update's values.
        again: makes the start's plain model once more, to put trained weights into that are
            sharded, or adapters that were trained on quantized weights.

    Returns:
        Measurements for the sidecar, of this process' run: tokens, seconds, tokens per second, peak
        memory. None in processes other than the first.

    Raises:
        ValueError: no example fits the length limit, or the student can't be trained like this.
        FloatingPointError: the loss is not finite; the message names update and examples.
        Stopped: as asked, with the state saved.
    """
    import torch
    from valley.lm import adapters, chat, optim, packing, parallel, students, upfront
    from valley.lm.forward import Forward
    from valley.lm.loss import Learner
    from valley.lm.state import Keeper

    world = world or parallel.World(device="cuda" if torch.cuda.is_available() else "cpu")
    recipe, seed = what.recipe, what.seed
    said, end = chat.layout(tokenizer), chat.end_of_turn(tokenizer)
    new = chat.add_think_tokens(model, tokenizer) if what.think == "tokens" else []

    encoding = {"end": end, "max_length": recipe.max_length, "overlong": recipe.overlong}
    examples, too_long = chat.encode_all(tokenizer, read_parquet(what.shard, ENCODED), **encoding)
    if not examples:
        raise ValueError(
            f"{what.shard}: all {too_long} examples are longer than {recipe.max_length} tokens; "
            "let the recipe's max_length be larger, or its overlong be cut"
        )
    held_out = read_parquet(what.validation, ENCODED) if what.validation else []
    held_out, _ = chat.encode_all(tokenizer, held_out, **encoding)
    lengths = [len(example.ids) for example in examples]
    plan = packing.batches(
        lengths,
        recipe.batch_examples,
        seed,
        epochs=recipe.epochs,
        steps=recipe.steps,
        batch_tokens=recipe.batch_tokens,
    )
    looks = packing.spread(what.evaluations or 1, len(plan)) if held_out else set()

    torch.manual_seed(seed)
    if recipe.lora:
        model = adapters.with_lora(model, tokens=new, **recipe.lora)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    learner = parallel.place(Learner(model), world, recipe.precision).train()
    trained = [weight for weight in learner.parameters() if weight.requires_grad]
    adamw = optim.adamw(trained, recipe.learning_rate, recipe.weight_decay, recipe.optimizer)
    forward = Forward(
        learner,
        world,
        pad_id=tokenizer.pad_token_id or 0,
        row_tokens=recipe.row_tokens,
        micro_tokens=upfront.pass_tokens(recipe),
        precision=recipe.precision,
    )
    every = what.how.get("save_every")  # minutes
    keeper = Keeper(what.state and Path(what.state), learner, adamw, world, every and every * 60)
    at = keeper.load() or {"done": 0, "tokens": 0, "history": [], "looks": []}
    first = at["done"]
    if first:
        print(f"going on after update {first} of {len(plan)}")

    begun = time.monotonic()
    for step in range(first, len(plan) + 1):
        if step in looks and step not in [look["step"] for look in at["looks"]]:
            loss = forward.measure(held_out)
            at["looks"].append({"step": step, "tokens": at["tokens"], "loss": loss})
            log(step, {"loss/held-out": loss})
        if step == len(plan):
            break
        stop = world.any(asked())
        if stop or world.any(keeper.due):
            keeper.save(at)
        if stop:
            raise Stopped(f"{step} of {len(plan)} updates are done and saved")

        chosen = [examples[i] for i in plan[step]]
        peak, warmup, schedule = recipe.learning_rate, recipe.warmup, recipe.schedule
        now = optim.learning_rate(step, len(plan), peak, warmup, schedule)
        for group in adamw.param_groups:
            group["lr"] = now
        torch.manual_seed(derive("dropout", seed, step, world.rank))
        loss = forward.train(chosen)
        require_finite(loss, f"update {step + 1} of {len(plan)}", chosen)
        torch.nn.utils.clip_grad_norm_(trained, recipe.clip)
        adamw.step()
        adamw.zero_grad(set_to_none=True)

        at["done"] = step + 1
        at["tokens"] += sum(lengths[i] for i in plan[step])
        at["history"].append({"step": step + 1, "loss": loss, "rate": now})
        log(step + 1, {"loss/trained": loss, "rate": now})
        if world.first and (step + 1) % max(1, len(plan) // 10) == 0:
            seen = sum(lengths[i] for batch in plan[first : step + 1] for i in batch)
            pace = seen / (time.monotonic() - begun)
            print(f"update {step + 1}/{len(plan)}  loss {loss:.4f}  {pace:,.0f} tokens/s")
    seconds = time.monotonic() - begun

    model = adapters.whole_model(learner, recipe.lora, world, again)
    if not world.first:
        return None
    history = at["history"]
    last = [entry["loss"] for entry in history[-max(1, len(history) // 20) :]]
    text = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in history)
    write_text(what.losses, text)
    if what.validated:
        write_json(Path(what.validated), at["looks"])
    students.stop_at(model, end)
    base = upfront.base_of(what.start, recipe.lora)
    students.save(
        model.to(torch.bfloat16) if recipe.precision == "bf16" else model,
        tokenizer,
        Path(what.manifest),
        examples=len(examples),
        overlong={"policy": recipe.overlong, "count": too_long},
        updates=len(plan),
        tokens=at["tokens"],
        final_loss=sum(last) / len(last),
        chat=said,
        **({"adapter": {"base": base, "rank": recipe.lora["rank"]}} if base else {}),
    )
    return measured([examples[i] for batch in plan[first:] for i in batch], seconds, world)


def require_finite(loss: float, when: str, examples: list) -> None:
    """Raise FloatingPointError, with the update and its examples, if a loss is no number."""
    if not math.isfinite(loss):
        named = ", ".join(example.id for example in examples[:5])
        raise FloatingPointError(
            f"the loss is {loss} at {when}, on examples {named} …; lower the learning rate or "
            "look at these examples"
        )


def measured(ran: list, seconds: float, world) -> dict:
    """Return what the sidecar says of a run that saw these examples."""
    import torch
    from valley.lm import packing

    gpu = world.device != "cpu"
    return {
        "tokens": sum(len(example.ids) for example in ran),
        "response_tokens": packing.answered(ran),
        "squared_lengths": sum(len(example.ids) ** 2 for example in ran),
        "train_seconds": seconds,
        "processes": world.size,
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if gpu else None,
    }


if "snakemake" in globals():
    execute(snakemake, Student, Train)

if __name__ == "__main__" and "snakemake" not in globals():
    import argparse

    parser = argparse.ArgumentParser(description="One process of a training (lm/launch.py).")
    parser.add_argument("worker", choices=[one_of_several.__name__], help="what it does")
    parser.add_argument("--job", type=Path, required=True, help="JSON description of the work")
    globals()[parser.parse_args().worker](parser.parse_args().job)
