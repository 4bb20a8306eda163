"""What a study cost and ran on, from the sidecars of its results and SLURM's accounting."""

import json
from collections import defaultdict
from pathlib import Path

from valley.cluster import cost, spent


def measured(root: str | Path) -> dict:
    """Return costs by stage, hours by stage and arm, isolation, devices and versions.

    All of it as far as sidecars tell, and of hours SLURM's accounting.

    Jobs that took their result from the store are counted, but not their time: they did not
    compute.
    """
    stages: dict[str, dict] = defaultdict(
        lambda: {"jobs": 0, "restored": 0, "wall": 0.0, "cpu": 0.0, "memory": 0, "tokens": 0}
    )
    busy: dict[str, float] = defaultdict(float)
    isolation, devices, versions, sidecars = set(), set(), set(), []
    for path in sorted(Path(root).rglob("*.meta.json")):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            rule, found = about["rule"], about["measured"]
        except (OSError, ValueError, KeyError):
            continue  # being written, or another tool's
        sidecars.append((path, about))
        row = stages[rule]
        row["jobs"] += 1
        versions |= {f"{name} {version}" for name, version in found.get("versions", {}).items()}
        if about.get("restored"):
            row["restored"] += 1
            continue
        row["wall"] += found.get("wall_seconds", 0.0)
        row["cpu"] += found.get("cpu_seconds", 0.0)
        row["memory"] = max(row["memory"], found.get("peak_memory_bytes", 0))
        row["tokens"] += found.get("tokens") or 0
        busy[rule] += found.get("train_seconds") or found.get("sample_seconds") or 0.0
        isolation |= {found["isolation"]} if found.get("isolation") else set()
        devices |= {found["device"]} if found.get("device") else set()
    rows = []
    for rule, row in sorted(stages.items(), key=lambda item: -item[1]["wall"]):
        pace = row["tokens"] / busy[rule] if busy[rule] else None
        rows.append({"rule": rule, **row, "tokens": row["tokens"] or None, "pace": pace})
    by_arm = cost.of_study(str(root), sidecars)
    return {
        "stages": rows,
        "hours": {"stages": spent.summed(by_arm), "arms": by_arm},
        "isolation": sorted(isolation),
        "devices": sorted(devices),
        "versions": sorted(versions),
    }
