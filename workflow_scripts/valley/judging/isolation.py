"""Which isolation this machine can give, tried once on the real thing and told by name."""

import functools
from dataclasses import dataclass

from valley.judging import sandbox

TIERS = ("namespaces", "landlock", "rlimits")
CHOICES = ("auto", *TIERS)


@dataclass(frozen=True)
class Tier:
    """An isolation tier and, in words, why it is the one in use."""

    name: str
    reason: str


class NoIsolation(RuntimeError):
    """This machine can isolate programs in none of the ways that were allowed."""


@functools.cache
def _failure(name: str) -> str:
    """Why a tier cannot be had here; empty if it can."""
    try:
        with sandbox.Sandbox(name) as box:
            return "" if box.probe() else "a program that should print a word did not"
    except sandbox.SandboxError as error:
        return str(error)


@functools.cache
def tier(isolation: str = "auto") -> Tier:
    """Return the tier to judge in, or say what the machine lacks and what can be done."""
    if isolation not in CHOICES:
        raise ValueError(f"isolation: {isolation!r} is not one of {', '.join(CHOICES)}")
    if isolation != "auto":
        problem = _failure(isolation)
        if problem:
            raise NoIsolation(f"isolation {isolation!r} cannot be had on this machine: {problem}")
        return Tier(isolation, "asked for by name")
    problems = []
    for name in ("namespaces", "landlock"):
        problem = _failure(name)
        if not problem:
            return Tier(name, "; ".join(problems) or "the strongest, and this machine has it")
        problems.append(f"no {name}: {problem}")
    raise NoIsolation(
        "programs cannot be isolated on this machine, so none is run.\n  "
        + "\n  ".join(problems)
        + "\nAllow unprivileged user namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0), or use a kernel with landlock (5.13). "
        "If the programs are known to be harmless, `isolation: rlimits` runs them with limits "
        "on time and memory only."
    )
