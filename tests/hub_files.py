"""Files as the hub's cache has them."""

import json
from pathlib import Path

COMMIT = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"


def snapshot(home: Path, data_set: str, commit: str = COMMIT) -> Path:
    """Return the folder of a data set's files in a cache below HF_HOME, made for it."""
    repository = home / "hub" / f"datasets--{data_set.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    files = repository / "snapshots" / commit
    files.mkdir(parents=True, exist_ok=True)
    return files


def jsonl(path: Path, rows: list[dict]) -> Path:
    """Write rows as lines of JSON; return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
