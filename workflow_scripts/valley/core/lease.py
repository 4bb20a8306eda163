"""The lease of a study's results: who runs the study now, for other users and hosts to see.

A run writes it before its first job, touches it while it lives and removes it at its end. Whether
a run on another host lives is told by the lease's time *changing* while one looks, never by what
the time is: clocks differ. The lease is no result; nothing is determined by it.
"""

import atexit
import errno
import json
import os
import platform
import pwd
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from valley.core import processes, tempfiles

BEAT_SECONDS = 15
DEAD_SECONDS = 90  # without a beat: then a run on another host is dead


class LeaseTaken(RuntimeError):
    """Another run has the lease; the message says whose it is."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        token: tells this run from all others.
        process: its name, see `valley.core.processes`.
        host, user, folder: where it was started, and by whom.
        slurm: the name that its SLURM jobs have; None before the first is submitted.
        ended: the run has ended, and left jobs.
    """

    token: str
    process: str
    host: str
    user: str
    folder: str
    slurm: str | None = None
    ended: bool = False

    @classmethod
    def me(cls) -> "Holder":
        """Return this process, with a new token."""
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = str(os.getuid())
        name = processes.name()
        return cls(secrets.token_hex(8), name, platform.node(), user, os.getcwd())

    def __str__(self) -> str:
        pid = self.process.split("-")[1]
        return f"the run of {self.user} on {self.host} (process {pid}, in {self.folder})"


class Lease:
    """The lease of one study's results.

    Args:
        root: folder of the study's results.
        left: from the name of SLURM jobs to whether some are left; asked at the end of a run.
            While there are, the lease stays, and the next run knows of them.
    """

    def __init__(self, root: str | Path, left: Callable[[str], bool] = lambda slurm: False):
        self._left = left
        self.path = Path(root) / "logs" / "lease.json"
        self._mine: Holder | None = None
        self._ended = threading.Event()

    def holder(self) -> Holder | None:
        """Return its holder; None if there is none.

        Raises:
            OSError: it can't be read.
        """
        try:
            return Holder(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # no lease of ours: nobody writes to it in place
            return Holder("", "0-0-0", "?", "?", "?")

    def lives(self, other: Holder, pause: Callable[[float], None] = time.sleep) -> bool:
        """Tell whether another's run is alive; where that is another host's, look for a while.

        Args:
            other: who holds the lease.
            pause: waits for some seconds.
        """
        here = False if other.ended else processes.alive(other.process)
        if here is not None:
            return here
        first, begun = self._beat(), time.monotonic()
        while time.monotonic() - begun < DEAD_SECONDS:
            pause(min(1.0, BEAT_SECONDS))
            if self._beat() != first:
                return self.path.exists()
        return False

    def _beat(self) -> int | None:
        try:
            # Opened, so that a network's file system asks its server.
            with self.path.open() as file:
                return os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None

    def take(self, over: Holder | None = None) -> None:
        """Take it, and keep it until this process ends.

        Args:
            over: whose lease may be taken over: its run is dead.

        Raises:
            Taken: another run was faster.
            OSError: it can't be written.
        """
        self._mine = mine = Holder.me()
        try:
            if over:
                self._replace(over, mine)
            else:
                self._put(mine)
        except FileExistsError:
            self._mine = None
            raise LeaseTaken(str(self.holder() or "another run")) from None
        threading.Thread(target=self._keep, name="lease", daemon=True).start()
        atexit.register(self.release)

    def _replace(self, dead: Holder, own: Holder) -> None:
        """Put this run's lease in the place of a dead one's, and of no other.

        Who makes the claim on just that lease may; when it is done the lease is another.

        Raises:
            FileExistsError: another run has the claim, or has had it.
        """
        claim = self.path.with_name(f".{self.path.name}.after-{dead.token}")
        mine = self._written(own)
        try:
            tempfiles.appear(mine, claim)
            try:
                there = self.holder()
                if there and there.token != dead.token:
                    raise FileExistsError(errno.EEXIST, "taken", str(self.path))
                if there:
                    os.replace(mine, self.path)
                else:  # the dead one's is gone, and who finds none may be as far
                    tempfiles.appear(mine, self.path)
            finally:
                claim.unlink()
        finally:
            mine.unlink(missing_ok=True)

    def submitting(self, slurm: str) -> None:
        """Note under which name this run's SLURM jobs go, before the first one is submitted."""
        if self._mine is None or self._mine.slurm == slurm:
            return
        self._mine = replace(self._mine, slurm=slurm)
        os.replace(self._written(self._mine), self.path)

    def _written(self, holder: Holder) -> Path:
        """Return a file beside the lease, with the lease's content."""
        temporary = tempfiles.file(self.path)
        temporary.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        return temporary

    def _keep(self) -> None:
        pid = os.getpid()
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # out of reach for a moment
                other = self.holder()
                mine = self._mine
                if self._ended.is_set() or mine is None:
                    return
                if other is None:
                    self._put(mine)  # somebody has tidied up
                elif other.token == mine.token:
                    os.utime(self.path)  # needs no room on a full disk
                else:
                    # This process stood still for long, and another run has begun: submit no more.
                    print(f"{other} has taken over {self.path}: this run ends", file=sys.stderr)
                    os.kill(pid, signal.SIGTERM)
                    return

    def _put(self, own: Holder) -> None:
        """Write the lease where there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._written(own)
        try:
            tempfiles.appear(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        holder = self.holder()
        return bool(holder and self._mine and holder.token == self._mine.token)

    def release(self) -> None:
        """Give it back, in the process that took it."""
        mine = self._mine
        if mine is None or mine.process != processes.name():
            return
        self._ended.set()
        with suppress(OSError):
            if not self._is_mine():
                return
            if mine.slurm and self._left(mine.slurm):
                os.replace(self._written(replace(mine, ended=True)), self.path)
            else:
                self.path.unlink()
        self._mine = None
