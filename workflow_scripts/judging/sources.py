"""Reading problems in the forms they have in the wild, as PROBLEM rows.

A broken row never stops a file: it is named, by file, row and field, counted and left out.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from judging.assertions import BadRow, asserted_tests, called_name
from judging.problems import BadProblem, read_problem

TIME_LIMIT_S = 6.0  # LiveCodeBench's own, where a row names none
MEMORY_LIMIT_MB = 1024
_LARGEST_TESTS = 1 << 30


@dataclass
class Problems:
    """What a file held: problems by id, and what was wrong with the rest."""

    by_id: dict[str, dict] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    untrusted: list[str] = field(default_factory=list)


def read_problems(path: Path) -> Problems:
    """Read a problem file: JSONL or Parquet, in any of the known forms, told by their fields."""
    found = Problems()
    for number, row in _rows(Path(path), found.complaints):
        place = f"{path}: row {number}"
        try:
            problem = convert(row)
            read_problem(problem)
        except (BadRow, BadProblem) as error:
            found.complaints.append(f"{place}: {error}")
            continue
        if problem["id"] in found.by_id:
            found.complaints.append(
                f"{place}: id: {problem['id']!r} is there twice, first one kept"
            )
            continue
        found.by_id[problem["id"]] = problem
        if problem.get("trusted") is False:
            found.untrusted.append(problem["id"])
    return found


def _rows(path: Path, complaints: list[str]) -> Iterator[tuple[int, dict]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        number = 0
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
            for row in batch.to_pylist():
                number += 1
                yield number, row
        return
    yield from read_jsonl(path, complaints)


def read_jsonl(path: Path, complaints: list[str]) -> Iterator[tuple[int, dict]]:
    """Yield (line number, object) of a JSONL file; what is no JSON object is complained of."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                complaints.append(f"{path}: row {number}: not JSON: {str(error)[:100]}")
                continue
            if not isinstance(row, dict):
                complaints.append(f"{path}: row {number}: a {type(row).__name__}, not an object")
                continue
            yield number, row


def convert(row: dict) -> dict:
    """Return a row of any known form as a PROBLEM row; BadRow if it is none or broken."""
    for fields, converter in _FORMS:
        if all(name in row for name in fields):
            return converter(row)
    known = "; ".join(" + ".join(fields) for fields, _ in _FORMS)
    raise BadRow(f"fields {sorted(row)[:12]} are of no known form ({known})")


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
    return row


def _livecodebench(row: dict) -> dict:
    metadata = _json(row, "metadata") if row.get("metadata") else {}
    tests = []
    for name, public in (("public_test_cases", True), ("private_test_cases", False)):
        cases = livecodebench_tests(row[name], name) if row.get(name) else []
        for number, case in enumerate(cases):
            if not isinstance(case, dict) or "input" not in case or "output" not in case:
                raise BadRow(f"{name}[{number}]: no input or no output")
            if case.get("testtype") == "functional" and not metadata.get("func_name"):
                raise BadRow(f"metadata.func_name: there is none, but {name}[{number}] is a call")
            tests.append({"input": case["input"], "expected": case["output"], "public": public})
    return _problem(
        row,
        identity=row["question_id"],
        statement=row.get("question_content"),
        tests=tests,
        function_name=metadata.get("func_name"),
        date=row.get("contest_date"),
        source=row.get("platform") or "livecodebench",
    )


def livecodebench_tests(text: str, name: str = "tests") -> list:
    """Read tests as LiveCodeBench packs them: JSON, or base64 of zlib of a pickle of JSON."""
    try:
        return _listed(json.loads(text), name)
    except ValueError:
        pass
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), _LARGEST_TESTS)
        if unpacker.unconsumed_tail:
            raise BadRow(f"{name}: more than {_LARGEST_TESTS} bytes")
        value = PlainUnpickler(io.BytesIO(data)).load()
        return _listed(json.loads(value) if isinstance(value, str | bytes) else value, name)
    except BadRow:
        raise
    except Exception as error:
        # Whatever a hostile or cut text makes the unpacking raise, it is the row's fault.
        raise BadRow(f"{name}: neither JSON nor packed JSON: {error}"[:200]) from None


class PlainUnpickler(pickle.Unpickler):
    """Admits plain values only: whatever would import or call something is refused."""

    def find_class(self, module: str, name: str) -> None:
        """Refuse every name that a pickle asks for."""
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")

    def persistent_load(self, pid: object) -> None:
        """Refuse references out of the pickle."""
        raise pickle.UnpicklingError("a reference out of the pickle")


def _apps(row: dict) -> dict:
    packed = row["input_output"]
    packed = _json(row, "input_output") if isinstance(packed, str) else packed
    if not isinstance(packed, dict):
        raise BadRow("input_output: not an object")
    inputs, outputs = packed.get("inputs"), packed.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise BadRow("input_output: no lists of inputs and outputs")
    if len(inputs) != len(outputs):
        raise BadRow(f"input_output: {len(inputs)} inputs, {len(outputs)} outputs")
    function = packed.get("fn_name")
    tests = []
    for given, wanted in zip(inputs, outputs, strict=True):
        if function is None:
            # A few rows hold the lines rather than the text.
            given, wanted = (
                "\n".join(map(str, x)) if isinstance(x, list) else str(x) for x in (given, wanted)
            )
        else:
            given = "\n".join(json.dumps(value) for value in given)
            # The value stands in a list of its own.
            lone = isinstance(wanted, list) and len(wanted) == 1
            wanted = json.dumps(wanted[0] if lone else wanted)
        tests.append({"input": given, "expected": wanted, "public": False})
    return _problem(
        row,
        identity=next((row[k] for k in ("id", "problem_id", "task_id") if k in row), None),
        statement=row.get("question"),
        tests=tests,
        function_name=function,
        source=row.get("source") or "apps",
    )


def _humaneval(row: dict) -> dict:
    asserted = asserted_tests(row["test"], "candidate")
    return _problem(
        row,
        identity=row["task_id"],
        statement=row["prompt"],
        tests=asserted.tests,
        checker=asserted.checker,
        trusted=not asserted.left_out,
        function_name=row["entry_point"],
        starter_code=row["prompt"],
        source="humaneval",
    )


def _mbpp(row: dict) -> dict:
    lines = row["test_list"]
    lines = _json(row, "test_list") if isinstance(lines, str) else lines
    text = "\n".join([*(row.get("test_imports") or []), *lines])
    name = called_name(text)
    asserted = asserted_tests(text, name)
    return _problem(
        row,
        identity=f"mbpp/{row['task_id']}",
        statement=row.get("text") or row.get("prompt"),
        tests=asserted.tests,
        checker=asserted.checker,
        trusted=not asserted.left_out,
        function_name=name,
        source="mbpp",
    )


def _problem(
    row: dict,
    *,
    identity: object,
    tests: list[dict],
    statement: str | None,
    function_name: str | None,
    source: str,
    date: object = None,
    starter_code: str | None = None,
    checker: str | None = None,
    trusted: bool = True,
) -> dict:
    if identity is None:
        raise BadRow("id: there is none")
    return {
        "id": str(identity),
        "statement": statement or "",
        "difficulty": str(row.get("difficulty") or ""),
        "starter_code": starter_code or row.get("starter_code") or "",
        "function_name": function_name,
        "tests": tests,
        "time_limit_s": row.get("time_limit_s", TIME_LIMIT_S),
        "memory_limit_mb": row.get("memory_limit_mb", MEMORY_LIMIT_MB),
        "source": source,
        "date": str(date or ""),
        "license": row.get("license") or "",
        "checker": checker or row.get("checker"),
        "keep_lines": row.get("keep_lines", True),
        "trusted": trusted and row.get("trusted") is not False,
    }


def _json(row: dict, name: str) -> object:
    try:
        return json.loads(row[name])
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRow(f"{name}: not JSON: {str(error)[:100]}") from None


def _listed(value: object, name: str) -> list:
    if not isinstance(value, list):
        raise BadRow(f"{name}: a {type(value).__name__}, not a list")
    return value


_FORMS: tuple[tuple[tuple[str, ...], Callable[[dict], dict]], ...] = (
    (("id", "tests"), _own),
    (("question_id", "public_test_cases"), _livecodebench),
    (("input_output",), _apps),
    (("task_id", "prompt", "test", "entry_point"), _humaneval),
    (("task_id", "test_list"), _mbpp),
)
