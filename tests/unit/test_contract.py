"""Contracts of jobs: what runs is what is digested, and every field is explained and used."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_architecture import SCRIPTS, STAGES
from valley.asking.settings import AskSettings, Endpoint, Model
from valley.core.chats import Chat
from valley.core.closure import code_digest
from valley.core.config import _fill, _schema, resolved
from valley.core.recipes import Recipe
from valley.core.sampling import Sampling
from valley.core.settings import HANDLING
from valley.core.sources import Cleaning, Questions, Source
from valley.judging.options import JudgeOptions
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
    said = "\n".join(inspect.getdoc(base) or "" for base in TASKS[name].__mro__)
    explained = set()
    for names in re.findall(r"^ {4}([a-z_, ]+): ", said, re.MULTILINE):
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


TEACHER = "properties.corpus.properties.teachers.additionalProperties"
STUDENT = "properties.students.additionalProperties"
CORPUS = "properties.corpus.properties"
SETTINGS = [  # the schema's path, keys that are elsewhere, fields that no key is
    (Recipe, "$defs.recipe", set(), set()),
    (Sampling, "properties.sampling", set(), set()),
    (Chat, STUDENT, {"published", "cutoff", "hub", "scratch"}, set()),
    (JudgeOptions, "properties.judge", {"jobs"}, set()),
    (Cleaning, f"{CORPUS}.cleaning", set(), set()),
    (Source, f"{CORPUS}.sources.additionalProperties", {"form", "answers"}, {"name"}),
    (Questions, f"{CORPUS}.questions.additionalProperties", set(), set()),
    (AskSettings, TEACHER, {"mistakes", "endpoint", "model", "prompt", "jobs"}, set()),
    (Endpoint, "$defs.endpoint", set(), set()),
    (Model, "$defs.teacher_model", set(), set()),
]
# What a corpus' form, or what is known of a data set, fills in where the study file has null.
FILLED = {Source: {"files", "only", "teacher"}, Questions: {"files"}}
KINDS = {"string": str, "number": float, "integer": int, "boolean": bool, "array": list}
KINDS |= {"object": dict, "null": type(None)}


def schema_of(path):
    found = _schema()
    for step in path.split("."):
        found = found[step]
    return {name: resolved(key, _schema()) for name, key in found["properties"].items()}


def default_of(field):
    return field.default if field.default_factory is MISSING else field.default_factory()


def completed(cls, path):
    """Return a completed mapping of the schema's defaults, as `complete` makes one."""
    value = {}
    _fill(value, {"properties": schema_of(path)}, _schema())
    return value


@pytest.mark.parametrize(("cls", "path", "elsewhere", "own"), SETTINGS)
def test_settings_have_the_schemas_keys_and_defaults(cls, path, elsewhere, own):
    keys = schema_of(path)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    assert {*fields} - own == {*keys} - elsewhere
    filled = completed(cls, path)
    for name in {*fields} - own:
        if name in FILLED.get(cls, ()):
            assert filled[name] is None and default_of(fields[name]) is MISSING, name
        elif name == "vllm":  # the defaults of what it holds are the schema's alone
            assert default_of(fields[name]) == {} == keys[name]["default"]
        else:
            assert filled.get(name, MISSING) == default_of(fields[name]), name


def kinds(wanted):
    """Return the plain types that an annotation allows."""
    if isinstance(wanted, types.UnionType):
        return set().union(*map(kinds, typing.get_args(wanted)))
    wanted = typing.get_origin(wanted) or wanted
    return {int, float} if wanted is float else {wanted or type(None)}


@pytest.mark.parametrize(("cls", "path", "elsewhere", "own"), SETTINGS)
def test_settings_have_the_schemas_types(cls, path, elsewhere, own):
    keys = schema_of(path)
    for own_field in dataclasses.fields(cls):
        name = own_field.name
        if name in own:
            continue
        key = keys[name]
        if "enum" in key:
            said = {type(value) for value in key["enum"]}
        else:
            allowed = key["type"] if isinstance(key["type"], list) else [key["type"]]
            said = set().union(*(kinds(KINDS[one]) for one in allowed))
        if name in FILLED.get(cls, ()):
            said -= {type(None)}
        assert kinds(own_field.type) == said, name


@pytest.mark.parametrize("cls", [one[0] for one in SETTINGS])
def test_every_setting_is_explained_in_a_line(cls):
    said = "\n".join(inspect.getdoc(base) or "" for base in cls.__mro__)
    explained = re.findall(r"^ {4}([\w, ]+): \S", said, re.MULTILINE)
    names = {name for line in explained for name in line.split(", ")}
    assert {field.name for field in dataclasses.fields(cls)} <= names


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


def test_what_a_job_only_waits_for_need_be_no_field_of_its_task():
    made = contract.task_of(job_of(input=Files(files=["a"], judged=["x", "y"])), [Counting])
    assert made == contract.task_of(job_of(input=Files(files=["a"])), [Counting])
    assert made.files == [Path("a")]


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


@dataclass(frozen=True)
class Inner:
    """Settings for tests."""

    text: str = "a"
    number: int = 2
    speed: int = field(default=1, metadata=HANDLING)


@task
class Holding(Task):
    """A task whose settings are dataclasses."""

    rules = ("hold",)

    out: Path = writes()
    spread: Inner = param("statistics")
    some: JudgeOptions = param("judge", JudgeOptions(), only=("isolation", "packages"))
    kept: Inner = param(whole=True)
    several: dict[str, Inner] = param()
    perhaps: list[Inner] | None = param(default=None)


WHOLE = {"text": "b", "number": 3, "speed": 4}
HELD = {"text": "x", "number": 5, "isolation": "rlimits", "packages": ["numpy"]}
HELD |= {"kept": WHOLE, "several": {"one": WHOLE}, "perhaps": None}


def holding():
    return contract.task_of(job_of(rule="hold", input=Files(), params=HELD), [Holding])


def test_a_param_holds_plain_values_and_a_task_dataclasses():
    given = {"kept": Inner("b", 3, 4), "several": lambda wildcards: {"one": Inner("b", 3, 4)}}
    params = contract.params_of(Holding, lambda key, default: key, given)
    assert params.pop("several")(None) == {"one": WHOLE}
    spread = {"text": "statistics.text", "number": "statistics.number"}
    some = {"isolation": "judge.isolation", "packages": "judge.packages"}
    assert params == {**spread, **some, "kept": WHOLE, "perhaps": None}, "speed is no param"
    made = holding()
    assert made.kept == Inner("b", 3, 4) and made.several == {"one": Inner("b", 3, 4)}
    assert (made.spread.text, made.spread.number, made.perhaps) == ("x", 5, None)
    assert made.settings() == HELD, "what a sidecar has is what the task was made from"


def test_a_setting_that_changes_no_result_comes_from_the_study_file_when_the_job_runs():
    @task
    class Sampled(Task):
        rules = ("hold",)
        out: Path = writes()
        sampling: Sampling = param("sampling")

    own = [f for f in dataclasses.fields(Sampling) if not f.metadata.get("handling")]
    params = contract.params_of(Sampled, lambda key, default: key, {})
    assert {*params} == {f.name for f in own}
    config = Workspace.smoke()
    config["sampling"]["batch_size"] = 17
    job = job_of(rule="hold", input=Files(), params=params, config=config)
    made = contract.task_of(job, [Sampled])
    assert made.sampling.batch_size == 17 and made.sampling.chunk == 256
    assert made.sampling.samples == "sampling.samples" and made.settings() == params


def test_a_task_cannot_read_a_setting_that_it_does_not_take():
    some = holding().some
    assert isinstance(some, JudgeOptions) and some.isolation == "rlimits"
    for name in ("extraction", "reasoning", "untrusted", "max_judge_errors"):
        with pytest.raises(AttributeError, match=f"takes no JudgeOptions.{name}"):
            getattr(some, name)


def digest(folder, text):
    (folder / "stage.py").write_text(text)
    return code_digest("stage", "Stage", root=folder)


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
