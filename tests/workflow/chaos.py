"""Kill a study again and again, and see that it comes back to the very same results.

The smoke study is run once undisturbed: its results are what all others must be, byte for byte, and
its sidecars tell how many jobs were done after how many seconds. Then fresh studies are run, ten
kills in each. A kill's moment is drawn evenly over the undisturbed duration. A study that has been
killed has no such clock any more, so a moment is given by the work: when as many jobs are done as
were at that moment, and as long after the last of them. Moments of a study are in order; where
one has passed already while a run came back, the kill falls some time after that run's start.

What is killed (SIGKILL, drawn as well):

- master: Snakemake alone. Its jobs go on, orphaned;
- tree: `valley resume`, Snakemake and all that they have started;
- job: one running job's process. Snakemake goes on with what doesn't need it.

After the death of Snakemake, or its end after a job's death, one command brings the study back:
`./valley resume STUDY`, every other time with `--cancel`. At each return and at the end is checked
that no orphan was running beside the new Snakemake, that no training was repeated whose checkpoint
was in the store, and, when all is done, that nothing is left behind: no half-written or temporary
file, no lock, no state, no mark of an unfinished job.
"""

import argparse
import bisect
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from valley.cluster import runs
from valley.core import processes, tempfiles
from valley.core.files import read_json
from workspace import Workspace

KINDS = ("master", "tree", "job")
PER_STUDY = 10
POLL = 0.05  # seconds
PATIENCE = 900  # seconds until a study that does not move is given up


@dataclass(frozen=True)
class Timeline:
    """When the jobs of the undisturbed run were done, in seconds after its start."""

    done: tuple[float, ...]

    @classmethod
    def of(cls, workspace: Workspace) -> "Timeline":
        """Read it from the sidecars of a study that was run once, from its study file on."""
        begun = workspace.study.stat().st_mtime
        return cls(tuple(sorted(finished_at(path) - begun for path in sidecars(workspace))))

    @property
    def duration(self) -> float:
        return self.done[-1]

    def at(self, moment: float) -> tuple[int, float]:
        """Return how many jobs were done at a moment, and for how many seconds no other."""
        jobs = bisect.bisect_right(self.done, moment)
        return jobs, moment - (self.done[jobs - 1] if jobs else 0.0)


@dataclass
class Kill:
    """One kill: what was drawn, and what came of it.

    Attributes:
        moment: seconds of the undisturbed run.
        kind: see the module.
        done: jobs that were done when it fell.
        orphans: processes that outlived it.
    """

    moment: float
    kind: str
    done: int = 0
    orphans: int = 0


@dataclass
class Outcome:
    """What a study's kills came to; no faults is as it should be."""

    kills: list[Kill] = field(default_factory=list)
    returns: int = 0
    trained: int = 0
    restored: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def sidecars(workspace: Workspace) -> list[Path]:
    """Return the sidecars of the study's jobs: one for each that is done."""
    return list((workspace.folder / "results" / "smoke").rglob("*.meta.json"))


def finished_at(sidecar: Path) -> float:
    """Return when a job was done, from its sidecar: its files' times may be touched later."""
    told = read_json(sidecar)["measured"]["finished"]
    return datetime.strptime(told, "%Y-%m-%dT%H:%M:%S%z").timestamp()


class Hunt:
    """One study that is killed at given moments, and brought back each time.

    Args:
        workspace: folder of a fresh study.
        timeline: of the undisturbed run.
        kills: what is to be done, by moment.
        cores: of each run.
        chance: draws what else is left to chance.
    """

    def __init__(self, workspace, timeline: Timeline, kills: list[Kill], cores: int, chance):
        self.at, self.timeline, self.cores, self.chance = workspace, timeline, cores, chance
        self.ahead, self.told = list(kills), Outcome()
        self.temporary = workspace.folder / "tmp"
        self.temporary.mkdir()
        self.output = workspace.folder / "output.txt"

    def run(self, killed=lambda kill: None) -> Outcome:
        """Do it; `killed` is told of each kill. What came too late is left in `ahead`."""
        begun = time.monotonic()
        try:
            self._run(killed)
        finally:
            self._end_all()
        self.told.seconds = time.monotonic() - begun
        return self.told

    def _run(self, killed) -> None:
        process, dead = self._start(["snakemake"]), None
        while True:
            ended = self._until_next(process)
            if ended is None:
                kill = self.ahead.pop(0)
                self._kill(kill, process)
                dead = kill
                self.told.kills.append(kill)
                killed(kill)
                continue
            if ended == 0:
                break
            if dead is None:
                return self._fault(f"Snakemake failed (status {ended}), though nothing was killed")
            self._check_trainings()
            cancel = self.told.returns % 2 == 1
            process, dead = self._start(["valley", *(["--cancel"] if cancel else [])]), None
            self.told.returns += 1
        self._check_end()

    # Starting and waiting

    def _start(self, how: list[str]) -> subprocess.Popen:
        repository = self.at.repository
        plain = ["--snakefile", str(repository / "Snakefile"), "--cores", str(self.cores)]
        if how[0] == "snakemake":
            command = [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", *plain]
        else:
            command = [sys.executable, str(repository / "valley"), "resume", "study.yaml"]
            command += [*how[1:], "--more", *plain]
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        self.began, self.first = time.monotonic(), len(sidecars(self.at))
        with open(self.output, "ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.at.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _until_next(self, process: subprocess.Popen) -> int | None:
        """Wait for the next kill's moment (None), or for the end (the exit status)."""
        reached, working = None, False
        wanted, after = self.timeline.at(self.ahead[0].moment) if self.ahead else (0, 0.0)
        passed = self.ahead and wanted <= self.first
        # One that has passed: some fall into the start of the run, most into its work.
        early = self.chance.random() < 0.25
        while (ended := process.poll()) is None:
            now = time.monotonic()
            if now - self.began > PATIENCE:
                self._fault("nothing moves any more")
                return 1
            working = working or bool(self._jobs())
            if working and (beside := processes.orphans(self.at.folder)) and self._masters():
                self._fault(f"orphans running beside Snakemake: {sorted(beside)}")
            if self.ahead:
                there = (early or working) if passed else len(sidecars(self.at)) >= wanted
                reached = reached or (now if there else None)
                if reached and now - reached >= after and self._can(self.ahead[0].kind):
                    return None
            time.sleep(POLL)
        return ended

    def _can(self, kind: str) -> bool:
        return bool(self._jobs() if kind == "job" else self._masters())

    # Killing

    def _masters(self) -> list[int]:
        return runs.masters(self.at.folder)

    def _jobs(self) -> list[int]:
        """Return the processes of jobs that a living Snakemake has started."""
        masters, found = set(self._masters()), []
        for pid, parent in _parents().items():
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if parent in masters and b"/.snakemake/scripts/" in line:
                    found.append(pid)
        return sorted(found)

    def _kill(self, kill: Kill, process: subprocess.Popen) -> None:
        kill.done = len(sidecars(self.at))
        if kill.kind == "master":
            _end(self._masters())
        elif kill.kind == "job":
            if jobs := self._jobs():
                _end([self.chance.choice(jobs)])
        else:
            _end_tree(process.pid)
        if kill.kind == "master":
            kill.orphans = len(processes.orphans(self.at.folder))

    def _end_all(self) -> None:
        while left := [*self._masters(), *processes.orphans(self.at.folder)]:
            _end(left)
            time.sleep(POLL)

    # Checking

    def _fault(self, text: str) -> None:
        self.told.faults.append(f"after {len(self.told.kills)} kills: {text}")

    def _check_trainings(self) -> None:
        """See that no training was done whose result was in the store before it began."""
        store = self.at.folder / "results" / "store"
        for path in sidecars(self.at):
            about = read_json(path)
            entry = store / about["key"][:2] / about["key"] / "entry.json"
            if about["rule"] not in ("train", "student") or about["restored"]:
                continue
            # In whole seconds, cut off: never later than it was.
            began = finished_at(path) - about["measured"]["wall_seconds"]
            if entry.stat().st_mtime < began:
                self._fault(f"{path} was trained, though the store had it")

    def _check_end(self) -> None:
        self._check_trainings()
        folder = self.at.folder
        rules = [read_json(path) for path in sidecars(self.at)]
        trainings = Counter(a["restored"] for a in rules if a["rule"] in ("train", "student"))
        self.told.trained, self.told.restored = trainings[False], trainings[True]
        # What Snakemake keeps in TMPDIR is its own.
        left = [path for path in folder.rglob(".*") if tempfiles.NAME.fullmatch(path.name)]
        left += [path for name in ("locks", "incomplete") for path in _files(folder, name)]
        left += [*(folder / "results" / "store" / "resume").glob("*")]
        left += [*folder.rglob(".writing")]
        for path in left:
            self._fault(f"left behind: {path.relative_to(folder)}")


def _files(folder: Path, name: str) -> list[Path]:
    return [path for path in (folder / ".snakemake" / name).rglob("*") if path.is_file()]


def differences(results: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """Return the artefacts that are missing, unexpected or of other bytes."""
    names = sorted(results.keys() | expected.keys())
    return [name for name in names if results.get(name) != expected.get(name)]


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            told = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            found[int(entry.name)] = int(told[1])
    return found


def _end(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _end_tree(root: int) -> None:
    """Kill a process and all below it, from the top: nobody is left to start others."""
    tree, parents = [root], _parents()
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    _end(tree)
    _end([pid for pid, parent in _parents().items() if parent in tree])


def draw(timeline: Timeline, kills: int, chance: random.Random) -> list[list[Kill]]:
    """Return the kills of each study, in order."""
    drawn, kinds = [], [KINDS[i % len(KINDS)] for i in range(kills)]
    chance.shuffle(kinds)
    for first in range(0, kills, PER_STUDY):
        count = min(PER_STUDY, kills - first)
        moments = sorted(chance.uniform(0, timeline.duration) for _ in range(count))
        drawn.append([Kill(moment, kinds.pop()) for moment in moments])
    return drawn


def table(kills: list[Kill], duration: float) -> str:
    """Return a plain table of the kills by kind, and of where in the work they fell."""
    lines = [f"{'killed':8} {'times':>5} {'with orphans':>12}  jobs done when it fell"]
    for kind in KINDS:
        of_kind = [kill for kill in kills if kill.kind == kind]
        moments = " ".join(str(kill.done) for kill in sorted(of_kind, key=lambda kill: kill.done))
        with_orphans = sum(kill.orphans > 0 for kill in of_kind)
        lines.append(f"{kind:8} {len(of_kind):5} {with_orphans:12}  {moments}")
    tenths = Counter(min(9, int(10 * kill.moment / duration)) for kill in kills)
    lines.append(
        "moments, by tenth of the duration: " + " ".join(str(tenths[i]) for i in range(10))
    )
    return "\n".join(lines)


def main() -> int:
    """Do all; return 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50, help="kills in all [50]")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn [0]")
    parser.add_argument("--cores", type=int, default=2, help="of each run [2]")
    parser.add_argument("--folder", type=Path, help="keep everything there [a temporary folder]")
    options = parser.parse_args()
    from tqdm import tqdm

    folder = options.folder or Path(tempfile.mkdtemp(prefix="valley-chaos-"))
    undisturbed = Workspace(folder / "undisturbed")
    undisturbed.snakemake("--cores", str(options.cores))
    expected, timeline = undisturbed.results(), Timeline.of(undisturbed)
    print(
        f"undisturbed: {len(timeline.done)} jobs, {timeline.duration:.0f} s, {folder}", flush=True
    )

    chance, outcomes, late = random.Random(options.seed), [], []
    waiting = draw(timeline, options.kills, chance)
    with tqdm(total=options.kills, unit="kill", disable=None) as bar:
        most = 3 + len(waiting)
        while (waiting or late) and len(outcomes) < most:
            # A kill that came too late for one study is done to the next.
            kills = sorted([*(waiting.pop(0) if waiting else []), *late], key=lambda k: k.moment)
            number = len(outcomes) + 1
            workspace = Workspace(folder / f"study-{number}")
            hunt = Hunt(workspace, timeline, kills, options.cores, chance)
            outcome = hunt.run(lambda _kill: bar.update())
            late = hunt.ahead
            wrong = differences(workspace.results(), expected)
            outcome.faults += [f"other bytes: {name}" for name in wrong]
            outcome.faults = [f"study {number}, {fault}" for fault in outcome.faults]
            outcomes.append(outcome)
            print(
                f"study {number}: {len(outcome.kills)} kills, {outcome.returns} returns, "
                f"{outcome.seconds:.0f} s, {outcome.trained} trainings kept, {outcome.restored} "
                f"put back from the store, {len(outcome.faults)} faults",
                flush=True,
            )
    kills = [kill for outcome in outcomes for kill in outcome.kills]
    print(table(kills, timeline.duration))
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    lasted = sum(outcome.seconds for outcome in outcomes) / len(outcomes) / timeline.duration
    print(
        f"{len(kills)} kills, {sum(outcome.returns for outcome in outcomes)} returns; "
        f"{len(expected)} artefacts compared in each of {len(outcomes)} studies; a study took "
        f"{lasted:.1f} times the undisturbed duration"
    )
    print("\n".join(faults) if faults else "every study ended with the same bytes")
    if not faults and options.folder is None:
        shutil.rmtree(folder)
    return int(bool(faults) or len(kills) < options.kills)


if __name__ == "__main__":
    sys.exit(main())
