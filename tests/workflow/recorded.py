"""Studies that are run with every process of their jobs recorded."""

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from numbered import Numbering, digested
from proxy import FaultyProxy
from server import TeacherServer, address, running
from valley.bank import problems as bank
from valley.core.closure import closure
from workspace import REPOSITORY, Workspace

RECORDER = REPOSITORY / "tests" / "recorder"
MATERIAL = "results/rehearsal-material"


@dataclass(frozen=True)
class Recorded:
    """What a finished study's jobs executed, and what their digests are of, by rule."""

    workspace: Workspace
    executed: dict[str, set[tuple[str, str]]]
    entries: dict[str, set[tuple[str, ...]]]

    def closure(self, rule: str) -> set[tuple[str, str]]:
        """Return what a rule's digests cover."""
        root = self.workspace.repository / STAGES
        return set().union(*(closure(*entry, root=root) for entry in self.entries[rule]))


STAGES = "workflow_scripts"
# What may be executed and is no part of a digest: it moves no byte of a result.
OUTSIDE = {
    "valley.workflow.job": "the job around the stage: its log, its sidecar, its entry in the store",
    "valley.workflow.contract": "fields filled from a Snakemake job; the classes are digested",
    "valley.core.config": "the study file, for settings of how a job runs; they move no result",
    "valley.core.snapshots": "recipes that `save_at` adds to the study file, by their params",
    "valley.workflow.tracking": "losses and scores given to trackers; no result depends on them",
    "valley.core.disk": "room on the disk, and what is said where there is none",
    "valley.core.files": "digests of inputs and outputs, the sidecar's own file",
    "valley.core.resume": "where a stopped job's state lies, and signals",
    "valley.core.sidecars": "the sidecar's name",
    "valley.core.store": "results kept by their key",
    "valley.core.versions": "versions of libraries, for the sidecar",
}


def recorded(workspace: Workspace, *arguments: str) -> Recorded:
    """Run a study with its jobs recorded."""
    folder = workspace.folder / "trace"
    folder.mkdir()
    numbering = Numbering(workspace.repository / STAGES)
    numbering.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VALLEY_TRACE", str(folder))
        patch.setenv("PYTHONPATH", str(RECORDER))
        workspace.snakemake("--cores", "2", *arguments)
    known, entries = digested(folder), defaultdict(set)
    for path in (workspace.folder / "results").rglob("*.meta.json"):
        about = json.loads(path.read_text(encoding="utf-8"))
        values = [value for value in about["params"].values() if isinstance(value, str)]
        entries[about["rule"]] |= {known[value] for value in values if value in known}
    return Recorded(workspace, numbering.executed(folder), dict(entries))


def smoke(folder: Path) -> Recorded:
    """Run the smoke study."""
    return recorded(Workspace(folder))


def material(workspace: Workspace) -> None:
    """Make the rehearsal's corpus, benchmark and students."""
    workspace.valley("rehearse", str(workspace.folder / MATERIAL))


def rehearsal(folder: Path) -> Recorded:
    """Run the rehearsal with the fewest arms that take all of its rules."""
    workspace = Workspace(folder)
    material(workspace)
    config = yaml.safe_load((REPOSITORY / "studies" / "rehearsal.yaml").read_text("utf-8"))
    config["starts"]["thirty"]["size"] = 16
    axes = config["axes"]
    config["axes"] = {name: axes[name] for name in ("scaling", "difficulty", "adapters")}
    config["axes"]["scaling"] |= {"sizes": [0, 16], "forecast": 64}
    config["axes"]["difficulty"] |= {"sizes": [8], "starts": ["thirty"]}
    config["axes"]["adapters"] |= {"sizes": [16]}
    for recipe in config["recipes"].values():
        recipe["epochs"] = 1
    workspace.write(config)
    return recorded(workspace)


@contextmanager
def teacher_behind_endpoint(problems: int, seed: int):
    """Yield the address of a teacher whose answers fail now and then."""
    server = TeacherServer(bank.generate(problems, seed, "train"))
    with running(server), running(FaultyProxy(address(server), ["429", "pass", "half"])) as proxy:
        yield address(proxy)


def asked(folder: Path) -> Recorded:
    """Run a study whose teachers are asked and whose trainings are several processes each."""
    workspace = Workspace(folder)
    material(workspace)
    config = workspace.smoke()
    config["corpus"]["bank"] = {"problems": 24, "seed": 5}
    shared = {"answers": 1, "unanswered": "skip"}
    config["training"] = {"processes": 2}
    config["validation"] = {"share": 0.2}
    config["starts"] = {}
    config["axes"] = {
        "scaling": {"question": "?", "recipes": ["distil"], "sizes": [0, 4], "curve": True}
    }
    with teacher_behind_endpoint(24, 5) as address:
        config["corpus"]["teachers"] = {
            "far": {
                "endpoint": {
                    "model": "procedural-apart",
                    "base_url": address,
                    "backoff_s": 0.01,
                    "price_in": 0.5,
                    "price_out": 2.0,
                },
                "prompt": "Solve this in Python.\n\n{statement}",
                "max_tokens": 400,
                **shared,
            },
            "near": {
                "model": {"id": f"{MATERIAL}/qwen", "engine": "transformers", "gpus": 0},
                "max_tokens": 16,
                **shared,
            },
        }
        workspace.write(config)
        return recorded(workspace)


STUDIES = {"smoke": smoke, "rehearsal": rehearsal, "asked": asked}
