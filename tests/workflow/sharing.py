"""Studies that are really run, once each, and shared by all tests and processes that read them."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from filelock import FileLock
from recorded import STUDIES, Recorded
from workspace import Workspace

# A folder of runs of pytest that share studies, too: `make test-all` has two.
KEPT = "VALLEY_TEST_STUDIES"


class Shared:
    """What is made once, by the first of pytest's processes that needs it.

    Args:
        common: a folder that all of these processes see.
    """

    def __init__(self, common: Path):
        self.common = common

    def made(self, name: str, make: Callable[[Path], object]):
        """Return what `make` made in an empty folder; tests must leave the folder as it is."""
        kept = self.common / f"{name}.pickle"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                made = make(Path(mkdtemp(prefix=f"{name}-", dir=self.common)))
                kept.write_bytes(pickle.dumps(made))
        return pickle.loads(kept.read_bytes())

    def __getitem__(self, name: str) -> Recorded:
        return self.made(name, STUDIES[name])


@pytest.fixture(scope="session")
def shared(tmp_path_factory, request) -> Shared:
    """Studies that take every rule, each run once with its jobs' processes recorded."""
    if KEPT in os.environ:
        return Shared(Path(os.environ[KEPT]))
    common = tmp_path_factory.getbasetemp()
    return Shared(common.parent if hasattr(request.config, "workerinput") else common)


@pytest.fixture(scope="session")
def finished(shared) -> Workspace:
    """The smoke study, finished; tests must leave it as they found it."""
    # Recording takes twice as long as the study. The long tests read a record, the others none.
    return shared["smoke"].workspace if KEPT in os.environ else shared.made("finished", smoke_study)


def smoke_study(folder: Path) -> Workspace:
    """Run the smoke study."""
    workspace = Workspace(folder)
    workspace.snakemake("--cores", "2")
    return workspace


def copied(study: Workspace, folder: Path) -> Workspace:
    """Return a copy of a finished study, times kept, to change at will."""
    shutil.copytree(study.folder, folder)
    return Workspace(folder)
