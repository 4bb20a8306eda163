"""Is a problem's own solution accepted by the problem's tests?"""

from collections.abc import Iterable, Iterator

from valley.judging.batch import Task, judge
from valley.judging.verdicts import ACCEPTED

_AT_ONCE = 64


def proved(problems: Iterable[tuple[str, dict]], **how) -> Iterator[tuple[str, dict, str | None]]:
    """Yield each problem with its location, and why its reference is not accepted; None if it is.

    `how` is passed on to `valley.judging.batch.judge`.

    A problem whose reference is not accepted is marked as not to be trusted, with the reason, and
    kept. One without a reference is taken as it is. The order stays.
    """
    waiting: list[tuple[str, dict]] = []
    for item in problems:
        if "reference" not in item[1] and not waiting:
            yield *item, None
            continue
        waiting.append(item)
        if len(waiting) == _AT_ONCE:
            yield from _settled(waiting, how)
            waiting = []
    if waiting:
        yield from _settled(waiting, how)


def _settled(items: list[tuple[str, dict]], how: dict) -> Iterator[tuple[str, dict, str | None]]:
    tasks = [
        Task(number, problem["reference"], problem)
        for number, (_, problem) in enumerate(items)
        if "reference" in problem
    ]
    found = judge(tasks, **how)
    why = {
        task.key: f"{verdict.verdict}: {verdict.detail}"
        for task, verdict in zip(tasks, found, strict=True)
        if verdict.verdict != ACCEPTED
    }
    for number, (location, problem) in enumerate(items):
        row = {name: value for name, value in problem.items() if name != "reference"}
        if number in why:
            reason = row.get("mark") or f"its own solution is not accepted: {why[number]}"
            row |= {"trusted": False, "mark": reason}
        yield location, row, why.get(number)
