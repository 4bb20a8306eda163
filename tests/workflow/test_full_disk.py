"""A disk that runs full: told in plain words, nothing half-written counts, and it goes on after.

The disk is a real one: a file system in memory, mounted in a namespace of its own, which takes no
privilege where users may make namespaces.
"""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from valley.core import tempfiles
from valley.core.files import read_json
from workspace import Workspace

pytestmark = pytest.mark.long
ARM = "tiny/distil/base/all.any/n16-s0"
PAGE = 4096
# What is made anew, in order; a stage's case begins with its own.
STAGES = ("checkpoints", "generations", "verdicts", "scores")
MADE = {
    "checkpoints": f"checkpoints/{ARM}/checkpoint.json",
    "generations": f"generations/{ARM}/bank.parquet",
    "verdicts": f"verdicts/{ARM}/bank.parquet",
    "scores": f"scores/{ARM}/bank.json",
}
LOGS = {"checkpoints": f"train/{ARM}", "generations": f"generate/{ARM}/bank"}
LOGS["verdicts"] = f"judge/{ARM}/bank"


class Disk:
    """A small file system at a folder, seen by commands that are put behind `within`."""

    def __init__(self, folder: Path, size: int):
        folder.mkdir(parents=True)
        script = f'mount -t tmpfs -o size={size} none "$0" && echo mounted && exec sleep 3600'
        self.keeper = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.keeper.stdout.readline() != "mounted\n":
            self.keeper.wait()
            pytest.skip(f"no file system can be mounted here: {self.keeper.stderr.read().strip()}")
        self.within = ("nsenter", f"--target={self.keeper.pid}", "--user", "--mount")
        self.seen = Path(f"/proc/{self.keeper.pid}/root{folder}")  # from outside

    def fill(self, left: int) -> None:
        """Leave so many bytes free, or none if others write meanwhile."""
        free = shutil.disk_usage(self.seen).free
        with suppress(OSError), open(self.seen / "ballast", "wb", buffering=0) as ballast:
            ballast.write(bytes(max(0, free - left)))

    def make_room(self) -> None:
        (self.seen / "ballast").unlink()

    def end(self) -> None:
        self.keeper.kill()
        self.keeper.wait()


class Scene:
    """A finished study on a small disk, of which one arm is to be made again from a stage on.

    Args:
        finished: the study.
        folder: working directory.
        stage: where to begin.
    """

    def __init__(self, finished: Workspace, folder: Path, stage: str):
        self.disk = Disk(folder / "results", 64 << 20)
        self.at = Workspace(folder, within=self.disk.within)
        shutil.copytree(finished.folder / "results", self.disk.seen, dirs_exist_ok=True)
        shutil.copytree(finished.folder / ".snakemake", folder / ".snakemake")
        config = self.at.smoke()
        # several segments; the same answers
        config["sampling"].update(batch_size=8, group=8, chunk=8)
        self.at.write(config)
        self.root, self.stage = self.disk.seen / "smoke", stage
        self.command = ["--cores", "1", f"results/smoke/{MADE['scores']}"]
        self.clear()

    def clear(self) -> None:
        """Remove what is to be made again, and what it could be taken from."""
        for later in STAGES[STAGES.index(self.stage) :]:
            shutil.rmtree(self.root / Path(MADE[later]).parent)
        shutil.rmtree(self.disk.seen / "store")

    def run(self, check: bool = False) -> str:
        return self.at.snakemake(*self.command, check=check)

    def start(self) -> subprocess.Popen:
        """Begin a run, without waiting for it."""
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(self.at.command(*self.command), cwd=self.at.folder, **said)

    def made(self) -> dict[str, bytes]:
        """Return the bytes of all that is to be made."""
        return {made: (self.root / made).read_bytes() for made in MADE.values()}

    def failed_plainly(self, output: str, told_ahead: bool = False) -> None:
        """See what is told, and that what failed left nothing that counts."""
        assert "FAILED" in output, output
        assert f"log: results/smoke/logs/{LOGS[self.stage]}.log" in output
        folder = self.at.folder / "results"
        asked, met = f"bytes below {folder}/", f"the disk at {folder} is full: "
        assert (asked if told_ahead else met) in output
        assert "Free space there (`./valley prune`" in output
        assert "then run the same command again" in output
        target = self.root / MADE[self.stage]
        assert not target.exists()
        assert not list(target.parent.glob("*.meta.json"))
        assert [
            path for path in self.disk.seen.rglob(".*") if tempfiles.NAME.fullmatch(path.name)
        ] == []

    def same_as(self, finished: Workspace) -> None:
        """See that all that was made has the bytes of a run that nothing disturbed."""
        for made, content in self.made().items():
            assert content == (finished.folder / "results/smoke" / made).read_bytes(), made


@pytest.fixture
def scene(finished, tmp_path):
    scenes = []

    def make(stage: str) -> Scene:
        scenes.append(Scene(finished, tmp_path / "study", stage))
        return scenes[-1]

    yield make
    for made in scenes:
        made.disk.end()


# Pages left free; with one not even the log can be written.
CASES = [("checkpoints", 4), ("generations", 1), ("verdicts", 2)]


@pytest.mark.parametrize(("stage", "pages"), CASES)
def test_a_full_disk_is_told_plainly_and_the_same_command_goes_on(scene, finished, stage, pages):
    at = scene(stage)
    at.disk.fill(pages * PAGE)
    # A training asks for room before it begins.
    at.failed_plainly(at.run(), told_ahead=stage == "checkpoints")
    at.disk.make_room()
    at.run(check=True)
    at.same_as(finished)


def test_on_a_disk_without_any_room_no_run_begins(scene, finished):
    """The lease, by which other runs know of this one, finds none."""
    at = scene("generations")
    at.disk.fill(0)
    output = at.run()
    assert f"the disk at {at.at.folder}/results is full: 0 of " in output
    assert "then run the same command again" in output
    assert "FAILED" not in output and "Traceback" not in output
    assert not (at.root / MADE["generations"]).exists()
    at.disk.make_room()
    at.run(check=True)
    at.same_as(finished)


def test_answers_that_found_room_are_not_sampled_again(scene, finished):
    at = scene("generations")
    at.disk.fill(5 * PAGE)
    at.failed_plainly(at.run())
    kept = list((at.disk.seen / "store/answers").rglob("*.parquet"))
    assert kept
    at.disk.make_room()
    at.run(check=True)
    told = read_json((at.root / MADE["generations"]).with_suffix(".meta.json"))["measured"]
    assert 0 < told["reused"] < told["answers"]
    at.same_as(finished)


def test_a_training_under_which_the_disk_runs_full_goes_on_after(scene):
    at = scene("checkpoints")
    config = at.at.smoke()
    config["recipes"]["distil"]["epochs"] = 15  # time enough to fill the disk
    at.at.write(config)
    log = at.root / "logs" / f"{LOGS['checkpoints']}.log"
    log.unlink()
    run = at.start()
    while not (log.is_file() and "update " in log.read_text()):
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.01)
    at.disk.fill(0)
    at.failed_plainly(run.communicate()[0])
    at.disk.make_room()
    at.run(check=True)
    made = at.made()
    at.clear()
    at.run(check=True)
    assert at.made() == made, "as without any disturbance"


def test_without_room_for_its_own_records_snakemake_begins_nothing(tmp_path):
    disk = Disk(tmp_path / "study", 1 << 20)
    at = Workspace(tmp_path / "desk", within=disk.within)
    at.folder = tmp_path / "study"
    wanted = ("--cores", "1", "results/smoke/benchmarks/bank.parquet")
    disk.fill(0)
    output = at.snakemake(*wanted, check=False)
    assert f"the disk at {at.folder} is full: 0 of 1,048,576 bytes are free. Free space" in output
    assert "No space left" not in output
    assert not (disk.seen / "results").exists()
    disk.make_room()
    at.snakemake(*wanted)
    assert (disk.seen / wanted[-1]).is_file()
    disk.end()
