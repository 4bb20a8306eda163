"""How plans and status pages say hours, sizes and arms."""

from valley.core.arms import BASE, Arm
from valley.planning.dag import PlannedJob


def hours(seconds: float) -> str:
    """Return device time in hours."""
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.05 else f"{value:.2g}"


def size(count: float) -> str:
    """Return a number of bytes as people say it (powers of ten)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or count == 0 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def arm_of(job: PlannedJob) -> str | None:
    """Return the arm (or undistilled student) that a job works for; None is the whole study."""
    checkpoint = job.wildcards.get("checkpoint")
    if checkpoint:
        return checkpoint
    if job.rule == "train":
        return Arm.named(job.wildcards).path
    return f"{job.wildcards['student']}/{BASE}" if job.rule == "student" else None
