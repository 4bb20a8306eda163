"""What a compute node has: run there by `valley doctor`, prints one JSON object.

PYTHONPATH=workflow_scripts python probe.py FOLDER TOKEN ISOLATION SCRATCH CACHE
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path


def probe(folder: Path, token: str, isolation: str, scratch: str, cache: str) -> dict[str, str]:
    """Return what was found: for each thing "" if it is well, else what is wrong.

    Args:
        folder: of the results; its file `.doctor-TOKEN` was written on the login node.
        token: likewise.
        isolation: the study file's `judge.isolation`.
        scratch: folder for temporary files; empty is the system's.
        cache: the hub's; empty where the study reads nothing of the hub.
    """
    found = {"host": platform.node(), "python": platform.python_version()}
    seen = folder / f".doctor-{token}"
    found["folder"] = "" if seen.is_file() else f"{folder} does not have what was written there"
    try:
        (folder / f".doctor-{token}-answer").write_text(token)
    except OSError as error:
        found["folder"] = f"{folder} can't be written to: {error.strerror}"
    try:
        import pyarrow  # noqa: F401
        import snakemake  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401

        found["environment"] = ""
    except ImportError as error:
        found["environment"] = str(error)
    try:
        from valley.judging import isolation as isolating

        found["tier"], found["isolation"] = isolating.tier(isolation).name, ""
    except Exception as error:
        found["isolation"] = str(error).splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(dir=scratch or None):
            found["scratch"] = ""
    except OSError as error:
        found["scratch"] = f"{scratch or tempfile.gettempdir()}: {error.strerror}"
    there = not cache or Path(cache).is_dir()
    found["cache"] = "" if there else f"there is no {cache}"
    found["gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return found


if __name__ == "__main__":
    print(json.dumps(probe(Path(sys.argv[1]), *sys.argv[2:6])))
