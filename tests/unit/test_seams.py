"""What is replaced or private in Snakemake and its SLURM executor is there, and as expected."""

import ast
import importlib
import inspect
import subprocess
import sys
from enum import EnumMeta
from pathlib import Path

import pytest
import snakemake.api  # noqa: F401  (before its other modules, which import each other)
import snakemake_executor_plugin_slurm
import snakemake_executor_plugin_slurm_jobstep  # noqa: F401
from packaging.version import Version
from valley.cluster import plugin
from valley.workflow import snakemake_patches
from valley.workflow.seams import TESTED, Seam, SeamError, check, check_version

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "seams.md").read_text(encoding="utf-8")
SECTIONS = {**snakemake_patches.SEAMS, **plugin.SEAMS}
SEAMS = [seam for seams in SECTIONS.values() for seam in seams]
each = pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: f"{seam.path}:{seam.kind}")


@each
def test_a_name_is_there_in_the_shape_that_is_relied_on(seam):
    check([seam])


def holder(seam: Seam):
    """Return what a seam's name is an attribute of, and the last part of the name."""
    found = importlib.import_module(seam.module)
    *outer, last = seam.name.split(".")
    for part in outer:
        found = inspect.getattr_static(found, part)
    return found, last


def complaint(seam: Seam) -> str:
    with pytest.raises(SeamError) as raised:
        check([seam])
    said = str(raised.value)
    assert seam.path in said
    assert f"{seam.package} {importlib.metadata.version(seam.package)} " in said
    assert "docs/seams.md" in said
    return said


@each
def test_a_name_that_has_changed_is_an_error(seam, monkeypatch):
    where, last = holder(seam)

    def other(of, another, shape):
        """Something else under the same name."""

    if isinstance(where, EnumMeta):  # its members can't be set: the whole is another
        name, _, member = seam.name.partition(".")
        where, last, other = importlib.import_module(seam.module), name, type(name, (), {member: 0})
    monkeypatch.setattr(where, last, other)
    complaint(seam)


@each
def test_a_name_that_is_gone_is_an_error(seam, monkeypatch):
    real = inspect.getattr_static

    def without(found, name):
        if name == seam.name.rpartition(".")[2]:
            raise AttributeError(name)
        return real(found, name)

    monkeypatch.setattr(inspect, "getattr_static", without)
    assert "it is not there" in complaint(seam)


def test_a_default_or_parameter_more_is_a_change(monkeypatch):
    from snakemake.dag import DAG

    seam = next(seam for seam in SEAMS if seam.name == "DAG.update_needrun")

    async def update_needrun(self, create_inventory=False, only=None):
        """As a later version may have it."""

    monkeypatch.setattr(DAG, "update_needrun", update_needrun)
    assert "(self, create_inventory=False, only=None)" in complaint(seam)


def test_the_executors_functions_are_checked_before_they_are_replaced(monkeypatch):
    from valley.cluster import slurm_patches

    before = snakemake_executor_plugin_slurm.query_job_status
    monkeypatch.delattr(snakemake_executor_plugin_slurm, "set_gres_string")
    monkeypatch.setitem(sys.modules, plugin.INNER, None)
    with pytest.raises(SeamError, match="set_gres_string"):
        slurm_patches.apply()
    assert snakemake_executor_plugin_slurm.query_job_status is before
    assert not hasattr(snakemake_executor_plugin_slurm, "mended")


def test_older_versions_are_refused_and_newer_ones_warned_of():
    oldest, below = TESTED
    with pytest.raises(SeamError, match=r"9\.16\.3 is too old.*docs/seams\.md"):
        check_version("9.16.3")
    assert check_version(oldest) is None
    assert f"{below}.1 is newer than what was tested" in check_version(f"{below}.1")


def test_the_pinned_version_is_a_tested_one():
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    pinned = next(line.split("==")[1] for line in lines if line.startswith("snakemake=="))
    oldest, below = map(Version, TESTED)
    assert oldest <= Version(pinned) < below


def dry_run(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", ROOT / "studies" / "smoke.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_another_backend_of_records_is_refused(tmp_path):
    done = dry_run(tmp_path, "--persistence-backend", "db")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "--persistence-backend db: only `file` works here" in said
    assert not (tmp_path / ".snakemake" / "metadata").exists()


def replaced_names() -> set[str]:
    """Return the attributes of imported modules that the project assigns to, by name."""
    names = set()
    for part in ("workflow", "cluster"):
        for path in (ROOT / "workflow_scripts" / "valley" / part).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for target in getattr(node, "targets", []):
                    parts = target.elts if isinstance(target, ast.Tuple) else [target]
                    names |= {ast.unparse(part) for part in parts}
    foreign = ("plugin.", "inner.", "jobs.", "theirs.")
    return {name.rpartition(".")[2] for name in names if name.startswith(foreign)}


def test_every_replaced_name_is_declared():
    declared = {seam.name.rpartition(".")[2] for seam in SEAMS if seam.use == "replaced"}
    found = replaced_names() - {"mended"}
    assert found, "the search finds replacements"
    assert found <= declared


def rows(seams) -> list[str]:
    """Return a section's table of the page."""
    return [
        "| name | since | | for what |",
        "| --- | --- | --- | --- |",
        *(f"| `{seam.path}` | {seam.since} | {seam.use} | {seam.why} |" for seam in seams),
    ]


def section(heading: str) -> str:
    _, _, rest = PAGE.partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_lists_the_names(heading):
    found = section(heading)
    assert [line for line in found.splitlines() if line.startswith("|")] == rows(SECTIONS[heading])
    for part in ("**Why.**", "**Upstream.**", "**Reproduction.**"):
        assert part in found


def test_the_page_has_no_section_without_names_and_says_the_tested_range():
    headings = [line[3:] for line in PAGE.splitlines() if line.startswith("## ")]
    assert headings[1:] == list(SECTIONS)
    assert f"{TESTED[0]} up to, not including, {TESTED[1]}" in PAGE
