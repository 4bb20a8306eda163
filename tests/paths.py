"""Where the project's Python lies, and an environment whose processes find it."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "workflow_scripts"


def finding(*folders: Path | str) -> dict[str, str]:
    """Return this process' environment, by which Python finds the package, and more folders."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [SCRIPTS, *folders]))}
