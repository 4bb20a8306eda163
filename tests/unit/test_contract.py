"""Contracts of jobs: what runs is what is digested, and every field is explained and used."""

import dataclasses
import importlib
import re
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_architecture import SCRIPTS, STAGES
from valley.core.config import _schema
from valley.core.recipes import Recipe
from valley.workflow import contract
from valley.workflow.contract import Task, of_role, option, param, reads, task, writes
from workspace import Workspace

TASKS = {
    f"{stage}.{name}": value
    for stage in sorted(STAGES)
    for name, value in vars(importlib.import_module(stage)).items()
    if isinstance(value, type) and issubclass(value, Task) and value.__module__ == stage
}
RUN = {name: value for name, value in TASKS.items() if value.rules}


@pytest.mark.parametrize("name", TASKS)
def test_every_field_is_explained_in_the_class_docstring(name):
    said = "".join(base.__doc__ or "" for base in TASKS[name].__mro__)
    explained = set()
    for names in re.findall(r"^ {8}([a-z_, ]+): ", said, re.MULTILINE):
        explained |= {one.strip() for one in names.split(",")}
    fields = {field.name for field in dataclasses.fields(TASKS[name])}
    assert fields - explained == set()


def test_every_rule_has_one_task():
    rules = [rule for value in RUN.values() for rule in value.rules]
    assert len(rules) == len(set(rules)) > 20
    named = "".join(path.read_text() for path in (SCRIPTS.parent / "rules").glob("*.smk"))
    targets = {"all", "shards", "checkpoints", "generations", "verdicts", "curves", "figures"}
    assert {*re.findall(r"^ *rule (\w+):", named, re.MULTILINE)} - targets == {*rules}


@pytest.mark.parametrize("name", RUN)
def test_a_rule_takes_its_params_from_the_task_that_its_job_runs(name):
    """Rule and script agree: a rule's `declared` names the class that names the rule."""
    stage, _, cls = name.partition(".")
    rules = (SCRIPTS.parent / "rules" / f"{stage}.smk").read_text()
    for rule in RUN[name].rules:
        block = re.search(rf"^ *rule {rule}:\n.*?script:", rules, re.MULTILINE | re.DOTALL)
        declared = re.findall(r"\*\*declared\(\s*(\w+)", block.group(0))
        assert declared == [cls]


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_script_ends_with_its_binding_and_nothing_else(stage):
    text = (SCRIPTS / f"{stage}.py").read_text()
    binding = text.partition('if "snakemake" in globals():\n')[2]
    own = [cls for name, cls in RUN.items() if name.startswith(f"{stage}.")]
    listed = re.match(r" {4}execute\(snakemake, ([\w, ]+)\)\n", binding).group(1).split(", ")
    assert {*listed} == {cls.__name__ for cls in own}


def test_stages_are_imported_by_the_rules_without_anything_heavy():
    heavy = "{'torch', 'transformers', 'vllm', 'scipy', 'pandas', 'datasets', 'matplotlib'}"
    script = f"import sys\n{''.join(f'import {stage}{chr(10)}' for stage in sorted(STAGES))}"
    script += f"print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=SCRIPTS, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_recipe_has_the_schema_s_keys_and_defaults():
    keys = _schema()["$defs"]["recipe"]["properties"]
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    assert [*fields] == [*keys]
    for name, described in keys.items():
        default = fields[name].default
        assert described.get("default", MISSING) == default, name


@task
class Counting(Task):
    """A task for tests.

    Attributes:
        files: what is counted.
        out: the count.
        least: a param with a key.
        words: a param that the rule gives.
        recipe: a nested one.
        store: where results lie.
        chunk: an option.
    """

    rules = ("count",)

    files: list[Path] = reads()
    out: Path = writes()
    least: int = param("statistics.margin", 2)
    words: list[str] = param()
    recipe: Recipe = param()
    store: Path = option()
    chunk: int = option("sampling.chunk")

    def run(self, job):
        return {"files": len(self.files)}


def look_up(key, default):
    return f"{key} or {default}"


GIVEN = {"words": ["a"], "recipe": lambda key: f"recipe's {key}", "store": "s"}


def test_params_come_from_the_study_file_and_the_rule_and_nested_ones_are_spread_out():
    params = contract.params_of(Counting, look_up, GIVEN)
    assert params["least"] == "statistics.margin or 2"
    assert params["words"] == ["a"] and params["store"] == "s"
    assert params["rate"] == "recipe's learning_rate", "the name that sidecars have"
    assert params["epochs"] == "recipe's epochs"
    assert "chunk" not in params and "recipe" not in params and "files" not in params


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**GIVEN, "wrods": 1}, "Counting has no param wrods"),
        ({"recipe": GIVEN["recipe"], "store": "s"}, "Counting.words is given by the rule"),
    ],
)
def test_a_rule_that_gives_too_much_or_too_little_is_an_error(given, said):
    with pytest.raises(TypeError, match=said):
        contract.params_of(Counting, look_up, given)


class Files(list):
    """Like Snakemake's named lists."""

    def __init__(self, *unnamed, **named):
        super().__init__([*unnamed, *named.values()])
        self.named = named

    def items(self):
        return self.named.items()


def job_of(**changed):
    recipe = {contract.recorded(f): f.default for f in dataclasses.fields(Recipe)}
    values = {
        "rule": "count",
        "input": Files("a", "b"),
        "output": Files("c"),
        "params": {"least": 3, "words": ["w"], "store": "s", **recipe, "rate": 0.5},
        "wildcards": {},
        "config": {**Workspace.smoke()},
    }
    return SimpleNamespace(**{**values, **changed})


def test_a_snakemake_job_becomes_its_task_with_paths_and_nested_values():
    made = contract.task_of(job_of(), [Counting])
    assert made.files == [Path("a"), Path("b")] and made.out == Path("c")
    assert made.recipe.learning_rate == 0.5 and made.recipe.epochs is None
    assert made.store == Path("s") and made.least == 3
    assert isinstance(made.chunk, int), "an option comes from the study file when the job runs"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rule": "other"}, "no task of this script names the rule other"),
        ({"input": Files(flies="a")}, "does not declare the rule's flies"),
    ],
)
def test_a_job_that_is_not_what_the_contract_says_is_an_error(changed, said):
    with pytest.raises(TypeError, match=said):
        contract.task_of(job_of(**changed), [Counting])


def test_options_and_inputs_are_no_params():
    assert [field.name for field in of_role(Counting, "param")] == ["least", "words", "recipe"]
    made = contract.task_of(job_of(), [Counting])
    assert "store" not in made.settings() and made.settings()["rate"] == 0.5


def digest(folder, text):
    (folder / "stage.py").write_text(text)
    return contract.code_digest("stage", "Stage", root=folder)


def test_words_in_a_contract_age_nothing_and_what_run_reaches_does(tmp_path):
    text = '''
def double(x):
    return 2 * x
class Stage:
    """Doubles.

    Attributes:
        x: a number.
    """
    x: int = param("a.b")
    def run(self, job):
        return double(self.x)
'''
    before = digest(tmp_path, text)
    assert digest(tmp_path, text.replace("a number", "any number")) == before
    assert digest(tmp_path, text.replace("2 * x", "3 * x")) != before
    assert digest(tmp_path, text.replace('"a.b"', '"a.c"')) != before
