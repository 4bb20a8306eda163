"""What a study cost and ran on, from the sidecars of its results and SLURM's accounting."""

from pathlib import Path

from valley.cluster import cost, usage
from valley.core.sidecars import provenances, warn


def measured(root: str | Path) -> dict:
    """Return costs by stage, hours by stage and arm, isolation, devices and versions.

    All of it as far as sidecars tell, and of hours SLURM's accounting. Jobs that took their result
    from the store are counted, but not their time: they did not compute. Damaged sidecars are
    passed over with a warning.
    """
    sidecars = list(provenances(root, damaged=warn))
    computed = [about["measured"] for _, about in sidecars if not about.get("restored")]
    versions = [about["measured"].get("versions", {}) for _, about in sidecars]
    by_arm = cost.of_study(str(root), sidecars)
    return {
        "stages": _stages([about for _, about in sidecars]),
        "hours": {"stages": usage.summed(by_arm), "arms": by_arm},
        "isolation": sorted({took["isolation"] for took in computed if took.get("isolation")}),
        "devices": sorted({took["device"] for took in computed if took.get("device")}),
        "versions": sorted({f"{name} {v}" for found in versions for name, v in found.items()}),
    }


def _stages(abouts: list[dict]) -> list[dict]:
    """Return a row a rule, longest first: jobs, seconds, bytes of memory, tokens and their pace."""
    import pandas as pd

    if not abouts:
        return []
    groups = pd.DataFrame(map(_job, abouts)).groupby("rule", sort=False)
    stages = groups[["jobs", "restored", "wall", "cpu", "tokens", "busy"]].sum()
    stages = stages.assign(memory=groups["memory"].max())
    stages = stages.sort_values("wall", ascending=False, kind="stable").reset_index()
    return [
        {**row, "tokens": tokens or None, "pace": tokens / busy if busy else None}
        for row in stages.to_dict("records")
        for tokens, busy in [(row["tokens"], row.pop("busy"))]
    ]


def _job(about: dict) -> dict:
    """Return what one job adds to its rule's row; a restored one was only there."""
    restored = bool(about.get("restored"))
    took = {} if restored else about["measured"]
    return {
        "rule": about["rule"],
        "jobs": 1,
        "restored": int(restored),
        "wall": took.get("wall_seconds", 0.0),
        "cpu": took.get("cpu_seconds", 0.0),
        "memory": took.get("peak_memory_bytes", 0),
        "tokens": took.get("tokens") or 0,
        "busy": took.get("train_seconds") or took.get("sample_seconds") or 0.0,
    }
