"""The verdict cache: shared, never half-written, never wrong."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import finding
from valley.judging import batch, identity
from valley.judging.batch import Task, judge
from valley.judging.cache import Cache
from valley.judging.verdicts import Options, Verdict

SCRIPTS = str(Path(__file__).resolve().parents[2] / "workflow_scripts")
PROBLEM = {
    "id": "p",
    "function_name": None,
    "tests": [{"input": "", "expected": "1"}],
    "time_limit_s": 0.3,
    "memory_limit_mb": 128,
}


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def test_what_was_put_is_found_by_others(tmp_path):
    with Cache(tmp_path) as cache:
        for number in range(1000):
            cache.put(key(number), {"n": number})
        assert cache.get(key(5)) == {"n": 5}
        assert cache.get(key(1000)) is None
    with Cache(tmp_path) as other:
        assert all(other.get(key(number)) == {"n": number} for number in range(1000))
        assert len(other) == 1000


def test_a_reader_sees_later_segments_after_a_refresh(tmp_path):
    reader = Cache(tmp_path)
    with Cache(tmp_path) as writer:
        writer.put(key(1), {})
    assert reader.get(key(1)) is None
    reader.refresh()
    assert reader.get(key(1)) == {}


def test_merging_loses_nothing_for_anyone(tmp_path):
    for number in range(20):
        with Cache(tmp_path) as cache:
            cache.put(key(number), {"n": number})
    before, one, two = Cache(tmp_path), Cache(tmp_path), Cache(tmp_path)
    assert one.compact() == 20
    assert two.compact() == 20
    assert len(list(tmp_path.glob("*.verdicts"))) == 1
    for cache in (before, one, two, Cache(tmp_path)):
        cache.refresh()
        assert all(cache.get(key(number)) == {"n": number} for number in range(20))


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign"])
def test_damaged_segments_are_left_out_with_a_warning(tmp_path, damage):
    for number in (1, 2):
        with Cache(tmp_path) as cache:
            cache.put(key(number), {"n": number})
    path = next(path for path in tmp_path.iterdir() if b'{"n":1}' in path.read_bytes())
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[:-1],
            "changed": data.replace(b'{"n":1}', b'{"n":9}'),
            "empty": b"",
            "foreign": b"x" * len(data),
        }[damage]
    )
    with pytest.warns(UserWarning, match="left out"):
        cache = Cache(tmp_path)
    assert cache.get(key(1)) is None
    assert cache.get(key(2)) == {"n": 2}


WRITER = """
import hashlib, sys, time
from pathlib import Path
from valley.judging import cache as module
from valley.judging.cache import Cache
who, count = int(sys.argv[2]), int(sys.argv[3])
module.FLUSH_ENTRIES = 20
with Cache(Path(sys.argv[1])) as cache:
    for number in range(count):
        shared = hashlib.sha256(b"shared%d" % number).digest()
        own = hashlib.sha256(b"%d-%d" % (who, number)).digest()
        cache.put(shared, {"n": number})
        cache.put(own, {"who": who, "n": number})
        if number % 40 == who:
            cache.compact()
        if who == 0 and number == count // 2:
            print("half", flush=True)
            time.sleep(60)
print("done", flush=True)
"""


def test_nothing_is_lost_with_eight_writers_one_of_them_killed(tmp_path):
    count = 200
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(who), str(count)],
            env=finding(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in range(8)
    ]
    assert writers[0].stdout.readline() == "half\n"
    writers[0].send_signal(signal.SIGKILL)
    assert [writer.communicate()[0] for writer in writers[1:]] == ["done\n"] * 7
    writers[0].wait()
    cache = Cache(tmp_path)
    for number in range(count):
        assert cache.get(hashlib.sha256(b"shared%d" % number).digest()) == {"n": number}
        for who in range(1, 8):
            own = hashlib.sha256(b"%d-%d" % (who, number)).digest()
            assert cache.get(own) == {"who": who, "n": number}
    lost = [
        number
        for number in range(count // 2)
        if cache.get(hashlib.sha256(b"0-%d" % number).digest()) is None
    ]
    assert len(lost) <= 20, "a killed writer loses what it had not flushed, no more"


def test_old_segments_are_pruned(tmp_path):
    for number in range(4):
        with Cache(tmp_path) as cache:
            cache.put(key(number), {"n": number})
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number + 1, number + 1))
    left = tmp_path / ".half-written"
    left.write_text("x")
    os.utime(left, (1, 1))
    cache = Cache(tmp_path)
    assert cache.prune(keep_entries=3) == 1
    assert not left.exists()
    assert cache.get(key(0)) is None and cache.get(key(3)) == {"n": 3}
    assert cache.prune(older_than_s=60) == 3
    assert len(Cache(tmp_path)) == 0


def test_known_programs_are_not_run_again(tmp_path, judged):
    programs = ["print(1)", "print(2)", "1/0", "(", "while True: pass"]
    tasks = [Task(number, program, PROBLEM) for number, program in enumerate(programs)]
    first = judge(tasks, cache=tmp_path)
    assert len(judged) == 5
    again = judge([*tasks, Task(9, "print(3)", {**PROBLEM, "id": "other name"})], cache=tmp_path)
    assert judged[5:] == ["print(3)"]
    assert again[:5] == first
    assert [vars(verdict) for verdict in again[:5]] == [vars(verdict) for verdict in first]


def test_what_changes_a_verdict_changes_the_key(tmp_path, judged, monkeypatch):
    def run(problem=PROBLEM, program="print(1)", **options):
        before = len(judged)
        judge([Task(0, program, problem)], cache=tmp_path, **options)
        return len(judged) - before

    assert run() == 1
    assert run() == 0
    assert run(program="print(1) ") == 1
    assert run({**PROBLEM, "time_limit_s": 0.4}) == 1
    assert run({**PROBLEM, "memory_limit_mb": 64}) == 1
    assert run({**PROBLEM, "tests": [{"input": "x", "expected": "1"}]}) == 1
    assert run({**PROBLEM, "checker": "def check(i, e, o): return True"}) == 1
    assert run(time_factor=2.0) == 1
    assert run(stop_at_first_failure=False) == 1
    assert run(isolation="rlimits") == 1
    monkeypatch.setattr(identity, "judge_version", lambda: "another")
    assert run() == 1


def test_slowness_is_remembered_for_one_type_of_machine_only(tmp_path, judged, monkeypatch):
    tasks = [Task(0, "while True: pass", PROBLEM), Task(1, "print(1)", PROBLEM)]
    judge(tasks, cache=tmp_path)
    monkeypatch.setattr(identity, "machine_type", lambda: "a faster one")
    judge(tasks, cache=tmp_path)
    assert judged == ["while True: pass", "print(1)", "while True: pass"]


def test_the_judges_own_failures_are_not_remembered(tmp_path):
    problem = {**PROBLEM, "checker": "def check(i, e, o): return 'maybe'"}
    judge([Task(0, "print(1)", problem)], cache=tmp_path)
    assert len(Cache(tmp_path)) == 0


def test_the_version_covers_what_runs_in_the_sandbox(tmp_path):
    """An edit in any module that a verdict depends on gives another digest; a comment does not."""
    import shutil

    from valley.core.closure import code_digest

    root = tmp_path / "code"
    shutil.copytree(SCRIPTS, root, ignore=shutil.ignore_patterns("__pycache__"))

    def version() -> str:
        return code_digest("valley.judging.trial", "judge_program", root=root)

    before = version()
    for name, line in (
        ("harness", "def _exit_status(code: object) -> int:"),
        ("jail", "    def lock_program(self, limits: dict, open_files: int) -> None:"),
        ("zygote", "def _watch(pid: int, jail: Jail, task: dict, begun: float) -> tuple:"),
        ("seccomp", "def _search(ranges: list[tuple[int, int]]) -> list[bytes]:"),
        ("view", "def make_work_folder(size_mb: int) -> None:"),
        ("sharing", "def harmless_names() -> frozenset[str]:"),
        ("calling", "    def finish(self, space: dict) -> None:"),
        ("compare", "def _lower(text: bytes) -> bytes:"),
        ("packages", "def without_one(last_line: str) -> str | None:"),
    ):
        path = root / "valley" / "judging" / f"{name}.py"
        text = path.read_text()
        assert line in text, name
        indent = " " * (4 + len(line) - len(line.lstrip()))
        path.write_text(text.replace(line, f"{line}\n{indent}extra = 1"))
        time.sleep(0.01)
        assert version() != before, name
        path.write_text(text.replace(line, f"# a comment\n{line}") if line[0] != " " else text)
        assert version() == before, name


def test_an_entry_is_a_verdicts_plain_values(tmp_path):
    judge([Task(0, "print(1)", PROBLEM)], cache=tmp_path)
    around = identity.circumstances(batch.isolating.tier().name, Options())
    content = batch.digest(batch.read_problem(PROBLEM).content)
    found = Cache(tmp_path).get(identity.key(around, content, "print(1)"))
    assert Verdict(**found) == Verdict("accepted", None, 1, "")
    assert json.dumps(found)
