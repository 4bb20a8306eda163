"""Judging a program by a published test: two jails, a channel between them, one verdict.

A problem with such a test has one test: its input is the test's text, and its checker begins with
`MARK`, behind which stands what the prompt brings along (imports, helpers) for every program.
"""

import json
import os
import socket

from valley.judging.problems import PUBLISHED as MARK
from valley.judging.problems import Problem
from valley.judging.sandbox import Program, Run, sealed_file
from valley.judging.sandbox_pool import SandboxPool
from valley.judging.verdicts import Limits

_TEST_SECONDS = 10  # beyond what the program may take: building inputs, comparing
_TEST_WALL_SECONDS = 30


def converse(
    sandboxes: SandboxPool,
    program: Program,
    problem: Problem,
    limits: Limits,
    *,
    plain: bool = False,
) -> tuple[Run, Run, list[str], bool]:
    """Run the program beside its test; if `plain`, the test's builtins are Python's in any case.

    Returns:
        What the program's process did, what the test's did, what the test said of its end (a word
        and a detail; empty if it could say nothing), and whether it had called the program.
    """
    for_test = Limits(
        cpu_s=limits.cpu_s + _TEST_SECONDS,
        memory_mb=max(1024, limits.memory_mb),
        output_bytes=limits.output_bytes,
        wall_s=limits.wall_s + _TEST_WALL_SECONDS,
    )
    script = problem.tests[0].stdin.decode("utf-8", "surrogateescape")
    task = json.dumps({"test": script, "entry": problem.function_name, "plain": plain}).encode()
    brought = problem.checker.removeprefix(MARK).encode("utf-8", "surrogateescape")
    test = sandboxes.tester(for_test)
    ours: list[int] = []
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with here, there:
            for content in (brought, task):
                ours.append(sealed_file(content))
                ours += [os.memfd_create(name) for name in ("stdout", "stderr")]
            ours.append(os.memfd_create("result"))
            program.launch([*ours[:3], here.fileno()])
            test.launch([*ours[3:6], there.fileno(), ours[6]])
        # Each end is now held by its own process alone: the other sees it go.
        tested = test.landed(ours[3:])
        ran = program.landed(ours[:3])
    finally:
        for descriptor in ours:
            os.close(descriptor)
    _, called, said = tested.result.decode("utf-8", "replace").rpartition("called\n")
    return ran, tested, json.loads(said) if said else [], bool(called)


def is_published(problem: Problem) -> bool:
    """Whether the problem's test is run as it was published."""
    return (problem.checker or "").startswith(MARK)
