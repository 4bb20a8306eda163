"""`./valley why FILE`: what made a file, what would make it again, and what depends on it."""

import json
import sys
from pathlib import Path

from core.job import sidecar

from planning.dag import PlannedJob, planned


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "why",
        help="what made a file, what would make it again, what depends on it",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 up to date, 1 it would be made (again), 2 no job makes it.",
    )
    parser.add_argument("file", help="a file below results/")
    parser.add_argument("--study", default="config.yaml", help="study file [config.yaml]")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print what is known of a file; return the exit status."""
    try:
        jobs = planned(Path(options.study))
    except Exception as error:  # Snakemake's own errors have no common kind
        print(f"{options.study}: {error}", file=sys.stderr)
        return 2
    job = next((job for job in jobs if options.file in job.outputs), None)
    if job is None:
        print(f"no job of {options.study} makes {options.file}", file=sys.stderr)
        return 2
    print("\n".join([*now(job), *made(job), *needed_by(options.file, jobs)]))
    return int(job.state != "done")


def now(job: PlannedJob) -> list[str]:
    """Return the file's state by Snakemake's word."""
    said = {"done": "up to date", "missing": "not there yet", "stale": "to be made again"}
    lines = [f"{job.outputs[0]}", f"  rule {job.rule}: {said[job.state]}"]
    return [*lines, f"  {job.reason}"] if job.reason else lines


def made(job: PlannedJob) -> list[str]:
    """Return what the sidecar says of how the file was made, and what is wanted otherwise now."""
    path = sidecar(job.outputs[0])
    if not path.is_file():
        return ["", "Nothing is known of how it was made."] if job.state != "missing" else []
    about = json.loads(path.read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(job.params, default=str))
    lines = ["", "Made with"]
    for name, value in about["params"].items():
        changed = "" if wanted.get(name) == value else f"   (now {wanted.get(name)})"
        lines.append(f"  {name} = {value}{changed}")
    lines += ["", "From", *(f"  {name}  {digest[:12]}" for name, digest in about["inputs"].items())]
    cost = about["measured"]
    versions = ", ".join(f"{name} {version}" for name, version in cost["versions"].items())
    lines += ["", f"On {cost['host']}, {cost['finished']}, in {cost['wall_seconds']:.1f} s"]
    lines.append("  taken from the store" if about["restored"] else f"  by {versions}")
    return lines


def needed_by(file: str, jobs: list[PlannedJob]) -> list[str]:
    """Return every file that depends on a file, nearest first."""
    reached, found = {file}, []
    for job in jobs:  # in the order in which they run
        if reached & set(job.inputs):
            reached.update(job.outputs)
            found += job.outputs
    if not found:
        return ["", "Nothing depends on it."]
    return [
        "",
        f"{len(found)} files depend on it, among them",
        *(f"  {name}" for name in found[:12]),
    ]
