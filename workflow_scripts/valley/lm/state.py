"""The state that a stopped training continues from, saved completely or not at all.

Weights and optimizer are written by PyTorch's distributed checkpoint, which any number of processes
can read back; what is left of a run's position is an update's number and the history so far. No
generator's state is kept: every draw has a seed of its own, derived from the update.

A state is copied to the host's memory, and written from there by a thread while training goes on.
"""

import contextlib
import copy
import os
import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_state_dict,
)

from valley.core.files import read_json, write_json
from valley.lm.parallel import World

# Adapters only, when only they are trained.
OPTIONS = StateDictOptions(ignore_frozen_params=True, strict=False)
# Bytes a second that a process is expected to write before it has: eight share a file system.
EXPECTED_SPEED = 100e6


class StateManager:
    """Saves and finds again the state of one training.

    Args:
        folder: where; None keeps nothing.
        learner, optimizer: what is trained, on its devices.
        world: the processes.
        every: seconds between two states; None saves only when asked.
    """

    def __init__(self, folder: Path | None, learner, optimizer, world: World, every: float | None):
        self.folder = Path(folder) if folder else None
        self.learner, self.optimizer, self.world, self.every = learner, optimizer, world, every
        self.saved = time.monotonic()
        self._writing: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._took: float | None = None

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self.every is not None and time.monotonic() - self.saved >= self.every

    @property
    def seconds(self) -> float:
        """How long saving a state takes: the last one's time, or what its size lets expect."""
        if self.folder is None:
            return 0.0
        if self._took is not None:
            return self._took
        # A weight and two moments of the same width.
        trained = [weight for weight in self.learner.parameters() if weight.requires_grad]
        return 3 * sum(_local(weight).nbytes for weight in trained) / EXPECTED_SPEED

    def load(self) -> dict | None:
        """Restore weights and optimizer; return the saved position, or None if there is none."""
        if self.folder is None or not (self.folder / "position.json").is_file():
            return None
        position = read_json(self.folder / "position.json")
        weights, moments = get_state_dict(self.learner, self.optimizer, options=OPTIONS)
        held = {"weights": weights, "moments": moments}
        with _quiet():
            dcp.load(held, checkpoint_id=self._of(position), no_dist=self.world.size == 1)
        set_state_dict(
            self.learner,
            self.optimizer,
            model_state_dict=held["weights"],
            optim_state_dict=held["moments"],
            options=OPTIONS,
        )
        return position

    def save(self, position: dict) -> None:
        """Begin to save a state; all processes call this together.

        It is copied before this returns, and written later. One is written at a time: this waits
        for the one before. When a state is whole, the one before is removed.

        Args:
            position: plain values; `done` is the number of updates done.

        Raises:
            BaseException: writing the one before has failed.
        """
        # Before the first update there is nothing to save, and PyTorch would make moments by taking
        # a step of its own, which counts.
        if self.folder is None or not position["done"]:
            return
        self.finish()
        begun = time.monotonic()
        weights, moments = get_state_dict(self.learner, self.optimizer, options=OPTIONS)
        stager = DefaultStager(StagingOptions(False, False, False, False))
        held = stager.stage({"weights": weights, "moments": moments})
        stager.close()
        self._writing = threading.Thread(
            target=self._write, args=(held, copy.deepcopy(position), begun), daemon=True
        )
        self._writing.start()
        self.saved = time.monotonic()

    def save_for(self, folder: Path, position: dict) -> None:
        """Save a state for another job, and wait for it; all processes call this together.

        Args:
            folder: where that job looks for it.
            position: as of `save`.
        """
        self.finish()
        other = StateManager(folder, self.learner, self.optimizer, self.world, None)
        other.save(position)
        other.finish()

    def check(self) -> None:
        """Raise what has gone wrong in writing, if anything has."""
        if self._writing and not self._writing.is_alive():
            self.finish()

    def finish(self) -> None:
        """Wait until the state that is being written is complete.

        Raises:
            BaseException: it could not be written (PyTorch has an error that is no Exception).
        """
        if self._writing:
            self._writing.join()
            self._writing = None
        if self._failed:
            failed, self._failed = self._failed, None
            raise failed

    def _write(self, held: dict, position: dict, begun: float) -> None:
        """Write a state, in a thread of each process; the first one vouches for it."""
        temporary = self.folder / ".writing"
        try:
            if self.world.first:
                shutil.rmtree(temporary, ignore_errors=True)
                self.folder.mkdir(parents=True, exist_ok=True)
            if self.world.size > 1:
                dist.barrier(self.world.cpu_group)
            with _quiet():
                dcp.save(
                    held,
                    checkpoint_id=temporary,
                    process_group=self.world.cpu_group,
                    no_dist=self.world.size == 1,
                )
            if self.world.first:
                self._vouch(temporary, position)
            self._took = time.monotonic() - begun
        except BaseException as error:
            if self.world.first:  # the disk is full: what can't be used takes no room from the log
                shutil.rmtree(temporary, ignore_errors=True)
            self._failed = error

    def _vouch(self, temporary: Path, position: dict) -> None:
        final = self._of(position)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        write_json(self.folder / "position.json", position)
        for old in self.folder.glob("update-*"):
            if old != final:
                shutil.rmtree(old)

    def _of(self, position: dict) -> Path:
        return self.folder / f"update-{position['done']}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warning that one process alone is one process alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _local(weight: torch.Tensor) -> torch.Tensor:
    """Return this process' part of a weight."""
    return weight.to_local() if hasattr(weight, "to_local") else weight
