"""A stage that counts: resumable state, a wish to stop, and one line a start in its record."""

import time
from pathlib import Path

from valley.core.files import write_text
from valley.core.resume import Stopped, stop_signals


def count(goal: int, state: Path, out: Path, starts: Path) -> None:
    """Count to a goal, from where the state says; note in `starts` where each start began."""
    saved = state / "at"
    at = int(saved.read_text()) if saved.is_file() else 0
    with starts.open("a") as file:
        file.write(f"{at}\n")
    with stop_signals() as asked:
        while at < goal:
            time.sleep(0.5)
            at += 1
            write_text(saved, str(at))
            if asked():
                raise Stopped(f"counted to {at} of {goal}")
    write_text(out, f"{at}\n")


if "snakemake" in globals():
    from valley.workflow.job import bind

    target = Path(snakemake.output[0])
    with bind(snakemake, store=snakemake.params.store, resumes=True) as job:
        if not job.restored:
            count(snakemake.params.goal, job.state, target, target.with_suffix(".starts"))
