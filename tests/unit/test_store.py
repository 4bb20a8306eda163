"""The store: whole or not at all, never shared by accident, mended when damaged."""

import os

import pytest
from valley.core.store import Store


@pytest.fixture
def made(tmp_path):
    """A finished result: one target and a folder of two files, kept under a key."""
    target, folder = tmp_path / "made" / "checkpoint.json", tmp_path / "made" / "model"
    folder.mkdir(parents=True)
    target.write_text("manifest")
    (folder / "weights").write_bytes(b"w" * 1000)
    (folder / "config").write_text("{}")
    store = Store(tmp_path / "store")
    store.keep("ab12", [target], [folder], {"rule": "train"})
    return store, target, folder


def test_a_kept_result_comes_back_elsewhere(made, tmp_path):
    store, _, _ = made
    target, folder = tmp_path / "other" / "checkpoint.json", tmp_path / "other" / "model"
    assert store.restore("ab12", [target], [folder])
    assert target.read_text() == "manifest"
    assert {path.name for path in folder.iterdir()} == {"weights", "config"}


def test_an_unknown_key_restores_nothing(made, tmp_path):
    assert not made[0].restore("ab13", [tmp_path / "x"], [])
    assert not (tmp_path / "x").exists()


def test_large_files_are_links_and_targets_are_copies(made, tmp_path):
    """Targets' times are Snakemake's to read: one study must not age another's."""
    store, target, folder = made
    entry = store.entry("ab12")
    assert os.path.samefile(folder / "weights", entry / "folder0" / "weights")
    assert not os.path.samefile(target, entry / "file0")


def test_restoring_replaces_what_was_there(made, tmp_path):
    store, target, folder = made
    (folder / "stale").write_text("from an earlier training")
    target.write_text("old")
    assert store.restore("ab12", [target], [folder])
    assert not (folder / "stale").exists()
    assert target.read_text() == "manifest"


@pytest.mark.parametrize("damage", ["file0", "folder0/weights", "entry.json"])
def test_a_damaged_entry_is_not_used_but_made_again(made, tmp_path, damage):
    store, target, folder = made
    (store.entry("ab12") / damage).unlink()
    assert not store.restore("ab12", [tmp_path / "x"], [tmp_path / "y"])
    store.keep("ab12", [target], [folder], {})
    assert store.restore("ab12", [tmp_path / "x"], [tmp_path / "y"])


def test_altered_content_of_a_target_is_noticed(made, tmp_path):
    store, _, _ = made
    (store.entry("ab12") / "file0").write_text("manifesT")
    assert not store.restore("ab12", [tmp_path / "x"], [tmp_path / "y"])


def test_keeping_twice_changes_nothing(made):
    store, target, folder = made
    before = (store.entry("ab12") / "entry.json").stat().st_mtime_ns
    store.keep("ab12", [target], [folder], {})
    assert (store.entry("ab12") / "entry.json").stat().st_mtime_ns == before


def test_a_failed_keep_leaves_nothing_behind(made, tmp_path):
    store, target, _ = made
    with pytest.raises(FileNotFoundError):
        store.keep("cd34", [target, tmp_path / "missing"], [], {})
    assert not store.entry("cd34").exists()
    assert list(store.entry("cd34").parent.iterdir()) == []
