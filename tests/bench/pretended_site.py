"""A SLURM that is only pretended: one server, and commands that ask it, for runs of many jobs.

`sbatch`, `squeue`, `sacct`, `scancel`, `sinfo` and `scontrol` are small scripts on PATH that hand
their arguments to the server and print its answer. Its jobs run no program: each ends when the
site's clock says so, and its files appear then. The clock is `factor` times as fast as the wall's.
"""

import heapq
import random
import re
import shlex
import socketserver
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = ("sbatch", "squeue", "sacct", "scancel", "sinfo", "scontrol")
CLIENT = """#!/bin/bash
[ "${{0##*/}}" = sbatch ] && IFS= read -r -d '' script
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 1
printf '%s\\0' $(($# + 2)) "${{0##*/}}" "$@" "$script" >&3
read -r status <&3; read -r error <&3
[ -n "$error" ] && echo "$error" >&2
[ "$status" = 0 ] || exit "$status"
exec cat <&3
"""
FORGOTTEN_SECONDS = 300  # after its end, by the controller: SLURM's MinJobAge
BOOKED_SECONDS = 10  # until the accounting knows what the controller does
TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
BUSY = "sbatch: error: Batch job submission failed: Resource temporarily unavailable"
LIMIT = (
    "sbatch: error: AssocMaxSubmitJobLimit sbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@dataclass(frozen=True)
class Habits:
    """How a site behaves; times in seconds of its clock, rates from 0 to 1.

    Attributes:
        nodes: jobs that run at a time.
        most_submitted: jobs of a user, waiting ones included; as MaxSubmitJobs.
        sbatch: least and most that a submission takes; drawn with equal chance between them.
        answer: likewise any other question.
        busy: submissions refused for the moment, which make no job.
        lost: submissions whose answer is lost, half of which make a job all the same.
        failing: jobs that fail.
        node_failing: jobs whose node fails once, and that SLURM then queues again.
        slow: from when to when the accounting takes `slow_seconds` for an answer.
        silent: from when to when it gives none.
    """

    nodes: int = 1000
    most_submitted: int = 5000
    sbatch: tuple[float, float] = (0.1, 2.0)
    answer: tuple[float, float] = (0.05, 0.5)
    busy: float = 0.01
    lost: float = 0.01
    failing: float = 0.01
    node_failing: float = 0.005
    slow: tuple[float, float] = (0, 0)
    slow_seconds: float = 180
    silent: tuple[float, float] = (0, 0)


@dataclass
class Job:
    """A job of the site: what it is to make, and what has become of it so far."""

    number: int
    name: str
    comment: str
    targets: tuple[str, ...]
    submitted: float
    state: str = "PENDING"
    ended: float | None = None
    tries: int = 0

    def row(self, form: str) -> str:
        """Return the job in a form of squeue's or sacct's."""
        words = {"%i": self.number, "%T": self.state, "%r": "None", "%k": self.comment}
        words |= {"JobIdRaw": self.number, "State": self.state}
        parts = re.split(r"([|, ])", form)
        return "".join("|" if part == "," else str(words.get(part, part)) for part in parts)


@dataclass
class Site:
    """The state of a pretended site.

    Args:
        factor: how often faster its clock is than the wall's.
        habits: how it behaves.
        seconds: from a job's targets to how long it runs.
        finish: makes the files of a job's targets.
        seed: of what is drawn.

    Attributes:
        calls: when each question came, by the command's name and what of it was asked.
        doubled: targets that two living jobs had at once.
    """

    factor: float
    habits: Habits
    seconds: Callable[[tuple[str, ...]], float]
    finish: Callable[[Iterable[str]], None]
    seed: int = 0
    jobs: dict[int, Job] = field(default_factory=dict)
    calls: list[tuple[float, str]] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    def __post_init__(self):
        self._draws, self._lock = random.Random(self.seed), threading.RLock()
        self._drawn: Counter[tuple] = Counter()
        self._queue: deque[Job] = deque()
        self._ends: list[tuple[float, int, int, str]] = []
        self._running, self._begun = 0, time.monotonic()
        self._living: Counter[str] = Counter()

    def now(self) -> float:
        """Return the seconds on the site's clock since it was set up."""
        return (time.monotonic() - self._begun) * self.factor

    def _chance(self, what: str, targets: tuple[str, ...]) -> float:
        """Draw what happens to a job of certain targets, the same whatever comes before others."""
        self._drawn[what, targets] += 1
        seed = f"{self.seed} {what} {self._drawn[what, targets]} {targets}"
        return random.Random(seed).random()

    # --- its life ---

    def advance(self) -> None:
        """Let jobs end whose time is up, and begin others in their place."""
        with self._lock:
            now = self.now()
            while self._ends and self._ends[0][0] <= now:
                at, number, tries, state = heapq.heappop(self._ends)
                job = self.jobs[number]
                if job.state == "RUNNING" and job.tries == tries:
                    self._end(job, state, at)
            while self._queue and self._running < self.habits.nodes:
                self._start(self._queue.popleft(), now)

    def _start(self, job: Job, now: float) -> None:
        if job.state != "PENDING":
            return
        job.state, job.tries = "RUNNING", job.tries + 1
        self._running += 1
        drawn, length = self._chance("run", job.targets), self.seconds(job.targets)
        state = "COMPLETED"
        if drawn < self.habits.failing:
            state = "FAILED"
        elif drawn < self.habits.failing + self.habits.node_failing and job.tries == 1:
            state = "NODE_FAIL"
        if state != "COMPLETED":
            length *= self._draws.random()
        heapq.heappush(self._ends, (now + length, job.number, job.tries, state))

    def _end(self, job: Job, state: str, now: float) -> None:
        self._running -= job.state == "RUNNING"
        if state == "NODE_FAIL":
            job.state = "PENDING"
            self._queue.append(job)
            return
        if state == "COMPLETED":
            self.finish(job.targets)
        job.state, job.ended = state, now
        self._living.subtract(job.targets)

    # --- what it answers ---

    def answer(self, tool: str, asked: list[str], script: str) -> tuple[int, str, str]:
        """Answer one call of a command; return its exit status, its error and what it prints.

        It takes as long as the site's habits say.
        """
        arrived = self.now()
        with self._lock:
            self.calls.append((arrived, f"{tool} {_kind(tool, asked)}"))
            least, most = self.habits.sbatch if tool == "sbatch" else self.habits.answer
            wait = self._draws.uniform(least, most)
        if tool == "sacct":
            if self.habits.silent[0] <= arrived < self.habits.silent[1]:
                self._wait(self.habits.silent[1] - arrived)
                return 1, "sacct: error: slurm_persist_conn_open: no answer", ""
            if self.habits.slow[0] <= arrived < self.habits.slow[1]:
                wait = self.habits.slow_seconds
        self._wait(wait)
        self.advance()
        with self._lock:
            return getattr(self, f"_{tool}")(asked, script)

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds / self.factor)

    def _sbatch(self, asked: list[str], script: str) -> tuple[int, str, str]:
        if len(self._queue) + self._running >= self.habits.most_submitted:
            return 1, LIMIT, ""
        targets = tuple(targets_of(script))
        drawn = self._chance("submit", targets)
        if drawn < self.habits.busy:
            return 1, BUSY, ""
        lost = drawn < self.habits.busy + self.habits.lost
        if lost and drawn < self.habits.busy + self.habits.lost / 2:
            return 1, TIMED_OUT, ""
        number = len(self.jobs) + 1
        job = Job(
            number,
            _option(asked, "--job-name"),
            _option(asked, "--comment"),
            targets,
            self.now(),
        )
        self.jobs[number] = job
        self.doubled += [target for target in job.targets if self._living[target] > 0]
        self._living.update(job.targets)
        self._queue.append(job)
        self.advance()
        return (1, TIMED_OUT, "") if lost else (0, "", f"{number}\n")

    def _squeue(self, asked: list[str], script: str) -> tuple[int, str, str]:
        now, names = self.now(), _option(asked, "--name").split(",")
        ended = "--states=all" in asked
        known = [
            job
            for job in self.jobs.values()
            if job.name in names
            and (job.ended is None if not ended else now - (job.ended or now) < FORGOTTEN_SECONDS)
        ]
        return 0, "", "".join(f"{job.row(_option(asked, '--format'))}\n" for job in known)

    def _sacct(self, asked: list[str], script: str) -> tuple[int, str, str]:
        if "-j" in asked:
            return 0, "", ""  # a step's reason: it has none
        now, names, form = self.now(), _option(asked, "--name"), _option(asked, "--format")
        lines = []
        for job in self.jobs.values():
            if job.name in names.split(",") and now - job.submitted >= BOOKED_SECONDS:
                late = job.ended is not None and now - job.ended < BOOKED_SECONDS
                row = job.row(form)
                lines.append(row.replace(job.state, "RUNNING") if late else row)
        return 0, "", "".join(f"{line}\n" for line in lines)

    def _scancel(self, asked: list[str], script: str) -> tuple[int, str, str]:
        named = _option(asked, "--name").split(",")
        for job in self.jobs.values():
            if job.ended is None and (str(job.number) in asked or job.name in named):
                self._end(job, "CANCELLED", self.now())
        return 0, "", ""

    def _sinfo(self, asked: list[str], script: str) -> tuple[int, str, str]:
        return 0, "", f"main|main*|1-00:00:00|1-infinite|{self.habits.nodes}|64|256000|(null)\n"

    def _scontrol(self, asked: list[str], script: str) -> tuple[int, str, str]:
        told = {
            "config": f"MinJobAge = {FORGOTTEN_SECONDS} sec\nMaxArraySize = 1001\n",
            "partition": "PartitionName=main MaxCPUsPerNode=UNLIMITED MaxMemPerNode=UNLIMITED\n",
            "ping": "Slurmctld(primary) at pretended is UP\n",
        }
        return 0, "", next(text for word, text in told.items() if word in asked)


def targets_of(script: str) -> list[str]:
    """Return the jobs of Snakemake that the script of a submission runs."""
    words = shlex.split(script, comments=True)
    found = words[words.index("--target-jobs") + 1 :]
    end = next((at for at, word in enumerate(found) if word.startswith("--")), len(found))
    return found[:end]


def _kind(tool: str, asked: list[str]) -> str:
    if tool == "sacct":
        return "of one job" if "-j" in asked else "of all"
    return asked[1] if tool == "scontrol" and asked[0] == "show" else ""


def _option(asked: list[str], name: str) -> str:
    """Return an option's value, after a space or an equals sign; empty without it."""
    for at, word in enumerate(asked):
        if word == name:
            return asked[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, request_queue_size = True, 256
    site: Site

    def handle_error(self, request, client_address) -> None:
        """Say nothing of a client that was killed while it waited."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        words, rest = [], b""
        while not words or len(words) <= int(words[0]):
            if not (read := self.rfile.read1(1 << 16)):
                return
            rest += read
            *found, rest = rest.split(b"\0")
            words += [word.decode() for word in found]
        _, tool, *asked, script = words
        status, error, printed = self.server.site.answer(tool, asked, script)
        self.wfile.write(f"{status}\n{error}\n{printed}".encode())


class Pretended:
    """A site at work, while the context lasts.

    Args:
        site: its state.
        folder: gets the commands; put it before others in PATH.
    """

    def __init__(self, site: Site, folder: Path):
        self.site, self._stop = site, threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = site
        folder.mkdir(parents=True, exist_ok=True)
        for tool in TOOLS:
            path = folder / tool
            path.write_text(CLIENT.format(port=self._server.server_address[1]))
            path.chmod(0o755)

    def __enter__(self) -> "Pretended":
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def _tick(self) -> None:
        while not self._stop.wait(0.05):
            self.site.advance()

    def __exit__(self, *error) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
