"""`./valley prune`: files that no study needs, listed with their sizes, removed on request.

Three kinds: weights that the study file's `retention` lets go; results that no arm of the study
wants any more; entries of the store, answers and encoded shards in it too, that no study below the
results root refers to. What is wanted, frozen, adopted, running or unknown is never touched; the
unknown is listed.
"""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from valley.core.files import read_json
from valley.core.pinned import pinned_files
from valley.core.sidecars import provenances, sidecar
from valley.core.store import Store
from valley.core.study import Study
from valley.lm.encoded import FOLDER as ENCODED
from valley.planning import retention
from valley.planning.answer_caches import STAGES, cache_of_job, tombstone
from valley.planning.dag import PlannedJob, planned
from valley.planning.errors import one_line_errors
from valley.planning.words import size

KINDS = ("weights", "results", "store")
# Files beside a result that no rule declares.
BESIDE = ("model", "losses.jsonl", "checkpoint.gone.json")
OWN = ("logs", "timings", "tracking", "adopted.json")


@dataclass
class Removal:
    """Something to remove as a whole.

    Attributes:
        name: what it is, for people.
        paths: files and folders to remove.
        manifest: the checkpoint's manifest, when these are its weights.
    """

    name: str
    paths: list[Path]
    manifest: str | None = None


@dataclass
class Finding:
    """What prune has found: removals by kind, and files that it knows nothing of."""

    removals: dict[str, list[Removal]] = field(default_factory=lambda: {k: [] for k in KINDS})
    unknown: list[Path] = field(default_factory=list)
    stopped: list[Path] = field(default_factory=list)


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "prune",
        help="list files that no study needs; remove them with --yes",
        description=__doc__.partition(": ")[2],
        epilog=(
            "Exit status: 0 nothing to remove, or removed; 1 there is something to remove; 2 "
            "refused."
        ),
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("--only", action="append", choices=KINDS, help="one kind only (repeatable)")
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.add_argument(
        "--ending", action="store_true", help="for the run that holds the lock, at its end"
    )
    parser.set_defaults(run=run)


@one_line_errors
def run(options) -> int:
    """List, and remove on request; return the exit status."""
    study = Study.read(options.study)
    jobs = planned(Path(options.study))
    if options.yes and not options.ending and any(Path(".snakemake/locks").glob("*.lock")):
        print(
            "Snakemake is running here (or was killed: see its --unlock); prune when it has ended",
            file=sys.stderr,
        )
        return 2
    if options.ending:  # the lock that is still there is the caller's, whose jobs are done
        jobs = [replace(job, locked=False) for job in jobs]
    found, kinds = find(study, jobs), options.only or KINDS
    chosen = [removal for kind in kinds for removal in found.removals[kind]]
    print("\n".join(format_removals(found, kinds, options.yes)))
    if not options.yes:
        return int(bool(chosen))
    for removal in chosen:
        remove(removal, Path(study.root))
    return 0


def find(study: Study, jobs: list[PlannedJob]) -> Finding:
    """Return what could be removed.

    Args:
        study: the study.
        jobs: every job of its DAG.
    """
    found, root, store = Finding(), Path(study.root), Store(study.store)
    wanted = {path for job in jobs for path in (*job.outputs, *job.inputs)}
    wanted |= {study.checkpoint(arm) for arm in study.arms} | pinned_files(study)
    wanted |= {f"{root}/shards/{arm.shard}.parquet" for arm in study.arms}
    abouts = dict(provenances(study.config["results"]))
    left = {  # sidecars of results that stay
        path: about
        for path, about in abouts.items()
        if not path.is_relative_to(root) or not wanted.isdisjoint(about["outputs"])
    }
    elsewhere = {about.get("key") for path, about in left.items() if not path.is_relative_to(root)}
    for arm in retention.removable(study, jobs):
        folders = retention.weights(study, arm, elsewhere, store)
        found.removals["weights"].append(
            Removal(f"weights of {study.checkpoint_name(arm)}", folders, study.checkpoint(arm))
        )
    claimed: set[Path] = set()
    for path in sorted(abouts.keys() - left.keys()):
        paths = [p for p in _unit(path, abouts[path]) if p.exists()]
        claimed.update(paths)
        found.removals["results"].append(Removal(f"{next(iter(abouts[path]['outputs']))}", paths))
    for path in wanted:
        claimed.update(_unit(sidecar(path), {"outputs": [path]}))
    found.unknown = _unclaimed(root, claimed)
    keys = {about.get("key") for about in left.values()}
    found.removals["store"] = [
        Removal(_entry_name(entry), [entry])
        for entry in sorted(store.root.glob("??/*"))
        if not entry.name.startswith(".") and entry.name not in keys
    ]
    found.removals["store"] += _answer_caches(study, jobs, left.values())
    found.removals["store"] += _encoded(store, left.values())
    found.stopped = sorted((store.root / "resume").glob("*"))
    return found


def _unit(beside: Path, about: dict) -> list[Path]:
    """Return everything that belongs to a result, with its log and timing."""
    outputs = [Path(path) for path in about["outputs"]]
    first = outputs[0]
    unit = [*outputs, beside, first.with_suffix(".times.parquet")]
    if first.name == "checkpoint.json":
        unit += [first.with_name(name) for name in BESIDE]
    if about.get("log"):
        log = Path(about["log"])
        unit.append(log)
        timings = [part if part != "logs" else "timings" for part in log.parts]
        unit.append(Path(*timings).with_suffix(".tsv"))
    return unit


def _unclaimed(root: Path, claimed: set[Path]) -> list[Path]:
    """Return the files of a study that belong to no result, needed or not."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.relative_to(root).parts[0] not in OWN
        and claimed.isdisjoint((path, *path.parents))
    ]


def _entry_name(entry: Path) -> str:
    described = entry / "entry.json"
    rule = read_json(described)["about"].get("rule", "") if described.is_file() else "damaged"
    return f"{entry} ({rule})"


def _answer_caches(study: Study, jobs: list[PlannedJob], abouts: Iterable[dict]) -> list[Removal]:
    """Return the caches that no study's answers are in.

    Those of other studies' models stay, and those of teachers: answers that were paid for.
    """
    store = Path(study.store)
    answering = [(job.rule, job.params, job.inputs) for job in jobs]
    answering += [(a["rule"], a["params"], a["inputs"]) for a in abouts if a["rule"] in STAGES]
    used = {cache.folder for one in answering if (cache := cache_of_job(*one, study.store))}
    others = [
        _identity(path)
        for name in ("checkpoint.json", tombstone("checkpoint.json").name)
        for path in Path(study.config["results"]).rglob(name)
        if not path.is_relative_to(study.root)
    ]
    return [
        Removal(f"{folder} (answers)", [folder])
        for folder in sorted((store / "answers").glob("*"))
        if folder not in used
        and (folder / "about.json").is_file()
        and (about := read_json(folder / "about.json")).get("checkpoint")
        and about["checkpoint"] not in others
    ]


def _encoded(store: Store, abouts: Iterable[dict]) -> list[Removal]:
    """Return the encoded shards whose shard does not stay, and damaged ones."""
    left = {one for about in abouts for one in about["outputs"].values()}
    found = []
    for folder in sorted((store.root / ENCODED).glob("[!.]*")):
        described = folder / "about.json"
        if not described.is_file() or read_json(described)["about"]["shard"] not in left:
            found.append(Removal(f"{folder} (encoded shard)", [folder]))
    return found


def _identity(manifest: Path) -> dict:
    from valley.lm.students import identity

    return identity(manifest)


def remove(removal: Removal, root: Path) -> None:
    """Remove what was listed, and folders below the study's root that it leaves empty."""
    if removal.manifest:
        retention.remove_weights(removal.manifest, removal.paths)
        return
    for path in removal.paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        folder = path.parent
        while folder != root and folder.is_relative_to(root) and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def freed(paths: Iterable[Path]) -> int:
    """Return how many bytes removing files and folders frees: a linked file's last link counts."""
    links: dict[tuple, list[os.stat_result]] = defaultdict(list)
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file():
                stat = file.stat()
                links[stat.st_dev, stat.st_ino].append(stat)
    return sum(seen[0].st_size for seen in links.values() if len(seen) >= seen[0].st_nlink)


def format_removals(found: Finding, kinds: Iterable[str], removing: bool) -> list[str]:
    """Return what was found, for people."""
    titles = {
        "weights": "Weights that `retention` removes (their arms are trained again if needed)",
        "results": "Results that no arm of the study needs",
        "store": "In the store, and no study refers to it",
    }
    lines = []
    for kind in kinds:
        removals = found.removals[kind]
        if removals:
            total = size(freed(path for removal in removals for path in removal.paths))
            lines.append(f"{titles[kind]}: {len(removals)}, {total}")
            lines += [f"  {size(freed(r.paths)):>9}  {r.name}" for r in removals]
    if found.unknown:
        lines.append("Not made by any rule, left alone:")
        lines += [f"  {size(freed([path])):>9}  {path}" for path in found.unknown]
    if found.stopped:
        lines.append(
            f"State of stopped jobs, left alone: {len(found.stopped)}, {size(freed(found.stopped))}"
        )
    everything = [p for kind in kinds for r in found.removals[kind] for p in r.paths]
    if not everything:
        return [*lines, "Nothing to remove."]
    total = size(freed(everything))
    return [*lines, f"Removed: {total}" if removing else f"With --yes this frees {total}."]
