"""Which study a command means: a study file, or a folder of results."""

import json
from pathlib import Path

import yaml

from valley.core.layout import Layout
from valley.core.study import Study, StudyError


def layout_of(path: str | Path) -> Layout:
    """Return the study that a study file declares, or that a results folder holds.

    Args:
        path: a study file, whose results lie below the working directory; or the folder of a
            study's results, wherever it lies: the report's sidecar in it says what was declared.

    Raises:
        StudyError: the file or folder is not there, or is none.
    """
    path = Path(path)
    if path.is_dir():
        about = path / "report.meta.json"
        if not about.is_file():
            raise StudyError(
                f"{path}: no report.meta.json in it, so what was declared is not known; give the "
                "study file instead, or let the report be made there first"
            )
        config = json.loads(about.read_text(encoding="utf-8"))["params"]["study"]
        return Layout(Study(config), root=str(path))
    if not path.is_file():
        raise StudyError(f"{path}: there is no such study file or folder of results")
    try:
        return Layout(Study.read(path))
    except (yaml.YAMLError, StudyError) as error:
        raise StudyError(f"{path}: {error}") from error
