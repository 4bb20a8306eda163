"""What building the DAG costs: dry-runs of studies of 100 to 50,000 jobs, against a bare Snakefile.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

    python tests/bench/bench_dag.py [--sizes 100,1000] [--rounds 3] [--write docs/benchmarks.md]

`bare.smk` has the same number of jobs and files and nothing else. "Finished" means that every file
is there (faked: small) with the metadata that Snakemake itself writes for a finished job. Both are
measured in turns in one run; what is compared is processor time, of which a busy machine steals
less than of wall time.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from bench_sampling import put
from valley.core.files import file_digest
from valley.core.sidecars import sidecar
from valley.core.slices import names
from valley.core.study import Study
from valley.planning.dag import built
from valley.workflow.job import determining

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SNAKEFILES = {"study": REPOSITORY / "Snakefile", "bare": HERE / "bare.smk"}
SLICES = ["all.any", "easy.any", "hard.any", "all.correct", "all.incorrect"]
SEEDS = 4
OTHERS = 22  # jobs that are there whatever the number of arms
# pandas and numpy are not among them: Snakemake itself imports these.
HEAVY = ["torch", "transformers", "vllm", "scipy", "matplotlib", "datasets", "peft"]


def study_of(jobs: int) -> dict:
    """Return a study of about so many jobs: five for each arm."""
    sizes = max(1, round((jobs - OTHERS) / (5 * len(SLICES) * SEEDS)))
    config = yaml.safe_load((REPOSITORY / "studies" / "smoke.yaml").read_text())
    axis = {
        "question": "How long does the DAG take?",
        "recipes": ["distil"],
        "slices": SLICES,
        "sizes": list(range(1, sizes + 1)),
        "seeds": list(range(SEEDS)),
        "curve": True,
    }
    return {**config, "starts": {}, "axes": {"scaling": axis}}


def write_configs(folder: Path, jobs: int) -> dict[str, Path]:
    """Write the study, and what the bare Snakefile needs to know of it."""
    config = study_of(jobs)
    study = Study(config)
    curves: dict[str, list[str]] = {}
    for arm in study.evaluated():
        curves.setdefault(arm.slice, []).append(arm.path)
    checkpoints = [path for paths in curves.values() for path in paths]
    bare = {"root": "results/bare", "curves": curves, "checkpoints": checkpoints}
    paths = {name: folder / f"{name}.yaml" for name in SNAKEFILES}
    paths["study"].write_text(yaml.safe_dump(config, sort_keys=False))
    paths["bare"].write_text(json.dumps(bare))
    return paths


def finish(folder: Path, snakefile: Path, config: Path) -> tuple[int, int]:
    """Fake every file of a workflow, with Snakemake's own records; return jobs and files."""
    from snakemake.settings.types import ExecutionSettings

    with built(config, [], folder, snakefile) as workflow:
        workflow.execution_settings = ExecutionSettings()
        workflow.iocache.deactivate()
        jobs = [job for level in workflow.dag.toposorted() for job in sorted(level)]
        now, files = time.time() - 10 * len(jobs), 0
        for number, job in enumerate(jobs):
            for path in map(Path, job.output):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content(path))
                os.utime(path, (now + number, now + number))
                files += 1
            if job.output and snakefile == SNAKEFILES["study"]:
                beside = sidecar(job.output[0])
                beside.write_text(json.dumps(about(job)))
                os.utime(beside, (now + number, now + number))
            if job.output:
                workflow.async_run(workflow.persistence.finished(job))
    return sum(bool(job.output) for job in jobs), files


def about(job) -> dict:
    """Return what a finished job of the study would say of itself; see core.job.bind."""
    return {
        "rule": job.rule.name,
        "params": determining(job.params),
        "inputs": {str(path): file_digest(path) for path in job.input},
        "outputs": {str(path): file_digest(path) for path in job.output},
        "key": "0" * 64,
        "restored": False,
        "measured": {"wall_seconds": 1.0},
    }


def content(path: Path) -> str:
    if path.name == "summary.json":
        every = names(["easy", "hard"])
        return json.dumps({"slices": dict.fromkeys(every, 10**9)})
    return f"{path}\n"


def dry_run(folder: Path, snakefile: Path, config: Path) -> dict:
    """Dry-run in a process of its own; return its times, peak memory and number of jobs."""
    command = [sys.executable, "-m", "snakemake", "-n", "-s", str(snakefile)]
    command += ["--directory", str(folder), "--configfile", str(config)]
    if snakefile == SNAKEFILES["bare"]:
        command += ["--rerun-triggers", "mtime", "params", "input"]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        out.seek(0)
        text = out.read().decode()
    if status:
        raise RuntimeError(text[-3000:])
    total = next((line.split()[1] for line in text.splitlines() if line.startswith("total ")), "0")
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "mb": used.ru_maxrss / 1024,
        "jobs": int(total),
    }


def measure(jobs: int, rounds: int) -> list[dict]:
    """Return the best of some rounds, of both workflows, empty and finished, taken in turns."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs, counts = write_configs(folder, jobs), {}
        for state in ("empty", "finished"):
            if state == "finished":
                for kind, snakefile in SNAKEFILES.items():
                    counts[kind] = finish(folder, snakefile, configs[kind])
                if len(set(counts.values())) > 1:
                    print(f"jobs and files differ: {counts}", file=sys.stderr)
            best: dict[str, dict] = {}
            for _ in range(rounds):
                for kind, snakefile in SNAKEFILES.items():
                    found = dry_run(folder, snakefile, configs[kind])
                    if state == "finished":
                        assert found["jobs"] == 0, f"{kind}: {found['jobs']} jobs would run"
                    best[kind] = min(best.get(kind, found), found, key=lambda run: run["cpu"])
            rows.append({"state": state, "asked": jobs, **best})
            print(_told(rows[-1]), file=sys.stderr, flush=True)
        for row in rows:
            row["jobs"], row["files"] = counts["study"]
    return rows


def _told(row: dict) -> str:
    ours, bare = row["study"], row["bare"]
    return (
        f"{row['asked']} jobs, {row['state']}: {ours['cpu']:.1f} s and {ours['mb']:.0f} MB, "
        f"bare {bare['cpu']:.1f} s and {bare['mb']:.0f} MB, ratio {ours['cpu'] / bare['cpu']:.2f}"
    )


def exponent(rows: list[dict], kind: str) -> float:
    """Return the exponent with which time grows from one number of jobs to the next, on average.

    The time of an empty command line (the smallest study's) is taken off.
    """
    (low, *_, high) = rows
    start = low[kind]["cpu"]
    middle = rows[-2] if len(rows) > 2 else low
    grown = (high[kind]["cpu"] - start) / max(1e-9, middle[kind]["cpu"] - start)
    return math.log(grown) / math.log(high["jobs"] / middle["jobs"])


def adding_a_size(rounds: int) -> dict:
    """Return the dry-run that decides on one size more, on a finished miniature."""
    best = {"cpu": math.inf}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        finish(folder, SNAKEFILES["study"], path)
        config["axes"]["scaling"]["sizes"].append(3000)
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        for _ in range(rounds):
            found = dry_run(folder, SNAKEFILES["study"], path)
            assert found["jobs"] > 10, "the new size's chains and the fits"
            best = min(best, found, key=lambda run: run["cpu"])
    return best


def heavy_modules(folder: Path) -> list[str]:
    """Return the heavy modules that a process has after building a DAG; there should be none."""
    script = (
        "import sys, pathlib\n"
        "from valley.planning.dag import planned\n"
        "planned(pathlib.Path(sys.argv[1]))\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(REPOSITORY / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1].replace("'", '"'))


def table(rows: list[dict]) -> list[str]:
    """Return the measurements as a Markdown table."""
    lines = [
        "| jobs | files | state | CPU s | bare | ratio | wall s | bare | MB | bare |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ours, bare = row["study"], row["bare"]
        lines.append(
            f"| {row['jobs']:,} | {row['files']:,} | {row['state']} | {ours['cpu']:.1f} | "
            f"{bare['cpu']:.1f} | **{ours['cpu'] / bare['cpu']:.2f}** | {ours['wall']:.1f} | "
            f"{bare['wall']:.1f} | {ours['mb']:.0f} | {bare['mb']:.0f} |"
        )
    return lines


def main() -> None:
    """Measure, print, and write into the documentation if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="100,1000,10000,50000", help="numbers of jobs")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    parser.add_argument("--write", type=Path, help="document with the marks to write between")
    options = parser.parse_args()
    rows = []
    for jobs in map(int, options.sizes.split(",")):
        rows += measure(jobs, options.rounds)
    lines = [*table(rows), ""]
    for state in ("empty", "finished"):
        own = [row for row in rows if row["state"] == state]
        if len(own) > 1:
            grows = {kind: exponent(own, kind) for kind in SNAKEFILES}
            lines.append(
                f"- {state.capitalize()}: between {own[-2]['jobs']:,} and {own[-1]['jobs']:,} jobs "
                f"time grows with the power {grows['study']:.2f} of the jobs (bare: "
                f"{grows['bare']:.2f})."
            )
    with tempfile.TemporaryDirectory() as folder:
        heavy = heavy_modules(Path(folder))
    added = adding_a_size(options.rounds)
    lines.append(
        f"- One size put to a finished miniature: decided in {added['cpu']:.1f} s of CPU time "
        f"({added['wall']:.1f} s of wall time)."
    )
    lines.append(f"- Heavy modules that a dry-run imports: {', '.join(heavy) or 'none'}.")
    text = "\n".join(lines)
    print(text)
    if options.write:
        put(options.write, "dag", text)


if __name__ == "__main__":
    main()
