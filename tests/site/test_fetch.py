"""`valley doctor --fetch` from a server that speaks the hub's API; a study run on what came."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import benchmark_material
import foreign_corpora
import hub
import hub_files
import pytest
import training_material
from valley.core.files import read_json
from workspace import REPOSITORY, Workspace

OLD, NEW = "a" * 40, "b" * 40  # commits of the student
TOKEN = "hf_" + "SomethingThatNobodyMayEverWriteDown"
ARM = "results/smoke/checkpoints/qwen/distil/base/all.any/n16-s0/checkpoint.json"
PROBLEMS = "results/smoke/benchmarks/lcb.parquet"

DOCTOR = [
    *(sys.executable, str(REPOSITORY / "valley"), "doctor", "study.yaml", "--here", "--quick"),
    *("--profile", str(REPOSITORY / "profiles" / "slurm")),
]


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """Folders that the hub serves: a student at two commits, data sets in their true schemas."""
    folder = tmp_path_factory.mktemp("material")
    for seed, commit in enumerate((OLD, NEW)):
        training_material.hub_student(folder / commit, seed=seed)
        model = folder / commit / "hub"
        (model / "original").mkdir()
        (model / "original" / "consolidated.00.pth").write_bytes(b"weights of another program")
        (model / "pytorch_model.bin").write_bytes(b"the same weights once more")
    rows = foreign_corpora.opencodereasoning2(160, words=30)
    foreign_corpora.cache(folder, rows, 40)
    taco, apps = (hub_files.snapshot(folder, n) for n in ("BAAI/TACO", "codeparrot/apps"))
    foreign_corpora.write_arrow(taco / "test" / "a.arrow", foreign_corpora.taco(2))
    hub_files.jsonl(apps / "test.jsonl", foreign_corpora.apps(2))
    snapshot = hub_files.snapshot(folder, "livecodebench/code_generation_lite")
    benchmark_material.release(snapshot, 4)
    return folder


@pytest.fixture
def has(material) -> hub.Hub:
    """All that the study reads, served."""
    models = {"tests/qwen": hub.Repository({c: material / c / "hub" for c in (OLD, NEW)})}
    snapshots = {path.parent.parent.name: path for path in material.glob("hub/*/snapshots/*")}
    datasets = {
        name.removeprefix("datasets--").replace("--", "/"): hub.Repository({path.name: path})
        for name, path in snapshots.items()
    }
    return hub.Hub(models, datasets)


class Site:
    """A folder with a study and a cache, on a machine that knows one hub.

    Args:
        folder: of both.
    """

    def __init__(self, folder: Path):
        self.workspace, self.home = Workspace(folder / "work"), folder / "home"
        self.write(OLD)

    def write(self, revision: str, name: str = "tests/qwen") -> None:
        commit = hub_files.COMMIT
        source = {"format": "livecodebench", "release": "v1", "count": 4}
        self.workspace.write(
            {
                **Workspace.smoke(),
                "students": {"qwen": {"hub": {"id": name, "revision": revision}}},
                "resources": {"train": {"gpus": 0}},
                "estimates": {"parameters": {"qwen": 50_000}},
                "corpus": {
                    "sources": {"r1": {"hub": "nvidia/OpenCodeReasoning-2", "revision": commit}},
                    "questions": {name: {"revision": commit} for name in ("taco", "apps")},
                    "difficulties": {"easy": ["EASY", "MEDIUM"], "hard": ["HARD", "VERY_HARD"]},
                },
                "benchmarks": {"lcb": {"source": {**source, "revision": "main"}}},
            }
        )

    def environment(self, address: str, **more: str) -> dict[str, str]:
        """Return what a user's shell has; of this machine's own hub settings nothing."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return {**own, "HF_HOME": str(self.home), "HF_ENDPOINT": address, **more}

    def doctor(self, address: str, *options: str, **more: str) -> tuple[int, str]:
        done = subprocess.run(
            [*DOCTOR, *options],
            env=self.environment(address, **more),
            cwd=self.workspace.folder,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def snapshots(self, name: str = "tests/qwen") -> list[Path]:
        return sorted(self.home.glob(f"hub/models--{name.replace('/', '--')}/snapshots/*"))

    def holding(self, secret: str) -> list[Path]:
        """Return the files of the folder and of the cache, logs and sidecars too, that hold it."""
        files = (path for path in self.home.parent.rglob("*") if path.is_file())
        return [path for path in files if secret.encode() in path.read_bytes()]


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path)


WANTED = ("students.qwen", "corpus.sources.r1", "corpus.questions.taco", "benchmarks.lcb")


@pytest.mark.long
def test_what_is_missing_is_told_fetched_and_the_study_runs_without_a_network(
    site, has, monkeypatch
):
    with hub.running(has) as address:
        status, said = site.doctor(address)
        assert status == 1
        for what in WANTED:
            assert re.search(rf"^BAD  {what}: .*not in the cache.*doctor --fetch$", said, re.M), (
                said
            )
        assert has.asked == [], "just looking asks nobody"

        status, said = site.doctor(address, "--fetch")
        assert status == 0, said
        assert re.search(r"^ok   the hub's cache: \S+ GB to fetch, \S+ GB free below ", said, re.M)
        for what in WANTED:
            assert re.search(rf"^ok   {what}: ", said, re.M), said
        assert f"at main (commit {hub_files.COMMIT})" in said
        (snapshot,) = site.snapshots()
        assert snapshot.name == OLD, "the commit that the study names, not the newest"
        names = {path.name for path in snapshot.iterdir()}
        assert "model.safetensors" in names
        assert not names & {"original", "pytorch_model.bin"}, "what nobody loads stays there"

        before = len(has.asked)
        assert site.doctor(address, "--fetch")[0] == 0
        assert len(has.asked) == before, "what is there is not asked for again"

    for name, value in site.environment(address, HF_HUB_OFFLINE="1", HF_TOKEN=TOKEN).items():
        monkeypatch.setenv(name, value)
    site.workspace.snakemake("--cores", "2", ARM, PROBLEMS)
    made = site.workspace.folder / ARM
    assert read_json(made)["examples"] == 16
    assert site.holding(TOKEN) == [], "nor did any job write the token down"


@pytest.mark.parametrize("revision", [OLD, NEW, "main"])
def test_a_pinned_commit_is_honoured_and_a_branch_is_resolved(site, has, material, revision):
    site.write(revision)
    with hub.running(has) as address:
        status, said = site.doctor(address, "--fetch")
    assert status == 0, said
    commit = OLD if revision == OLD else NEW
    (snapshot,) = site.snapshots()
    assert snapshot.name == commit
    served = material / commit / "hub" / "model.safetensors"
    assert (snapshot / "model.safetensors").read_bytes() == served.read_bytes()
    assert (f"at main (commit {NEW})" in said) == (revision == "main")


def test_a_gated_model_says_how_to_be_let_in_and_a_token_opens_it_and_is_nowhere_written(site, has):
    has.models["tests/qwen"].gated, has.token = True, TOKEN
    with hub.running(has) as address:
        status, said = site.doctor(address, "--fetch")
        assert status == 1
        told = re.search(r"^BAD  students.qwen: .*$", said, re.M)[0]
        assert f"ask on {address}/tests/qwen, make a token" in told
        assert "`export HF_TOKEN=…`" in told
        assert re.search(r"^ok   benchmarks.lcb: ", said, re.M), "the others come all the same"

        status, said = site.doctor(address, "--fetch", HF_TOKEN="hf_ofSomebodyElse")
        assert status == 1
        assert "the account of your HF_TOKEN is not (yet) among them" in said

        status, said = site.doctor(address, "--fetch", HF_TOKEN=TOKEN)
        assert status == 0, said
        assert TOKEN not in said
    assert site.holding(TOKEN) == []


def test_what_the_hub_does_not_have_is_told_and_the_rest_comes(site, has):
    site.write(OLD, "tests/quen")
    with hub.running(has) as address:
        status, said = site.doctor(address, "--fetch")
        assert status == 1
        assert "students.qwen: tests/quen at aaaa" in said
        assert "the hub has none of that name, or a private one" in said
        site.write("c" * 40)
        status, said = site.doctor(address, "--fetch")
    assert status == 1
    assert f"it has no revision '{'c' * 40}'" in said
    assert re.search(r"^ok   corpus.sources.r1: ", said, re.M)


def test_a_hub_that_is_down_or_ill_is_told_in_a_line(site, has):
    with hub.running(has) as address:
        has.status = 503
        status, said = site.doctor(address, "--fetch")
        assert status == 1
        assert f"BAD  the hub: {address} can't be reached (it answers 503)" in said
        assert re.search(r"^BAD  benchmarks.lcb: .*: not in the cache$", said, re.M)
    status, said = site.doctor(address, "--fetch")
    assert status == 1
    assert f"{address} can't be reached (" in said
    status, said = site.doctor(address, "--fetch", HF_HUB_OFFLINE="1")
    assert status == 1
    assert "HF_HUB_OFFLINE is set: unset it for fetching" in said
    assert "Traceback" not in said


def test_without_room_for_all_of_it_nothing_is_fetched(site, has, material):
    """The hub says how large files are: here a terabyte of terabytes more than they are."""
    has.models["tests/qwen"].told = 10**18
    with hub.running(has) as address:
        status, said = site.doctor(address, "--fetch")
    assert status == 1
    assert re.search(r"^BAD  the hub's cache: [\d,.]+ GB to fetch, .* let HF_HOME name", said, re.M)
    assert "benchmarks.lcb: livecodebench/code_generation_lite at main: not fetched" in said
    assert not site.snapshots()


def test_half_a_model_is_not_taken_for_a_whole_one(site, has):
    with hub.running(has) as address:
        site.doctor(address, "--fetch")
        (snapshot,) = site.snapshots()
        (snapshot / "model.safetensors").unlink()
        status, said = site.doctor(address)
        assert status == 1
        assert "incomplete, without model.safetensors" in said
        assert site.doctor(address, "--fetch")[0] == 0
    assert (snapshot / "model.safetensors").is_file()


def test_a_terminal_sees_how_far_it_is(site, has):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with hub.running(has) as address:
        process = subprocess.Popen(
            [*DOCTOR, "--fetch"],
            env=site.environment(address, TERM="xterm"),
            cwd=site.workspace.folder,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # its end, on Linux
                break
            seen += part
        assert process.wait() == 0
    os.close(ours)
    assert b"Fetching" in seen
    assert b"%|" in seen
