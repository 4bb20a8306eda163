"""A stopped training goes on as if it had not been: the same weights bit for bit."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch
import train
from training_material import begin, description, hub_student, made, same, stop, work
from valley.core.files import read_json
from valley.core.resume import Stopped
from valley.lm import launch, time_limit
from valley.lm.parallel import World
from valley.lm.state import StateManager

OFTEN = {"save_every": 1e-9}  # after every update


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


def after(updates):
    """Return a wish to stop that comes after so many updates."""
    asked = iter([False] * updates)
    return lambda: next(asked, True)


@pytest.mark.long
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
        assert f"stopped on request: {done} of 100 updates are done and saved" in said
    work({**job, "how": straight["how"]})
    same(made(job), made(straight))


@pytest.mark.long
def test_killed_while_a_state_is_written_it_goes_on_from_the_one_before(tmp_path, start):
    """A student whose states take long enough to be met half written."""
    wide = hub_student(tmp_path / "wide", hidden_size=384, intermediate_size=1024)
    settings = {"steps": 8, "epochs": None}
    straight = description(tmp_path / "straight", wide, **settings)
    work(straight)
    job = description(tmp_path / "stopped", wide, how=OFTEN, **settings)
    state = tmp_path / "stopped/state"
    process = begin(job)
    while process.poll() is None:
        if (state / "position.json").exists() and any(state.glob(".writing/*.distcp")):
            process.kill()
    process.communicate()
    assert process.returncode == -9
    assert any(state.glob(".writing/*.distcp")), "it was half written"
    assert 0 < json.loads((state / "position.json").read_text())["done"] < 8
    work({**job, "how": straight["how"]})
    same(made(job), made(straight))


def test_training_goes_on_while_a_state_is_written(tmp_path, start):
    """A saved state is a copy: what is learnt meanwhile is not in it."""
    model = torch.nn.Linear(600, 600)
    adamw = torch.optim.AdamW(model.parameters())

    def update():
        model(torch.ones(600)).sum().backward()
        adamw.step()

    update()
    before = model.weight.detach().clone()
    keeper = StateManager(tmp_path, model, adamw, World(), every=None)
    expected = keeper.seconds
    keeper.save({"done": 1})
    update()
    keeper.finish()
    assert not torch.equal(model.weight, before)
    assert keeper.load() == {"done": 1}
    assert torch.equal(model.weight, before)
    assert expected == 3 * 4 * (600 * 600 + 600) / 100e6
    assert keeper.seconds != expected, "the next one's time is known"


def test_a_state_that_cannot_be_written_ends_the_training_at_a_later_update(tmp_path, start):
    job = description(tmp_path, start, how=OFTEN, epochs=20)
    Path(job["state"]).mkdir()
    (Path(job["state"]) / ".writing").write_text("a file in the way")
    with pytest.raises(BaseException, match="writing") as error:
        work(job)
    assert not isinstance(error.value, Stopped)
    assert not (Path(job["state"]) / "position.json").exists()
    assert not Path(job["manifest"]).exists()


@pytest.mark.long
def test_near_the_end_of_its_time_a_training_saves_its_state_and_stops(tmp_path, start):
    long = {"epochs": 400, "learning_rate": 1e-3}
    job = description(tmp_path / "stopped", start, **long)
    process = begin(job, SLURM_JOB_END_TIME=str(time.time() + 40))
    said = process.communicate()[0]
    assert process.returncode == 0
    done = json.loads((tmp_path / "stopped/state/position.json").read_text())["done"]
    assert f"stopped on request: {done} of 2000 updates are done and saved" in said
    assert 0 < done < 2000
    outcome = read_json(launch.outcome_file(tmp_path / "stopped/job.json"))
    assert outcome["limit"], "the job is to be queued again"


@pytest.mark.long
def test_a_job_too_short_for_anything_does_an_update_all_the_same(tmp_path, start):
    job = description(tmp_path, start)
    process = begin(job, SLURM_JOB_END_TIME=str(time.time()))
    assert "1 of 15 updates are done" in process.communicate()[0]


def test_what_must_be_left_of_a_jobs_time_grows_with_updates_and_states():
    assert time_limit.needed(update=0, state=0) == 30
    assert time_limit.needed(update=40, state=115) == 340


def test_the_controller_is_asked_where_the_environment_does_not_say(tmp_path):
    """As squeue prints it: the local time; nothing for a job without an end."""
    squeue = tmp_path / "squeue"
    squeue.write_text('#!/bin/sh\ntest "$2" = --jobs=7 && echo 2030-01-02T03:04:05 || echo N/A\n')
    squeue.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/bin:/usr/bin"}
    expected = time.mktime((2030, 1, 2, 3, 4, 5, 0, 0, -1))
    assert time_limit.end_of_job({**path, "SLURM_JOB_ID": "7"}) == expected
    assert time_limit.end_of_job({**path, "SLURM_JOB_ID": "8"}) is None
    assert time_limit.end_of_job({**path, "SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "9"}) == 9
    assert time_limit.end_of_job(path) is None


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
