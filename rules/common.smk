# The study behind the rules: what the study file declares, and how rules look things up in it.

import gc
import inspect
import json
import logging
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "workflow_scripts"))

from valley.core import closure, declared_counts, disk, processes, slices
from valley.core.arms import BASE, Arm
from valley.core.chats import ChatError, chat_of
from valley.core.declared import WHOLE, cut_of, function_of, is_mix, transform_of
from valley.core.files import read_json
from valley.core.pinned import pinned_files, not_pinned_pattern
from valley.core.hub import SourceError, find, missing_folder
from valley.core.layout import ACROSS, CONTRAST, CURVE, INTERACTION, LEARNING, Layout
from valley.core.published import origin, patterns
from valley.core.spending import of_curve
from valley.workflow import tracking
from valley.workflow.seams import SeamError
from valley.workflow.contract import digests_of, params_of
from valley.slicing.script import ScriptError, script_digest
from valley.workflow.snakemake_patches import apply_patches
from valley.core.study import Study, StudyError
from valley.core.versions import installed, stamped
from valley.lm import packaged

# Snakemake reads from the sidecars what made a file: they lie beside it and move with it.
# Order-only inputs hide no stale result below them. Runs print one line for each job.
try:
    apply_patches(workflow, logger)
except SeamError as error:
    raise WorkflowError(str(error))

try:
    STUDY = Study(config)
    ROOT, LAYOUT = STUDY.root, Layout(STUDY)
    PINNED = pinned_files(STUDY)
    if Path(f"{ROOT}/corpus/summary.json").is_file():
        POOLED = read_json(f"{ROOT}/corpus/summary.json")
        STUDY.check_pool(slices.available(POOLED, STUDY.config["corpus"]["examples"]), PINNED)
        if workflow.is_main_process and STUDY.slices:
            declared_counts.check(STUDY, f"{ROOT}/corpus/pool.parquet", PINNED)
    # The user's own transforms, by slice: each with the digest of its script.
    SCRIPTS = {
        name: script_digest(option)
        for name, declared_slice in STUDY.slices.items()
        for kind, option in [transform_of(declared_slice) or ("", None)]
        if kind == "script"
    }
    # Each student's chat settings, its chat template as text.
    CHATS = {name: chat_of(name, student) for name, student in STUDY.config["students"].items()}
except (StudyError, ScriptError, ChatError) as error:
    raise WorkflowError(str(error))


if workflow.is_main_process:
    for note in STUDY.notes:
        logger.warning(note)
    if absent := tracking.lacking(STUDY.config["tracking"]["to"]):
        raise WorkflowError("\n".join(absent))

if workflow.is_main_process and not workflow.output_settings.dryrun:
    if disk.no_space_left(".snakemake"):  # its own records and its log would find no room
        logging.raiseExceptions = False
        raise WorkflowError(f"{disk.describe_full('.snakemake')}. {disk.ADVICE}.")
    # It distinguishes this run's jobs from those of others if this run is killed.
    os.environ[processes.MARK] = processes.mark(ROOT)

# The image that rules which run models work in, with `--sdm apptainer`. A site's image is not part
# of a study: an environment variable names it, which jobs inherit.
CONTAINER = os.environ.get("VALLEY_CONTAINER")
if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
    if not CONTAINER:
        raise WorkflowError(
            "--sdm apptainer: VALLEY_CONTAINER names no image, so every rule would run outside of "
            "one. Set it to an image that all nodes see (docs/gpu.md says how to build one), or "
            "leave --sdm apptainer out."
        )
    if "://" not in CONTAINER and not os.path.isfile(CONTAINER):
        raise WorkflowError(
            f"--sdm apptainer: VALLEY_CONTAINER is {CONTAINER}, and there is no such file. Give the "
            "absolute path of an image, or an address such as docker://…"
        )

# Frozen and adopted files are never outputs of a rule.
NOT_PINNED = not_pinned_pattern(ROOT, PINNED)


def stamped_code(code, costly):
    """Return a digest of code with versions, if new versions are to cause reruns."""
    if callable(code):
        return of_wildcards(lambda wildcards: stamped_code(code(wildcards), costly))
    if costly and STUDY.config["on_new_versions"] == "rerun":
        return stamped(code, installed())
    return code


# A DAG is very many objects, and all of them stay: Python would look through them for garbage again
# and again, a fifth of the time of a dry-run of 4,000 jobs.
gc.set_threshold(50_000, 50, 50)

# The signature of a function of the wildcards.
SIGNATURE = inspect.signature(lambda wildcards: None)


wildcard_constraints:
    student=f"{NOT_PINNED}[A-Za-z0-9_-]+",
    recipe="[A-Za-z0-9_-]+",
    start="[A-Za-z0-9_-]+",
    teacher="[A-Za-z0-9_-]+",
    benchmark="[A-Za-z0-9_-]+",
    axis="[A-Za-z0-9_-]+",
    slice=f"[A-Za-z0-9_-]+([.]({'|'.join(slices.WORDS)}))?",
    size="[1-9][0-9]*",
    seed="[0-9]+",
    # the folder of a checkpoint's generations, verdicts and scores: an arm, or the student itself
    checkpoint=f"{NOT_PINNED}[A-Za-z0-9_-]+/({BASE}|[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[^/]+/n[1-9][0-9]*-s[0-9]+)",


def of_wildcards(function):
    """Give a function of the wildcards its signature: Snakemake would look it up for every job."""
    function.__signature__ = SIGNATURE
    return function


def setting(*path, default=None):
    """Return a key of the study; where {names} of wildcards are in the path, a function of these."""

    def look_up(wildcards):
        value = STUDY.config
        for part in path:
            value = value.get(part.format(**wildcards)) if value is not None else None
        return default if value is None else value

    if not any("{" in part for part in path):
        value = look_up({})
        # Snakemake looks for wildcards in texts; it leaves alone what functions return.
        if value is None or isinstance(value, bool | int | float):
            return value
    return of_wildcards(look_up)


def declared(task, **given):
    """Return a rule's params from its task's contract, with the digest of what the task reaches.

    Args:
        task: see `valley.workflow.contract`.
        given: params that the study file does not have, or not under one key.
    """
    params = params_of(task, lambda key, default: setting(*key.split("."), default=default), given)
    for name, code in digests_of(task, params).items():
        params[name] = stamped_code(code, costly=task.costly or name != "code")
    return params


def one_of(names):
    """Return a wildcard's pattern: one of the names, or a pattern without matches if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def source_of(key):
    """Return an input function that looks up a key of a benchmark's source."""
    return lambda wildcards: STUDY.sources[wildcards.benchmark][key]


@of_wildcards
def form_of(wildcards):
    """Return the form of a benchmark's published files; None for a benchmark made here."""
    return STUDY.sources.get(wildcards.benchmark, {}).get("format")


def local_files(where, path, globs):
    """Return the local files of a source, `where` in the study file; none where it is the hub's."""
    if path is None:
        return []
    try:
        return [str(file) for file in find(globs, path=path)]
    except SourceError as error:
        raise WorkflowError(f"{where}: {error}")


def source_files(wildcards):
    """Return the local files of a benchmark's source."""
    source = STUDY.sources[wildcards.benchmark]
    return local_files(f"benchmarks.{wildcards.benchmark}.source", source["path"], patterns(source))


def files_of(source):
    """Return the local files of a corpus, or of a data set of questions."""
    files = source.files
    globs = files if isinstance(files, list) else sum(files.values(), [])
    return local_files("corpus", source.path, globs)


def source_origin(wildcards):
    """Return where a benchmark's source was published."""
    source = STUDY.sources[wildcards.benchmark]
    return origin(source["format"], source["release"])


@of_wildcards
def study_prompt(_wildcards):
    """Return the prompt templates for training; None is the statement."""
    return STUDY.prompt()


def arm_of(wildcards):
    """Return the arm that a rule's wildcards name."""
    return Arm.named(wildcards)


@of_wildcards
def start_checkpoint(wildcards):
    """Return the manifest of the checkpoint that an arm starts from."""
    start = STUDY.start_of(arm_of(wildcards))
    if start is None:
        return f"{ROOT}/students/{wildcards.student}/checkpoint.json"
    return STUDY.checkpoint(start)


@of_wildcards
def checkpoint_manifest(wildcards):
    """Return the manifest of the checkpoint that a rule's wildcard names."""
    student, _, rest = wildcards.checkpoint.partition("/")
    if rest == BASE:
        return f"{ROOT}/students/{student}/checkpoint.json"
    return f"{ROOT}/checkpoints/{wildcards.checkpoint}/checkpoint.json"


@of_wildcards
def cutoff_of(wildcards):
    """Return the cut-off day of the checkpoint's student, if it has one."""
    student, _, _ = wildcards.checkpoint.partition("/")
    return STUDY.config["students"][student]["cutoff"]


# Which files the fits read; rules name them by these.
evaluated, files, with_results = LAYOUT.evaluated, LAYOUT.files, LAYOUT.with_results
CURVE_NAMES, CONTRAST_NAMES = LAYOUT.curves, LAYOUT.contrasts
INTERACTION_NAMES, ACROSS_NAMES = LAYOUT.interactions, LAYOUT.across


def curve_points(wildcards):
    """Return the points of the curve that a rule's wildcards name."""
    return LAYOUT.curve_points(wildcards.axis, wildcards)


@of_wildcards
def curve_title(wildcards):
    """Return the title of the rule's curve."""
    return LAYOUT.curve_title(wildcards.axis, wildcards, wildcards.benchmark)


def curve_arms(wildcards):
    """Return the arms of the rule's curve, with their results and the files on their spending."""
    arms = with_results(curve_points(wildcards), wildcards.benchmark)
    return LAYOUT.with_spending(arms, curve_unit(wildcards))


@of_wildcards
def curve_unit(wildcards):
    """Return the x axis of the rule's curve."""
    return of_curve(STUDY.config["axes"][wildcards.axis]["x"])


@of_wildcards
def across_arms(wildcards):
    """Return the arms of the rule's fit across students, with their results and manifests."""
    return with_results(LAYOUT.across_points(wildcards.axis, wildcards), wildcards.benchmark)


def across_manifests(wildcards):
    """Return the manifests of the checkpoints, and of the students, of the rule's fit."""
    arms = across_arms(wildcards)
    return sorted({arm[name] for arm in arms for name in ("spent", "manifest") if name in arm})


@of_wildcards
def across_lending(wildcards):
    """Return arms with replicates for a fit across students that has none of its own."""
    points = LAYOUT.lending_points(LAYOUT.across_points(wildcards.axis, wildcards))
    return with_results(points, wildcards.benchmark)


def curve_spending(wildcards):
    """Return the files on the spending of the rule's curve; none for a curve over sizes."""
    return sorted({arm["spent"] for arm in curve_arms(wildcards) if "spent" in arm})


@of_wildcards
def learning_arms(wildcards):
    """Return the trained arms of one curve, each with the path of its losses on held-out problems."""
    return [
        {
            "size": point["size"],
            "seed": point["seed"],
            "losses": f"{ROOT}/checkpoints/{point['place']}/validation.json",
        }
        for point in curve_points(wildcards)
        if point["size"] and Arm.parsed(point["place"]).recipe == wildcards.recipe
    ]


@of_wildcards
def lending_points(wildcards):
    """Return the points whose replicates measure the training noise for a curve that has none."""
    return LAYOUT.lending_points(curve_points(wildcards))


def noise_points(_wildcards=None):
    """Return the points whose replicates measure the training noise."""
    return LAYOUT.noise_points()


def rate_points(_wildcards=None):
    """Return the points of every axis that has a curve."""
    return LAYOUT.rate_points()


def evaluated_points():
    """Return every scored arm, with its checkpoint's name."""
    return [{**vars(arm), "place": STUDY.checkpoint_name(arm)} for arm in STUDY.evaluated()]


def contrast_of(wildcards):
    """Return the declared contrast that a rule's wildcards name."""
    return LAYOUT.contrast_of(wildcards.axis, wildcards.a, wildcards.b)


CURVES = [f"{ROOT}/curves/{name}.json" for name in CURVE_NAMES]
# Problems held out from all shards: then every arm's loss on them is taken, and drawn.
HELD_OUT = [f"{ROOT}/corpus/validation.parquet"] if STUDY.config["validation"]["share"] else []
LEARNING_NAMES = LAYOUT.learning if HELD_OUT else []


def of_benchmark(kind, names):
    """Return an input function: one kind of fit, on the rule's benchmark."""
    return of_wildcards(
        lambda wildcards: [
            f"{ROOT}/{kind}/{name}.json"
            for name in names
            if name.rsplit("/", 1)[1] == wildcards.benchmark
        ]
    )


def recipe(key):
    """Return an input function that looks up a key of the rule's recipe."""

    def look_up(wildcards):
        name = wildcards.get("recipe") or student_setting(wildcards, "recipe")
        return STUDY.config["recipes"][name][key] if name else None

    return of_wildcards(look_up)


@of_wildcards
def hub_model(wildcards):
    """Return a student's id and revision on the hub; None for one from scratch."""
    hub = STUDY.config["students"][wildcards.student].get("hub")
    return hub and {"id": hub["id"], "revision": hub["revision"]}


def chat(key):
    """Return a function that looks up the chat settings of the rule's student."""
    return of_wildcards(lambda wildcards: getattr(CHATS[wildcards.student], key))


def student_setting(wildcards, key):
    """Return a key of a student made from scratch; None for one of the hub."""
    return STUDY.config["students"][wildcards.student].get("scratch", {}).get(key)


def model_files(where, name):
    """Return the files of a model that is a folder here, `where` in the study file; else none."""
    if missing_folder(name):
        raise WorkflowError(
            f"{where}: there is no folder {name} below {Path.cwd()}{packaged.remedy(name)}"
        )
    return sorted(map(str, filter(Path.is_file, Path(name).expanduser().glob("*"))))


def student_material(wildcards):
    """Return a student's input files: none for one of the hub, the files of a folder."""
    student = STUDY.config["students"][wildcards.student]
    if "scratch" not in student:
        where = f"students.{wildcards.student}.hub.id"
        return {"files": model_files(where, student["hub"]["id"])}
    folder = f"{ROOT}/students/{wildcards.student}"
    return {"shard": f"{folder}/pairs.parquet", "text": f"{folder}/text.parquet"}


# Slices written difficulty.correctness, and those that the study file declares. Of these, mixes have
# shards only, all others a file of rows, from which shards are cut as from the pool.
UNDECLARED = f"[A-Za-z0-9_-]+[.]({'|'.join(slices.WORDS)})"
CUT = [name for name in STUDY.slices if not is_mix(name, STUDY.slices)]


# Summaries of the slices in use, for people.
SLICE_SUMMARIES = [f"{ROOT}/slices/{name}.json" for name in STUDY.slices_used if name in CUT]


def rows_of(name):
    """Return the file that holds a slice's rows, beside others where it is the pool."""
    return f"{ROOT}/slices/{name}.parquet" if name in CUT else f"{ROOT}/corpus/pool.parquet"


def base_of(name):
    """Return which rows of that file a slice holds, as difficulty.correctness."""
    return WHOLE if name in CUT else name


def of_slice(function):
    """Return an input function or a param that depends on the rule's slice alone."""
    return of_wildcards(lambda wildcards: function(wildcards.slice))


# The declared comparisons with published scores, by student.
CANARIES = {
    name: f"{ROOT}/students/{name}/canary.json"
    for name in sorted({arm.student for arm in [*STUDY.arms, *STUDY.evaluated()]})
    if STUDY.config["students"][name]["published"] and STUDY.config["canary"] != "off"
}


def compared_on(wildcards):
    """Return the contrasts and the interactions on the rule's benchmark."""
    contrasts = of_benchmark("contrasts", CONTRAST_NAMES)(wildcards)
    return contrasts + of_benchmark("interactions", INTERACTION_NAMES)(wildcards)


@of_wildcards
def canary_of(wildcards):
    """Return the comparison that a training waits for; it does not affect the training's result."""
    canary = CANARIES.get(wildcards.student)
    return ancient(canary) if canary else []


def whole_training(wildcards):
    """Return the training that a snapshot is taken from: it leaves the state that is saved here."""
    whole = STUDY.whole_of(Arm.named(wildcards))
    return ancient(STUDY.checkpoint(whole)) if whole else []


def published_score(wildcards):
    """Return the student's own score on the benchmark that a published one is declared for."""
    benchmark = STUDY.config["students"][wildcards.student]["published"]["benchmark"]
    return f"{ROOT}/scores/{wildcards.student}/{BASE}/{benchmark}.json"
