"""`./valley doctor`: whether a site is ready for a study, one line each, with what to do."""

import getpass
import json
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from valley.cluster import demands, fetch, offers, requests, trials
from valley.cluster.finding import BAD, NOTE, Finding
from valley.cluster.runs import ask
from valley.core.hub import Unreached, reach
from valley.core.study import Study
from valley.planning.estimates import EstimateError, estimate

PROBE_MINUTES = 2


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "doctor",
        help="whether this site is ready: SLURM, a compute node, the hub's cache, the disk",
        description="Looks at everything that a run on a cluster needs, and says what to do about "
        "what is missing. Small jobs are submitted: one looks at a compute node; the others have "
        "the rules' own requests and do in small what the study's jobs will do: two updates, a "
        "saved state that is gone on from, an answer. Without SLURM the same is tried on this "
        "machine. A token for gated models is only ever taken from the environment (HF_TOKEN).",
        epilog="Exit status: 0 all is well, 1 something is not, 2 the study file is wrong.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("--profile", default="profiles/slurm", help="profile [profiles/slurm]")
    parser.add_argument(
        "--fetch", action="store_true", help="bring models and data sets to the hub's cache first"
    )
    parser.add_argument(
        "--here", action="store_true", help="look at this machine alone, not at SLURM"
    )
    parser.add_argument(
        "--dry", action="store_true", help="say which jobs would be submitted, and submit none"
    )
    parser.add_argument(
        "--quick", action="store_true", help="look only: try no training and no answer"
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=30,
        metavar="MINUTES",
        help="how long jobs may wait to begin; they are cancelled then [30]",
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print the findings as they come; return the exit status."""
    try:
        study = Study.read(options.study)
        profile = yaml.safe_load((Path(options.profile) / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"{options.study}: {error}", file=sys.stderr)
        return 2
    bad = False
    how = "dry" if options.dry else "quick" if options.quick else "try"
    for finding in findings(study, profile, options.fetch, options.here, how, options.wait):
        print(finding, flush=True)
        bad |= finding.verdict == BAD
    return int(bad)


def findings(
    study: Study,
    profile: dict,
    fetching: bool = False,
    here: bool = False,
    how: str = "try",
    wait: float = 30,
) -> Iterator[Finding]:
    """Look at everything, what needs no SLURM first.

    Args:
        study: what is to run.
        profile: the site's, read.
        fetching: bring what is missing of the hub to the cache.
        here: look at this machine alone.
        how: "try" what the study's jobs will do, "quick" to leave that out, or "dry" to say what
            would be submitted in place of submitting anything.
        wait: minutes for which a job that tries something may wait to begin.
    """
    yield disk(study)
    models = list(hub(study, fetching))
    yield from models
    lacking = any(one.verdict == BAD and one.what.startswith("students.") for one in models)
    there = [] if here else list(commands())
    yield from there
    if here or any(finding.verdict == BAD for finding in there):
        if how != "quick":
            yield from tried_here(study, profile, lacking, how == "dry")
        return
    asked = demands.site(profile)
    yield accounting()
    fitting = []
    for finding in (*account(asked.get("slurm_account")), *partitions(study, profile)):
        yield finding
        fitting.append(finding.verdict != BAD)
    if how != "dry":
        yield from node(study, asked)
    if how != "quick":
        yield from tried(study, profile, lacking, all(fitting), how == "dry", wait)


def tried(
    study: Study, profile: dict, lacking: bool, fitting: bool, dry: bool, wait: float
) -> Iterator[Finding]:
    """Let jobs with the rules' own requests do in small what the study's jobs will do.

    Args:
        study: what is to run.
        profile: the site's, read.
        lacking: a student is not in the hub's cache.
        fitting: account and requests are well.
        dry: say what would be submitted.
        wait: minutes for which a job may wait to begin.
    """
    if not dry and (lacking or not fitting):
        first = "students are fetched" if lacking else "account and requests fit"
        yield Finding("jobs", NOTE, f"none with the rules' requests was submitted before {first}")
        return
    try:
        some = trials.jobs(study, profile, offers.ask_slurm())
    except (ImportError, RuntimeError, ValueError) as error:
        yield Finding("jobs", BAD, str(error).splitlines()[0])
        return
    yield from trials.shown(some, True) if dry else trials.submitted(study, some, wait)


def tried_here(study: Study, profile: dict, lacking: bool, dry: bool) -> Iterator[Finding]:
    """Try on this machine what the study's jobs will do, as far as it has what they ask for."""
    if lacking and not dry:
        yield Finding("trainings and answers", NOTE, "not tried before students are fetched")
        return
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    some = trials.jobs(study, {}, {})
    wanted = max(job.trial.gpus for job in some)
    if wanted > gpus:
        has = f"{offers.many(wanted, 'GPU')} wanted, CUDA can use {gpus} here"
        yield Finding("GPUs", NOTE, f"{has}: tried on {gpus or 'cores'}")
    yield from trials.shown(some, False) if dry else trials.here(study, some, gpus)


def disk(study: Study) -> Finding:
    """Compare the file system of the results with what the study's arms will leave there."""
    folder = Path(study.root).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    try:
        need = sum(
            estimate(study.config, "train", vars(arm)).disk_bytes for arm in study.arms
        ) + max(
            (estimate(study.config, "train", vars(a)).resume_bytes for a in study.arms), default=0
        )
    except EstimateError as error:
        return Finding("disk", "note", f"{free:,.0f} GB free; need not known: {error}")
    said = f"{need / 1e9:,.1f} GB for checkpoints, {free:,.0f} GB free below {folder}"
    if need > free * 1e9:
        return Finding("disk", "BAD", f"{said}; free some, or keep fewer (`retention`)")
    return Finding("disk", "ok", said)


def hub(study: Study, fetching: bool) -> Iterator[Finding]:
    """Look for every model and data set in the hub's cache, where compute nodes find it."""
    things = list(fetch.downloads(study))
    lacking = {thing: why for thing in things if (why := fetch.missing(thing))}
    if fetching and lacking:
        yield from bring(lacking)
    for thing in things:
        if thing not in lacking:
            at = "" if thing.pinned else f" (commit {fetch.commit(thing)})"
            yield Finding(thing.what, "ok", f"{thing}{at}")
        elif not fetching:
            said = f"{lacking[thing]}, and compute nodes have no network: valley doctor --fetch"
            yield Finding(thing.what, "BAD", f"{thing}: {said}")
        elif lacking[thing]:
            yield Finding(thing.what, "BAD", f"{thing}: {lacking[thing]}")


def bring(lacking: dict[fetch.Download, str]) -> Iterator[Finding]:
    """Fetch what is missing, if there is room for all of it.

    Args:
        lacking: what is missing, and why; what was fetched is taken out.
    """
    try:
        reach("fetching")
    except Unreached as error:
        lacking.update(dict.fromkeys(lacking, "not in the cache"))
        yield Finding("the hub", "BAD", str(error))
        return
    sizes = {}
    for thing in lacking:
        try:
            sizes[thing] = fetch.size(thing)
        except fetch.FetchError as error:
            lacking[thing] = str(error)
    need, (free, folder) = sum(sizes.values()), fetch.room()
    said = f"{need / 1e9:,.1f} GB to fetch, {free / 1e9:,.1f} GB free below {folder}"
    if need > free:
        lacking.update(dict.fromkeys(sizes, "not fetched: there is no room for it"))
        yield Finding(
            "the hub's cache", "BAD", f"{said}; free some, or let HF_HOME name a folder with room"
        )
        return
    yield Finding("the hub's cache", "ok", said)
    for thing in sizes:
        try:
            fetch.fetch(thing)
            del lacking[thing]
        except fetch.FetchError as error:
            lacking[thing] = str(error)


def commands() -> Iterator[Finding]:
    """Look for SLURM's commands and a controller that answers."""
    absent = [
        name for name in ("sbatch", "squeue", "scontrol", "scancel") if not shutil.which(name)
    ]
    if absent:
        yield Finding(
            "SLURM",
            "BAD",
            f"no {', '.join(absent)} here: run this on a login node (perhaps `module load slurm`); "
            "without a cluster, plain `snakemake` runs the study on this machine",
        )
        return
    try:
        said = ask("scontrol", "ping").strip().splitlines()
        version = ask("sbatch", "--version").strip()
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        yield Finding("SLURM", "BAD", f"{first}; is the controller up? (scontrol ping)")
        return
    up = any(" UP" in line for line in said)
    yield Finding("SLURM", "ok" if up else "BAD", f"{version}; {said[0]}")


def accounting() -> Finding:
    """See whether ended jobs can be asked for."""
    try:
        ask("sacct", "-n", "-X", "--starttime=now-1hours")
        return Finding("accounting", "ok", "sacct answers")
    except RuntimeError as error:
        try:
            age = re.search(r"MinJobAge\s*=\s*(\d+)", ask("scontrol", "show", "config"))
        except RuntimeError:
            age = None
        seconds = int(age[1]) if age else 0
        said = f"sacct does not answer ({error}); squeue serves, which knows ended jobs {seconds} s"
        if seconds < 120:
            return Finding("accounting", "BAD", f"{said}: too short, ask for MinJobAge=300")
        return Finding("accounting", "note", f"{said}; `valley cost` can tell nothing")


def account(wanted: str | None) -> Iterator[Finding]:
    """Compare the account of the profile with those that the user may charge."""
    try:
        printed = ask(
            *("sacctmgr", "-n", "-P", "show", "assoc"),
            *(f"user={getpass.getuser()}", "format=account"),
        )
    except RuntimeError:
        return
    known = sorted(set(filter(None, map(str.strip, printed.splitlines()))))
    if wanted and known and wanted.lower() not in map(str.lower, known):
        yield Finding(
            "account",
            "BAD",
            f"you may not charge {wanted!r}; put one of these into the profile: {', '.join(known)}",
        )
    elif wanted:
        yield Finding("account", "ok", wanted)
    else:
        yield Finding("account", "ok", f"SLURM's default; you have: {', '.join(known) or 'none'}")


def partitions(study: Study, profile: dict) -> Iterator[Finding]:
    """Hold what every rule's jobs ask for against what the partitions offer."""
    try:
        offered = offers.ask_slurm()
    except RuntimeError as error:
        yield Finding("partitions", "BAD", str(error).splitlines()[0])
        return
    asked = demands.site(profile)
    for rule in demands.rules_of(study):
        wanted = demands.largest(study, rule, asked, offered)
        wrong = [f"asked {one}; {why}" for one in wanted if (why := offers.misfit(one, offered))]
        if wrong:
            yield Finding(f"partition of {rule}", "BAD", wrong[0])
            continue
        where = offers.partition_of(offered, wanted[0].partition)
        said = f"asked {' and '.join(map(str, wanted))}"
        yield Finding(f"partition of {rule}", "ok", f"{where}; {said}")
    yield from groups(study, profile, offered)


def groups(study: Study, profile: dict, offered: dict[str, offers.Partition]) -> Iterator[Finding]:
    """Tell what a group of verdicts may ask for, and how many arms share one."""
    asked, limits = demands.site(profile), demands.listed(profile.get("resources"))
    where = offers.partition_of(
        offered, (asked.get("judge:slurm_partition") or asked.get("slurm_partition"))
    )
    if where is None or "group_cores" not in limits:
        return
    judged = [one.request for one in demands.largest(study, "judge", asked, offered)]
    bounds = requests.group_bounds(judged, int(limits["group_cores"]), offers.room(where))
    declared = int(demands.listed(profile.get("group-components")).get("verdicts", 1))
    longest = min(filter(None, (study.config["resources"]["longest"], where.minutes)), default=None)
    after = int(asked.get("runtime") or 0)
    shared = (
        requests.side_by_side(judged, bounds, longest, after, declared) if longest else declared
    )
    group = requests.Request(0, 1, bounds.cpus, max(one.mem_mb for one in judged), 1)
    wrong = offers.misfit(offers.Demand(group, where.name), offered)
    said = (
        f"verdicts of up to {shared} arms share a submission of {bounds.cpus} cores at most, on "
        f"partition {where.name}"
    )
    yield Finding("groups", "BAD" if wrong else "ok", wrong or said)


def node(study: Study, asked: dict[str, str]) -> Iterator[Finding]:
    """Submit a small job that looks at a compute node, and compare what it sees."""
    folder = Path(study.config["results"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    mark = folder / f".doctor-{token}"
    mark.write_text(token)
    where = [f"--partition={asked['slurm_partition']}"] if asked.get("slurm_partition") else []
    where += [f"--account={asked['slurm_account']}"] if asked.get("slurm_account") else []
    scratch = asked.get("tmpdir", "").strip("'\"")
    probe = Path(__file__).with_name("probe.py")
    isolation = study.config["judge"]["isolation"]
    cache = str(fetch.room()[1]) if any(fetch.downloads(study)) else ""
    try:
        printed = ask(
            *("srun", "--ntasks=1", "--mem=3000", f"--time={PROBE_MINUTES}", "--immediate=100"),
            *(*where, sys.executable, str(probe), str(folder), token, isolation, scratch, cache),
            PYTHONPATH=str(probe.parents[2]),
        )
        seen = json.loads(printed.strip().splitlines()[-1])
    except (RuntimeError, ValueError, IndexError) as error:
        yield Finding(
            "a compute node",
            "BAD",
            f"the small job did not run: {error}; try: srun {' '.join(where)} --time=5 hostname",
        )
        return
    finally:
        mark.unlink(missing_ok=True)
        answer = folder / f".doctor-{token}-answer"
        answered = answer.is_file()
        answer.unlink(missing_ok=True)
    yield Finding("a compute node", "ok", f"{seen['host']} ran a job")
    problem = seen["folder"] or ("" if answered else "what it wrote is not seen here (yet?)")
    yield _of_node(
        "shared folder", problem, str(folder), "results must lie on a file system that all see"
    )
    yield _of_node(
        "environment",
        seen["environment"],
        f"Python {seen['python']} with torch, transformers, snakemake",
        f"{sys.prefix} must lie where compute nodes see it; load modules before Snakemake",
    )
    yield _of_node(
        "isolation of programs",
        seen["isolation"],
        seen.get("tier", ""),
        "see docs/judge.md; the administrators can allow user namespaces",
    )
    if cache:
        yield _of_node(
            "the hub's cache there", seen["cache"], cache, "let HF_HOME name a folder that all see"
        )
    yield _of_node(
        "scratch", seen["scratch"], scratch or "the system's", "mend tmpdir in the profile"
    )


def _of_node(what: str, problem: str, well: str, advice: str) -> Finding:
    if problem:
        return Finding(what, "BAD", f"on a compute node: {problem}; {advice}")
    return Finding(what, "ok", well)
