"""What a run of thousands of jobs asks of a cluster, and of the host that it is started on.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_cluster.py [--jobs 20000] [--factor 60] [--write docs/benchmarks.md]

A study of so many jobs is run through `profiles/slurm`, by Snakemake and the real executor, on a
site that is only pretended (`pretended_site.py`): submissions take a while or fail, nodes die, the
accounting is slow for a time and silent for another. Jobs run no program; their files appear when
the site's clock says so. That clock is `factor` times as fast as the wall's, and so are all pauses
of the run (`hurried.py`); what the run computes is not hurried.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml
from bench_dag import SNAKEFILES, about, content, study_of
from bench_sampling import put
from pretended_site import Habits, Pretended, Site
from valley.core.sidecars import sidecar
from valley.planning.dag import built

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PROFILE = REPOSITORY / "profiles" / "slurm"
# Minutes of the site's clock that jobs of these rules run, half of them less; of all others, two.
MINUTES = {"train": 40, "generate": 15, "judge": 5}


class Files:
    """What the jobs of a study make, by the words that a submission has for them."""

    def __init__(self, study: Path, folder: Path):
        from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args

        with built(study, [], folder, SNAKEFILES["study"]) as workflow:
            workflow.iocache.deactivate()
            self._jobs = {
                encode_target_jobs_cli_args(job.get_target_spec())[0]: job
                for job in workflow.dag.jobs
                if job.output
            }
        self._folder = folder

    def __len__(self) -> int:
        return len(self._jobs)

    def make(self, targets: Iterable[str]) -> None:
        """Write the files of jobs, each before those that read it."""
        before = os.getcwd()
        os.chdir(self._folder)
        try:
            for target in targets:
                job = self._jobs[target]
                for path in map(Path, [*job.output, *filter(None, [job.benchmark])]):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(content(path))
            for target in targets:
                job = self._jobs[target]
                sidecar(job.output[0]).write_text(json.dumps(about(job)))
        finally:
            os.chdir(before)


def durations(seed: int, share: float) -> Callable[[tuple[str, ...]], float]:
    """Return a function from a submission's targets to the seconds that it runs.

    Args:
        seed: of what is drawn.
        share: of the usual time.
    """
    draws = random.Random(seed)

    def seconds(targets: tuple[str, ...]) -> float:
        longest = max(MINUTES.get(target.partition(":")[0], 2) for target in targets)
        return 60 * longest * share * draws.lognormvariate(0, 0.5)

    return seconds


@dataclass(frozen=True)
class Result:
    """What was seen of one run; hours and minutes are of the site's clock.

    Attributes:
        status: Snakemake's exit status.
        jobs: of the study.
        submissions: that made a job of the site.
        hours: from the first submission to the last end.
        wall_seconds: that it took.
        calls: to when each question came, in minutes.
        ends: how many jobs of the site ended how.
        doubled: targets that two jobs of the site worked on at once.
        used: processor seconds and memory of the master, see `hurried.used`.
        said: what the run printed.
    """

    status: int
    jobs: int
    submissions: int
    hours: float
    wall_seconds: float
    calls: dict[str, list[float]]
    ends: dict[str, int]
    doubled: list[str]
    used: dict[str, float]
    said: str

    def in_a_minute(self, call: str) -> tuple[float, int]:
        """Return how often a question came in a minute: on average, and at most."""
        times = self.calls.get(call, [])
        each = Counter(math.floor(at) for at in times)
        return len(times) / max(1e-9, 60 * self.hours), max(each.values(), default=0)


def run(
    jobs: int,
    factor: float,
    habits: Habits,
    options: tuple[str, ...] = (),
    seed: int = 0,
    share: float = 1,
    meanwhile: Callable[[Site, subprocess.Popen], None] = lambda site, master: None,
) -> Result:
    """Run a study of about so many jobs on a pretended site.

    Args:
        jobs: of the study.
        factor: how often faster than the wall's clock the site's is.
        habits: the site's.
        options: for Snakemake, beside the profile's.
        seed: of all that is drawn.
        share: of their usual time that jobs run.
        meanwhile: called with the site and Snakemake's process while that runs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = folder / "study.yaml"
        study.write_text(yaml.safe_dump(study_of(jobs), sort_keys=False))
        files = Files(study, folder)
        site = Site(factor, habits, durations(seed, share), files.make, seed)
        command = [sys.executable, str(HERE / "hurried.py"), str(factor), str(folder / "used.json")]
        command += ["--snakefile", str(SNAKEFILES["study"]), "--directory", str(folder)]
        command += ["--workflow-profile", str(PROFILE), "--configfile", str(study), *options]
        with Pretended(site, folder / "bin"), (folder / "run.log").open("wb") as log:
            begun = time.monotonic()
            environment = {
                **{key: value for key, value in os.environ.items() if "SLURM" not in key},
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(REPOSITORY / "workflow_scripts"),
            }
            master = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                meanwhile(site, master)
                status = master.wait()
            finally:
                master.kill()
                master.wait()
            wall = time.monotonic() - begun
        said = (folder / "run.log").read_text(errors="replace")
        if not (folder / "used.json").exists():
            raise RuntimeError(said[-3000:])
        used = json.loads((folder / "used.json").read_text())
    calls: dict[str, list[float]] = {}
    for at, call in site.calls:
        calls.setdefault(call.strip(), []).append(at / 60)
    made = site.jobs.values()
    span = max((job.ended or 0 for job in made), default=0) - min(
        (job.submitted for job in made), default=0
    )
    return Result(
        status=status,
        jobs=len(files),
        submissions=len(made),
        hours=span / 3600,
        wall_seconds=wall,
        calls=calls,
        ends=dict(Counter(job.state for job in made)),
        doubled=site.doubled,
        used=used,
        said=said,
    )


def table(result: Result) -> list[str]:
    """Return what was seen as a Markdown table."""
    lines = ["| what | on average | at most |", "| --- | ---: | ---: |"]
    for call in sorted(result.calls):
        mean, most = result.in_a_minute(call)
        lines.append(f"| `{call}` a minute | {mean:.2f} | {most} |")
    return lines


def described(result: Result, factor: float) -> list[str]:
    """Return the sums, a line each."""
    ends = ", ".join(f"{number:,} {state}" for state, number in sorted(result.ends.items()))
    own, hours = result.used["own"], result.hours
    return [
        f"- {result.jobs:,} jobs of the study in {result.submissions:,} of the site's ({ends}), "
        f"{hours:.1f} hours of its clock in {result.wall_seconds / 60:.1f} minutes ({factor:g} "
        f"times as fast); exit status {result.status}.",
        f"- Jobs that two of the site's worked on at once: {len(result.doubled)}.",
        f"- The master: {own:.0f} s of processor time, {own / max(1e-9, hours):.1f} s an hour of "
        f"the site's; the commands that it started {result.used['commands']:.0f} s; "
        f"{result.used['mb']:.0f} MB at most.",
    ]


def main() -> None:
    """Measure, print, and write into the documentation if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=20000, help="of the study [20000]")
    parser.add_argument("--factor", type=float, default=60, help="how fast the clock is [60]")
    parser.add_argument("--nodes", type=int, default=1000, help="of the site [1000]")
    parser.add_argument("--at-once", type=int, default=1000, help="most submissions there [1000]")
    parser.add_argument("--share", type=float, default=1, help="of the usual time of jobs [1]")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn [0]")
    parser.add_argument("--log", type=Path, help="keep what the run printed in this file")
    parser.add_argument("--write", type=Path, help="document with the marks to write between")
    options = parser.parse_args()
    habits = Habits(nodes=options.nodes, slow=(3600, 4500), silent=(5400, 6000))
    more = ("--jobs", str(options.at_once))
    result = run(options.jobs, options.factor, habits, more, options.seed, options.share)
    if options.log:
        options.log.write_text(result.said)
    text = "\n".join([*table(result), "", *described(result, options.factor)])
    print(text)
    if options.write:
        put(options.write, "cluster", text)


if __name__ == "__main__":
    main()
