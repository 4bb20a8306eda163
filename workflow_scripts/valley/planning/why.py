"""`./valley why FILE`: what made a file, what would make it again, and what depends on it."""

import sys
from pathlib import Path

from valley.core.files import file_digest
from valley.core.sidecars import provenance, warn
from valley.core.versions import installed
from valley.planning.dag import PlannedJob, planned
from valley.planning.errors import one_line_errors
from valley.workflow.job import determining, is_code
from valley.workflow.records import differences

SHOWN = 160  # characters of a value


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


@one_line_errors
def run(options) -> int:
    """Print what is known of a file; return the exit status."""
    jobs = planned(Path(options.study))
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
    return [*lines, *(f"  {_short(part)}" for part in job.reason.split("; ") if part)]


def made(job: PlannedJob) -> list[str]:
    """Return how the file was made, by its sidecar, and what would differ now."""
    about = provenance(job.outputs[0], damaged=warn)
    if not about:
        return ["", "There is no record of how it was made."] if job.state != "missing" else []
    wanted = determining(job.params)
    differing = differences(about, wanted)
    lines = ["", "Made with"]
    for name in sorted(about["params"].keys() | wanted.keys()):
        then, changed = about["params"].get(name, ...), ""
        if name in differing:
            then, now = differing[name]
            changed = f"   (now {_short(now)})"
            if is_code(name):
                changed += "   its code, or code that it reaches, has changed"
        lines.append(f"  {name} = {_short(then)}{changed}")
    lines += ["", "From"]
    for name in sorted(about["inputs"].keys() | set(job.inputs)):
        lines.append(f"  {name}  {_change(name, about['inputs'].get(name), name in job.inputs)}")
    cost = about["measured"]
    took = cost.get("wall_seconds", 0.0)
    lines += ["", f"On {cost.get('host')}, {cost.get('finished')}, in {took:.1f} s"]
    if about.get("restored"):
        return [*lines, "  taken from the store"]
    here = installed()
    for name, version in cost.get("versions", {}).items():
        other = "" if here.get(name, version) == version else f"   (now {here[name]})"
        lines.append(f"  {name} {version}{other}")
    return lines


def _change(name: str, then: str | None, wanted: bool) -> str:
    """Return an input's digest, and what became of the input since."""
    if then is None:
        return "(was not there then)"
    if not wanted:
        return f"{then[:12]}   (no longer an input)"
    if not Path(name).is_file():
        return f"{then[:12]}   (gone)"
    now = provenance(name).get("outputs", {}).get(name) or file_digest(name)
    return then[:12] if now == then else f"{then[:12]}   (now {now[:12]})"


def _short(value: object) -> str:
    text = "(none)" if value is ... else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


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
