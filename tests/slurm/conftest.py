"""One real cluster for all tests here; with VALLEY_SLURM=site, the cluster of who runs them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemons import Cluster, missing, running
from lab import Lab, Person, Study
from work import Work
from workspace import Workspace

TIMEOUT = 1500  # seconds of one test: the first one of the study waits for the whole of it
# Also for the same studies on this machine: what they ask of the cluster stays.
os.environ["VALLEY_REHEARSE_GPUS"] = "1"
SITE = os.environ.get("VALLEY_SLURM") == "site"


@contextmanager
def set_up(**settings) -> Iterator[Cluster]:
    """Yield a cluster on this host, if one can be set up."""
    if why := missing():
        pytest.skip(f"no SLURM can be set up here: {why}")
    with running(**settings) as cluster:
        yield cluster


@contextmanager
def opened(cluster: Cluster, folder: Path) -> Iterator[Lab]:
    """Yield a folder in which small jobs are run on a cluster."""
    lab = Lab(cluster, folder)
    yield lab
    lab.clear()


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A cluster on this host, whose daemons and nodes a test may stop."""
    if SITE:
        pytest.skip("this test stops daemons or nodes: not on your cluster")
    with set_up() as cluster:
        yield cluster


@pytest.fixture
def lab(cluster, tmp_path) -> Lab:
    """A folder in which small jobs are run on the cluster."""
    with opened(cluster, tmp_path) as lab:
        yield lab


@pytest.fixture(scope="module")
def bookless() -> Cluster:
    """A cluster on this host that keeps no accounts."""
    if SITE:
        pytest.skip("this test needs a cluster without accounting")
    with set_up(accounting=False) as cluster:
        yield cluster


@pytest.fixture
def bookless_lab(bookless, tmp_path) -> Lab:
    """A folder in which small jobs are run on the cluster without accounting."""
    with opened(bookless, tmp_path) as lab:
        yield lab


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Work:
    """A training, answers and verdicts, made on this machine and left in peace."""
    work = Work(tmp_path_factory.mktemp("undisturbed"))
    yield work
    work.stop()


@pytest.fixture(scope="session")
def person() -> Person:
    """An ordinary user of a cluster that nobody disturbs, with a folder that its nodes see."""
    if SITE:
        home = Path(os.environ.get("VALLEY_SLURM_FOLDER", "results/slurm-tests")).resolve()
        home.mkdir(parents=True, exist_ok=True)
        yield Person(None, home, sys.executable, dict(os.environ))
        return
    with set_up() as cluster:
        name, home = cluster.make_user()
        environment = {**cluster.environment, "HOME": str(home), "USER": name, "LOGNAME": name}
        yield Person(name, home, readable_python(name, home), environment)


@pytest.fixture(scope="session")
def under_way(person, tmp_path_factory) -> Study:
    """The smoke study, started on the cluster; and on this machine alone, to compare with."""
    alone = Workspace(tmp_path_factory.mktemp("alone"))
    study = Study(person, person.home / "study", alone)
    yield study
    study.stop()


@pytest.fixture(scope="session", autouse=True)
def early(request) -> None:
    """Start what takes long before the tests of faults, which mostly wait."""
    wanted = {name for item in request.session.items for name in item.fixturenames}
    if "under_way" in wanted:
        request.getfixturevalue("under_way")
    if "undisturbed" in wanted and not SITE and not missing():
        request.getfixturevalue("undisturbed")


def readable_python(name: str, home: Path) -> str:
    """Return an interpreter with the project's libraries that a user may run.

    The environment's own may lie below root's home; then the system's of the same version serves.
    """

    def works(python: str) -> bool:
        probe = ["runuser", "-u", name, "--", python, "-c", "import snakemake, torch"]
        return subprocess.run(probe, capture_output=True, cwd=home).returncode == 0

    if works(sys.executable):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own, system = home.parent / "venv", Path("/usr/bin", version)
    made = system.exists() and subprocess.run([system, "-m", "venv", "--without-pip", str(own)])
    if not made or made.returncode:
        pytest.skip(f"an ordinary user can't run {sys.executable}, and there is no other {version}")
    libraries = Path(pytest.__file__).parents[1]
    (own / "lib" / version / "site-packages" / "project.pth").write_text(f"{libraries}\n")
    if not works(f"{own}/bin/python"):
        pytest.skip(f"an ordinary user can't read {libraries}")
    return f"{own}/bin/python"


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(TIMEOUT))
