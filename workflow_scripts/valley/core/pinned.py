"""Results that no rule makes: frozen checkpoints, and what was adopted from elsewhere.

Snakemake would make a file again for a change of settings, inputs or code. What must not be made
again is no rule's output at all: it stands in the DAG as a plain source file.
"""

import re
from pathlib import Path
from typing import Any

from valley.core.config import study_error
from valley.core.files import read_json, write_json
from valley.core.sidecars import provenance
from valley.core.study import Study


def pinned_files(study: Study) -> set[str]:
    """Return the files of a study that no rule makes.

    Raises:
        StudyError: an arm is frozen, but has no checkpoint.
    """
    frozen = {study.checkpoint(arm): study.checkpoint_name(arm) for arm in study.frozen}
    gone = [name for path, name in frozen.items() if not Path(path).is_file()]
    if gone:
        raise study_error(
            f"frozen: {name} has no checkpoint, and frozen arms are never trained; train it "
            "before you freeze it, adopt one (`./valley adopt`), or remove it from `frozen`"
            for name in gone
        )
    return frozen.keys() | adopted(study).keys()


def adopted(study: Study) -> dict[str, dict[str, Any]]:
    """Return the files that were adopted and are still there, each with where it came from."""
    ledger = _ledger(study)
    noted = read_json(ledger) if ledger.is_file() else {}
    paths = {f"{study.root}/{name}": note for name, note in noted.items()}
    return {path: note for path, note in paths.items() if Path(path).is_file()}


def note_adopted(study: Study, path: str, note: dict[str, Any]) -> None:
    """Write down that a file of the study was adopted."""
    ledger, name = _ledger(study), str(Path(path).relative_to(study.root))
    noted = read_json(ledger) if ledger.is_file() else {}
    write_json(ledger, {**noted, name: note})


def not_pinned_pattern(root: str, paths: set[str]) -> str:
    """Return a regular expression's beginning that matches at no file that is given.

    Put before a wildcard's constraint, it keeps every rule from making these files.

    Args:
        root: folder of the study's results.
        paths: the files, each `<root>/<kind>/…`.
    """
    kinds: dict[str, list[str]] = {}
    for path in sorted(paths):
        kind, rest = str(Path(path).relative_to(root)).split("/", 1)
        kinds.setdefault(kind, []).append(re.escape(rest))
    return "".join(f"(?!(?<=/{kind}/)(?:{'|'.join(rest)})$)" for kind, rest in kinds.items())


def frozen_notes(study: Study, code: dict[str, str]) -> list[dict[str, Any]]:
    """Return a note on each frozen checkpoint.

    Args:
        study: the study.
        code: digest of the present code of the rules `train` and `student`.

    Returns:
        For each: its checkpoint, when it was made, and whether by other code than the present one.
        The last two are None where they are unknown.
    """
    notes = []
    for arm in study.frozen:
        about = provenance(study.checkpoint(arm))
        code_then = about.get("params", {}).get("code")
        now = code["train" if arm.size else "student"]
        notes.append(
            {
                "checkpoint": study.checkpoint_name(arm),
                "made": about.get("measured", {}).get("finished"),
                "older": code_then != now if code_then else None,
            }
        )
    return notes


def _ledger(study: Study) -> Path:
    return Path(study.root) / "adopted.json"
