"""A study's tracking: it reruns nothing, its jobs' bytes stay, scores and the report are given."""

import shutil

import pytest
from edits import ROOT, study
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ARM = "checkpoints/tiny/distil/base/hard.any/n16-s0"
TRACKED = study(("tracking.to", ["tensorboard"]))


def events(folder) -> EventAccumulator:
    (run_folder,) = {path.parent for path in folder.rglob("events.out.tfevents.*")}
    return EventAccumulator(str(run_folder)).Reload()


@pytest.mark.long
def test_tracking_reruns_nothing_and_changes_no_byte_of_what_is_trained(copy):
    before = copy.results()
    TRACKED(copy)
    assert copy.plan() == {}
    shutil.rmtree(copy.folder / "results" / "store")
    shutil.rmtree(copy.folder / ROOT / ARM)
    (copy.folder / ROOT / "report.html").unlink()
    copy.snakemake("--cores", "2", f"{ROOT}/{ARM}/checkpoint.json")
    copy.snakemake("--cores", "2")
    made = {name: bytes for name, bytes in copy.results().items() if "tracking/" not in name}
    assert made == before

    tensorboard = copy.folder / ROOT / "tracking" / "tensorboard"
    training = events(tensorboard / ARM.rpartition("/")[0])
    assert {"loss/trained", "rate", "tokens per second"} <= set(training.Tags()["scalars"])
    report = EventAccumulator(str(next(tensorboard.glob("report.*")))).Reload()
    scores = set(report.Tags()["scalars"])
    assert {f"bank/pass@1/tiny/{arm}" for arm in ("base", ARM.partition("/tiny/")[2])} <= scores
    assert report.Tags()["tensors"] == ["findings.txt/text_summary"]
    study()(copy)
    assert copy.plan() == {}, "nor does it to turn it off again"
    status, said = copy.asked("prune", "study.yaml")
    assert status in (0, 1), said
    assert f"{ROOT}/tracking" not in said, "its files are no stray ones"


def test_a_tracker_that_is_not_installed_ends_a_run_before_it_begins(copy):
    """Python without site-packages of its own has no MLflow, wherever tests run."""
    (copy.folder / "without").mkdir()
    (copy.folder / "without" / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'mlflow' else found(name, *rest)\n",
        encoding="utf-8",
    )
    copy.within = ("env", f"PYTHONPATH={copy.folder / 'without'}")
    study(("tracking.to", ["tensorboard", "mlflow"]))(copy)
    said = copy.snakemake("--dry-run", check=False)
    assert "tracking.to: mlflow needs the package mlflow, which is not installed" in said
    assert "pip install mlflow" in said
    assert "tensorboard needs" not in said
