# Start and end of a run: no other run on the same study, and removal of weights by `retention`.

import subprocess
import tempfile

from valley.cluster import runs
from valley.core import tempfiles
from valley.core.files import digest, file_digest
from valley.core.lease import Lease, LeaseTaken
from valley.core.parts import undivided


def jobs_left(slurm):
    """Tell whether SLURM has jobs of a run; if SLURM does not answer, assume that it has."""
    try:
        return bool(runs.submitting([slurm]) or runs.alive([slurm]))
    except RuntimeError:
        return True


LEASE = Lease(ROOT, jobs_left)


def refuse_live_holder(other):
    """Refuse to start while the lease's holder is alive, or while SLURM still has its jobs."""
    logger.info(f"{ROOT} is held by {other}; looking whether that is alive (up to 90 s) …")
    if LEASE.lives(other):
        raise WorkflowError(
            f"{other} is already running on {ROOT}: wait for it, or stop it there first. Two runs "
            "would write the same files."
        )
    if other.slurm and jobs_left(other.slurm):
        raise WorkflowError(
            f"{other} has ended, and SLURM may still have jobs of it (squeue --name="
            f"{other.slurm}). `./valley resume` with this study file waits for them and then "
            "goes on; with --cancel it ends them."
        )


def refuse_concurrent_run():
    """Refuse to start while a killed run's jobs still run; remove the temporary files of killed jobs."""
    if other := LEASE.holder():
        refuse_live_holder(other)
    if left := processes.orphans(ROOT):
        raise WorkflowError(
            f"jobs of a run that was killed are still running on {ROOT} (process "
            f"{', '.join(map(str, sorted(left)))}). `./valley resume` with this study file waits "
            "for them and then goes on; with --cancel it ends them."
        )
    try:
        with disk.explained(ROOT):
            LEASE.take(other)
    except LeaseTaken as error:
        raise WorkflowError(f"{error} has just begun to work on {ROOT}: leave it")
    except OSError as error:
        raise WorkflowError(str(error))
    tempfiles.sweep(ROOT, STUDY.store)
    tempfiles.sweep(tempfile.gettempdir(), deep=False)
    tempfiles.clear_old(".snakemake/scripts")


def apply_retention():
    """Remove the weights that `retention` doesn't keep, by the plan of a study that has just run."""
    if STUDY.config["retention"] == "all":
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        json.dump(config, file, default=str)
        file.flush()
        valley = f"{workflow.basedir}/valley"
        subprocess.run(
            [sys.executable, valley, "prune", file.name, "--only=weights", "--yes", "--ending"],
            check=False,
        )


def track_scores():
    """Give the scores of every arm and the report to the study's trackers, once all are there."""
    if not STUDY.config["tracking"]["to"]:
        return
    files = [
        Path(f"{ROOT}/{name}") for name in ("report.html", "findings.txt", "tables/scores.csv")
    ]
    scored = {
        f"{benchmark}/{{}}/{name}": f"{ROOT}/scores/{name}/{benchmark}.json"
        for name in map(STUDY.checkpoint_name, STUDY.evaluated())
        for benchmark in STUDY.benchmarks
    }
    if not all(map(os.path.isfile, [*files, *scored.values()])):
        return  # a run of a part
    scores = {
        name.format(quantity): found["estimate"]
        for name, path in scored.items()
        for quantity, found in read_json(path)["overall"].items()
    }
    # The same results are the same run, however often they are logged.
    run = tracking.run_of(
        STUDY.config["tracking"],
        study=STUDY.config["study"],
        root=Path(ROOT),
        key=digest([STUDY.config["study"], scores, *map(file_digest, files)]),
        name="report",
        about=undivided(STUDY.described),
    )
    tracking.conclude(run, scores, files)
