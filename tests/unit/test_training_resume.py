"""A stopped training goes on as if it had not been: the same weights bit for bit."""

import json
import signal
from pathlib import Path

import pytest
import torch
import train
from training_material import begin, description, hub_student, made, stop, work
from valley.core.resume import Stopped

OFTEN = {"save_every": 1e-9}  # after every update


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


def same(one, other):
    assert one["losses"] == other["losses"]
    assert one["looks"] == other["looks"]
    assert one["weights"].keys() == other["weights"].keys()
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), name


def after(updates):
    """Return a wish to stop that comes after so many updates."""
    asked = iter([False] * updates)
    return lambda: next(asked, True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_examples": None, "batch_tokens": 300, "micro_tokens": 128},
        {
            "lora": {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"},
            "think": "tokens",
        },
        {"epochs": None, "steps": 11, "precision": "bf16", "gradient_checkpointing": True},
    ],
    ids=["full", "batches in tokens", "dropout in adapters, new tokens", "bf16, steps"],
)
def test_stopped_twice_and_gone_on_is_as_never_stopped(tmp_path, start, settings):
    straight = description(tmp_path / "straight", start, **settings)
    work(straight)
    job = description(tmp_path / "stopped", start, **settings)
    for updates in (4, 3):
        with pytest.raises(Stopped):
            work(job, after(updates))
        assert not Path(job["manifest"]).exists()
    work(job)
    same(made(job), made(straight))
    ended, undisturbed = (train.Training.of(one).losses for one in (job, straight))
    assert ended.read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_goes_on_to_the_same_weights_whatever_signal_stopped_it(tmp_path, start, number):
    """A killed one goes on from its last state; one that is asked saves a state first."""
    long = {"epochs": 20}
    straight = description(tmp_path / "straight", start, **long)
    work(straight)
    job = description(tmp_path / "stopped", start, how=OFTEN, **long)
    process = begin(job)
    said = stop(process, job, number)
    done = json.loads((tmp_path / "stopped/state/position.json").read_text())["done"]
    assert 0 < done < 100
    assert process.returncode == (-9 if number == signal.SIGKILL else 0)
    if number != signal.SIGKILL:
        assert f"stopped as asked: {done} of 100 updates are done and saved" in said
    work({**job, "how": straight["how"]})
    same(made(job), made(straight))


def test_one_state_is_kept(tmp_path, start):
    job = description(tmp_path, start, how=OFTEN)
    work(job)
    kept = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert kept == ["position.json", "update-14"]


def test_a_state_cut_off_while_it_was_written_is_as_none(tmp_path, start):
    job = description(tmp_path, start)
    with pytest.raises(Stopped):
        work(job, after(4))
    (tmp_path / "state/.writing").mkdir()
    (tmp_path / "state/.writing/half").write_text("x")
    (tmp_path / "state/update-9").mkdir()  # renamed, but not vouched for yet
    work(job)
    assert [entry["step"] for entry in made(job)["losses"]] == list(range(1, 16))


def test_a_finished_state_is_no_use_to_another_recipe(tmp_path, start):
    """Rows of another length have another plan; the folder's key sees to that."""
    from valley.core.resume import state_folder

    job = {"rule": "train", "params": {"learning_rate": 1, "code": "a"}, "inputs": {}}
    other = {**job, "params": {"learning_rate": 2, "code": "a"}}
    assert state_folder(tmp_path, job, "ask") != state_folder(tmp_path, other, "ask")
