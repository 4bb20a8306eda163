"""Studies that are really run, once each, and shared by the tests that read them."""

import pickle
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from recorded import STUDIES, Recorded
from workspace import Workspace


class Shared:
    """Finished studies, each run by the first of pytest's processes that needs it.

    Args:
        tmp_path_factory: pytest's.
        common: a folder that all of pytest's processes see.
    """

    def __init__(self, tmp_path_factory, common: Path):
        self.tmp_path_factory, self.common = tmp_path_factory, common

    def __getitem__(self, name: str) -> Recorded:
        kept = self.common / f"{name}.pickle"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                study = STUDIES[name](self.tmp_path_factory.mktemp(name))
                kept.write_bytes(pickle.dumps(study))
        return pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def shared(tmp_path_factory, request) -> Shared:
    """Studies that take every rule, each run once with its jobs' processes recorded."""
    common = tmp_path_factory.getbasetemp()
    return Shared(
        tmp_path_factory, common.parent if hasattr(request.config, "workerinput") else common
    )


@pytest.fixture(scope="session")
def studies(shared) -> dict[str, Recorded]:
    """All of them; tests must leave them as they found them."""
    return {name: shared[name] for name in STUDIES}


@pytest.fixture(scope="session")
def finished(shared) -> Workspace:
    """The smoke study, finished; tests must leave it as they found it."""
    return shared["smoke"].workspace


@pytest.fixture
def copy(finished, tmp_path) -> Workspace:
    """A copy of the finished study, times kept, to change at will."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    workspace = Workspace(tmp_path / "copy")
    return workspace


@pytest.fixture
def desk(copy, tmp_path) -> Workspace:
    """A copy of the finished study, run by a copy of the repository: both to change at will."""
    copy.clone(tmp_path / "repository")
    return copy
