"""Several engines in one job: the bytes of one, and what happens when one of them is killed."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from generate import answer, deal, groups_of
from test_generate import CHOSEN, Benchmark
from test_generate import checkpoint as checkpoint
from test_shares import generations, questions
from valley.core.config import StudyError
from valley.core.resume import Stopped
from valley.core.study import Study
from valley.lm import replicas
from valley.lm.devices import REHEARSAL
from valley.lm.engines.with_vllm import check_heads
from workspace import Workspace

HOW = replace(CHOSEN, samples=3)
# Some seconds for each of two engines, a little at a time.
LONG = replace(CHOSEN, samples=6, max_tokens=160)


@pytest.fixture
def study(tmp_path, checkpoint, monkeypatch):
    """A benchmark whose GPUs need not be there: each engine takes the CPU."""
    monkeypatch.setenv(REHEARSAL, "1")
    return Benchmark(tmp_path, checkpoint)


def run(study, asked, how=HOW, gpus=0):
    return answer(study.checkpoint, asked, study.cache(), how, gpus)


def engines_now() -> list[int]:
    """Return the processes of this one that run an engine."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and str(replicas.SCRIPT).encode() in command:
            found.append(int(folder.name))
    return sorted(found)


def meanwhile(study, act):
    """Act on the engines once one of them has saved something."""

    def wait():
        while not study.segments() or len(engines_now()) < 2:
            time.sleep(0.02)
        act(engines_now())

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.long
def test_two_engines_give_the_bytes_of_one(study, tmp_path):
    asked = questions(study, 9, 5)
    assert "engines" not in run(study, asked)
    alone = generations(study, asked)
    study.store = tmp_path / "other"
    measured = run(study, asked, gpus=2)
    assert (measured["engines"], measured["sampled"]) == (2, 42)
    assert measured["tokens"] > 0 and measured["tokens_per_second"] > 0
    assert generations(study, asked) == alone
    assert run(study, asked, gpus=2)["sampled"] == 0


@pytest.mark.long
def test_when_one_engine_is_killed_the_others_end_and_the_same_job_goes_on(study, tmp_path):
    asked = questions(study, 8, how=LONG)
    run(study, asked, LONG)
    undisturbed = generations(study, asked)
    study.store = tmp_path / "other"
    meanwhile(study, lambda engines: os.kill(engines[1], signal.SIGKILL))
    with pytest.raises(
        RuntimeError, match=r"engine [12] of 2 \(GPU [01]\) was killed \(signal 9\)"
    ):
        run(study, asked, LONG, gpus=2)
    assert engines_now() == []
    kept = len(study.cache().known(one.key for one in asked[0]))
    assert kept > 0
    went_on = run(study, asked, LONG, gpus=2)
    assert (went_on["reused"], went_on["sampled"]) == (kept, len(asked[0]) - kept)
    assert generations(study, asked) == undisturbed


@pytest.mark.long
def test_engines_stop_with_their_job(study):
    asked = questions(study, 8, how=LONG)
    meanwhile(study, lambda engines: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped):
        run(study, asked, LONG, gpus=2)
    assert engines_now() == []
    assert 0 < len(study.cache().known(one.key for one in asked[0])) < len(asked[0])


def test_what_is_left_is_dealt_out_evenly(study):
    (asked,) = questions(study, 20)
    shares = deal([asked[7:]], 4, None)
    assert sorted(len(batch) for share in shares for batch in share) == [13, 13, 13, 14]
    groups = groups_of(study.checkpoint, HOW)
    grouped = deal([asked], 4, groups)
    whole = groups.composed(asked)
    assert sorted(map(len, grouped)) == [3, 4, 4, 4]
    dealt = [batch for share in grouped for batch in share]
    assert len(dealt) == len(whole) and all(batch in whole for batch in dealt), "as one composes"
    assert deal([asked[:1]], 4, groups) == [[asked[:1]]], "no engine without an answer"


def test_each_engine_has_gpus_of_its_own_among_those_of_the_job():
    assert [replicas.cards(n, 1, {}) for n in (0, 1)] == ["0", "1"]
    held = {"CUDA_VISIBLE_DEVICES": "4,5,GPU-7,6"}
    assert [replicas.cards(n, 2, held) for n in (0, 1)] == ["4,5", "GPU-7,6"]


@pytest.mark.parametrize(("gpus", "each", "engines"), [(0, 1, 1), (1, 1, 1), (8, 1, 8), (8, 4, 2)])
def test_a_job_runs_as_many_engines_as_its_gpus_hold(gpus, each, engines):
    assert replicas.engines(gpus, each) == engines


def test_gpus_that_would_be_left_over_are_refused():
    with pytest.raises(ValueError, match=r"3 GPUs, which are not a multiple of .*: 2"):
        replicas.engines(3, 2)
    config = Workspace.smoke()
    config["sampling"] |= {"engine": "vllm", "tensor_parallel": 2}
    config["resources"] = {"answer": {"gpus": 3}}
    with pytest.raises(StudyError, match="3 GPUs can't be divided among engines of 2"):
        Study(config)
    config["sampling"]["engine"] = "transformers"
    with pytest.raises(StudyError, match="tensor_parallel: engine transformers uses one GPU"):
        Study(config)


def test_a_models_heads_must_be_divided_evenly():
    config = SimpleNamespace(num_attention_heads=28, name_or_path="Qwen/Qwen2.5-7B-Instruct")
    config.get_text_config = lambda: config
    check_heads(config, 4)
    with pytest.raises(RuntimeError, match=r"8 does not divide the 28 .*: 1, 2, 4, 7, 14, 28"):
        check_heads(config, 8)
