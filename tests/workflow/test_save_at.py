"""`save_at` through the whole workflow: one long training, scored on its way."""

import json

import pytest
from workspace import Workspace

pytestmark = pytest.mark.long
ARM = "tiny/{}/base/all.any/n32-s0"
CHECKPOINTS = "results/smoke/checkpoints"


def long_run(*save_at: float) -> dict:
    config = Workspace.smoke()
    config["recipes"]["distil"] |= {"schedule": "constant", "save_at": list(save_at)}
    config["starts"], config["axes"] = {}, {}
    config["axes"]["run"] = {
        "question": "How far is a training at each update?",
        "recipes": ["distil"],
        "sizes": [0, 32],
        "curve": True,
        "x": "updates",
    }
    config["benchmarks"]["bank"]["bank"]["problems"] = 6
    return config


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A finished study of one training and its snapshot."""
    workspace = Workspace(tmp_path_factory.mktemp("snapshots"))
    workspace.write(long_run(0.5))
    workspace.snakemake("--cores", "2")
    return workspace


def sidecar(desk, recipe):
    found = desk.folder / CHECKPOINTS / ARM.format(recipe) / "checkpoint.meta.json"
    return json.loads(found.read_text())


def losses(desk, recipe):
    found = desk.folder / CHECKPOINTS / ARM.format(recipe) / "losses.jsonl"
    return found.read_text().splitlines()


def test_a_long_training_and_its_snapshot_make_one_curve(desk):
    """The snapshot's job takes over the state that the training left, and only saves it."""
    whole, half = sidecar(desk, "distil"), sidecar(desk, "distil-at-50")
    assert whole["measured"]["tokens"] > 0 == half["measured"]["tokens"]
    assert half["params"]["until"] == 0.5 and "save_at" not in whole["params"]
    curves = desk.folder / "results/smoke/curves/run/tiny/distil/base/all.any/bank.json"
    fitted = json.loads(curves.read_text())
    assert [point["size"] for point in fitted["points"]] == [0, 2, 4], "updates"
    assert not list((desk.folder / "results/store/resume").glob("*")), "the state is gone"
    assert desk.plan() == {}


def test_a_snapshot_asked_for_later_trains_up_to_it_and_nothing_else_trains(desk):
    before = desk.results("checkpoints/**/*")
    desk.write(long_run(0.25, 0.5))
    plan = desk.plan()
    assert [plan[rule] for rule in ("train", "generate", "judge", "score", "curve")] == [1] * 5
    desk.snakemake("--cores", "2")
    assert sidecar(desk, "distil-at-25")["measured"]["tokens"] > 0
    assert losses(desk, "distil-at-25") == losses(desk, "distil")[:1]
    assert desk.results("checkpoints/**/*").items() >= before.items()
