"""Which study a command means: a study file, or a folder of results."""

from pathlib import Path

import yaml

from valley.core.layout import Layout
from valley.core.sidecars import DamagedSidecar, read_sidecar
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
        unknown = (
            "so what was declared is not known; give the study file instead, or let the report be "
            "made there first"
        )
        try:
            about = read_sidecar(path / "report.meta.json")
        except DamagedSidecar as error:
            raise StudyError(f"{error}, {unknown}") from error
        if about is None:
            raise StudyError(f"{path}: no report.meta.json in it, {unknown}")
        if "study" not in about["params"]:
            raise StudyError(f"{path}/report.meta.json: it names no study, {unknown}")
        return Layout(Study(about["params"]["study"]), root=str(path))
    if not path.is_file():
        raise StudyError(f"{path}: there is no such study file or folder of results")
    try:
        return Layout(Study.read(path))
    except (yaml.YAMLError, StudyError) as error:
        raise StudyError(f"{path}: {error}") from error
