"""Digests of code that are kept from start to start: never those of other code."""

import json

import pytest
from valley.core.closure import ROOT, code_digest
from valley.workflow.digests import FOLDER, NAME, Known, state
from workspace import Workspace


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    (folder / "pages").mkdir(parents=True)
    (folder / "stage.py").write_text("def run():\n    return 1\n")
    (folder / "pages" / "page.j2").write_text("<h1>")
    return folder


def kept(code, path, **digests) -> Known:
    known = Known(path, code)
    known.digests |= digests
    known.more = True
    known.keep()
    return Known(path, code)


def test_what_is_kept_is_what_is_computed(tmp_path):
    """A dry-run keeps what the next one reads: the digests that `code_digest` gives."""
    workspace = Workspace(tmp_path)
    workspace.plan()
    digests = json.loads((tmp_path / FOLDER / NAME).read_text())["digests"]
    assert len(digests) > 20
    assert digests == {name: code_digest(*name.split(":")) for name in digests}
    assert Known(tmp_path / FOLDER / NAME, ROOT).digests == digests


def test_the_next_start_reads_them(code, tmp_path):
    assert kept(code, tmp_path / NAME, **{"stage:run": "abc"}).digests == {"stage:run": "abc"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda code: (code / "stage.py").write_text("def run():\n    return 2\n"),
        lambda code: (code / "pages" / "page.j2").write_text("<h2>"),
        lambda code: (code / "stage.py").rename(code / "other.py"),
        lambda code: (code / "more.py").write_text(""),
        lambda code: (code / "pages" / "page.j2").unlink(),
    ],
    ids=["code", "data", "a name", "a file more", "a file less"],
)
def test_after_any_edit_none_is_known(code, tmp_path, edit):
    kept(code, tmp_path / NAME, **{"stage:run": "abc"})
    edit(code)
    assert Known(tmp_path / NAME, code).digests == {}


def test_caches_of_python_are_no_code(code):
    before = state(code)
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "stage.cpython-311.pyc").write_bytes(b"cache")
    assert state(code) == before


def test_none_is_kept_of_code_that_was_edited_meanwhile(code, tmp_path):
    known = Known(tmp_path / NAME, code)
    known.digests["stage:run"], known.more = "abc", True
    (code / "stage.py").write_text("def run():\n    return 2\n")
    known.keep()
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"of": 1}', "\ud83d"])
def test_a_damaged_file_is_as_none(code, tmp_path, text):
    (tmp_path / NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert kept(code, tmp_path / NAME, **{"stage:run": "abc"}).digests == {"stage:run": "abc"}


def test_where_snakemake_has_no_folder_nothing_is_written(code, tmp_path):
    kept(code, tmp_path / "none" / NAME, **{"stage:run": "abc"})
    assert not (tmp_path / "none").exists()
