"""Judging many programs at once: each distinct one a single time, on as many cores as allowed."""

import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from valley.core.files import digest
from valley.judging import identity
from valley.judging import isolation as isolating
from valley.judging.cache import Cache
from valley.judging.checking import CheckerError
from valley.judging.packages import Packages, pinned, provided
from valley.judging.problems import BadProblem, Problem, read_problem
from valley.judging.sandbox import SandboxError
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.trial import judge_program
from valley.judging.verdicts import JUDGE_ERROR, NO_CODE, TIME_LIMIT, Options, Verdict

_ATTEMPTS = 2


@dataclass(frozen=True)
class Task:
    """A program to be judged, or None where the answer holds none.

    `problem` is a PROBLEM row, or None where none is known: then the verdict is `judge_error`.
    """

    key: object
    program: str | None
    problem: dict | None


def judge(
    tasks: Iterable[Task],
    *,
    jobs: int = 1,
    isolation: str = "auto",
    cache: Path | None = None,
    stop_at_first_failure: bool = True,
    time_factor: float = 1.0,
    output_limit_mb: int = 16,
    wall_factor: float = 5.0,
    wall_extra_s: float = 3.0,
    recheck_time_limits: bool = False,
    packages: str | Iterable[str] | None = None,
    packages_in: Path | None = None,
    each: Callable[[int, Verdict], None] | None = None,
) -> list[Verdict]:
    """Judge programs and return their verdicts in the order of the tasks.

    The same program for the same problem is judged once. `each` is called with a task's position
    and its verdict as soon as that is known. `jobs` zygotes run side by side, each with one program
    at a time, so no more than that many cores are used. `cache` is a folder of verdicts that are
    known already, shared by any number of processes. With `recheck_time_limits` programs that took
    too long are run once more at the end, one at a time, and only what is found then counts.
    `packages` are those that programs may import (`valley.judging.packages`), installed below
    `packages_in` when first needed; PackagesError if they can't be.
    """
    tier = isolating.tier(isolation).name
    options = Options(
        stop_at_first_failure=stop_at_first_failure,
        time_factor=time_factor,
        output_limit_mb=output_limit_mb,
        wall_factor=wall_factor,
        wall_extra_s=wall_extra_s,
        packages=pinned(packages),
    )
    verdicts, work, indices = _distinct(list(tasks), identity.circumstances(tier, options))
    if each is not None:
        for index, verdict in enumerate(verdicts):
            if verdict is not None:
                each(index, verdict)

    def settle(key: bytes, verdict: Verdict) -> None:
        for index in indices[key]:
            verdicts[index] = verdict
            if each is not None:
                each(index, verdict)

    with Cache(cache) if cache is not None else nullcontext() as known:
        if known is not None:
            for key in list(work):
                found = recall(known, key)
                doubted = recheck_time_limits and found and found.verdict == TIME_LIMIT
                if found is not None and not doubted:
                    del work[key]
                    settle(key, found)

        slow: dict[bytes, tuple[str, Problem]] = {}

        def finish(key: bytes, verdict: Verdict) -> None:
            if recheck_time_limits and verdict.verdict == TIME_LIMIT and key not in slow:
                slow[key] = work[key]
                return
            if known is not None:
                remember(known, key, verdict)
            settle(key, verdict)

        there = provided(packages_in, options.packages) if work else None
        _run_all(work, tier, options, there, min(jobs, cores()), finish)
        _run_all(dict(slow), tier, options, there, 1, finish)
    return verdicts


def recall(known: Cache, key: bytes) -> Verdict | None:
    """Return a program's verdict if it is known, for this type of machine where that matters."""
    found = known.get(key) or known.get(identity.machine_key(key))
    return None if found is None else Verdict(**found)


def remember(known: Cache, key: bytes, verdict: Verdict) -> None:
    """Keep a verdict: the judge's own failures never, slowness for this type of machine only."""
    if verdict.verdict == JUDGE_ERROR:
        return
    if verdict.verdict == TIME_LIMIT:
        key = identity.machine_key(key)
    known.put(key, vars(verdict))


def _distinct(tasks: list[Task], around: str) -> tuple[list, dict, dict]:
    """Settle what needs no run, and gather the rest by content."""
    problems: dict[int, tuple[Problem, str] | str] = {}
    verdicts: list[Verdict | None] = [None] * len(tasks)
    work: dict[bytes, tuple[str, Problem]] = {}
    indices: dict[bytes, list[int]] = {}
    for index, task in enumerate(tasks):
        if task.program is None or not task.program.strip():
            verdicts[index] = Verdict(NO_CODE)
            continue
        if task.problem is None:
            verdicts[index] = Verdict(JUDGE_ERROR, detail="no problem of that id is known")
            continue
        if id(task.problem) not in problems:
            try:
                problem = read_problem(task.problem)
                problems[id(task.problem)] = (problem, digest(problem.content))
            except BadProblem as error:
                problems[id(task.problem)] = str(error)
        found = problems[id(task.problem)]
        if isinstance(found, str):
            verdicts[index] = Verdict(JUDGE_ERROR, detail=found[:200])
            continue
        problem, content = found
        key = identity.key(around, content, task.program)
        work.setdefault(key, (task.program, problem))
        indices.setdefault(key, []).append(index)
    return verdicts, work, indices


def _run_all(
    work: dict[bytes, tuple[str, Problem]],
    tier: str,
    options: Options,
    packages: Packages | None,
    jobs: int,
    finish: Callable[[bytes, Verdict], None],
) -> None:
    if not work:
        return
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for item in work.items():
        waiting.put(item)
    finished: queue.SimpleQueue = queue.SimpleQueue()
    stopping = threading.Event()

    def serve(sandboxes: SandboxPool) -> None:
        # The zygotes are children of this thread, and end with it.
        try:
            with sandboxes:
                while not stopping.is_set():
                    try:
                        key, (program, problem) = waiting.get_nowait()
                    except queue.Empty:
                        break
                    verdict = _judge_surely(sandboxes, program, problem, options, stopping)
                    finished.put((key, verdict))
        except BaseException as error:
            finished.put((None, error))
        else:
            finished.put((None, None))

    everything = [SandboxPool(tier, packages=packages) for _ in range(max(1, min(jobs, len(work))))]
    threads = [
        threading.Thread(target=serve, args=(sandboxes,), daemon=True) for sandboxes in everything
    ]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            key, result = finished.get()
            if key is not None:
                finish(key, result)
                continue
            running -= 1
            if result is not None:
                raise result
    except BaseException:
        # Interrupted, or one of them failed: what still runs is not waited for.
        stopping.set()
        for sandboxes in everything:
            sandboxes.kill()
        raise
    finally:
        for thread in threads:
            thread.join()


def _judge_surely(
    sandboxes: SandboxPool,
    program: str,
    problem: Problem,
    options: Options,
    stopping: threading.Event,
) -> Verdict:
    """Judge, once more if the sandbox failed, and never let its failure count as the program's."""
    for attempt in range(_ATTEMPTS):
        try:
            return judge_program(sandboxes, program, problem, options)
        except CheckerError as error:
            return Verdict(JUDGE_ERROR, detail=f"problem {problem.id}: {error}"[:200])
        except SandboxError as error:
            sandboxes.stop()
            if attempt == _ATTEMPTS - 1 or stopping.is_set():
                return Verdict(JUDGE_ERROR, detail=f"sandbox: {error}"[:200])
    raise AssertionError("unreachable")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
