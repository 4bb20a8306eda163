"""The lease of a study's results: one run at a time, on any host; only a dead one is replaced."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from valley.core import lease
from valley.core.lease import Holder, Lease, LeaseTaken

SCRIPTS = Path(lease.__file__).parents[2]
# Takes a lease as a process of another host would, beats fast, and stays until it is stopped.
ELSEWHERE = """
import sys, time
from valley.core import lease, processes
processes.machine = lambda: {machine!r}
lease.BEAT_SECONDS = 0.05
held = lease.Lease({root!r}, lambda run: run == "busy")
over = {over} and lease.Holder(**{over})
try:
    held.take(over)
except lease.LeaseTaken:
    sys.exit(3)
if {run!r}:
    held.submitting({run!r})
print("taken", flush=True)
if {stay}:
    time.sleep(600)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a run on another host, by default until it is stopped."""
    started = []

    def run(machine="ffffffff", over: dict | None = None, slurm="", stay=True) -> subprocess.Popen:
        code = ELSEWHERE.format(
            machine=machine, root=str(tmp_path), over=over, run=slurm, stay=stay
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def taken(process: subprocess.Popen) -> bool:
    return process.stdout.readline().strip() == "taken"


def killed(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_second_run_is_told_whose_the_first_is(tmp_path):
    held = Lease(tmp_path)
    held.take()
    other = Lease(tmp_path).holder()
    assert Lease(tmp_path).lives(other)
    with pytest.raises(LeaseTaken, match=f"process {os.getpid()}, in {os.getcwd()}"):
        Lease(tmp_path).take()
    held.release()
    assert not held.path.exists()
    assert Lease(tmp_path).holder() is None
    assert [path.name for path in held.path.parent.iterdir()] == []


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refused(*args):
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    held = Lease(tmp_path)
    held.take()
    assert Lease(tmp_path).holder().process.split("-")[1] == str(os.getpid())
    with pytest.raises(LeaseTaken, match=f"process {os.getpid()}"):
        Lease(tmp_path).take()
    held.release()
    held.path.write_text(json.dumps(asdict(Holder.me())))
    after = Lease(tmp_path)
    after.take(after.holder())
    assert [path.name for path in after.path.parent.iterdir()] == ["lease.json"]
    after.release()


def test_a_run_of_another_host_is_alive_while_its_lease_changes(tmp_path, start, monkeypatch):
    """Whatever its clock says: here it is 90 seconds late, then 90 early."""
    process = start()
    assert taken(process)
    held = Lease(tmp_path)
    other = held.holder()
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    for skew in (-90, 90):
        monkeypatch.setattr(lease, "DEAD_SECONDS", 300)
        os.utime(held.path, (time.time() + skew, time.time() + skew))
        assert held.lives(other)
    killed(process)
    monkeypatch.setattr(lease, "DEAD_SECONDS", 0.5)
    for skew in (-90, 90):
        os.utime(held.path, (time.time() + skew, time.time() + skew))
        assert not held.lives(other)


def test_a_killed_run_of_this_host_is_dead_at_once(tmp_path, start, monkeypatch):
    process = start(machine=lease.processes.machine())
    assert taken(process)
    other = Lease(tmp_path).holder()
    assert Lease(tmp_path).lives(other)
    killed(process)
    monkeypatch.setattr(lease, "DEAD_SECONDS", 10**6)
    assert not Lease(tmp_path).lives(other)


def test_of_many_that_take_over_at_once_one_gets_it(tmp_path, start):
    dead = start()
    assert taken(dead)
    killed(dead)
    judged = asdict(Lease(tmp_path).holder())
    crowd = [start(machine=f"{number:08x}", over=judged) for number in range(6)]
    winners = [process for process in crowd if taken(process)]
    assert len(winners) == 1
    assert {process.wait() for process in crowd if process not in winners} == {3}
    assert Lease(tmp_path).holder().process.split("-")[1] == str(winners[0].pid)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["lease.json"]


ROUNDS, CROWD, PATIENCE = 60, 4, 300
NOBODYS = Holder("0" * 16, "ffffffff-1-1", "gone", "somebody", "/", ended=True)


def contend(barrier, root: Path, kind: str, first: bool, seen) -> None:
    """Try to take a new lease in each round, all at once; say who got it and whose it then is."""
    for number in range(ROUNDS):
        held = Lease(root / str(number))
        over = held.holder() if kind == "dead" or (kind == "removed" and not first) else None
        barrier.wait(PATIENCE)
        if kind == "removed" and first:
            held.path.unlink()
            barrier.wait(PATIENCE)
        elif kind == "removed":
            barrier.wait(PATIENCE)
        try:
            held.take(over)
            won = True
        except LeaseTaken:
            won = False
        barrier.wait(PATIENCE)
        if won:
            seen.put((number, os.getpid(), held.holder().process.split("-")[1]))
        barrier.wait(PATIENCE)
        held.release()


@pytest.mark.parametrize("kind", ["none", "dead", "removed"])
def test_of_runs_that_start_at_the_same_moment_one_gets_the_lease(tmp_path, kind):
    """Where there is none, where a dead run left one, and where that is removed meanwhile.

    In the last case all but one still mean to take over the dead run's.
    """
    for number in range(ROUNDS if kind != "none" else 0):
        path = Lease(tmp_path / str(number)).path
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(asdict(NOBODYS)))
    context = multiprocessing.get_context("fork")
    barrier, seen = context.Barrier(CROWD), context.Queue()
    crowd = [
        context.Process(target=contend, args=(barrier, tmp_path, kind, not one, seen))
        for one in range(CROWD)
    ]
    for process in crowd:
        process.start()
    winners = [seen.get(timeout=PATIENCE) for _ in range(ROUNDS)]
    for process in crowd:
        process.join(PATIENCE)
    assert [process.exitcode for process in crowd] == [0] * CROWD
    assert seen.empty(), "nobody else"
    assert sorted(number for number, _, _ in winners) == list(range(ROUNDS))
    assert all(str(winner) == holder for _, winner, holder in winners)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "all were given back"


def test_a_run_that_has_lost_its_lease_submits_no_more(tmp_path, start):
    """It was stopped for so long that it was taken for dead, and another one has begun."""
    process = start()
    assert taken(process)
    process.send_signal(signal.SIGSTOP)
    mine = Lease(tmp_path)
    mine.take(mine.holder())
    process.send_signal(signal.SIGCONT)
    assert process.wait(300) == -signal.SIGTERM
    assert mine.holder().process.split("-")[1] == str(os.getpid())
    mine.release()


def test_a_lease_that_somebody_removed_comes_back(tmp_path, start):
    process = start()
    assert taken(process)
    held = Lease(tmp_path)
    before = held.holder()
    held.path.unlink()
    while not held.path.exists() and process.poll() is None:
        time.sleep(0.05)
    assert held.holder() == before


@pytest.mark.parametrize(("run", "stays"), [("busy", True), ("done", False)])
def test_the_lease_stays_while_jobs_of_its_run_are_left(tmp_path, start, run, stays):
    process = start(slurm=run, stay=False)
    assert taken(process)
    assert process.wait() == 0
    left = Lease(tmp_path).holder()
    assert bool(left) is stays
    if left:
        assert left.slurm == run
        assert not Lease(tmp_path).lives(left), "it says itself that it has ended"


def test_all_of_a_group_may_replace_a_lease(tmp_path):
    before = os.umask(0o002)
    try:
        held = Lease(tmp_path)
        held.take()
        assert held.path.stat().st_mode & 0o777 == 0o664
        held.release()
    finally:
        os.umask(before)
