"""Runs in the trackers that a study file names: trainings while they run, scores at the end.

Tracking changes no result: no artefact, no digest and no rerun depends on it. Each tracker works in
a thread of its own. One that is slow, fails or hangs costs a job no more than a line in its log.
"""

import contextlib
import importlib
import importlib.util
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from valley.workflow.trackers import TRACKERS, Tracker

FOLDER = "tracking"  # below a study's results: what trackers without an address of their own write
# Seconds that a training, and the end of a study, wait for all of their trackers together.
PATIENCE, LONG_PATIENCE = 30.0, 300.0
SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as every tracker gets it.

    Attributes:
        to: names of trackers, of TRACKERS.
        project: what groups runs: the project or the experiment.
        key: the run's id; another run of the same id goes on with it.
        name: of the run, for people.
        folder: for the files of trackers that have no address of their own.
        about: settings to show with the run; nested mappings of plain values.
    """

    to: list[str]
    project: str
    key: str
    name: str
    folder: str
    about: dict[str, object] = field(default_factory=dict)


def run_of(settings: dict, *, study: str, root: Path, key: str, name: str, about: dict) -> Run:
    """Return the run of a job.

    Args:
        settings: the study file's `tracking`.
        study: its name, the project where it gives no other.
        root: folder of its results.
        key, name, about: see `Run`.
    """
    folder = Path(root, FOLDER).resolve()
    project = settings["project"] or study
    return Run(
        to=settings["to"], project=project, key=key, name=name, folder=str(folder), about=about
    )


def lacking(names: list[str]) -> list[str]:
    """Return a line for each tracker whose package is not installed, with what to do."""
    return [
        f"tracking.to: {name} needs the package {TRACKERS[name].package}, which is not installed: "
        f"`pip install {TRACKERS[name].package}` (envs/tracking.txt has the tested version), or "
        f"take {name} out of the list"
        for name in names
        if importlib.util.find_spec(TRACKERS[name].package) is None
    ]


@contextlib.contextmanager
def tracked(run: Run | None) -> Iterator[Log]:
    """Yield a function that gets each update's number and values; None tracks nothing.

    A run that ends by an exception is marked as stopped.
    """
    with _lines(run) as lines:

        def log(update: int, values: dict[str, float]) -> None:
            for line in lines:
                line.put(lambda tracker: tracker.log(update, values))

        yield log


def conclude(run: Run, scores: dict[str, float], files: list[Path]) -> None:
    """Give a study's scores, by name, and its files to every tracker."""
    with _lines(run, LONG_PATIENCE) as lines:
        for line in lines:
            line.put(lambda tracker: tracker.conclude(scores, files))


@contextlib.contextmanager
def _lines(run: Run | None, patience: float = PATIENCE) -> Iterator[list["_Line"]]:
    lines = [_Line(name, run) for name in run.to] if run else []
    finished = False
    try:
        yield lines
        finished = True
    finally:
        for line in lines:
            line.end(finished)
        until = time.monotonic() + patience
        for line in lines:
            if not line.ended(until):
                _say(
                    f"tracking: {line.name} has not ended within {patience:.0f} s and is abandoned"
                )


class _Line:
    """What goes to one tracker, one thing after another, in a thread that may fail by itself.

    Args:
        name: the tracker's.
        run: the run.
    """

    def __init__(self, name: str, run: Run):
        self.name, self._run = name, run
        self._queue: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"tracking {name}", daemon=True)
        try:  # here, not in the thread: while this one imports other libraries, that is not safe
            importlib.import_module(TRACKERS[name].module)
        except Exception as error:
            self._give_up(error)
        else:
            self._thread.start()

    def put(self, call: Callable[[Tracker], None]) -> None:
        """Let the tracker be called; a tracker that has failed is not."""
        if self._thread.is_alive():
            self._queue.put(call)

    def end(self, finished: bool) -> None:
        """Let the run end."""
        self.put(lambda tracker: tracker.end(finished))
        self._queue.put(None)

    def ended(self, until: float) -> bool:
        """Wait for the end, until a time of the monotonic clock; tell whether it has come."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            tracker = TRACKERS[self.name].open(self._run)
            while (call := self._queue.get()) is not None:
                call(tracker)
        except (Exception, SystemExit) as error:  # whatever a library treats as the end
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        cause = next(iter(str(error).strip().splitlines()), "")
        said = without_secrets(f"{type(error).__name__}: {cause}"[:300])
        _say(f"tracking: {self.name} failed ({said}); the job goes on without it")


def without_secrets(text: str) -> str:
    """Return a text without credentials: those in addresses, and what variables hold as such."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) > 6:
            text = text.replace(value, "…")
    return re.sub(r"//[^/@\s]+@", "//…@", text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
