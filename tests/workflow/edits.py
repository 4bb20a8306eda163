"""Edits of a study, of the code, and of files: what the table of reruns is written in."""

import json
import os
import random
import shutil
from collections.abc import Callable

from workspace import Workspace

Edit = Callable[[Workspace], None]
ROOT = "results/smoke"
EASIER = {"a": "easy.any", "b": "hard.any"}
LATER = {
    "later": {
        "field": "slice",
        "first": {**EASIER, "where": {"start": "mid"}},
        "second": {**EASIER, "where": {"start": "base"}},
    }
}


def study(*edits: tuple[str, object]) -> Edit:
    """Set keys of the study file, each written as a dotted path; `None` takes the key away."""

    def edit(desk: Workspace) -> None:
        config = desk.smoke()
        for path, value in edits:
            *above, last = path.split(".")
            at = config
            for part in above:
                at = at.setdefault(part, {})
            if value is None:
                del at[last]
            else:
                at[last] = value
        desk.write(config)

    return edit


def code(name: str, old: str, new: str) -> Edit:
    """Edit a file of the repository: the first occurrence of the old text."""

    def edit(desk: Workspace) -> None:
        path = desk.repository / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} holds no {old!r}: the table of edits is out of date"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def delete(*names: str) -> Edit:
    """Delete files or folders below the study's results."""

    def edit(desk: Workspace) -> None:
        for name in names:
            path = desk.folder / ROOT / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def damage(name: str) -> Edit:
    """Cut a result short, as a full disk or a broken copy does."""

    def edit(desk: Workspace) -> None:
        path = desk.folder / ROOT / name
        path.write_bytes(path.read_bytes()[:-7])

    return edit


def rewrite(name: str) -> Edit:
    """Write a result anew, with the bytes that it has."""

    def edit(desk: Workspace) -> None:
        path = desk.folder / ROOT / name
        path.write_bytes(path.read_bytes())

    return edit


def touch_everything(desk: Workspace) -> None:
    """Give every file of the study a new time, in no order."""
    paths = [path for path in (desk.folder / "results").rglob("*") if path.is_file()]
    random.Random(0).shuffle(paths)
    for number, path in enumerate(paths):
        os.utime(path, (1.8e9 + number, 1.8e9 + number))


def copy_elsewhere(desk: Workspace) -> None:
    """Copy the results, times not kept, to a folder where no Snakemake has been."""
    folder = desk.folder.with_name("elsewhere")
    copied = shutil.copytree(desk.folder / "results", folder / "results", copy_function=shutil.copy)
    assert copied.is_dir()
    shutil.copy(desk.study, folder / "study.yaml")
    desk.folder, desk.study = folder, folder / "study.yaml"
    touch_everything(desk)


def forget(desk: Workspace) -> None:
    """Take Snakemake's own folder away, as a clone beside old results lacks it."""
    shutil.rmtree(desk.folder / ".snakemake")


def forget_sidecars(desk: Workspace) -> None:
    """Take the sidecars away: Snakemake's own records are left."""
    for path in (desk.folder / "results").rglob("*.meta.json"):
        path.unlink()


def other_versions(*names: str) -> Edit:
    """Let the results below some folders have been made with an older transformers."""

    def edit(desk: Workspace) -> None:
        for name in names:
            for path in (desk.folder / ROOT / name).rglob("*.meta.json"):
                about = json.loads(path.read_text())
                about["measured"]["versions"]["transformers"] = "5.0.0"
                path.write_text(json.dumps(about))

    return edit


def valley(*arguments: str) -> Edit:
    """Run a subcommand of `valley` on the study."""
    return lambda desk: print(desk.valley(*arguments, "--study", "study.yaml"))
