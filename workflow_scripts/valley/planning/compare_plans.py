"""Two plans side by side: what an edit, or another study file, would cost more or less."""

from collections import Counter

from valley.core.text import duration
from valley.planning.words import hours, size

KINDS = ("new", "again", "no longer wanted")


def changes(before, after) -> list[dict]:
    """Return each job that the two plans differ in, as kind, rule and first output.

    "new" jobs stand only in the second plan, those "no longer wanted" only in the first; "again"
    are results that are done in the first and must be made again in the second.
    """
    old = {job.identity: job for job in before.jobs}
    new = {job.identity: job for job in after.jobs}
    found = [("new", job) for identity, job in new.items() if identity not in old]
    found += [
        ("again", job)
        for identity, job in new.items()
        if identity in old and old[identity].state == "done" and job.state != "done"
    ]
    found += [("no longer wanted", job) for identity, job in old.items() if identity not in new]
    return [
        {"kind": kind, "rule": job.rule, "output": job.outputs[0], "reason": job.reason}
        for kind, job in found
    ]


def format_changes(before, after, time_before: float | None, time_after: float | None) -> list[str]:
    """Return the difference of two plans, by stage and in total.

    Args:
        before, after: plans.
        time_before, time_after: seconds on the user's partition, if one was given.
    """
    count = Counter((change["kind"], change["rule"]) for change in changes(before, after))
    rules = list(dict.fromkeys(job.rule for plan in (after, before) for job in plan.jobs[::-1]))[
        ::-1
    ]
    lines = [f"{'stage':<12}" + "".join(f"{kind:>18}" for kind in KINDS)]
    for rule in rules:
        if any(count[kind, rule] for kind in KINDS):
            lines.append(f"{rule:<12}" + "".join(f"{count[k, rule] or '.':>18}" for k in KINDS))
    if len(lines) == 1:
        lines = ["No job is added, rerun or removed."]
    old, new = before.totals(), after.totals()
    lines += ["", f"{'to run':<22}{'before':>12}{'after':>12}{'difference':>13}"]
    rows = [("jobs", old["jobs"], new["jobs"], lambda value: f"{value:,.0f}")]
    if old["gpu_seconds"] or new["gpu_seconds"]:
        rows.append(("GPU-hours", old["gpu_seconds"], new["gpu_seconds"], hours))
    rows.append(("core time, no GPU", old["core_seconds"], new["core_seconds"], duration))
    if time_before is not None:
        rows.append(("on the partition", time_before, time_after, duration))
    rows.append(("disk", old["disk_bytes"], new["disk_bytes"], size))
    for name, was, is_, say in rows:
        sign = "+" if is_ > was else "-" if is_ < was else ""
        lines.append(f"{name:<22}{say(was):>12}{say(is_):>12}{sign + say(abs(is_ - was)):>13}")
    return [*lines, *after.unknown]
