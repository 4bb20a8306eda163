"""Whole benchmarks of published size and form load with default settings, awkward rows and all."""

import json
from collections import Counter

import benchmark_material as made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import whole_rows
from benchmarks import Published
from hub_files import jsonl
from test_published import as_published
from valley.core.files import read_parquet
from valley.core.hub import SourceError
from valley.core.published import origin
from valley.judging import errata
from valley.judging.batch import Task, judge
from valley.judging.forms import convert
from valley.workflow.job import Job

STRINGS = pa.list_(pa.string())
HUMANEVAL = pa.schema(
    [(n, pa.string()) for n in ("task_id", "prompt", "canonical_solution", "test", "entry_point")]
)
MBPP = pa.schema(
    [
        ("task_id", pa.int32()),
        ("text", pa.string()),
        ("code", pa.string()),
        ("test_list", STRINGS),
        ("test_setup_code", pa.string()),
        ("challenge_test_list", STRINGS),
    ]
)
SANITIZED = pa.schema(
    [
        ("source_file", pa.string()),
        ("task_id", pa.int32()),
        ("prompt", pa.string()),
        ("code", pa.string()),
        ("test_imports", STRINGS),
        ("test_list", STRINGS),
    ]
)
MBPPPLUS = pa.schema(
    [
        ("task_id", pa.int64()),
        ("code", pa.string()),
        ("prompt", pa.string()),
        ("source_file", pa.string()),
        ("test_imports", STRINGS),
        ("test_list", STRINGS),
        ("test", pa.string()),
    ]
)
SPLITS = {"prompt": (1, 10), "test": (11, 510), "validation": (511, 600), "train": (601, 974)}
SANITIZED_SPLITS = {"prompt": 7, "test": 257, "validation": 43, "train": 120}


def spread(kinds: dict, marked: dict, number: int) -> list[dict]:
    """`number` rows: every kind many times, each marked one once, far apart."""
    rows = [list(kinds.values())[index % len(kinds)] for index in range(number)]
    for index, row in enumerate(marked.values()):
        rows[(index + 1) * number // (len(marked) + 1)] = row
    return rows


def humaneval_rows(kinds: dict) -> list[dict]:
    rows = spread(kinds, whole_rows.HUMANEVAL_MARKED, 164)
    return [{"task_id": f"HumanEval/{n}"} | row for n, row in enumerate(rows)]


def mbpp_rows() -> list[dict]:
    rows = spread(whole_rows.MBPP, whole_rows.MBPP_MARKED, 974)
    return [
        {"task_id": n, "challenge_test_list": []} | row for n, row in enumerate(rows, 1)
    ]  # as mbpp.jsonl has them: 1 to 974


def sanitized_rows() -> list[dict]:
    chosen = [row for row in mbpp_rows() if not row["test_setup_code"]][:427]
    return [
        {
            "source_file": "Benchmark Questions Verification V2.ipynb",
            "task_id": row["task_id"],
            "prompt": row["text"],
            "code": row["code"],
            "test_imports": ["import math"] if row["task_id"] % 50 == 0 else [],
            "test_list": row["test_list"],
        }
        for row in chosen
    ]


def table(path, rows: list[dict], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def split_files(folder) -> None:
    """MBPP as the hub has it: two configurations of four splits each."""
    rows, clean, before = mbpp_rows(), sanitized_rows(), 0
    for name, (first, last) in SPLITS.items():
        table(folder / f"full/{name}-00000-of-00001.parquet", rows[first - 1 : last], MBPP)
        part = clean[before : before + SANITIZED_SPLITS[name]]
        table(folder / f"sanitized/{name}-00000-of-00001.parquet", part, SANITIZED)
        before += len(part)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Verdicts of references: each kind is judged once for all tests."""
    return tmp_path_factory.mktemp("store")


def loaded(format: str, path, out, store, **more) -> tuple[list[dict], dict]:
    """Load a benchmark as the study does where it says no more than the format and the path."""
    known = origin(format, more.pop("release", None))
    settings = {"files": list(known.files), "expected": known.count, "bad_rows": "stop"}
    told = Published(out=out, path=str(path), store=store, **settings | more).run(Job())
    return read_parquet(out), told


def assert_marks(problems: list[dict], told: dict, *expected: dict) -> None:
    """Every reference is accepted, but for the rows that were made to be marked."""
    reasons = [problem["mark"] for problem in problems if problem["mark"]]
    wanted = [reason for marked in expected for reason in marked]
    assert len(reasons) == len(wanted), Counter(reasons)
    for reason in wanted:
        assert any(found.startswith(reason) for found in reasons), (reason, reasons)
    assert all((p["trusted"] is False) == bool(p["mark"]) for p in problems)
    assert told["kept"]["untrusted"] == len(wanted) and told["bad_rows"] == 0


def test_humaneval_has_164_problems(tmp_path, store):
    rows = humaneval_rows(whole_rows.HUMANEVAL)
    table(tmp_path / "openai_humaneval/test-00000-of-00001.parquet", rows, HUMANEVAL)
    jsonl(tmp_path / "HumanEval.jsonl", rows)
    found = {}
    for path in (tmp_path, tmp_path / "HumanEval.jsonl"):
        found[path], told = loaded("humaneval", path, tmp_path / "out.parquet", store)
        assert [problem["id"] for problem in found[path]] == [row["task_id"] for row in rows]
        assert_marks(found[path], told, whole_rows.HUMANEVAL_MARKED)
    assert len({json.dumps(problems) for problems in found.values()}) == 1


def test_humanevalplus_has_164_problems(tmp_path, store):
    rows = humaneval_rows(whole_rows.HUMANEVALPLUS)
    table(tmp_path / "data/test-00000-of-00001-5973903632b82d40.parquet", rows, HUMANEVAL)
    problems, told = loaded("humanevalplus", tmp_path, tmp_path / "out.parquet", store)
    assert len(problems) == 164
    assert_marks(problems, told, whole_rows.HUMANEVAL_MARKED)


def test_mbpp_has_974_problems_from_its_file_and_from_its_splits(tmp_path, store):
    rows = mbpp_rows()
    split_files(tmp_path)
    jsonl(tmp_path / "mbpp.jsonl", rows)
    found = []
    for path in (tmp_path / "mbpp.jsonl", tmp_path):
        problems, told = loaded("mbpp", path, tmp_path / "out.parquet", store)
        assert [problem["id"] for problem in problems] == [f"mbpp/{n}" for n in range(1, 975)]
        assert_marks(problems, told, whole_rows.MBPP_MARKED)
        found.append(problems)
    assert found[0] == found[1]
    # A part of it is not it, and the error says what is there and what was expected.
    jsonl(tmp_path / "short.jsonl", rows[:963])
    with pytest.raises(SourceError, match="hold 963 rows, but 974 problems were expected"):
        loaded("mbpp", tmp_path / "short.jsonl", tmp_path / "out2.parquet", store)
    (tmp_path / "full/train-00000-of-00001.parquet").unlink()
    with pytest.raises(SourceError, match="has no full/train"):
        loaded("mbpp", tmp_path, tmp_path / "out2.parquet", store)
    assert not (tmp_path / "out2.parquet").exists()


@pytest.mark.parametrize(("format", "count"), [("mbpp_test", 500), ("mbpp_sanitized", 427)])
def test_parts_of_mbpp_have_names_of_their_own(tmp_path, store, format, count):
    split_files(tmp_path)
    problems, told = loaded(format, tmp_path, tmp_path / "out.parquet", store)
    assert len(problems) == count and told["bad_rows"] == 0
    if format == "mbpp_test":
        assert [problem["id"] for problem in problems] == [f"mbpp/{n}" for n in range(11, 511)]


def test_mbppplus_has_378_problems(tmp_path, store):
    rows = spread(whole_rows.MBPPPLUS, whole_rows.MBPPPLUS_MARKED, 378)
    source = {"source_file": "Benchmark Questions Verification V2.ipynb"}
    rows = [{"task_id": 2 * n} | source | row for n, row in enumerate(rows, 1)]
    table(tmp_path / "data/test-00000-of-00001-d5781c9c51e02795.parquet", rows, MBPPPLUS)
    problems, told = loaded("mbppplus", tmp_path, tmp_path / "out.parquet", store)
    assert [problem["id"] for problem in problems] == [f"mbpp/{2 * n}" for n in range(1, 379)]
    assert_marks(problems, told, whole_rows.MBPPPLUS_MARKED)


KINDS = {
    (form, kind): row | {"task_id": 1}
    for form in ("HUMANEVAL", "HUMANEVALPLUS", "MBPP", "MBPPPLUS")
    for kind, row in getattr(whole_rows, form).items()
}


@pytest.mark.parametrize("form", ["HUMANEVAL", "HUMANEVALPLUS", "MBPP", "MBPPPLUS"])
def test_each_kind_of_row_means_what_it_means_in_one_process(form):
    """The rows are as hard as they are meant to be, and a wrong program passes none of them."""
    tasks = []
    for (of, kind), row in KINDS.items():
        if of == form:
            problem = convert(row)
            right, name = problem["reference"], problem["function_name"]
            assert as_published("\n".join([right, problem["tests"][0]["input"]])), kind
            wrong = f"{right}\ndef {name}(*anything): return 'wrong'\n"
            tasks += [Task((kind, True), right, problem), Task((kind, False), wrong, problem)]
    found = judge(tasks)
    for task, verdict in zip(tasks, found, strict=True):
        assert (verdict.verdict == "accepted") is task.key[1], (task.key, verdict)


def test_every_release_of_livecodebench_has_its_number(tmp_path, store):
    made.release(tmp_path / "lcb", 400, 111, 101, 101, 167, 175)
    for release, count in {"v1": 400, "v2": 511, "v6": 1055}.items():
        out = tmp_path / f"{release}.parquet"
        problems, told = loaded("livecodebench", tmp_path / "lcb", out, store, release=release)
        known = {problem["id"] for problem in problems} & {*errata.LIVECODEBENCH}
        assert len(problems) == count and told["kept"]["untrusted"] == len(known) > 0
