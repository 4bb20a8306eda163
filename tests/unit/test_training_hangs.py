"""A process that hangs ends in a line that names it, not in silence until the job's time is up."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import train
from torch.distributed import TCPStore
from training_material import description, hub_student
from valley.core.files import write_json
from valley.lm import launch, watchdog

ALIVE = {"silent": 0.1, "still": 99, "passes": 7, "alone": False, "host": "n1", "pid": 5, "at": "x"}


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({}, None),
        ({1: {"silent": 11, "at": "update 3"}}, r"process 1 of 3 \(n1, pid 5\), at update 3: no "),
        ({1: {"passes": 6}}, r"process 1 of 3 .* behind the others"),
        ({1: {"passes": 6}, 2: {"alone": True}}, None),
        ({1: {"passes": 6, "still": 3}}, None),
    ],
    ids=["all in the same pass", "silent", "behind", "one works alone", "moving"],
)
def test_who_hangs(others, found):
    said = {rank: {**ALIVE, **others.get(rank, {})} for rank in range(3)}
    line = watchdog.judged(said, 3, timeout=10)
    assert line is None if found is None else re.match(found, line)


STUCK = """
import sys, time
from valley.lm.watchdog import Watchdog
rank, port = int(sys.argv[1]), int(sys.argv[2])
seen = Watchdog(rank, 2, address="127.0.0.1", port=port, timeout=4, report=print)
for step in range(3 - rank):
    seen.note(f"update {step}")
time.sleep(60)
"""


def test_a_process_that_lives_but_stays_behind_is_named():
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {**os.environ, "PYTHONPATH": str(launch.SCRIPT.parent)}
    ran = [
        subprocess.Popen(
            [sys.executable, "-c", STUCK, str(rank), str(store.port)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=50)[0] for process in ran]
    finally:
        for process in ran:
            process.kill()
    assert watchdog.STATUS in [process.returncode for process in ran]
    assert any(f"process 1 of 2 ({os.uname().nodename}" in line for line in said)
    assert not any("process 0 of 2" in line for line in said)


def test_others_wait_for_the_first_and_begin_after_it():
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    how = {"address": "127.0.0.1", "port": store.port, "timeout": 30, "report": print}
    order: list[int] = []

    def take_turns(rank):
        seen = watchdog.Watchdog(rank, 3, **how)
        for _ in range(2):
            seen.first_then_others(
                "it", lambda: (time.sleep(0.3 * (rank == 0)), order.append(rank))
            )
        seen.end()

    threads = [threading.Thread(target=take_turns, args=(rank,)) for rank in (2, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(order) == [0, 0, 1, 1, 2, 2]
    assert order[0] == 0
    assert store.wait(["valley/turn/2"], timedelta(seconds=1)) is None


def workers_of(job: Path) -> list[int]:
    """Return a training's processes by rank: those whose launcher has given them one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            settings = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        rank = [one.removeprefix(b"RANK=") for one in settings if one.startswith(b"RANK=")]
        if rank and str(job).encode() in words:
            found.append((int(rank[0]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


@pytest.mark.long
def test_a_process_that_is_stopped_ends_the_training_in_a_line_that_names_it(tmp_path):
    """Over gloo: the other process is inside a sum over all, which would wait for it for long."""
    start = hub_student(tmp_path / "student")
    how = {"timeout": 0.2, "save_every": 1e-9}
    job = description(tmp_path, start, how=how, learning_rate=0.002, epochs=200)
    file = tmp_path / "job.json"
    write_json(file, job)
    code = (
        "import sys; from pathlib import Path; from valley.lm import launch\n"
        "try:\n"
        f"    launch.run(Path({str(file)!r}), launch.Layout(1, 2), 1, "
        f"{train.one_of_several.__name__!r})\n"
        "except RuntimeError as error: print('FAILED', error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(launch.SCRIPT.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    saved = tmp_path / "state/position.json"
    while not saved.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(3)  # more than two beats: what a process last said is as old as its last beat
    pids = workers_of(file)
    assert len(pids) == 2
    os.kill(pids[1], signal.SIGSTOP)
    begun = time.monotonic()
    outcome = launch.outcome_file(file)
    while not outcome.exists() and process.poll() is None:
        time.sleep(0.1)
    took = time.monotonic() - begun
    out, _ = process.communicate(timeout=120)
    assert 10 < took < 40
    line = json.loads(outcome.read_text())["hangs"]
    assert f"process 1 of 2 ({os.uname().nodename}, pid {pids[1]}), at update" in line
    assert "no sign of life for 12 s" in line
    assert f"FAILED {line}" in out
    assert not workers_of(file), "nothing is left behind"
