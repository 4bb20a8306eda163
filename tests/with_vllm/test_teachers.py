"""A teacher behind a real vLLM server, with a faulty network between."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from teachers import ask
from valley.asking.endpoint import Client, EndpointError
from valley.asking.questions import questions
from valley.asking.settings import AskSettings, Endpoint
from valley.bank import problems as bank
from valley.core.files import PROBLEM, write_parquet
from valley.lm import students
from valley.lm.answer_cache import AnswerCache

pytest.importorskip("vllm")  # it has an environment of its own
from lm_material import TEXTS
from proxy import FaultyProxy
from server import running

KEY = "sk-of-the-tests"
ASKED = AskSettings(answers=2, seed=1, temperature=1.0, top_p=1.0, max_tokens=24)
START_S = 240
FAULTS = ["429", "drop", "half", "500", "cut", "unfinished", "hang", "503"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a tiny model on loopback; yield its base URL."""
    folder = tmp_path_factory.mktemp("served")
    tokenizer = students.train_tokenizer(TEXTS, 400)
    model = students.create(tokenizer, hidden=64, layers=2, heads=2, positions=2048, seed=5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # `vllm serve` looks for a package of that name; the build for CPUs has another.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny"]
    command += ["--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "8"]
    command += ["--enforce-eager", "--generation-config", "vllm"]
    settings = {
        "VLLM_API_KEY": KEY,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    log = folder / "server.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=output, stderr=output
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"vLLM did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture
def asked(tmp_path):
    write_parquet(tmp_path / "problems.parquet", bank.generate(6, 5, "train"), PROBLEM)
    return questions(tmp_path / "problems.parquet", ASKED, None)


def endpoint(address: str, **changed) -> Client:
    settings = {
        "model": "tiny",
        "key_variable": "VLLM_TEST_KEY",
        "extra": {"top_k": 50},
        "concurrent": 4,
        "timeout_s": 60.0,
        "backoff_s": 0.05,
    }
    return Client(Endpoint(base_url=address, **{**settings, **changed}), ASKED)


def test_a_faulty_network_loses_and_doubles_nothing(tmp_path, asked, served, monkeypatch):
    monkeypatch.setenv("VLLM_TEST_KEY", KEY)
    cache = AnswerCache(tmp_path / "book", {})
    with running(FaultyProxy(served, FAULTS, hang_s=2.0)) as proxy:
        measured, reasons = ask(asked, cache, endpoint(address(proxy), timeout_s=10.0), chunk=4)
    assert not reasons and sum(measured["asked_again"].values()) == len(FAULTS)
    assert len(proxy.seen) == len(asked) + len(FAULTS)
    known = cache.known(question.key for question in asked)
    assert len(known) == len(asked) and len({row["text"] for row in known.values()}) > 6
    assert all(0 < row["tokens"] <= 24 for row in known.values())
    assert ask(asked, AnswerCache(tmp_path / "book", {}), None, chunk=4)[0]["asked"] == 0


def address(proxy: FaultyProxy) -> str:
    return f"http://127.0.0.1:{proxy.server_address[1]}/v1"


def test_seeds_make_answers_come_again(tmp_path, asked, served, monkeypatch):
    monkeypatch.setenv("VLLM_TEST_KEY", KEY)
    books = [AnswerCache(tmp_path / name, {}) for name in "ab"]
    for cache in books:
        ask(asked, cache, endpoint(served, concurrent=1), chunk=4)
    first, second = (cache.known(question.key for question in asked) for cache in books)
    assert first == second


def test_a_wrong_key_or_model_is_told(tmp_path, asked, served, monkeypatch):
    monkeypatch.setenv("VLLM_TEST_KEY", "sk-wrong")
    with pytest.raises(EndpointError, match="the key is not accepted"):
        ask(asked, AnswerCache(tmp_path / "book", {}), endpoint(served), chunk=4)
    monkeypatch.setenv("VLLM_TEST_KEY", KEY)
    with pytest.raises(EndpointError, match="there is no such model"):
        ask(asked, AnswerCache(tmp_path / "book", {}), endpoint(served, model="large"), chunk=4)


def test_a_prompt_that_is_too_long_is_refused_alone(tmp_path, served, monkeypatch):
    monkeypatch.setenv("VLLM_TEST_KEY", KEY)
    rows = bank.generate(3, 5, "train")
    rows[0]["statement"] *= 200
    write_parquet(tmp_path / "problems.parquet", rows, PROBLEM)
    asked = questions(tmp_path / "problems.parquet", AskSettings(seed=1), None)
    _, reasons = ask(asked, AnswerCache(tmp_path / "book", {}), endpoint(served), chunk=4)
    assert sum(reasons.values()) == 1 and next(iter(reasons)).startswith("refused")
