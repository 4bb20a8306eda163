"""Trackers get what a training measures, change none of its bytes, and fail without it."""

import importlib.util
import json
import os
import sqlite3
from pathlib import Path

import pytest
import train
from training_material import description, hub_student, work
from valley.core.resume import Stopped
from valley.core.study import Study, StudyError
from valley.workflow import tracking
from valley.workflow.trackers import TRACKERS
from workspace import Workspace

INSTALLED = [name for name in TRACKERS if not tracking.lacking([name])]
LOSS, HELD_OUT, PACE = "loss/trained", "loss/held-out", "tokens per second"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """No tracker's server and no key of the user's: each tracker writes below the test's folder."""
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")


def a_run(folder: Path, *to: str, key: str = "0123456789abcdef") -> tracking.Run:
    return tracking.Run(
        to=list(to),
        project="study",
        key=key,
        name="checkpoints/tiny/n16-s0",
        folder=str(folder / "tracking"),
        about={"arm": {"size": "16"}, "recipe": {"learning_rate": 0.01, "lora": None}},
    )


def tracked(folder: Path, start: Path, run: tracking.Run) -> dict:
    """Return a training, in plain values, that is tracked."""
    return {**description(folder, start), "tracking": vars(run)}


def events(folder: Path) -> dict[str, dict[int, float]]:
    """Return what TensorBoard shows of a run: values by update, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run_folder,) = {path.parent for path in folder.rglob("events.out.tfevents.*")}
    shown = EventAccumulator(str(run_folder)).Reload()
    values = {}
    for name in shown.Tags()["scalars"]:
        points = shown.Scalars(name)
        values[name] = {point.step: point.value for point in points}
        assert len(values[name]) == len(points), "each update once"
    return values


def in_mlflow(folder: Path) -> dict[str, dict[int, float]]:
    """Return the same of MLflow's database, of the only run in it."""
    with sqlite3.connect(folder / "tracking" / "mlflow" / "mlflow.db") as database:
        assert database.execute("select count(*), max(status) from runs").fetchone() == (
            1,
            "FINISHED",
        )
        rows = database.execute("select key, step, value from metrics order by timestamp")
        values: dict[str, dict[int, float]] = {}
        for name, step, value in rows:
            values.setdefault(name, {})[step] = value
        params = dict(database.execute("select key, value from params"))
    assert params["recipe.learning_rate"] == "0.01"
    return values


SHOWN = {"tensorboard": events, "mlflow": in_mlflow}


def losses(job: dict) -> dict[int, float]:
    lines = train.Training.of(job).losses.read_text(encoding="utf-8").splitlines()
    return {entry["step"]: entry["loss"] for entry in map(json.loads, lines)}


def artefacts(job: dict) -> dict[str, bytes]:
    folder = Path(job["manifest"]).parent
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_tensorboard_is_there_wherever_tests_run():
    assert "tensorboard" in INSTALLED


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_stopped_training_goes_on_in_the_same_run_and_its_bytes_are_those_of_an_untracked_one(
    tmp_path, start, name
):
    if name not in INSTALLED:
        pytest.skip(f"{TRACKERS[name].package} is not installed")
    plain = description(tmp_path / "plain", start)
    work(plain)

    job = tracked(tmp_path / "tracked", start, a_run(tmp_path, name))
    wishes = iter([False] * 5)
    with pytest.raises(Stopped):
        work(job, lambda: next(wishes, True))
    work(job)
    assert artefacts(job) == artefacts(plain)

    shown = SHOWN[name](tmp_path)
    assert shown[LOSS] == pytest.approx(losses(job), rel=1e-6)
    looks = json.loads(Path(job["validated"]).read_text(encoding="utf-8"))
    assert shown[HELD_OUT] == pytest.approx({at["step"]: at["loss"] for at in looks}, rel=1e-6)
    assert len(looks) > 2
    assert shown["rate"].keys() == shown[PACE].keys() == losses(job).keys()
    assert min(shown[PACE].values()) > 0


def test_updates_that_a_killed_run_had_noted_are_replaced(tmp_path):
    """A run that is killed goes on from its last saved state, before what was noted last."""
    run = a_run(tmp_path, "tensorboard")
    with tracking.tracked(run) as log:
        for update in range(1, 8):
            log(update, {LOSS: 1.0})
    with tracking.tracked(run) as log:
        for update in range(5, 11):
            log(update, {LOSS: 2.0})
    assert events(tmp_path)[LOSS] == {n: 1.0 if n < 5 else 2.0 for n in range(1, 11)}


@pytest.mark.parametrize("name", INSTALLED)
def test_scores_and_files_are_taken(tmp_path, capfd, name, monkeypatch):
    import subprocess
    import sys

    (tmp_path / "findings.txt").write_text("F1: <undecided>\n", encoding="utf-8")
    (tmp_path / "report.html").write_text("<p>report</p>", encoding="utf-8")
    # A process of its own: Trackio reads its variables once, when it is imported.
    program = (
        "import json, sys; from pathlib import Path; from valley.workflow import tracking;"
        "run, scores, files = json.loads(sys.argv[1]);"
        "tracking.conclude(tracking.Run(**run), scores, [Path(f) for f in files])"
    )
    files = [str(tmp_path / name) for name in ("report.html", "findings.txt")]
    given = [vars(a_run(tmp_path, name)), {"bank/pass@1/tiny/base": 0.25}, files]
    trackio = tmp_path / "tracking" / "trackio"
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(given)],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(train.__file__).parent),
            "TRACKIO_DIR": str(trackio),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "tracking:" not in done.stderr
    if name in SHOWN:
        (score,) = SHOWN[name](tmp_path).values()
        assert score == {0: 0.25}
    kept = [path.read_bytes() for path in (tmp_path / "tracking").rglob("*") if path.is_file()]
    wanted = b"<undecided>" if name == "tensorboard" else b"<p>report</p>"
    if name != "wandb":  # which keeps a reference to a file until it is sent
        assert any(wanted in content for content in kept)
    assert kept


def test_a_tracker_that_fails_costs_a_line_and_the_training_is_made(tmp_path, start, capfd):
    plain = description(tmp_path / "plain", start)
    work(plain)
    (tmp_path / "tracking").write_text("no folder", encoding="utf-8")
    job = tracked(tmp_path / "tracked", start, a_run(tmp_path, "tensorboard"))
    capfd.readouterr()
    work(job)
    said = capfd.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("tracking: ")]
    assert line.startswith("tracking: tensorboard failed (")
    assert line.endswith("); the job goes on without it")
    assert artefacts(job) == artefacts(plain)


def test_what_a_tracker_says_is_shown_without_credentials(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse")
    said = tracking.without_secrets("no https://me:battery@host/x with correct-horse")
    assert said == "no https://…@host/x with …"


def test_a_tracker_that_is_not_installed_is_told_with_the_remedy(monkeypatch):
    """As in an environment without the packages."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    first, second = tracking.lacking(["wandb", "mlflow"])
    assert "`pip install wandb` (envs/tracking.txt has the tested version)" in first
    assert second.startswith("tracking.to: mlflow needs the package mlflow, which is not installed")


def test_every_optional_tracker_is_pinned():
    pins = (Path(__file__).parents[2] / "envs" / "tracking.txt").read_text(encoding="utf-8")
    named = {line.partition("==")[0] for line in pins.splitlines() if "==" in line}
    assert named == {known.package for known in TRACKERS.values()} - {"tensorboard"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": ["tensorbord"]}, "'tensorbord' is not allowed (did you mean 'tensorboard'?)"),
        ({"api_key": "sesame-open"}, "tracking.api_key: unknown key; a study file never holds"),
        ({"project": "hf_" + "sesame" * 5}, "tracking.project: this value is not allowed"),
        ({"project": "5e5a3e" * 7}, "tracking.project: this value is not allowed"),
    ],
)
def test_a_mistake_is_told_and_no_credential_is_repeated(given, said):
    with pytest.raises(StudyError) as error:
        Study({**Workspace.smoke(), "tracking": given})
    assert said in str(error.value)
    assert "sesame" not in str(error.value) and "5e5a3e" not in str(error.value)


@pytest.mark.parametrize(
    ("tracking", "trackers"),
    [({}, ["tensorboard"]), ({"to": ["mlflow"]}, ["mlflow", "tensorboard"])],
)
def test_the_old_key_of_tensorboard_still_works_and_is_noted(tracking, trackers):
    config = {**Workspace.smoke(), "training": {"tensorboard": True}, "tracking": tracking}
    old = Study(config)
    new = Study({**Workspace.smoke(), "tracking": {"to": trackers}})
    assert old.config == new.config
    (note,) = old.notes
    assert "training.tensorboard" in note and "tracking.to" in note
