"""A study whose traces a teacher behind an endpoint writes, by the workflow's own rules."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from lm_material import TEXTS
from proxy import FaultyProxy
from server import TeacherServer, address, running
from valley.bank import problems as bank
from valley.core.files import read_json, read_parquet
from valley.lm import students
from valley.planning.answer_caches import cache_of_job
from workspace import Workspace

KEY = "sk-never-in-a-file-0123456789"
POOL = "results/smoke/corpus/pool.parquet"


@pytest.fixture
def study(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    config = workspace.smoke()
    config["corpus"]["bank"] = {"problems": 10, "seed": 5}
    config["axes"] = {"scaling": {"question": "?", "recipes": ["distil"], "sizes": [0, 4]}}
    config["starts"] = {}
    config["corpus"]["teachers"] = {
        "deep": {
            "endpoint": {
                "model": "procedural-apart",
                "key_variable": "TEACHER_KEY",
                "concurrent": 3,
                "backoff_s": 0.01,
                "price_in": 0.5,
                "price_out": 2.0,
            },
            "answers": 2,
            "max_tokens": 400,
            "prompt": "Solve this in Python.\n\n{statement}",
        }
    }
    workspace.write(config)
    return workspace


def test_traces_are_asked_for_judged_and_pooled(study, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    traces = study.folder / "results/smoke/corpus/traces/deep.parquet"
    config = yaml.safe_load(study.study.read_text())
    with running(TeacherServer(bank.generate(10, 5, "train"), KEY)) as server:
        faults = ["429", "pass", "half", "500", "drop"]
        with running(FaultyProxy(address(server), faults)) as proxy:
            config["corpus"]["teachers"]["deep"]["endpoint"]["base_url"] = address(proxy)
            study.write(config)
            study.snakemake("--cores", "2", POOL)
        assert server.keys == {KEY} and len(server.served) == 21  # one was cut on its way
        assert all(
            asked["messages"][0]["content"].startswith("Solve this in Python.\n\n")
            for asked in server.served
        )
        rows = read_parquet(traces)
        assert len(rows) == 20 and all(row["response"].startswith("<think>\n") for row in rows)
        pool = read_parquet(study.folder / POOL)
        assert {row["teacher"] for row in pool} == {"deep"}
        assert {row["correct"] for row in pool} == {True, False}
        measured = read_json(traces.with_suffix(".meta.json"))["measured"]
        assert sum(measured["asked_again"].values()) == 4
        assert measured["tokens_out"] == sum(row["tokens"] for row in rows)
        cost = (0.5 * measured["tokens_in"] + 2.0 * measured["tokens_out"]) / 1e6
        assert measured["cost"] == pytest.approx(cost)

        # Another address or price asks nobody; a third answer a question asks for just that.
        deep = config["corpus"]["teachers"]["deep"]
        deep["endpoint"] |= {"base_url": address(server), "price_in": 9}
        study.write(config)
        assert "ask_endpoint" not in study.plan(POOL)
        deep["answers"] = 3
        study.write(config)
        study.snakemake("--cores", "2", str(traces.relative_to(study.folder)))
        assert len(server.served) == 21 + 10 and len(read_parquet(traces)) == 30

        # A refusal sends the key back: neither the log nor anything else may show it.
        server.key = "another"
        deep["answers"] = 4
        study.write(config)
        output = study.snakemake("--cores", "1", str(traces.relative_to(study.folder)), check=False)
    log = study.folder / "results/smoke/logs/traces/deep.log"
    assert "the key is not accepted" in log.read_text()
    assert KEY not in output
    holding = [
        path
        for path in study.folder.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert holding == []


@pytest.mark.long
def test_several_jobs_ask_each_question_once_and_go_on_when_one_is_killed(study):
    """The traces of one job, by two of which one is killed, and by three."""
    root, deep = study.folder / "results/smoke", "results/smoke/corpus/traces/deep"
    config = yaml.safe_load(study.study.read_text())
    teacher = config["corpus"]["teachers"]["deep"]
    teacher["endpoint"]["key_variable"] = None
    teacher["chunk"] = 1
    with running(TeacherServer(bank.generate(10, 5, "train"))) as server:
        teacher["endpoint"]["base_url"] = address(server)
        study.write(config)
        study.snakemake("--cores", "1", f"{deep}.parquet")
        alone = (study.folder / f"{deep}.parquet").read_bytes()
        asked = sorted(str(one) for one in server.served)
        for jobs in (2, 3):
            teacher["jobs"] = jobs
            study.write(config)
            assert study.plan(f"{deep}.parquet") == {}, "what is finished stays"
            shutil.rmtree(study.folder / "results/store/answers")
            (study.folder / f"{deep}.parquet").unlink()
            parts = {"ask_endpoint_part": jobs, "ask_endpoint": 1}
            assert study.plan(f"{deep}.parquet") == parts
            server.served.clear()
            if jobs == 2:
                run = subprocess.Popen(
                    study.command("--cores", "1", f"{deep}.1-of-2.json"),
                    cwd=study.folder,
                    start_new_session=True,
                )
                while len(server.served) < 5 and run.poll() is None:
                    time.sleep(0.01)
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                study.snakemake("--unlock")
            study.snakemake("--cores", "2", "--rerun-incomplete", f"{deep}.parquet")
            assert (study.folder / f"{deep}.parquet").read_bytes() == alone
            # Of a killed part only what was on its way, or not yet saved, is asked again.
            assert len(asked) <= len(server.served) <= len(asked) + (3 if jobs == 2 else 0)
            assert {str(one) for one in server.served} == {*asked}
            logs = sorted(path.name for path in (root / "logs/traces").glob("deep.*-of-*.log"))
            assert f"deep.{jobs}-of-{jobs}.log" in logs
        assert study.plan(f"{deep}.parquet") == {}
    teacher["endpoint"]["requests_per_minute"] = 2
    study.write(config)
    said = study.snakemake("--dry-run", check=False)
    assert "corpus.teachers.deep.jobs: 3 jobs can't share 2 requests a minute" in said
    teacher["jobs"] = 0
    study.write(config)
    said = study.snakemake("--dry-run", check=False)
    assert "corpus.teachers.deep.jobs: 0 is out of range; it must be ≥ 1" in said


def test_a_key_in_the_study_file_is_refused_and_not_repeated(study):
    config = yaml.safe_load(study.study.read_text())
    endpoint = config["corpus"]["teachers"]["deep"]["endpoint"]
    endpoint |= {"base_url": "http://127.0.0.1:9/v1", "key_variable": KEY}
    study.write(config)
    output = study.snakemake("--dry-run", POOL, check=False)
    assert "corpus.teachers.deep.endpoint.key_variable" in output
    assert "never the key itself" in output and KEY not in output
    endpoint |= {"base_url": f"http://me:{KEY}@127.0.0.1:9/v1", "key_variable": None}
    study.write(config)
    output = study.snakemake("--dry-run", POOL, check=False)
    assert "Base URL up to /v1, without any key" in output and KEY not in output


def weights(folder, seed):
    """Make a tiny model in a folder, as the hub has them."""
    tokenizer = students.train_tokenizer(TEXTS, 400)
    network = students.create(tokenizer, hidden=32, layers=2, heads=2, positions=2048, seed=seed)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.long
def test_a_teacher_that_is_a_folder_here_is_known_by_its_content(study, monkeypatch):
    folder = study.folder / "teachers/mine"
    weights(folder, 0)
    config = yaml.safe_load(study.study.read_text())
    model = {"id": "teachers/mine", "engine": "transformers", "precision": "fp32", "gpus": 0}
    config["corpus"]["bank"] = {"problems": 2, "seed": 5}
    config["corpus"]["teachers"] = {"own": {"model": model, "max_tokens": 4}}
    study.write(config)
    traces = "results/smoke/corpus/traces/own.parquet"
    study.snakemake("--cores", "1", traces)
    first = read_parquet(study.folder / traces)
    about = read_json((study.folder / traces).with_suffix(".meta.json"))
    assert about["measured"]["asked"] and "teachers/mine/model.safetensors" in about["inputs"]
    for path in folder.iterdir():
        os.utime(path)
    assert study.plan(traces) == {}, "the same model, newer files"

    weights(folder, 1)
    assert study.plan(traces) == {"ask_model": 1}
    study.snakemake("--cores", "1", traces)
    again = read_json((study.folder / traces).with_suffix(".meta.json"))
    assert (again["measured"]["asked"], again["measured"]["reused"]) == (2, 0)
    assert {row["response"] for row in read_parquet(study.folder / traces)} != {
        row["response"] for row in first
    }, "no answer of the other model is taken for one of this"

    # What commands know of a job, its sidecar, leads to the same book.
    monkeypatch.chdir(study.folder)
    found = [
        cache_of_job("ask_model", a["params"], a["inputs"], "results/store") for a in (about, again)
    ]
    assert {cache.folder for cache in found} == {*Path("results/store/answers").iterdir()}
    assert (
        cache_of_job("ask_model", again["params"], list(again["inputs"]), "results/store") is None
    )

    folder.rename(study.folder / "teachers/gone")
    assert "corpus.teachers.own.model.id: there is no folder teachers/mine below" in (
        study.snakemake("--dry-run", traces, check=False)
    )
