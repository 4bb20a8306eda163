"""A benchmark in LiveCodeBench's files, from the hub's cache through generation to scores."""

import benchmark_material as made
import pytest
import yaml
from hub_files import snapshot
from valley.core.files import read_json, read_parquet
from valley.lm.answer_cache import AnswerCache
from valley.planning.answer_caches import cache_of_job
from workspace import Workspace

SOURCE = """
benchmarks:
  lcb:
    source:
      format: livecodebench
      release: v2
      revision: 0fe84c3912ea0c4d4a78037083943e8f0c4dd505
      count: 8
      from: 2024-03-01
      to: 2025-01-31
    prompt: livecodebench
"""


@pytest.fixture
def study(tmp_path, monkeypatch) -> tuple[Workspace, list[dict]]:
    """The smoke study on six problems in the hub.s cache, two more out of its window."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = made.release(snapshot(tmp_path / "hf", "livecodebench/code_generation_lite"), 5, 3)
    workspace = Workspace(tmp_path / "work")
    config = workspace.smoke() | yaml.safe_load(SOURCE)
    config["students"]["tiny"]["cutoff"] = yaml.safe_load("2024-08-01")
    config["sampling"] |= {"samples": 2, "max_tokens": 8}
    config["prompt"] = "Task: {statement}"
    workspace.write(config)
    return workspace, [row for row in rows if row["contest_date"] < "2025-01-31"]


@pytest.mark.long
def test_problems_are_asked_judged_and_scored(study, monkeypatch):
    workspace, rows = study
    root = workspace.folder / "results" / "smoke"
    score = root / "scores/tiny/base/lcb.json"
    workspace.snakemake("--cores", "2", str(score.relative_to(workspace.folder)))
    answers = root / "generations/tiny/base/lcb.parquet"
    asked = read_parquet(answers)
    assert {row["problem_id"] for row in asked} == {row["question_id"] for row in rows}
    assert len(asked) == 2 * len(rows) == 12
    overall = read_json(score)["overall"]["pass@1"]
    assert (overall["estimate"], overall["problems"]) == (0, 6)

    # The study's own prompt is that of training; the benchmark has another.
    pairs = read_parquet(root / "students/tiny/pairs.parquet", columns=["prompt"])
    assert all(row["prompt"].startswith("Task: ") for row in pairs)
    config = yaml.safe_load(workspace.study.read_text())
    config["benchmarks"]["lcb"]["prompt"] = "livecodebench-qwen"
    workspace.write(config)
    again = workspace.plan(str(score.relative_to(workspace.folder)))
    assert set(again) == {"generate", "judge", "score"}
    config["benchmarks"]["lcb"]["prompt"] = "livecodebench"
    workspace.write(config)

    # Answers made by hand replace the student's in its cache: right where the number is odd.
    (about,) = (workspace.folder / "results/store/answers").glob("*/about.json")
    made_of = read_json(answers.with_suffix(".meta.json"))
    monkeypatch.chdir(workspace.folder)
    cache = cache_of_job("generate", made_of["params"], list(made_of["inputs"]), "results/store")
    assert cache.folder.resolve() == about.parent.resolve()
    by_id = {row["question_id"]: row for row in rows}
    said = []
    for segment in about.parent.glob("*.parquet"):
        said += read_parquet(segment)
        segment.unlink()
    for row in said:
        number = int(row["problem_id"].removeprefix("abc").removesuffix("_a")) % 100
        row["text"] = made.right(by_id[row["problem_id"]]) if number % 2 else "```python\n1\n```"
    AnswerCache(workspace.folder / "results/store", read_json(about)).write(said)
    answers.unlink(), score.unlink()
    workspace.snakemake("--cores", "2", str(score.relative_to(workspace.folder)))
    found = read_json(score)
    odd = [row for row in rows if row["platform"] == "atcoder"]
    assert found["overall"]["pass@1"]["estimate"] == pytest.approx(len(odd) / 6)
    assert found["by_difficulty"]["easy"]["pass@1"]["estimate"] == 1
    assert found["by_difficulty"]["medium"]["pass@1"]["estimate"] == 0
    sides = {name: group["pass@1"]["problems"] for name, group in found["by_cutoff"].items()}
    assert sides == {
        "until_cutoff": sum(row["contest_date"][:10] <= "2024-08-01" for row in rows),
        "after_cutoff": sum(row["contest_date"][:10] > "2024-08-01" for row in rows),
    }
