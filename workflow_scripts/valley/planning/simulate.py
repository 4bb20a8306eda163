"""How long a DAG takes on a partition: list scheduling, and the chain that nothing can shorten."""

import heapq
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One job as a scheduler sees it.

    Attributes:
        seconds: how long it runs.
        gpus, cores: what it holds meanwhile.
        needs: positions of the tasks that must end first.
        priority: higher goes first.
    """

    seconds: float
    gpus: int
    cores: int
    needs: tuple[int, ...]
    priority: int = 0


def tails(tasks: list[Task]) -> list[float]:
    """Return, for each task, the longest time from its start to the end of what follows it.

    Tasks stand in an order in which they could run.
    """
    longest = [0.0] * len(tasks)
    for number in range(len(tasks) - 1, -1, -1):
        longest[number] += tasks[number].seconds
        for before in tasks[number].needs:
            longest[before] = max(longest[before], longest[number])
    return longest


def critical_path(tasks: list[Task]) -> list[int]:
    """Return the positions of the longest chain, first to last: more machines don't shorten it."""
    if not tasks:
        return []
    longest, followers = tails(tasks), defaultdict(list)
    for number, task in enumerate(tasks):
        for before in task.needs:
            followers[before].append(number)
    path = [max(range(len(tasks)), key=longest.__getitem__)]
    while followers[path[-1]]:
        path.append(max(followers[path[-1]], key=longest.__getitem__))
    return path


def makespan(tasks: list[Task], *, gpus: int, cores: int) -> float:
    """Return the seconds from start to end on a partition of that size.

    Greedy list scheduling: whenever something is free, the ready task of the highest priority that
    fits begins; among equals the one with the longest chain behind it. A task that asks for more
    cores than there are gets all of them, as Snakemake does; its time is left as it is.

    Args:
        tasks: in an order in which they could run.
        gpus, cores: the partition.

    Raises:
        ValueError: a task asks for more GPUs than there are.
    """
    most = cores
    greedy = max((task.gpus for task in tasks), default=0)
    if greedy > gpus:
        raise ValueError(f"a job asks for {greedy} GPUs, and there are {gpus}; give more")
    longest, followers = tails(tasks), defaultdict(list)
    waiting = [len(task.needs) for task in tasks]
    for number, task in enumerate(tasks):
        for before in task.needs:
            followers[before].append(number)
    # One queue for each kind of request: a kind that does not fit is passed over at once.
    queues: dict[tuple[int, int], list] = defaultdict(list)

    def enqueue(number: int) -> None:
        task = tasks[number]
        rank = (-task.priority, -longest[number], number)
        heapq.heappush(queues[task.gpus, min(task.cores, most)], rank)

    for number, count in enumerate(waiting):
        if count == 0:
            enqueue(number)
    now, running = 0.0, []
    while True:
        while fitting := [
            (queue[0], kind)
            for kind, queue in queues.items()
            if queue and kind[0] <= gpus and kind[1] <= cores
        ]:
            (*_, number), kind = min(fitting)
            heapq.heappop(queues[kind])
            gpus, cores = gpus - kind[0], cores - kind[1]
            heapq.heappush(running, (now + tasks[number].seconds, number, kind))
        if not running:
            return now
        now, number, kind = heapq.heappop(running)
        gpus, cores = gpus + kind[0], cores + kind[1]
        for after in followers[number]:
            waiting[after] -= 1
            if waiting[after] == 0:
                enqueue(after)
