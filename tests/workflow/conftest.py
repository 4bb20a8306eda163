"""Finished studies, as they are and to be changed."""

import pytest
import sharing
from recorded import STUDIES, Recorded
from workspace import Workspace

shared, finished = sharing.shared, sharing.finished


@pytest.fixture(scope="session")
def studies(shared) -> dict[str, Recorded]:
    """All of them; tests must leave them as they found them."""
    return {name: shared[name] for name in STUDIES}


@pytest.fixture
def copy(finished, tmp_path) -> Workspace:
    """A copy of the finished study, times kept, to change at will."""
    return sharing.copied(finished, tmp_path / "copy")


@pytest.fixture
def desk(copy, tmp_path) -> Workspace:
    """A copy of the finished study, run by a copy of the repository: both to change at will."""
    copy.clone(tmp_path / "repository")
    return copy
