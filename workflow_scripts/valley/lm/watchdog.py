"""Whether all processes of a training are alive and make progress, and which one does not.

A process that hangs stops the others inside an operation that all take part in, and that operation
knows of no names. So a thread of each process tells the others, by the store that the launcher
keeps for them, that it lives and how far its process has come. A process that is silent for too
long, or stays behind while all wait, is named, and each of the others ends.
"""

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

STATUS = 70  # EX_SOFTWARE: with which a process ends that has found another hanging
ANSWER_SECONDS = 30.0  # for one question to the store


def judged(said: dict[int, dict], size: int, timeout: float) -> str | None:
    """Return which processes hang, in a line; None when none does.

    Args:
        said: by rank, the last that a process has said, with `silent` and `still`: seconds since it
            said anything, and since it came further. Ranks that never said anything are missing.
        size: number of processes.
        timeout: seconds.
    """
    silent = [rank for rank, one in sorted(said.items()) if one["silent"] > timeout]
    if silent:
        names = "; ".join(_named(rank, size, said[rank]) for rank in silent)
        return f"{names}: no sign of life for {timeout:g} s"
    if len(said) < size or any(one["alone"] for one in said.values()):
        return None
    if min(one["still"] for one in said.values()) <= timeout:
        return None
    least = min(one["passes"] for one in said.values())
    behind = [rank for rank, one in sorted(said.items()) if one["passes"] == least]
    if len(behind) == size:
        return None
    names = "; ".join(_named(rank, size, said[rank]) for rank in behind)
    return f"{names}: behind the others, which have waited for it for {timeout:g} s"


def _named(rank: int, size: int, one: dict) -> str:
    return f"process {rank} of {size} ({one['host']}, pid {one['pid']}), at {one['at']}"


class Watchdog:
    """Tells the other processes of this one, and watches them; see the module.

    Args:
        rank, size: which process this is, of how many.
        address, port: of the launcher's store.
        timeout: seconds without a sign of life after which a process hangs.
        report: gets the line that names it, before this process ends.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        *,
        address: str,
        port: int,
        timeout: float,
        report: Callable[[str], None],
    ):
        from torch.distributed import TCPStore

        self.rank, self.size, self.timeout, self.report = rank, size, timeout, report
        patience = timedelta(seconds=max(timeout, ANSWER_SECONDS))
        # Connections of its own: the thread must not wait for what the process waits for.
        self._signs_of_life = TCPStore(address, port, is_master=False, timeout=patience)
        self._asked = TCPStore(address, port, is_master=False, timeout=patience)
        self._at, self._passes, self._alone, self._turns = "its start", 0, False, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def note(self, at: str | None = None) -> None:
        """Note that this process has come further.

        Args:
            at: where, in words; None is as before.
        """
        self._at, self._passes = at or self._at, self._passes + 1

    @contextmanager
    def alone(self, at: str) -> Iterator[None]:
        """Within it this process may take as long as it needs while others wait, if it lives."""
        before, self._at, self._alone = self._at, at, True
        try:
            yield
        finally:
            self._at, self._alone = before, False
            self._passes += 1

    def first_then_others(self, at: str, make: Callable):
        """Return what `make` gives: called in the first process, then in the others at once.

        Args:
            at: what it is, in words.
            make: called in each process.
        """
        self._turns += 1
        turn = f"valley/turn/{self._turns}"
        with self.alone(at):
            while self.rank and not self._asked.check([turn]):
                time.sleep(0.1)
            made = make()
            if not self.rank:
                self._asked.set(turn, "done")
        return made

    def end(self) -> None:
        """Watch no longer; the others expect no more of this process."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        # Without the launcher's store the launcher is gone, and ends this process by itself.
        with suppress(RuntimeError):
            self._look_around()

    def _look_around(self) -> None:
        interval = min(5.0, self.timeout / 10)
        seen: dict[int, tuple[dict, float, float]] = {}
        beat, last_check = 0, time.monotonic()
        while not self._ended.wait(interval):
            # A process that was suspended itself can't judge the others when it continues.
            now = time.monotonic()
            if now - last_check > self.timeout / 2:
                seen = {rank: (said, now, now) for rank, (said, _, _) in seen.items()}
            last_check = now
            beat += 1
            self._send(beat=beat)
            for rank in range(self.size):
                if said := self._heard(rank):
                    before, heard, moved = seen.get(rank, ({}, now, now))
                    heard = heard if said.get("beat") == before.get("beat") else now
                    moved = moved if said.get("passes") == before.get("passes") else now
                    seen[rank] = said, heard, moved
            found = judged(
                {
                    rank: {**said, "silent": now - heard, "still": now - moved}
                    for rank, (said, heard, moved) in seen.items()
                    if not said["ended"]
                },
                self.size,
                self.timeout,
            )
            if found and not self._ended.is_set():
                self._give_up(found)
        self._send(ended=True)

    def _send(self, beat: int = 0, ended: bool = False) -> None:
        self._signs_of_life.set(
            f"valley/life/{self.rank}",
            json.dumps(
                {
                    "beat": beat,
                    "passes": self._passes,
                    "alone": self._alone,
                    "at": self._at,
                    "host": platform.node(),
                    "pid": os.getpid(),
                    "ended": ended,
                }
            ),
        )

    def _heard(self, rank: int) -> dict | None:
        key = f"valley/life/{rank}"
        return (
            json.loads(self._signs_of_life.get(key)) if self._signs_of_life.check([key]) else None
        )

    def _give_up(self, found: str) -> None:
        self.report(f"this training hangs: {found}")
        os._exit(STATUS)  # the process itself is inside an operation that does not end
