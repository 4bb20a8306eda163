"""What a published problem's own text and tests show of why its verdicts can't be trusted.

Only what is plain is told: a problem that is marked without need would be left out for nothing.
"""

import re

from valley.judging import compare

_INTERACTIVE = re.compile(r"\binteractive\s+(problem|task|question|judge|grader)\b", re.IGNORECASE)
_BEGINS_A_FUNCTION = re.compile(r"^\s*def \w+\(", re.MULTILINE)
_FILES = re.compile(r"\b(input|output)\.txt\b", re.IGNORECASE)


def doubt(problem: dict) -> str | None:
    """Return what is wrong with a PROBLEM row whose tests are a program's input and output."""
    statement, starter = str(problem["statement"]), str(problem["starter_code"])
    tests = problem["tests"]
    if not tests:
        return "tests: there are none"
    if problem["function_name"] is None:
        if _INTERACTIVE.search(statement):
            return "its statement says that it is interactive"
        if _FILES.search(statement):
            return "its statement names a file to read or to write"
        if _BEGINS_A_FUNCTION.search(starter):
            return "its starter code begins a function, but its tests call none"
    if problem["checker"] is None and _contradict(tests):
        return "two tests have the same input and different outputs"
    return None


def _contradict(tests: list[dict]) -> bool:
    known: dict[str, str] = {}
    for test in tests:
        given, wanted = test["input"], test["expected"]
        if not isinstance(given, str) or not isinstance(wanted, str):
            continue
        other = known.setdefault(given, wanted)
        if other is not wanted and compare.outputs_differ(other.encode(), wanted.encode()):
            return True
    return False
