"""The smoke study, really run once and shared by the tests of reruns."""

import shutil

import pytest
from recorded import STUDIES, Recorded
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """The smoke study, finished; tests must leave it as they found it."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.snakemake("--cores", "2")
    return workspace


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


@pytest.fixture(scope="session")
def studies(tmp_path_factory) -> dict[str, Recorded]:
    """Studies that take every rule, each run once with its jobs' processes recorded."""
    return {name: run(tmp_path_factory.mktemp(name)) for name, run in STUDIES.items()}
