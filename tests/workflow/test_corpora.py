"""Corpora made elsewhere, from files in the published schemas to the shards."""

import json
import random
import re
from contextlib import contextmanager

import foreign_corpora as made
import pytest
import yaml
from hub_files import COMMIT, jsonl
from valley.core.files import read_json, read_parquet
from workspace import REPOSITORY, Workspace

ANSWERS, PROBLEMS = 200, 50


@contextmanager
def without_network(folder):
    """Let the hub be nothing but a cache in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(folder / "home"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def sharded(folder) -> Workspace:
    """Run a study on OpenCodeReasoning-2, TACO and APPS in a cache, up to its shards."""
    workspace = Workspace(folder)
    made.cache(workspace.folder / "home", made.opencodereasoning2(ANSWERS), PROBLEMS)
    asked = [made.taco(PROBLEMS)[index] for index in (4, 10)]
    numbered = [{**row, "id": str(at)} for at, row in enumerate(asked)]
    jsonl(workspace.folder / "bench.jsonl", numbered)
    config = workspace.smoke()
    config["corpus"] = {
        "sources": {
            "r1": {"hub": "nvidia/OpenCodeReasoning-2", "revision": COMMIT},
        },
        "questions": {name: {"revision": COMMIT} for name in ("taco", "apps")},
        "difficulties": {"easy": ["EASY", "MEDIUM"], "hard": ["HARD", "VERY_HARD"]},
    }
    config["benchmarks"]["told"] = {"source": {"format": "apps", "path": "bench.jsonl", "count": 2}}
    config["axes"]["correctness"] = {
        "question": "Does it matter?",
        "recipes": ["distil"],
        "slices": ["all.paired-correct", "all.paired-incorrect"],
        "sizes": [16],
    }
    workspace.write(config)
    with without_network(folder):
        workspace.snakemake("--cores", "2", "shards", "corpus_page")
    return workspace


@pytest.fixture(scope="module")
def study(shared):
    """A study on corpora of the hub, up to its shards; tests must leave it as they found it."""
    workspace = shared.made("corpora", sharded)
    with without_network(workspace.folder):
        yield workspace


def shard(workspace, name):
    return read_parquet(workspace.folder / "results/smoke/shards" / f"{name}.parquet")


@pytest.mark.long
def test_every_answer_is_judged_on_the_tests_of_its_question(study):
    pool = read_parquet(study.folder / "results/smoke/corpus/pool.parquet")
    rows = {f"r1/{row['id']}": row for row in made.opencodereasoning2(ANSWERS)}
    assert len(pool) == ANSWERS - 8
    for trace in pool:
        row = rows[trace["id"]]
        assert trace["correct"] is (row["judgement"] == "right")
        assert trace["prompt"] == made.question(row["dataset"], int(row["index"]))


def test_problems_that_a_benchmark_has_are_dropped_and_shown(study):
    summary = read_json(study.folder / "results/smoke/corpus/summary.json")
    assert summary["dropped"]["contaminated"] == 8
    closest = summary["closest_to_benchmarks"][:2]
    assert {match["problem"] for match in closest} == {"taco/train/4", "taco/train/10"}
    assert {match["overlap"] for match in closest} == {1.0}
    page = (study.folder / "results/smoke/corpus/summary.html").read_text()
    assert "on a benchmark&#39;s problem" in page
    assert "taco/train/10" in page


def test_shards_are_nested_and_paired_ones_ask_the_same(study):
    assert shard(study, "all.any/n32-s0")[:16] == shard(study, "all.any/n16-s0")
    right, wrong = (shard(study, f"all.paired-{side}/n16-s0") for side in ("correct", "incorrect"))
    assert [row["problem_id"] for row in right] == [row["problem_id"] for row in wrong]
    assert {row["difficulty"] for row in shard(study, "easy.any/n16-s0")} == {"easy"}
    about = read_json(study.folder / "results/smoke/shards/all.any/n32-s0.meta.json")
    problems = {row["problem_id"] for row in shard(study, "all.any/n32-s0")}
    assert about["measured"]["problems"] == len(problems)


def test_nothing_is_left_to_do_and_no_artefact_holds_a_path(study):
    assert study.plan("shards", "corpus_page") == {}
    for name, content in study.results("corpus/**/*").items():
        assert str(study.folder).encode() not in content, name


def test_a_smaller_slice_is_told_before_anything_runs(study, tmp_path):
    config = yaml.safe_load(study.study.read_text())
    config["corpus"]["examples"] = "problems"
    config["axes"]["scaling"]["sizes"] = [0, 49]
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(config))
    told = study.snakemake("--dry-run", "--configfile", str(other), check=False)
    assert "slice all.any holds 48 problems, but arms ask for 49" in told


def snippet(kind: str) -> str:
    """Return the first block of a kind in the documentation."""
    text = (REPOSITORY / "docs" / "corpora.md").read_text(encoding="utf-8")
    return re.search(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1]


@pytest.mark.long
def test_the_documentations_own_corpus_runs(tmp_path):
    workspace = Workspace(tmp_path)
    first = json.loads(snippet("json"))
    rows = [first]
    for at in range(1, 40):
        code = f"```python\nprint(int(input()) + int(input()) * {at})\n```"
        changed = {
            "key": f"a{at + 1}",
            "task": f"{first['task']} Times {at // 2}.",
            "solution": code,
        }
        changed["thoughts"] = made.thoughts(random.Random(at), 30)
        rows.append({**first, **changed, "ok": ("right", "wrong")[at % 2]})
    path = tmp_path / "mine" / "traces.jsonl"
    jsonl(path, rows)
    with open(path, "a") as file:
        file.write('{"key": "broken"\n')
    workspace.study.write_text(snippet("yaml"), encoding="utf-8")
    workspace.snakemake("--cores", "2", "shards", "corpus_page")
    root = tmp_path / "results" / "own-corpus"
    summary = read_json(root / "corpus" / "summary.json")
    assert summary["kept"] == 40
    assert summary["teachers"] == {"teacher-a": 40}
    assert summary["sources"]["mine"]["first_bad_rows"][0].startswith("traces.jsonl: row 41: not")
    right = read_parquet(root / "shards" / "all.paired-correct" / "n8-s0.parquet")
    assert {row["correct"] for row in right} == {True}

    # A file that changes is read again.
    path.write_text(
        path.read_text().replace('{"key": "broken"\n', json.dumps({**first, "key": "z"}))
    )
    assert {"source_problems", "source_traces", "pool"} <= workspace.plan("shards").keys()
