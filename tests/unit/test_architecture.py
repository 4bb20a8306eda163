"""Dependencies point one way: commands → stages → helpers → core (docs/architecture.md).

A command may import a stage, to call its functions on whatever is finished; a stage imports no
command and no other stage, a helper neither. There is no circle among all parts.
"""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
PACKAGE = SCRIPTS / "valley"
RULES = SCRIPTS.parent / "rules"
STAGES = {path.stem for path in SCRIPTS.glob("*.py")}
PARTS = {f"valley.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py")}
COMMANDS = {f"valley.{name}" for name in ("planning", "reporting", "cluster", "commands")}
HELPERS = PARTS - COMMANDS


def imports(part: str) -> set[str]:
    """Return the parts of the project that a part's files import, itself left out."""
    single = SCRIPTS / f"{part}.py"
    folder = PACKAGE / part.removeprefix("valley.")
    names = set()
    for file in [single] if single.is_file() else folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    own = {".".join(name.split(".")[:2]) for name in names if name.startswith("valley.")}
    return (own | {name.split(".")[0] for name in names}) & (STAGES | PARTS) - {part}


def test_core_knows_nothing_of_the_rest():
    assert imports("valley.core") == set()


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_a_helper_imports_no_stage_and_no_command(helper):
    assert not imports(helper) & (STAGES | COMMANDS)


def test_parts_lean_on_each_other_one_way():
    leaning = {part: imports(part) for part in PARTS | STAGES}
    assert any(leaning.values())
    list(TopologicalSorter(leaning).static_order())  # names a circle, if there is one


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_command(stage):
    assert not imports(stage) & COMMANDS


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_other_stage(stage):
    assert not imports(stage) & STAGES


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_is_one_script_and_one_rule_file(stage):
    rules = (RULES / f"{stage}.smk").read_text(encoding="utf-8")
    assert f'"../workflow_scripts/{stage}.py"' in rules


def test_a_rule_file_runs_its_own_stage_only():
    for path in RULES.glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        assert text.count("workflow_scripts/") - text.count(f"scripts/{path.stem}.py") <= (
            text.count("workflow_scripts/valley/") + text.count('"workflow_scripts"')
        )


def test_every_part_has_its_place_in_the_page_on_the_architecture():
    page = (SCRIPTS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = {part for part in STAGES | PARTS if f"`{part.removeprefix('valley.')}`" not in page}
    assert not missing


# A Snakefile of its own has an edit as rules/common.smk has; the judge's is that of its jail's bare
# interpreter, which takes no environment, and what the zygote takes away again; one is a program.
EDITED = {
    "valley",
    "rules/common.smk",
    "tests/slurm/small.smk",
    "tests/judge/test_sharing.py",
    "workflow_scripts/valley/judging/bootstrap.py",
    "workflow_scripts/valley/judging/zygote.py",
}


def test_pythons_path_is_edited_in_few_places():
    root = SCRIPTS.parent
    files = [root / "valley", root / "Snakefile", *RULES.glob("*.smk")]
    files += [path for part in ("workflow_scripts", "tests") for path in (root / part).rglob("*")]
    edit = re.compile(r".*sys[.]path(?:[.](insert|append|extend|remove)\(|\[.*\] *=)")
    found = {
        str(path.relative_to(root))
        for path in files
        if path.suffix in ("", ".py", ".smk") and path.is_file() and path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if edit.match(line)
    }
    assert found == EDITED


def test_rules_nest_no_f_strings():
    """`snakefmt` cannot read them from Python 3.12 on."""
    for path in [SCRIPTS.parent / "Snakefile", *RULES.glob("*.smk")]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"""f"[^"\n]*\{[^"\n]*\bf'""", text):
            raise AssertionError(f"{path.name}: {found[0]}")
