"""Dependencies point one way: commands → stages → helpers → core (docs/architecture.md)."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
PACKAGE = SCRIPTS / "valley"
RULES = SCRIPTS.parent / "rules"
STAGES = {path.stem for path in SCRIPTS.glob("*.py")}
COMMANDS = {"planning", "reporting", "cluster", "commands"}
HELPERS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - COMMANDS


def imports(part: str) -> set[str]:
    """Return the parts of the project that a part's files import, itself left out."""
    single = SCRIPTS / f"{part}.py"
    files = [single] if single.is_file() else (PACKAGE / part).rglob("*.py")
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    names = {name.removeprefix("valley.").split(".")[0] for name in names}
    return names & (STAGES | COMMANDS | HELPERS) - {part}


def test_core_knows_nothing_of_the_rest():
    assert imports("core") == set()


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_a_helper_imports_no_stage_and_no_command(helper):
    assert not imports(helper) & (STAGES | COMMANDS)


def test_helpers_lean_on_each_other_one_way():
    leaning = {helper: imports(helper) & HELPERS for helper in HELPERS}
    assert any(leaning.values())
    list(TopologicalSorter(leaning).static_order())  # names a circle, if there is one


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_command(stage):
    # The report's page is the command's, too: `valley report` makes it of what is there so far.
    assert not imports(stage) & COMMANDS - ({"reporting"} if stage == "report" else set())


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_other_stage(stage):
    assert not imports(stage) & STAGES


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_is_run_by_the_rules(stage):
    rules = "".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.smk"))
    assert f'"../workflow_scripts/{stage}.py"' in rules


def test_every_part_has_its_place_in_the_page_on_the_architecture():
    page = (SCRIPTS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = {part for part in STAGES | COMMANDS | HELPERS if f"`{part}`" not in page}
    assert not missing
