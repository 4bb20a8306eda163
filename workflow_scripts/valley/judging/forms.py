"""The forms that problems have in the wild, told by their fields, each turned into PROBLEM rows.

A row of a published form stays a problem, marked with the reason, where its tests or statement are
of no use. What can't be decoded at all is a bad row: its file is damaged.
"""

import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator

from valley.core.bad_rows import BadRow
from valley.judging import compare, errata
from valley.judging.doubts import doubt
from valley.judging.packed import livecodebench_tests
from valley.judging.problems import PUBLISHED, BadProblem, read_problem
from valley.judging.scripts import brought_along, tested_name

TIME_LIMIT_S = 6.0  # LiveCodeBench's own, where a row names none
MEMORY_LIMIT_MB = 1024
_OTHER_FILES = "it reads or writes a file"


def convert(row: dict, name: str | None = None) -> dict:
    """Return a row of any known form as a PROBLEM row; BadRow or BadProblem if it is none.

    Args:
        row: the row as it was read.
        name: the problem's id where the row has none, as in TACO.
    """
    for fields, converter in _FORMS:
        if all(field in row for field in fields):
            problem = _own(row) if fields is _OWN else _usable(converter(row))
            if problem.get("id") is None and name is not None:
                problem["id"] = name
            return problem
    known = "; ".join(" + ".join(fields) for fields, _ in _FORMS)
    raise BadRow(f"fields {sorted(row)[:12]} are of no known form ({known})")


def _usable(problem: dict) -> dict:
    """Return a published problem, without its tests and marked where it can't be judged."""
    why = problem["mark"] or doubt(problem)
    try:
        read_problem({**problem, "id": problem["id"] or "?"})
    except BadProblem as error:
        why = why or str(error).partition(": ")[2]
        name = problem["function_name"]
        known = name if isinstance(name, str) and name.isidentifier() else None
        problem = problem | {"tests": [], "function_name": known}
    return problem if why is None else problem | {"trusted": False, "mark": why}


def _own(row: dict) -> dict:
    tests = row["tests"]
    if isinstance(tests, str):
        tests = _json(row, "tests")
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise BadRow("tests: not a list of tests")
    row = {**row, "tests": tests}
    for name, value in (("time_limit_s", TIME_LIMIT_S), ("memory_limit_mb", MEMORY_LIMIT_MB)):
        if name not in row:
            row[name] = value
    if tests or not row.get("mark"):  # a marked one without tests was published so
        read_problem(row)
    return row


def _livecodebench(row: dict) -> dict:
    metadata = _json(row, "metadata") if row.get("metadata") else {}
    if not isinstance(metadata, dict):
        raise BadRow("metadata: not an object")
    packs = {
        name: livecodebench_tests(row[name], name) if row.get(name) else []
        for name in ("public_test_cases", "private_test_cases")
    }
    return _problem(
        row,
        identity=row["question_id"],
        statement=row.get("question_content"),
        tests=_livecodebench_cases(packs, metadata.get("func_name")),
        function_name=metadata.get("func_name"),
        date=row.get("contest_date"),
        source=row.get("platform") or "livecodebench",
        mark=errata.livecodebench(row["question_id"], row.get("question_title")),
    )


def _livecodebench_cases(packs: dict[str, list], function: object) -> Iterator[dict]:
    for name, cases in packs.items():
        for number, case in enumerate(cases):
            if not isinstance(case, dict) or "input" not in case or "output" not in case:
                raise BadRow(f"{name}[{number}]: no input or no output")
            if case.get("testtype") == "functional" and not function:
                raise BadRow(f"metadata.func_name: there is none, but {name}[{number}] is a call")
            yield {
                "input": case["input"],
                "expected": case["output"],
                "public": name == "public_test_cases",
            }


_CONTEST_SOURCES = ("", "codechef", "codeforces", "hackerearth", "codejam", "atcoder", "aizu")
_CONTEST_LEVELS = ("", "easy", "medium", "hard", "harder", "hardest", "external")


def _code_contests(row: dict) -> dict:
    """CodeContests: https://github.com/google-deepmind/code_contests, contest_problem.proto."""
    level, site = row.get("difficulty") or 0, row.get("source") or 0
    if not isinstance(level, int) or not isinstance(site, int):
        raise BadRow("difficulty or source: no number")
    limit, memory = row.get("time_limit") or {}, row.get("memory_limit_bytes") or 0
    seconds = (limit.get("seconds") or 0) + (limit.get("nanos") or 0) / 1e9
    # From level 7 on these are Codeforces' letters: A is the first problem of its contest.
    word = chr(ord("a") + level - 7) if level >= 7 else _CONTEST_LEVELS[level]
    rating = row.get("cf_rating") or 0
    return _problem(
        {
            "time_limit_s": seconds or TIME_LIMIT_S,
            "memory_limit_mb": memory >> 20 or MEMORY_LIMIT_MB,
        },
        identity=row["name"],
        statement=row.get("description"),
        tests=_code_contests_cases(row),
        function_name=None,
        source=_CONTEST_SOURCES[site] if site < len(_CONTEST_SOURCES) else "",
        difficulty=str(rating) if rating > 0 else word,
        mark=_OTHER_FILES if row.get("input_file") or row.get("output_file") else None,
    )


def _code_contests_cases(row: dict) -> Iterator[dict]:
    for name in ("public_tests", "private_tests", "generated_tests"):
        cases = row.get(name) or {"input": [], "output": []}
        if isinstance(cases, list):
            cases = {key: [case.get(key) for case in cases] for key in ("input", "output")}
        given, wanted = cases.get("input"), cases.get("output")
        if not isinstance(given, list) or not isinstance(wanted, list) or len(given) != len(wanted):
            raise BadRow(f"{name}: not as many outputs as inputs")
        for one, other in zip(given, wanted, strict=True):
            yield {"input": one, "expected": other, "public": name == "public_tests"}


def _apps(row: dict) -> dict:
    packed, mark = row["input_output"], None
    if isinstance(packed, str):
        try:
            packed = _json(row, "input_output") if packed.strip() else {}
        except BadRow as error:
            packed, mark = {}, str(error)
    if not isinstance(packed, dict):
        packed, mark = {}, "input_output: not an object"
    function = packed.get("fn_name")
    limits = {}
    if seconds := _quantity(row.get("time_limit"), _SECONDS):
        limits["time_limit_s"] = seconds
    if megabytes := _quantity(row.get("memory_limit"), _MEGABYTES):
        limits["memory_limit_mb"] = max(1, int(megabytes))
    return _problem(
        {**limits, **row},
        identity=next((row[k] for k in ("id", "problem_id", "task_id") if k in row), None),
        statement=row.get("question"),
        tests=_apps_cases(packed, function),
        function_name=function,
        source=row.get("source") or "apps",
        mark=mark,
    )


def _apps_cases(packed: dict, function: object) -> Iterator[dict]:
    inputs, outputs = packed.get("inputs") or [], packed.get("outputs") or []
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise BadRow("input_output: no lists of inputs and outputs")
    if len(inputs) != len(outputs):
        raise BadRow(f"input_output: {len(inputs)} inputs, {len(outputs)} outputs")
    for number, (given, wanted) in enumerate(zip(inputs, outputs, strict=True)):
        if function is None:
            # A few rows hold the lines rather than the text.
            given, wanted = (
                "\n".join(map(str, x)) if isinstance(x, list) else str(x) for x in (given, wanted)
            )
        else:
            if not isinstance(given, list):
                raise BadRow(f"input_output.inputs[{number}]: no list of arguments")
            given = "\n".join(json.dumps(value) for value in given)
            # The value stands in a list of its own.
            lone = isinstance(wanted, list) and len(wanted) == 1
            wanted = json.dumps(wanted[0] if lone else wanted)
        yield {"input": given, "expected": wanted, "public": False}


def _codeforces(row: dict) -> dict:
    """open-r1/codeforces; a problem with a checker of its own accepts several answers."""
    parts = [row.get("description") or ""]
    for title, name in (("Input", "input_format"), ("Output", "output_format")):
        if row.get(name):
            parts.append(f"{title}\n{row[name]}")
    examples = row.get("examples") or []
    for case in examples:
        parts.append(f"Input\n{case.get('input')}\nOutput\n{case.get('output')}")
    if row.get("note"):
        parts.append(f"Note\n{row['note']}")
    tests = [
        {"input": case.get("input"), "expected": case.get("output"), "public": public}
        for cases, public in ((examples, True), (row.get("official_tests") or [], False))
        for case in cases
    ]
    limits = {"time_limit_s": row.get("time_limit"), "memory_limit_mb": row.get("memory_limit")}
    rating = row.get("rating") or 0
    mark = None
    if row.get("interaction_format"):
        mark = "it is interactive"
    elif row.get("generated_checker"):
        mark = "several answers are right"
    elif row.get("input_mode") not in (None, "stdio"):
        mark = _OTHER_FILES
    return _problem(
        {name: value for name, value in limits.items() if value},
        identity=row["id"],
        statement="\n\n".join(parts),
        tests=tests,
        function_name=None,
        source="codeforces",
        difficulty=str(int(rating)) if rating > 0 else "",
        date=_day(row.get("contest_start")),
        mark=mark,
    )


def _day(seconds: object) -> str:
    """Return the day of a Unix time in UTC; "" for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


_SECONDS = {"s": 1, "sec": 1, "second": 1, "ms": 1e-3, "millisecond": 1e-3}
_MEGABYTES = {"mb": 1, "megabyte": 1, "kb": 1 / 1024, "kilobyte": 1 / 1024, "gb": 1024}


def _quantity(text: object, units: dict[str, float]) -> float | None:
    """Read TACO's "2.0 seconds" or "256.0 megabytes"; None where it says nothing."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*", str(text or "").lower())
    unit = units.get(match[2] if match else "") or units.get(f"{match[2]}s" if match else "")
    return float(match[1]) * unit if unit else None


def _humaneval(row: dict) -> dict:
    entry, prompt, test = row["entry_point"], str(row["prompt"] or ""), row["test"]
    usable = all(isinstance(text, str) and text.strip() for text in (entry, test))
    solution = row.get("canonical_solution")
    return _problem(
        row,
        identity=row["task_id"],
        statement=prompt,
        tests=[_whole(f"{test}\n\ncheck({entry})\n")] if usable else [],
        checker=PUBLISHED + brought_along(prompt, entry),
        reference=f"{prompt}{solution}" if solution else None,
        function_name=entry,
        starter_code=prompt,
        source="humaneval",
        mark=None if usable else "test or entry_point: no text",
    )


def _mbpp(row: dict) -> dict:
    lines, mark = row["test_list"], None
    lines = _json(row, "test_list") if isinstance(lines, str) else lines
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        lines, mark = [], "test_list: not a list of texts"
    setup = [row.get("test_setup_code") or "", *(row.get("test_imports") or [])]
    # MBPP+ has its many tests in a field of its own.
    text = row.get("test") or ("\n".join([*setup, *lines]) if lines else "")
    task = str(row.get("text") or row.get("prompt") or "")
    # The function's name is told by the tests only: they belong to what is asked.
    asked = f"{task} Your code should pass these tests:\n\n" + "\n".join(lines)
    return _problem(
        row,
        identity=f"mbpp/{row['task_id']}",
        statement=asked if task.strip() else "",
        tests=[_whole(text)] if text.strip() else [],
        checker=PUBLISHED,
        reference=row.get("code"),
        function_name=tested_name("\n".join(lines), row.get("code")),
        source="mbpp",
        mark=mark,
    )


def _whole(text: str) -> dict:
    return {"input": text, "expected": "", "public": False}


def _problem(
    row: dict,
    *,
    identity: object,
    tests: Iterable[dict],
    statement: str | None,
    function_name: str | None,
    source: str,
    date: object = None,
    starter_code: str | None = None,
    difficulty: str | None = None,
    checker: str | None = None,
    mark: str | None = None,
    reference: str | None = None,
) -> dict:
    told = {} if reference is None else {"reference": reference}
    try:
        with compare.long_integers():
            cases = list(tests)
    except BadRow as error:
        cases, mark = [], mark or str(error)
    if isinstance(statement, str) and not statement.strip():
        mark = mark or "statement: there is none"
    return told | {
        "id": None if identity is None else str(identity),
        "statement": statement or "",
        "difficulty": str(difficulty or row.get("difficulty") or ""),
        "starter_code": starter_code or row.get("starter_code") or "",
        "function_name": function_name,
        "tests": cases,
        "time_limit_s": row.get("time_limit_s", TIME_LIMIT_S),
        "memory_limit_mb": row.get("memory_limit_mb", MEMORY_LIMIT_MB),
        "source": source,
        "date": str(date or ""),
        "license": row.get("license") or "",
        "checker": checker or row.get("checker"),
        "keep_lines": row.get("keep_lines", True),
        "case": row.get("case"),
        "tolerance": row.get("tolerance"),
        "trusted": mark is None and row.get("trusted") is not False,
        "mark": mark,
    }


def _json(row: dict, name: str) -> object:
    try:
        with compare.long_integers():
            return json.loads(row[name])
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRow(f"{name}: not JSON: {str(error)[:100]}") from None


_OWN = ("id", "tests")
_FORMS: tuple[tuple[tuple[str, ...], Callable[[dict], dict]], ...] = (
    (_OWN, _own),
    (("question_id", "public_test_cases"), _livecodebench),
    (("name", "public_tests", "generated_tests"), _code_contests),
    (("contest_id", "input_format", "official_tests"), _codeforces),
    (("input_output",), _apps),
    (("task_id", "prompt", "test", "entry_point"), _humaneval),
    (("task_id", "test_list"), _mbpp),
)
