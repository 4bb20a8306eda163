"""Several jobs share a teacher's questions: the bytes of one job, and nothing is asked twice."""

from pathlib import Path

import pytest
from proxy import FaultyProxy
from server import TeacherServer, address, running
from teachers import AskEndpoint, AskEndpointPart, AskModel, AskModelPart, Unanswered
from test_local import model as model
from valley.asking.parts import mistakes, share_of_limits
from valley.asking.settings import AskSettings, Endpoint, Model
from valley.bank import problems as bank
from valley.core.files import PROBLEM, read_json, read_parquet, write_parquet
from valley.core.parts import Part, parts
from valley.core.study import Study
from valley.lm import sampler
from valley.lm.engines import with_transformers
from valley.workflow.job import Job
from workspace import Workspace

ASKED = AskSettings(answers=3, seed=1, temperature=1.0, top_p=1.0, max_tokens=12, chunk=1)


def job(part: Part | None = None) -> Job:
    return Job(wildcards={"teacher": "t", **({"part": str(part)} if part else {})})


class Teacher:
    """A teacher's questions and stores, and the tasks that ask them."""

    def __init__(self, folder: Path, whole: type, part: type, count: int = 6, **how):
        self.folder, self._whole, self._part = folder, whole, part
        self._how = {"asked": ASKED, "prompt": None, "words_code": "1", **how}
        self._how["problems"] = folder / "problems.parquet"
        write_parquet(self._how["problems"], bank.generate(count, 5, "train"), PROBLEM)

    def ask(self, store: str, part: Part) -> dict:
        """Ask a part; return its measurements."""
        out = self.folder / f"{store}{part}.json"
        one = job(part)
        measured = self._part(**self._how, store=self.folder / store, out=out).run(one)
        assert one.measured.items() >= measured.items()
        return measured

    def traces(self, store: str) -> tuple[bytes, dict]:
        """Write the traces; return them, and the measurements."""
        out = self.folder / f"{store}.parquet"
        measured = self._whole(**self._how, store=self.folder / store, out=out).run(job())
        return out.read_bytes(), measured


@pytest.fixture
def local(tmp_path, model) -> Teacher:
    how = Model(str(model), engine="transformers", precision="fp32", batch_size=4)
    return Teacher(tmp_path, AskModel, AskModelPart, model=how, engine_code="1")


@pytest.fixture
def server():
    with running(TeacherServer(bank.generate(6, 5, "train"))) as made:
        yield made


def behind(folder: Path, url: str, **changes) -> Teacher:
    """Return a teacher behind an address who is asked each question once, two at a time."""
    endpoint = Endpoint(base_url=url, model="procedural", concurrent=2, attempts=1)
    return Teacher(folder, AskEndpoint, AskEndpointPart, endpoint=endpoint, **changes)


def test_parts_of_a_local_teacher_answer_the_groups_that_one_job_composes(local, monkeypatch):
    composed, whole = [], with_transformers.Engine

    class Noting(whole):
        def answers(self, wanted, stopping):
            for finished in sampler.sample(
                self._model, wanted, stopping=stopping, **self._settings
            ):
                composed.append(sorted((wanted[n].prompt, wanted[n].seed) for n, _ in finished))
                yield finished

    monkeypatch.setattr(with_transformers, "Engine", Noting)
    alone, measured = local.traces("one")
    assert measured["asked"] == 18
    groups = sorted(composed)
    assert len(groups) == 5
    for jobs in (2, 3):
        composed.clear()
        asked = [local.ask(f"of{jobs}", part)["asked"] for part in reversed(parts(jobs))]
        assert sum(asked) == 18 and all(0 < one < 18 for one in asked)
        assert sorted(composed) == groups
        content, measured = local.traces(f"of{jobs}")
        assert (content, measured["asked"]) == (alone, 0)
        assert [local.ask(f"of{jobs}", part)["asked"] for part in parts(jobs)] == [0] * jobs


def test_parts_behind_an_endpoint_ask_each_question_once(tmp_path, server):
    teacher = behind(tmp_path, address(server))
    alone, first = teacher.traces("one")
    asked = sorted(str(one) for one in server.served)
    for jobs in (2, 3):
        server.served.clear()
        told = [teacher.ask(f"of{jobs}", part) for part in parts(jobs)]
        assert all(0 < one["asked"] < 18 for one in told)
        assert sorted(str(one) for one in server.served) == asked
        assert not any("cost" in one or "tokens_out" in one for one in told), "told once, below"
        content, measured = teacher.traces(f"of{jobs}")
        assert content == alone and len(server.served) == 18
        assert measured["tokens_out"] == first["tokens_out"] > 0


def test_added_answers_and_questions_are_all_that_parts_ask(tmp_path, server):
    few = behind(tmp_path, address(server), count=4)
    for part in parts(2):
        few.ask("store", part)
    server.served.clear()
    many = behind(tmp_path, address(server), count=6)
    told = [many.ask("store", part)["asked"] for part in parts(2)]
    assert sum(told) == len(server.served) == 6


def test_a_part_that_is_not_answered_fails_alone_and_is_asked_again(tmp_path, server):
    teacher = behind(tmp_path, address(server))
    alone, _ = teacher.traces("one")
    with running(FaultyProxy(address(server), ["500", *["pass"] * 40])) as proxy:
        failing = behind(tmp_path, address(proxy))
        with pytest.raises(Unanswered, match="All other answers are kept"):
            failing.ask("store", Part(1, 2))
    assert not (tmp_path / "store.1-of-2.json").exists()
    assert teacher.ask("store", Part(2, 2))["asked"] > 0
    assert teacher.ask("store", Part(1, 2))["asked"] == 1, "what nobody answered, and no more"
    assert teacher.traces("store")[0] == alone
    assert read_json(tmp_path / "store.1-of-2.json") == {"answers": 18}
    assert len(read_parquet(tmp_path / "store.parquet")) == 18


def test_parts_share_the_limits_of_a_minute():
    whole = Endpoint(base_url="http://x/v1", model="m", requests_per_minute=10, concurrent=5)
    shared = share_of_limits(whole, Part(2, 4))
    assert (shared.requests_per_minute, shared.tokens_per_minute) == (2, None)
    assert (shared.concurrent, shared.base_url) == (5, whole.base_url)
    tokens = Endpoint(base_url="http://x/v1", model="m", tokens_per_minute=900)
    shared = share_of_limits(tokens, Part(1, 3))
    assert (shared.requests_per_minute, shared.tokens_per_minute) == (None, 300)


def test_more_jobs_than_requests_a_minute_are_a_mistake():
    def found(jobs, limit):
        config = Workspace.smoke()
        endpoint = {"base_url": "http://x/v1", "model": "m", "requests_per_minute": limit}
        config["corpus"]["teachers"]["deep"] = {"endpoint": endpoint, "jobs": jobs}
        return mistakes(Study(config).config)

    assert found(4, 4) == found(9, None) == []
    (said,) = found(5, 4)
    assert said.startswith("corpus.teachers.deep.jobs: 5 jobs can't share 4 requests a minute")
    assert said.endswith("give at most 4 jobs")
