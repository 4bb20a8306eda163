"""Resumable state: found again by what determines the result, and never mistaken after a fix."""

import os
import signal

import pytest
from valley.core.resume import Stopped, state_folder, stop_signals

JOB = {"rule": "train", "params": {"rate": 0.1, "code": "one"}, "inputs": {"shard": ["ab"]}}


def fixed(code):
    return {**JOB, "params": {**JOB["params"], "code": code}}


def test_the_same_job_finds_its_state_again(tmp_path):
    (state_folder(tmp_path, JOB, "ask") / "update-10").write_text("weights")
    assert (state_folder(tmp_path, JOB, "ask") / "update-10").is_file()


@pytest.mark.parametrize("other", [{"params": {"rate": 0.2}}, {"inputs": {"shard": ["cd"]}}])
def test_other_settings_or_inputs_have_a_state_of_their_own(tmp_path, other):
    assert state_folder(tmp_path, {**JOB, **other}, "ask") != state_folder(tmp_path, JOB, "ask")


def test_after_a_fix_in_the_code_the_user_is_asked(tmp_path):
    folder = state_folder(tmp_path, JOB, "ask")
    (folder / "update-10").write_text("weights")
    with pytest.raises(RuntimeError, match="`resume: keep` in the study file"):
        state_folder(tmp_path, fixed("two"), "ask")
    assert state_folder(tmp_path, fixed("two"), "keep") == folder
    assert (folder / "update-10").is_file()
    state_folder(tmp_path, fixed("three"), "discard")
    assert not (folder / "update-10").exists()


def test_a_signal_is_noticed_and_ends_nothing():
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
    assert signal.getsignal(signal.SIGTERM) == before


def test_stopped_says_what_was_saved_and_ends_with_a_status_of_its_own(capsys):
    with pytest.raises(SystemExit) as stopped:
        raise Stopped("update 10 is saved")
    assert stopped.value.code == 75
    assert "update 10 is saved" in capsys.readouterr().out
