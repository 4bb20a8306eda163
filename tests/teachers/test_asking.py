"""Teachers behind an endpoint: nothing is lost, asked twice or given away, whatever the network."""

import os
import signal
import time

import pytest
from proxy import FaultyProxy
from server import TeacherServer, address, running
from teachers import Unanswered, ask, costs, report_unanswered, write
from valley.asking.endpoint import Client, EndpointError
from valley.asking.limits import Limiter
from valley.asking.questions import questions, with_think_tags
from valley.asking.settings import AskSettings, Endpoint
from valley.bank import problems as bank
from valley.core.files import POOL, PROBLEM, read_parquet, write_parquet
from valley.core.resume import Stopped
from valley.lm.answer_cache import AnswerCache

PROBLEMS = bank.generate(8, 5, "train")
KEY = "sk-a-key-that-nobody-may-see"
ASKED = AskSettings(answers=2, seed=1, max_tokens=500)


@pytest.fixture
def asked(tmp_path):
    write_parquet(tmp_path / "problems.parquet", PROBLEMS, PROBLEM)
    return questions(tmp_path / "problems.parquet", ASKED, None)


@pytest.fixture
def server():
    with running(TeacherServer(PROBLEMS)) as serving:
        yield serving


def endpoint(address: str, kind: type[Client] = Client, **changed) -> Client:
    settings = {"model": "procedural", "concurrent": 4, "timeout_s": 20.0, "backoff_s": 0.01}
    return kind(Endpoint(base_url=address, **{**settings, **changed}), ASKED)


def said(cache: AnswerCache, asked) -> list[str]:
    return [cache.known([question.key])[question.key]["text"] for question in asked]


FAULTS = ["429", "500", "drop", "hang", "half", "cut", "unfinished", "empty", "503", "408", "429"]


def test_faults_on_the_way_change_nothing(tmp_path, asked, server):
    plain, spoilt = AnswerCache(tmp_path / "a", {}), AnswerCache(tmp_path / "b", {})
    ask(asked, plain, endpoint(address(server)), chunk=4)
    with running(FaultyProxy(address(server), FAULTS, hang_s=1.0)) as proxy:
        measured, reasons = ask(asked, spoilt, endpoint(address(proxy), timeout_s=0.6), chunk=4)
    assert said(spoilt, asked) == said(plain, asked) and not reasons
    assert len(set(said(plain, asked))) == len(asked)  # every sample is drawn apart
    again = measured["asked_again"]
    assert sum(again.values()) == len(FAULTS)
    assert (again["429"], again["500"], again["503"], again["408"]) == (2, 1, 1, 1)
    assert measured["requests"] == len(asked) + len(FAULTS) == len(proxy.seen)


def test_what_is_known_is_not_asked_again(tmp_path, asked, server):
    cache = AnswerCache(tmp_path, {})
    ask(asked[:6], cache, endpoint(address(server)), chunk=4)
    measured, _ = ask(asked, AnswerCache(tmp_path, {}), endpoint(address(server)), chunk=4)
    assert (measured["reused"], measured["asked"]) == (6, 10)
    assert len(server.served) == len(asked)

    def never():
        raise AssertionError("an engine is made though nothing is to be asked")

    assert ask(asked, AnswerCache(tmp_path, {}), never, chunk=4)[0]["asked"] == 0


def test_a_stopped_job_goes_on(tmp_path, asked, server):
    class Slow(Client):
        def answers(self, questions, stopping):
            for number, finished in enumerate(super().answers(questions, stopping)):
                yield finished
                if number == 1:
                    os.kill(os.getpid(), signal.SIGTERM)

    cache = AnswerCache(tmp_path, {})
    slow = endpoint(address(server), Slow, concurrent=1)
    with pytest.raises(Stopped):
        ask(asked, cache, slow, chunk=100)
    kept = len(AnswerCache(tmp_path, {}).known(question.key for question in asked))
    assert 2 <= kept < len(asked)
    measured, _ = ask(asked, AnswerCache(tmp_path, {}), endpoint(address(server)), chunk=4)
    assert measured["asked"] == len(asked) - kept


def test_stopping_does_not_wait_for_a_server_that_hangs(asked, server, monkeypatch):
    monkeypatch.setattr("valley.asking.endpoint._GRACE_S", 0.3)
    with running(FaultyProxy(address(server), ["hang"] * 4, hang_s=5.0)) as proxy:
        begun = time.monotonic()
        teacher = endpoint(address(proxy))
        said = list(teacher.answers(asked, lambda: time.monotonic() - begun > 0.5))
        assert sum(map(len, said)) == 0 and time.monotonic() - begun < 3


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refusal_stops_at_once_and_says_why(tmp_path, asked, server, status):
    with running(FaultyProxy(address(server), ["pass", str(status)])) as proxy:
        teacher = endpoint(address(proxy), concurrent=1)
        with pytest.raises(EndpointError, match=rf"{proxy.server_address[1]}/v1.*: the.* fault"):
            ask(asked, AnswerCache(tmp_path, {}), teacher, chunk=100)
    assert len(proxy.seen) == 2
    assert len(AnswerCache(tmp_path, {}).known(question.key for question in asked)) == 1


def test_an_endpoint_that_answers_nobody_is_left(tmp_path, asked, server):
    with running(FaultyProxy(address(server), ["500"] * 100)) as proxy:
        teacher = endpoint(address(proxy), attempts=3, concurrent=1)
        with pytest.raises(EndpointError, match=r"10 questions in a row.*fault 500"):
            ask(asked, AnswerCache(tmp_path, {}), teacher, chunk=100)
    assert len(proxy.seen) == 30


def test_questions_without_an_answer_are_told_or_let_go(tmp_path, asked, server):
    server.problems = PROBLEMS[1:]
    cache = AnswerCache(tmp_path / "book", {})
    _, reasons = ask(asked, cache, endpoint(address(server)), chunk=4)
    assert sum(reasons.values()) == 2 and "I know no such problem" in next(iter(reasons))
    with pytest.raises(Unanswered, match=r"2 questions were not answered \(2 times refused.*skip"):
        report_unanswered(reasons, "stop")
    report_unanswered(reasons, "skip")
    write(asked, cache, tmp_path / "traces.parquet", teacher="t")
    assert len(read_parquet(tmp_path / "traces.parquet")) == len(asked) - 2


def test_the_key_comes_from_the_environment_and_shows_nowhere(tmp_path, asked, monkeypatch):
    with pytest.raises(EndpointError, match=r"MY_KEY is not set.*export MY_KEY"):
        endpoint("http://127.0.0.1:9/v1", key_variable="MY_KEY")
    monkeypatch.setenv("MY_KEY", KEY)
    with running(TeacherServer(PROBLEMS, KEY)) as serving:
        teacher = endpoint(address(serving), key_variable="MY_KEY")
        ask(asked[:2], AnswerCache(tmp_path, {}), teacher, chunk=1)
        assert serving.keys == {KEY}
        serving.key = "another"  # the server now sends the key back in its refusal
        teacher = endpoint(address(serving), key_variable="MY_KEY")
        with pytest.raises(EndpointError) as caught:
            ask(asked, AnswerCache(tmp_path, {}), teacher, chunk=1)
    assert "Incorrect API key provided: (key)" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY in _text(path)]


def _text(path) -> str:
    return path.read_bytes().decode("latin1")


def test_reasoning_apart_is_joined(tmp_path, asked, server):
    together, apart = AnswerCache(tmp_path / "a", {}), AnswerCache(tmp_path / "b", {})
    ask(asked, together, endpoint(address(server)), chunk=4)
    ask(asked, apart, endpoint(address(server), model="procedural-apart"), chunk=4)
    assert [" ".join(text.split()) for text in said(apart, asked)] == [
        " ".join(text.split()) for text in said(together, asked)
    ]
    assert all(text.startswith("<think>\n") for text in said(apart, asked))
    assert with_think_tags(None, "so\n</think>\nx") == "<think>\nso\n</think>\nx"
    assert with_think_tags("", "no thoughts") == "no thoughts"


def test_costs_are_counted_over_all_jobs(tmp_path, asked, server):
    cache = AnswerCache(tmp_path, {})
    ask(asked[:5], cache, endpoint(address(server)), chunk=2)
    ask(asked, cache, endpoint(address(server)), chunk=2)
    found = costs(cache, 2.0, 8.0)
    known = cache.known(question.key for question in asked)
    assert found["tokens_out"] == sum(row["tokens"] for row in known.values())
    expected = (2 * found["tokens_in"] + 8 * found["tokens_out"]) / 1e6
    assert found["cost"] == pytest.approx(expected) and found["tokens_in"] > 0
    assert "cost" not in costs(cache, None, None)


def test_traces_are_pool_rows(tmp_path, asked, server):
    cache = AnswerCache(tmp_path / "book", {})
    ask(asked, cache, endpoint(address(server)), chunk=4)
    write(asked, cache, tmp_path / "traces.parquet", teacher="deep")
    rows = read_parquet(tmp_path / "traces.parquet")
    assert list(rows[0]) == POOL.names
    assert [row["id"] for row in rows] == sorted(
        f"{problem['id']}/deep/{number}" for problem in PROBLEMS for number in range(2)
    )
    assert {row["correct"] for row in rows} == {None} and all(row["tokens"] for row in rows)


def test_a_job_that_waits_for_its_turn_stops_at_once(asked, server):
    begun = time.monotonic()
    slow = endpoint(address(server), requests_per_minute=1)
    said = list(slow.answers(asked, lambda: time.monotonic() - begun > 1))
    assert sum(map(len, said)) == 1 and time.monotonic() - begun < 4


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_limits_hold_in_any_minute():
    clock = Clock()
    limiter = Limiter(3, None, 100, clock)
    assert [limiter.enter()[0] for _ in range(4)] == [0, 0, 0, 60]
    clock.now = 59.0
    assert limiter.enter()[0] == pytest.approx(1.0)
    clock.now = 60.1
    assert limiter.enter()[0] == 0


def test_token_limits_learn_what_an_answer_takes():
    clock = Clock()
    limiter = Limiter(None, 1000, 600, clock)
    _, first = limiter.enter()
    assert limiter.enter()[1] is None  # another might take 600 more
    limiter.leave(first, 100)
    entries = [limiter.enter()[1] for _ in range(9)]
    assert None not in entries and limiter.enter()[1] is None  # 100 each, as the first
    assert Limiter(None, 10, 600, clock).enter()[0] == 0  # however small, one may always begin


def test_as_many_requests_at_a_time_as_allowed(tmp_path, asked, server, monkeypatch):
    running_now, most = [0], [0]
    once = Client._ask_once

    async def counted(self, question):
        running_now[0] += 1
        most[0] = max(most[0], running_now[0])
        try:
            return await once(self, question)
        finally:
            running_now[0] -= 1

    monkeypatch.setattr(Client, "_ask_once", counted)
    ask(asked, AnswerCache(tmp_path, {}), endpoint(address(server), concurrent=3), chunk=4)
    assert most[0] == 3
