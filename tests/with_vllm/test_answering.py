"""A benchmark answered by vLLM: killed and resumed, stopped, and what saving costs."""

import os
import signal
import statistics
import subprocess
import sys
import textwrap
import time

import pytest
from bench_vllm import Overhead, share
from generate import answer, benchmark_questions, write
from material import GREEDY, PROMPTS, SMALL, benchmark
from paths import finding
from valley.core.files import read_parquet
from valley.core.resume import Stopped
from valley.core.sampling import Sampling
from valley.lm.answer_cache import cache_of_checkpoint
from valley.lm.engines import with_vllm

CHOSEN = {"engine": "vllm", "max_tokens": 96, **GREEDY, "temperature": 0.8}


def run(checkpoint, problems, store, gpus=0, **speed):
    """Do what the rule's job does; return measurements and answers."""
    cache = cache_of_checkpoint(checkpoint, store, {"seed": 0, **CHOSEN})
    speed = {"chunk": 40, "vllm": {**SMALL, "max_num_seqs": 16}, **speed}
    how = Sampling(samples=4, **CHOSEN, **speed)
    questions = benchmark_questions(problems, how)
    measured = answer(checkpoint, [questions], cache, how, gpus)
    out = store / "generations.parquet"
    write(questions, cache, out)
    return measured, read_parquet(out)


@pytest.fixture
def problems(tmp_path):
    return benchmark(tmp_path / "problems.parquet", PROMPTS)


@pytest.fixture(scope="module")
def undisturbed(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    measured, rows = run(checkpoint, benchmark(folder / "problems.parquet", PROMPTS), folder)
    assert measured["sampled"] == 400
    return rows


def equal(these, those):
    return sum(a == b for a, b in zip(these, those, strict=True)) / len(these)


def test_two_engines_of_one_job_give_the_answers_of_one(
    checkpoint, problems, tmp_path, undisturbed, monkeypatch
):
    """A process each, as on two GPUs; answers keep their seeds."""
    monkeypatch.setenv("VALLEY_REHEARSE_GPUS", "1")
    measured, rows = run(checkpoint, problems, tmp_path, gpus=2)
    assert (measured["engines"], measured["sampled"]) == (2, 400)
    assert equal(rows, undisturbed) >= 0.95


def test_a_killed_job_resumes_from_its_last_segment(checkpoint, problems, tmp_path, undisturbed):
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(f"""
            from pathlib import Path
            from test_answering import run
            run(Path({str(checkpoint)!r}), Path({str(problems)!r}), Path({str(tmp_path)!r}))
        """)
    )
    folder = cache_of_checkpoint(checkpoint, tmp_path, {"seed": 0, **CHOSEN}).folder
    with open(tmp_path / "log", "wb") as log:
        job = subprocess.Popen(
            [sys.executable, script], stdout=log, stderr=log, env=finding(*sys.path)
        )
    until = time.monotonic() + 200
    while len(list(folder.glob("*.parquet"))) < 2 and time.monotonic() < until:
        assert job.poll() is None, (tmp_path / "log").read_text()[-3000:]
        time.sleep(0.005)
    job.send_signal(signal.SIGKILL)
    job.wait()
    measured, rows = run(checkpoint, problems, tmp_path)
    assert measured["reused"] >= 80
    assert measured["reused"] + measured["sampled"] == 400
    assert measured["sampled"] > 0
    assert equal(rows, undisturbed) >= 0.95


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_job_saves_what_is_finished(
    checkpoint, problems, tmp_path, undisturbed, sampling, monkeypatch, number
):
    class Disturbed:
        def __init__(self, *_, **__):
            self.encode, self.decode, self.window = (
                sampling.encode,
                sampling.decode,
                sampling.window,
            )
            self.measured = sampling.measured

        def answers(self, requests, stopping):
            for step, finished in enumerate(sampling.answers(requests, stopping)):
                yield finished
                if step == 3:
                    os.kill(os.getpid(), number)

    monkeypatch.setattr(with_vllm, "Engine", Disturbed)
    with pytest.raises(Stopped):
        run(checkpoint, problems, tmp_path)
    monkeypatch.setattr(with_vllm, "Engine", lambda *_, **__: sampling)
    measured, rows = run(checkpoint, problems, tmp_path)
    assert 0 < measured["reused"] < 400
    assert equal(rows, undisturbed) >= 0.95


def test_saving_and_decoding_cost_little(checkpoint, tmp_path, sampling):
    """Beside what `LLM.generate` does, too: both in one run, so that load slows them alike."""
    both = Overhead(sampling, checkpoint, tmp_path, prompts=64, samples=4)
    both.ours()
    added = [share(both.ours()) for _ in range(3)]
    print(f"added, of vLLM's own time: {[f'{value:.4f}' for value in added]}")
    assert statistics.median(added) <= 0.05
