"""Where published problems are found, and what a study file that names them may say."""

import os
import re
import subprocess
import sys

import benchmark_material as made
import pytest
import yaml
from hub_files import COMMIT, jsonl, snapshot
from valley.core.hub import SourceError, find, missing_folder
from valley.core.study import Study, StudyError
from workspace import Workspace

OFFLINE = """
import sys
from valley.core.hub import SourceError, find
try:
    for path in find(sys.argv[3:], hub=sys.argv[1], revision=sys.argv[2]):
        print(path)
except SourceError as error:
    print("error:", error)
"""


def offline(home, *arguments: str) -> str:
    """Run `find` in a fresh process: huggingface_hub reads its settings when it is imported."""
    variables = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": "workflow_scripts",
    }
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *arguments], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_hubs_cache_is_enough_and_what_it_lacks_is_told(tmp_path):
    name = "livecodebench/code_generation_lite"
    made.release(snapshot(tmp_path, name), 2, 2)
    files = offline(tmp_path, name, COMMIT, "test.jsonl", "test2.jsonl").split()
    assert [file.rsplit("/", 1)[1] for file in files] == ["test.jsonl", "test2.jsonl"]
    said = offline(tmp_path, name, COMMIT, "test.jsonl", "test3.jsonl")
    assert "no test3.jsonl; there are: test.jsonl, test2.jsonl" in said
    assert f"hf download {name} --repo-type dataset --revision {COMMIT}" in said
    said = offline(tmp_path, name, "f" * 40, "test.jsonl")
    assert "is not in the cache" in said and "hf download" in said


def test_a_local_file_is_taken_whatever_its_name(tmp_path):
    path = jsonl(tmp_path / "mine.jsonl", [made.lcb_stdin(1)])
    assert find(["test.jsonl"], path=str(path)) == [path]
    with pytest.raises(SourceError, match="no such file or folder"):
        find(["test.jsonl"], path=str(tmp_path / "none"))


SOURCE_MISTAKES = [
    (
        {"format": "livecodebench", "path": "x"},
        "release: say which release; choose from: v1",
    ),
    (
        {"format": "livecodebench", "release": "v6"},
        "revision: a data set of the hub changes",
    ),
    ({"format": "livecodebench", "release": "v9", "path": "x"}, "'v9' is not allowed"),
    ({"format": "humaneval", "path": "x", "release": "v1"}, "humaneval has no releases"),
    ({"format": "problems"}, "say where the problems are: a path, or a hub id"),
    ({"format": "mbpp", "path": "x", "hub": "y"}, "give either a path, or a hub id"),
    ({"format": "mbpp", "path": "x", "from": "2024-13-01"}, "'2024-13-01' is not a date"),
    ({"format": "mbpp", "path": "x", "from": "2024-02-01", "to": "2024-01-31"}, "is later than"),
    ({"format": "lifecodebench", "path": "x"}, "did you mean 'livecodebench'?"),
]


@pytest.mark.parametrize(("source", "message"), SOURCE_MISTAKES)
def test_mistakes_in_the_study_file_are_told(source, message):
    config = Workspace.smoke()
    config["benchmarks"] = {"b": {"source": source}}
    with pytest.raises(StudyError, match=re.escape(message)):
        Study(config)
    config["benchmarks"] = {"b": {"bank": {"problems": 3}, "source": source}}
    with pytest.raises(StudyError, match=r"benchmarks.b: has bank, source; give only one of them"):
        Study(config)


def test_days_may_stand_unquoted_and_prompts_fall_back_to_the_studys():
    config = Workspace.smoke()
    config |= yaml.safe_load(
        "prompt: 'Q: {statement}'\n"
        "benchmarks:\n"
        "  a: {source: {format: mbpp, path: x, from: 2024-01-31}}\n"
        "  b: {source: {format: mbpp, path: x}, prompt: evalplus}\n"
        "  c: {source: {format: mbpp, path: x}, prompt: null}\n"
    )
    study = Study(config)
    assert study.sources["a"]["from"] == "2024-01-31"
    assert study.prompt() == study.prompt("a") == ["Q: {statement}"] * 2
    assert study.prompt("b")[0].startswith("Please provide a self-contained Python script")
    assert study.prompt("c") is None
    config["benchmarks"]["b"]["prompt"] = "evalplas"
    with pytest.raises(StudyError, match=r"benchmarks.b.prompt: 'evalplas' .*mean 'evalplus'"):
        Study(config)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", False),
        ("gpt2", False),
        ("models/mine", False),  # a folder that is there
        ("models/nope", True),  # beside it there is none
        ("results/of/another", True),  # no name of the hub's
        ("./nope", True),
        ("/data/nope", True),
    ],
)
def test_a_students_folder_that_is_not_there_is_no_name_of_the_hubs(
    name, missing, tmp_path, monkeypatch
):
    (tmp_path / "models/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert missing_folder(name) is missing
