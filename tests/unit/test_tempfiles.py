"""What killed processes leave behind: told from what living ones are writing, and cleared away."""

import os
import signal
import subprocess
import sys
import time

import pytest
from paths import finding
from valley.core import processes, tempfiles
from valley.core.files import atomic_write

WRITER = """
import time
from valley.core.files import atomic_write
from valley.core.store import Store
with atomic_write({target!r}) as aside, Store({store!r})._filled("abcd") as folder:
    aside.write_text("half")
    (folder / "file0").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing a file and an entry of the store."""
    where = {"target": str(tmp_path / "table.csv"), "store": str(tmp_path / "store")}
    command = [sys.executable, "-c", WRITER.format(**where)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=finding())
    assert started.stdout.readline() == "writing\n"
    yield started
    started.kill()
    started.wait()


def test_what_a_living_process_writes_is_left_alone(writer, tmp_path):
    assert tempfiles.sweep(tmp_path) == []
    assert len(list(tmp_path.rglob(".*.????????"))) == 2


def test_what_a_killed_process_was_writing_is_removed(writer, tmp_path):
    writer.kill()
    writer.wait()
    assert len(tempfiles.sweep(tmp_path)) == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_another_machines_writer_is_taken_for_gone_after_a_day(tmp_path):
    path = tmp_path / ".table.csv.00000000-12-345.abcdefgh"
    path.write_text("half")
    assert tempfiles.sweep(tmp_path) == []
    os.utime(path, (0, time.time() - tempfiles.LONG - 60))
    assert tempfiles.sweep(tmp_path) == [path]


@pytest.mark.parametrize("name", [".hidden", "table.csv", ".table.csv.swp", ".table.1-2-3.abc"])
def test_other_files_are_never_touched(tmp_path, name):
    (tmp_path / name).write_text("mine")
    assert tempfiles.sweep(tmp_path) == []


def test_copies_of_scripts_stay_until_their_jobs_have_read_them(tmp_path):
    for name, age in (("tmpone.train.py", 0), ("tmptwo.train.py", tempfiles.MOMENT + 60)):
        (tmp_path / name).write_text("job")
        os.utime(tmp_path / name, (0, time.time() - age))
    tempfiles.clear_old(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tmpone.train.py"]
    tempfiles.clear_old(tmp_path / "nowhere")


def test_a_file_is_written_beside_its_place(tmp_path):
    with atomic_write(tmp_path / "table.csv") as temporary:
        assert temporary.parent == tmp_path
        assert tempfiles.NAME.fullmatch(temporary.name)["writer"] == processes.name()


def test_a_process_is_told_from_a_later_one_of_the_same_number():
    machine, pid, started = processes.name().split("-")
    assert processes.alive(processes.name()) is True
    assert processes.alive(f"{machine}-{pid}-{int(started) + 1}") is False
    assert processes.alive(f"00000000-{pid}-{started}") is None


@pytest.fixture
def run(tmp_path):
    """A run (a shell) with a job below it, marked as Snakemake's are."""
    script = (
        "import os, subprocess\n"
        "from valley.core import processes\n"
        f"os.environ[processes.MARK] = processes.mark({str(tmp_path / 'results')!r})\n"
        "job = subprocess.Popen(['sleep', '60'])\n"
        "print(job.pid, flush=True); job.wait()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=finding(),
    )
    job = int(started.stdout.readline())
    yield started, job
    started.kill()
    os.kill(job, signal.SIGKILL)


def test_a_killed_runs_jobs_are_found_by_its_results_and_by_its_folder(run, tmp_path):
    started, job = run
    assert processes.orphans(tmp_path) == {}, "its run is alive"
    started.kill()
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody has asked how
    assert list(processes.orphans(tmp_path)) == [job]
    started.wait()
    assert list(processes.orphans(tmp_path / "results")) == [job]
    assert processes.orphans(tmp_path / "other") == {}
