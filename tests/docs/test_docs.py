"""The README and the pages of docs/: every command runs as written, every link leads somewhere.

A page's `bash` blocks run one after another in a copy of the repository, whose `config.yaml` is the
smoke study under the miniature's name, so that all paths hold and minutes become seconds. A block
that can't run here stands below a comment that says why: `<!-- not run: … -->`. After them run the
commands that stand above their output, behind a dollar sign.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>[^>]+?) -->\n)?```bash\n(?P<code>.*?)```", re.DOTALL)
SHOWN = re.compile(r"^    \$ ((?:.*\\\n)*.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")


def commands(page: Path) -> list[str]:
    """Return a page's blocks that are to run, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = [block["code"] for block in BLOCK.finditer(text) if not block["why"]]
    return [*blocks, *SHOWN.findall(text)]


def documented(folder: Path, finished: Workspace) -> Path:
    """Copy the repository, and finish the smoke study in it under the miniature's name."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    study = yaml.safe_load((REPOSITORY / "studies/smoke.yaml").read_text(encoding="utf-8"))
    (folder / "config.yaml").write_text(yaml.safe_dump({**study, "study": "miniature"}))
    environment = Path(sys.prefix)
    (folder / ".venv").symlink_to(environment)
    # Nothing is trained or asked again: what differs is the name.
    shutil.copytree(finished.folder / "results" / "store", folder / "results" / "store")
    done = run(folder, "snakemake --cores 2")
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def repository(shared, finished, tmp_path_factory) -> Path:
    """A copy of the repository with a finished study, which commands may change."""
    made = shared.made("docs", partial(documented, finished=finished))
    folder = tmp_path_factory.mktemp("docs") / "repository"
    return shutil.copytree(made, folder, symlinks=True)


def run(folder: Path, script: str) -> subprocess.CompletedProcess:
    """Run a block as a person would, in the environment that `make` sets up."""
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_runs_as_written(repository, page):
    for block in commands(page):
        if block.startswith("./valley dag") and not shutil.which("dot"):
            continue
        done = run(repository, block)
        # These tell by 1 that something would run: no failure
        told = re.search(r"^\./valley (plan|why|status)", block, re.MULTILINE)
        expected = (0, 1) if told else (0,)
        assert done.returncode in expected, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {target}"


def test_lines_that_a_pages_changes_begin_from_stand_in_the_repository():
    """`-` lines of a page's diffs, up to an ellipsis."""
    diffs = [
        line[1:].partition("…")[0].strip()
        for page in PAGES
        for block in re.findall(r"```diff\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for line in map(str.strip, block.splitlines())
        if line.startswith("-")
    ]
    sources = [*REPOSITORY.glob("schemas/*.yaml"), *REPOSITORY.glob("workflow_scripts/**/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert len(diffs) > 1
    assert [line for line in diffs if line not in text] == []
