"""The state that a stopped training goes on from, saved whole or not at all.

Weights and optimizer are written by PyTorch's distributed checkpoint, which any number of processes
can read back; what is left of a run's position is an update's number and the history so far. No
generator's state is kept: every draw has a seed of its own, derived from the update.
"""

import contextlib
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_state_dict,
)

from valley.core.files import read_json, write_json
from valley.lm.parallel import World

# Adapters only, when only they are trained.
OPTIONS = StateDictOptions(ignore_frozen_params=True, strict=False)


class Keeper:
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

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self.every is not None and time.monotonic() - self.saved >= self.every

    def load(self) -> dict | None:
        """Bring back weights and optimizer; return the position saved, or None to begin anew."""
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
        """Save a state, then remove the one before; all processes call this together.

        Args:
            position: plain values; `done` is the number of updates done.
        """
        # Before the first update there is nothing to save, and PyTorch would make moments by taking
        # a step of its own, which counts.
        if self.folder is None or not position["done"]:
            return
        final = self._of(position)
        aside = self.folder / ".writing"
        if self.world.first:
            shutil.rmtree(aside, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
        self.world.meet()
        weights, moments = get_state_dict(self.learner, self.optimizer, options=OPTIONS)
        held = {"weights": weights, "moments": moments}
        try:
            with _quiet():
                dcp.save(held, checkpoint_id=aside, no_dist=self.world.size == 1)
        except BaseException:  # the disk is full: what can't be used takes no room from the log
            if self.world.first:
                shutil.rmtree(aside, ignore_errors=True)
            raise
        self.world.meet()
        if self.world.first:
            shutil.rmtree(final, ignore_errors=True)
            os.replace(aside, final)
            write_json(self.folder / "position.json", position)
            for old in self.folder.glob("update-*"):
                if old != final:
                    shutil.rmtree(old)
        self.world.meet()
        self.saved = time.monotonic()

    def _of(self, position: dict) -> Path:
        return self.folder / f"update-{position['done']}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warning that one process alone is one process alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
