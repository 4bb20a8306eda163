"""The trackers, each as one class: TensorBoard, Weights & Biases, MLflow, Trackio.

A tracker's own environment variables say where it keeps its runs, and hold its key. Without them
files lie in the run's folder (Trackio: in the user's cache). Packages are imported when a tracker
is opened.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from valley.workflow.tracking import Run


class Tracker(Protocol):
    """A run that is open in a tracker; opened with a `Run`, called from one thread."""

    def log(self, update: int, values: dict[str, float]) -> None:
        """Note values of an update, by name; an update that was noted before is replaced."""

    def conclude(self, scores: dict[str, float], files: list[Path]) -> None:
        """Note scores, by name, and files."""

    def end(self, finished: bool) -> None:
        """End the run: finished, or stopped and perhaps resumed later."""


class TensorBoard:
    """Event files in a folder for each run; of files it shows texts."""

    def __init__(self, run: "Run"):
        self._folder = Path(run.folder) / "tensorboard" / f"{run.name}.{run.key[:8]}"
        self._writer = None

    def _open(self, update: int):
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None:
            # A resumed run replaces what was logged after its last saved state.
            self._writer = SummaryWriter(str(self._folder), purge_step=update)
        return self._writer

    def log(self, update: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._open(update).add_scalar(name, value, update)

    def conclude(self, scores: dict[str, float], files: list[Path]) -> None:
        self.log(0, scores)
        for path in files:
            if path.suffix == ".txt":
                text = "\n".join(f"    {line}" for line in path.read_text("utf-8").splitlines())
                self._open(0).add_text(path.name, text, 0)

    def end(self, finished: bool) -> None:
        if self._writer is not None:
            self._writer.close()


class WeightsAndBiases:
    """A run of wandb; WANDB_MODE, WANDB_API_KEY, WANDB_ENTITY, WANDB_DIR are honoured."""

    def __init__(self, run: "Run"):
        import wandb

        mode = os.environ.get("WANDB_MODE", "online")
        if mode in ("online", "run") and not wandb.login(prompt=False):
            raise RuntimeError("no key: set WANDB_API_KEY, or WANDB_MODE=offline to send it later")
        folder = os.environ.get("WANDB_DIR") or run.folder
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=run.project,
            id=run.key,
            name=run.name,
            dir=folder,
            config=run.about,
            resume="allow",
            reinit="create_new",
            # The job's log and the code's folder are no business of a tracker.
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                disable_code=True,
                init_timeout=30,
            ),
        )
        # A resumed run begins at an earlier update again, which wandb's own steps can't.
        self._run.define_metric("update")
        self._run.define_metric("*", step_metric="update")

    def log(self, update: int, values: dict[str, float]) -> None:
        self._run.log({"update": update, **values})

    def conclude(self, scores: dict[str, float], files: list[Path]) -> None:
        import wandb

        self._run.summary.update(scores)
        report = wandb.Artifact(f"report-{self._run.id}", type="report")
        for path in files:
            report.add_file(str(path))
        self._run.log_artifact(report)

    def end(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class MLflow:
    """A run of MLflow: at MLFLOW_TRACKING_URI, or in a database in the run's folder."""

    def __init__(self, run: "Run"):
        from mlflow import MlflowClient

        folder = Path(run.folder) / "mlflow"
        own = "MLFLOW_TRACKING_URI" not in os.environ
        with _alone(folder):  # jobs that begin together would each make the tables
            self._client = MlflowClient(f"sqlite:///{folder}/mlflow.db" if own else None)
            found = self._client.get_experiment_by_name(run.project)
            location = (folder / "artefacts").as_uri() if own else None
            where = (
                found.experiment_id
                if found
                else self._client.create_experiment(run.project, artifact_location=location)
            )
        known = self._client.search_runs([where], f"tags.`valley.key` = '{run.key}'", max_results=1)
        if known:
            self._id = known[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        made = self._client.create_run(where, tags={"valley.key": run.key}, run_name=run.name)
        self._id = made.info.run_id
        for name, value in _flat(run.about):
            self._client.log_param(self._id, _mlflow_name(name), str(value)[:500])

    def log(self, update: int, values: dict[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(_mlflow_name(name), v, now, update) for name, v in values.items()]
        for first in range(0, len(metrics), 500):
            self._client.log_batch(self._id, metrics=metrics[first : first + 500])

    def conclude(self, scores: dict[str, float], files: list[Path]) -> None:
        self.log(0, scores)
        for path in files:
            self._client.log_artifact(self._id, str(path))

    def end(self, finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


class Trackio:
    """A run of Trackio; TRACKIO_DIR, TRACKIO_SPACE_ID and HF_TOKEN are honoured."""

    def __init__(self, run: "Run"):
        import trackio

        self._run = trackio.init(
            project=run.project,
            name=f"{run.name}.{run.key[:8]}",
            config=dict(_flat(run.about)),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, update: int, values: dict[str, float]) -> None:
        self._run.log(values, step=update)

    def conclude(self, scores: dict[str, float], files: list[Path]) -> None:
        import trackio

        self._run.log(scores)
        report = trackio.Artifact("report", type="report")
        for path in files:
            report.add_file(str(path))
        self._run.log_artifact(report)

    def end(self, finished: bool) -> None:
        self._run.finish()


@dataclass(frozen=True)
class Known:
    """How a tracker is opened.

    Attributes:
        package: what pip calls it.
        module: to import before it is opened.
        open: makes a run.
    """

    package: str
    module: str
    open: "Callable[[Run], Tracker]"


TRACKERS = {
    "tensorboard": Known("tensorboard", "torch.utils.tensorboard", TensorBoard),
    "wandb": Known("wandb", "wandb", WeightsAndBiases),
    "mlflow": Known("mlflow", "mlflow", MLflow),
    "trackio": Known("trackio", "trackio", Trackio),
}


def _flat(about: dict, before: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted names and values of nested mappings."""
    for name, value in about.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}", value if isinstance(value, int | float) else str(value)


def _mlflow_name(name: str) -> str:
    """Return a name with the signs only that MLflow allows."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
