"""What SLURM's partitions offer, and whether a job's request fits there.

`ask` puts two questions to SLURM; everything else is a pure function of the answers.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from valley.cluster.requests import Request, Room
from valley.cluster.runs import ask
from valley.cluster.usage import seconds

COLUMNS = "%R|%P|%l|%s|%D|%c|%m|%G"


def many(number: int, what: str) -> str:
    """Return a number of things in words: "1 core", "2 cores"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind: how many there are, and what one has; memory in MB, GPUs by model."""

    count: int
    cpus: int
    mem_mb: int
    gpus: tuple[tuple[str, int], ...] = ()

    def gpus_of(self, model: str | None) -> int:
        """Return the GPUs of one node, of any model or of one."""
        return sum(n for name, n in self.gpus if not model or model.lower() == name.lower())

    def __str__(self) -> str:
        cards = [f"{many(n, 'GPU')}{f' ({name})' if name else ''}" for name, n in self.gpus]
        each = ", ".join([many(self.cpus, "core"), f"{self.mem_mb} MB", *cards])
        return f"{many(self.count, 'node')} of {each}"


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes:
        name: its name.
        default: jobs that name no partition go there.
        minutes: the longest that a job may ask for; None is no limit.
        most_nodes: of one job; None is no limit.
        nodes: its nodes by kind.
    """

    name: str
    default: bool
    minutes: int | None
    most_nodes: int | None
    nodes: tuple[Nodes, ...]

    def __str__(self) -> str:
        limit = f"up to {many(self.minutes, 'minute')}" if self.minutes else "no time limit"
        return f"{self.name}: {'; '.join(map(str, self.nodes))}; {limit}"


@dataclass(frozen=True)
class Demand:
    """What a job asks for, and where: the request, partition and model of GPU; None is any."""

    request: Request
    partition: str | None = None
    model: str | None = None

    def __str__(self) -> str:
        asked = self.request
        parts = [many(asked.cpus, "core"), f"{asked.mem_mb} MB"]
        if asked.gpus:
            parts.append(many(asked.gpus, f"{self.model or ''} GPU".lstrip()))
        nodes = f" on {asked.nodes} nodes, cores and memory on each" if asked.nodes > 1 else ""
        return f"{', '.join(parts)}{nodes}, {many(asked.runtime, 'minute')}"


def ask_slurm() -> dict[str, Partition]:
    """Return every partition by name, from `sinfo` and `scontrol`.

    Raises:
        RuntimeError: SLURM does not answer, or not as expected.
    """
    found = read(
        ask("sinfo", "--noheader", "--exact", "--format", COLUMNS),
        ask("scontrol", "show", "partition", "--oneliner"),
    )
    if not found:
        raise RuntimeError("sinfo: no partition is told")
    return found


def read(sinfo: str, partitions: str) -> dict[str, Partition]:
    """Return every partition by name.

    Args:
        sinfo: what `sinfo --exact` printed in the form of `COLUMNS`.
        partitions: what `scontrol show partition --oneliner` printed.
    """
    allowed = {}
    for line in partitions.splitlines():
        told = dict(pair.split("=", 1) for pair in line.split() if "=" in pair)
        allowed[told.get("PartitionName")] = told
    found: dict[str, Partition] = {}
    for line in sinfo.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 8:
            continue
        name, marked, limit, spans, count, cpus, memory, gres = parts
        told = allowed.get(name, {})
        nodes = Nodes(
            int(count),
            min(_number(cpus), _number(told.get("MaxCPUsPerNode")) or math.inf),
            min(_number(memory), _number(told.get("MaxMemPerNode")) or math.inf),
            _gpus(gres),
        )
        before = found.get(name)
        found[name] = Partition(
            name,
            marked.endswith("*"),
            minutes(limit),
            _number(spans.rpartition("-")[2]),
            (*(before.nodes if before else ()), nodes),
        )
    return found


def minutes(text: str) -> int | None:
    """Return the minutes of sinfo's [days-]hours:minutes:seconds; None is no limit."""
    if not re.fullmatch(r"[\d:-]+", text):
        return None
    return int(seconds(text) // 60)


def _number(text: str | None) -> int | None:
    """Return the number that a text begins with; None for UNLIMITED and the like."""
    digits = re.match(r"\d+", text or "")
    return int(digits[0]) if digits else None


def _gpus(gres: str) -> tuple[tuple[str, int], ...]:
    """Return the GPUs of a node by model: of "gpu:a100:4(S:0-1),gpu:2" ("a100", 4) and ("", 2)."""
    plain = re.sub(r"\([^)]*\)", "", gres).split(",")
    found = (re.fullmatch(r"gpu(?::([^:]*\D[^:]*))?:(\d+)", part) for part in plain)
    return tuple((match[1] or "", int(match[2])) for match in found if match)


def partition_of(partitions: dict[str, Partition], name: str | None) -> Partition | None:
    """Return the partition of a job that names one, or none; None if there is no such."""
    if name:
        # A job may name several: any of them will do; the first decides here.
        return next((partitions[one] for one in name.split(",") if one in partitions), None)
    return next((one for one in partitions.values() if one.default), None)


def room(partition: Partition) -> Room:
    """Return what every node of a partition has: jobs that ask for no more fit on any of them."""
    return Room(
        min(kind.cpus for kind in partition.nodes), min(kind.mem_mb for kind in partition.nodes)
    )


def misfit(wanted: Demand, partitions: dict[str, Partition]) -> str | None:
    """Return why a job could never run, what there is and what to do; None if it can.

    Args:
        wanted: what it asks for.
        partitions: what SLURM offers.
    """
    where = partition_of(partitions, wanted.partition)
    if where is None:
        lacks = f"there is no partition {wanted.partition!r}"
        if not wanted.partition:
            lacks = "SLURM has no default partition"
        return f"{lacks}; choose: {', '.join(sorted(partitions))}"
    why = _lacks(wanted, where)
    return why and f"partition {where}; but {why[0]}; {why[1]}"


def _lacks(wanted: Demand, where: Partition) -> tuple[str, str] | None:
    """Return what a partition lacks of a request, and the remedy."""
    asked, each = wanted.request, math.ceil(wanted.request.gpus / wanted.request.nodes)
    cards = many(each, f"{wanted.model or ''} GPU".lstrip())
    less = "ask for less (`resources` in the study file), or name another partition in the profile"
    checks = [
        (many(asked.cpus, "core"), lambda kind: kind.cpus >= asked.cpus),
        (f"{asked.mem_mb} MB", lambda kind: kind.mem_mb >= asked.mem_mb),
        (cards, lambda kind: kind.gpus_of(wanted.model) >= each),
    ]
    for said, holds in checks:
        if not any(map(holds, where.nodes)):
            return f"{said} {'is' if said.startswith('1 ') else 'are'} wanted of one node", less
    fitting = [kind for kind in where.nodes if all(holds(kind) for _, holds in checks)]
    if not fitting:
        return "no node has all of that at once", less
    most = min(sum(kind.count for kind in fitting), where.most_nodes or math.inf)
    if asked.nodes > most:
        return f"one job gets {many(most, 'node')} at most", less
    if where.minutes and asked.runtime > where.minutes:
        return (
            f"{many(asked.runtime, 'minute')} are asked for",
            f"put `resources: {{longest: {where.minutes}}}` in the study file, and what needs "
            f"longer goes on in another job (short rules: `runtime={where.minutes}` among the "
            "profile's default-resources)",
        )
    return None


def misfits(wanted: Iterable[tuple[str, Demand]], partitions: dict[str, Partition]) -> list[str]:
    """Return why jobs could never run, a line for each request.

    Args:
        wanted: rules, or groups, with what their jobs ask for.
        partitions: what SLURM offers.
    """
    rules: dict[Demand, list[str]] = {}
    for rule, asked in sorted(dict.fromkeys(wanted), key=str):
        rules.setdefault(asked, []).append(rule)
    return [
        f"{', '.join(names)}: asked {asked}; {why}"
        for asked, names in rules.items()
        if (why := misfit(asked, partitions))
    ]
