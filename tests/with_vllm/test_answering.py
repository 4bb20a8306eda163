"""A benchmark answered by vLLM: killed and resumed, stopped, and what saving costs."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from core.files import read_parquet
from core.resume import Stopped
from generate import answer, wanted, write
from lm.book import of_job
from lm.engines import with_vllm
from material import GREEDY, PROMPTS, SPEED, benchmark

CHOSEN = {"engine": "vllm", "max_tokens": 96, **GREEDY, "temperature": 0.8}


def run(checkpoint, problems, store, **speed):
    """Do what the rule's job does; return measurements and answers."""
    book = of_job(checkpoint, store, {"seed": 0, **CHOSEN})
    questions = wanted(problems, samples=4, seed=0)
    speed = {"chunk": 40, "vllm": {**SPEED, "max_num_seqs": 16}, **speed}
    measured = answer(checkpoint, questions, book, **CHOSEN, **speed)
    out = store / "generations.parquet"
    write(questions, book, out)
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


def test_a_killed_job_resumes_from_its_last_segment(checkpoint, problems, tmp_path, undisturbed):
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(f"""
            import sys
            sys.path[:0] = {sys.path!r}
            from pathlib import Path
            from test_answering import run
            run(Path({str(checkpoint)!r}), Path({str(problems)!r}), Path({str(tmp_path)!r}))
        """)
    )
    folder = of_job(checkpoint, tmp_path, {"seed": 0, **CHOSEN}).folder
    with open(tmp_path / "log", "wb") as log:
        job = subprocess.Popen([sys.executable, script], stdout=log, stderr=log)
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


def test_saving_and_decoding_cost_little(checkpoint, tmp_path, sampling, monkeypatch):
    """Against vLLM's own loop on the same running engine; the least of several runs each."""
    monkeypatch.setattr(with_vllm, "Engine", lambda *_, **__: sampling)
    problems = benchmark(tmp_path / "problems.parquet", PROMPTS[:64])
    sampling._started(256)
    chosen = {**CHOSEN, "max_tokens": 180}
    questions = wanted(problems, samples=4, seed=0)
    requests = [{"prompt_token_ids": list(sampling.encode(q.prompt))} for q in questions]

    def bare():
        params = [
            sampling._library.SamplingParams(
                seed=question.seed, max_tokens=chosen["max_tokens"], **sampling._params
            )
            for question in questions
        ]
        begun = time.monotonic()
        sampling._llm.generate(requests, params, use_tqdm=False)
        return time.monotonic() - begun

    def ours(number):
        book = of_job(checkpoint, tmp_path / str(number), {"seed": 0, **chosen})
        begun = time.monotonic()
        answer(checkpoint, questions, book, **chosen, chunk=40)
        return time.monotonic() - begun

    bare(), ours("warm")
    times = [(bare(), ours(number)) for number in range(4)]
    ratio = min(own for _, own in times) / min(base for base, _ in times)
    print(f"ours against bare LLM.generate: {ratio:.3f}")
    assert ratio <= 1.05
