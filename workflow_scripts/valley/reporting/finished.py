"""How far a study has come: which results are finished, which are missing, and why."""

from pathlib import Path

from valley.core.arms import Arm
from valley.core.layout import Layout
from valley.core.parts import answer_jobs, judging_parts, sampling_rule
from valley.pages.content import label
from valley.workflow.console import STOPPED, cause


def done(layout: Layout, checkpoint: str, benchmark: str) -> bool:
    """Tell whether an arm's answers are there and judged."""
    kinds = ("generations", "verdicts")
    return all(
        Path(layout.result(kind, checkpoint, benchmark, "parquet")).is_file() for kind in kinds
    )


def state_of(layout: Layout) -> dict:
    """Return how many results are declared and finished, and each missing one with its reason."""
    study, missing = layout.study, []
    wanted = [(arm, benchmark) for benchmark in study.benchmarks for arm in study.evaluated()]
    for arm, benchmark in wanted:
        if not done(layout, study.checkpoint_name(arm), benchmark):
            named = label(vars(arm), len(study.students) > 1)
            missing.append(
                {"arm": named, "benchmark": benchmark, **_reason(layout, arm, benchmark)}
            )
    return {
        "wanted": len(wanted),
        "finished": len(wanted) - len(missing),
        "failed": sum(row["failed"] for row in missing),
        "missing": missing,
        "left_out": [],
    }


def _reason(layout: Layout, arm: Arm, benchmark: str) -> dict:
    """Return the stage that an arm waits in, and what the logs of its jobs there say."""
    root, checkpoint = layout.root, layout.study.checkpoint_name(arm)
    manifest = layout.study.checkpoint(arm).replace(layout.study.root, root, 1)
    trained = f"train/{arm.path}" if arm.size else f"student/{arm.student}"
    answers, at = (
        layout.result("generations", checkpoint, benchmark, "parquet"),
        f"{checkpoint}/{benchmark}",
    )
    config = layout.study.config
    judged = [f"judge/{at}{part}" for part in judging_parts(config)]
    shared = answer_jobs(config, benchmark) if sampling_rule(config) == "answer" else []
    sampled = [f"answer/{checkpoint}{job['way']}{job['part']}" for job in shared]
    stages = [
        (answers, "answered", [f"judge/{at}", *judged]),
        (manifest, "trained", [f"generate/{at}", *sampled]),
        (f"{root}/shards/{arm.shard}.parquet", "data ready", [trained]),
    ]
    found = next(((name, logs) for path, name, logs in stages if Path(path).is_file()), None)
    stage, logs = found or ("not begun", [f"shards/{arm.shard}" if arm.size else trained])
    paths = [path for log in logs if (path := Path(f"{root}/logs/{log}.log")).is_file()]
    if not paths:
        return {"stage": stage, "why": "not begun", "log": "", "failed": False}
    path = next(filter(_broke_off, paths), paths[-1])  # of parts, one that says why
    if _broke_off(path):
        why = " ".join(cause(path, 2))
        failed = STOPPED not in why
        said = f"failed: {why}" if failed else why
        return {"stage": stage, "why": said, "log": str(path), "failed": failed}
    return {"stage": stage, "why": "begun, not finished", "log": str(path), "failed": False}


def _broke_off(log: Path) -> bool:
    """Tell whether a job's log ends with an error."""
    return "Traceback (most recent call last)" in log.read_text(encoding="utf-8", errors="replace")
