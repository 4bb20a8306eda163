"""What is said of mistakes in `slices`: key, value, what is allowed; one line for each."""

import copy

import pytest
from shards import Slice
from valley.core import declared_counts
from valley.core.files import POOL, write_parquet
from valley.core.study import Study, StudyError
from valley.slicing.script import ScriptError, load, script_digest
from valley.workflow.job import Job
from workspace import Workspace

SMOKE = Workspace.smoke()


def declaring(**slices) -> dict:
    config = copy.deepcopy(SMOKE)
    config["slices"] = slices
    return config


def used(name: str, size: int = 16, **slices) -> dict:
    config = declaring(**slices)
    config["axes"]["scaling"] = {
        **{"question": "Why?", "recipes": ["distil"], "slices": [name], "sizes": [size]},
    }
    return config


ONE = {"tokens": [0, 100]}
TRANSFORMS = "choose from: shuffle-steps, delete-steps, insert-steps, corrupt-numbers, remove-refl"
MISTAKES = [
    # names
    (
        {"all.correct": ONE},
        "slices: 'all.correct' is not a valid name; expected: letters, digits, -",
    ),
    ({"my slice": ONE}, "slices: 'my slice' is not a valid name; expected: letters, digits, -"),
    ({"../up": ONE}, "slices: '../up' is not a valid name; expected: letters"),
    ({"all": ONE}, "slices.all: 'all' is a difficulty, whose slices are all.any, all.correct, …;"),
    ({"easy": ONE}, "slices.easy: 'easy' is a difficulty, whose slices are easy.any"),
    ({"a-vs-b": ONE}, "slices.a-vs-b: -vs- stands between the sides of a contrast; choose another"),
    # keys and columns
    (
        {"x": {}},
        "slices.x: says nothing; give a column (id, problem_id, difficulty, teacher, sourc",
    ),
    ({"x": {"label": "X"}}, "slices.x: says nothing; give a column"),
    ({"x": 3}, "slices.x: 3 is a number, but a mapping of keys to values is expected"),
    ({"x": {"teachr": "a"}}, "slices.x.teachr: unknown key (did you mean 'teacher'?); allowed her"),
    ({"x": {"response": "a"}}, "slices.x.response: unknown key; allowed here: answers_per_problem"),
    ({"x": {"teacher": "r1"}}, "slices.x.teacher: there is no teacher 'r1'; choose from: procedur"),
    ({"x": {"teacher": 3}}, "slices.x.teacher: 3 is a number, but text or a list is expected"),
    ({"x": {"teacher": []}}, "slices.x.teacher: is empty; at least 1 entry is required"),
    ({"x": {"difficulty": "eazy"}}, "slices.x.difficulty: there is no difficulty 'eazy' (did you"),
    ({"x": {"difficulty": ["easy", "medium"]}}, "there is no difficulty 'medium'; choose from: ea"),
    ({"x": {"correct": "yes"}}, "slices.x.correct: 'yes' is text, but true or false or null or a"),
    (
        {"x": {"tokens": "long"}},
        "slices.x.tokens: 'long' is text, but a number or a list is expected",
    ),
    (
        {"x": {"tokens": [1, 2, 3]}},
        "slices.x.tokens: [1, 2, 3] is not a range; write [low, high], nu",
    ),
    (
        {"x": {"tokens": [1]}},
        "slices.x.tokens: [1] is not a range; write [low, high], null for no end",
    ),
    ({"x": {"tokens": [9, 2]}}, "slices.x.tokens: [9, 2] is empty; the low end comes first"),
    ({"x": {"tokens": [0, "9k"]}}, "slices.x.tokens[1]: '9k' is text, but a number or null is exp"),
    ({"x": {"steps": [5, 4]}}, "slices.x.steps: [5, 4] is empty; the low end comes first"),
    ({"x": {"answers_per_problem": 0}}, "slices.x.answers_per_problem: 0 is out of range; it must"),
    ({"x": {"answers_per_problem": 1.5}}, "1.5 is a number, but a whole number is expected"),
    ({"x": {**ONE, "separator": ""}}, "slices.x.separator: "),
    ({"x": {**ONE, "seed": -1}}, "slices.x.seed: -1 is out of range; it must be ≥ 0"),
    # of
    ({"x": {"of": "al.any"}}, "slices.x.of: there is no slice 'al.any' (did you mean 'all.any'?)"),
    (
        {"x": {"of": "all.right"}},
        "slices.x.of: 'all.right' is not a valid name; expected: difficulty",
    ),
    ({"x": {"of": "all.paired-correct"}}, "slices.x.of: all.paired-correct is drawn for each"),
    ({"x": {"of": "x"}}, "slices.x.of: x → x is a cycle; a slice must lead back to the pool"),
    (
        {"x": {"of": "y", **ONE}, "y": {"of": "z"}, "z": {"of": "x"}},
        "slices.x.of: x → y → z → x is a cycle; a slice must lead back to the pool",
    ),
    (
        {"m": {"mix": {"all.correct": 1}}, "x": {"of": "m", **ONE}},
        "slices.x.of: m is a mix, whose rows depend on size and replicate; give its slices the",
    ),
    # mix
    ({"m": {"mix": {}}}, "slices.m.mix: is empty; at least 1 entry is required"),
    ({"m": {"mix": ["a", "b"]}}, "slices.m.mix: ['a', 'b'] is a list, but a mapping of keys to va"),
    (
        {
            "m": {
                "mix": {"lng": 1.0},
            },
            "long": ONE,
        },
        "slices.m.mix.lng: there is no slice 'lng' (did",
    ),
    ({"m": {"mix": {"easy.any": 0.5, "hard.any": 0.4}}}, "slices.m.mix: 0.5 + 0.4 is 0.9; shares"),
    ({"m": {"mix": {"easy.any": 0, "hard.any": 1}}}, "slices.m.mix.easy.any: 0 is out of range; i"),
    ({"m": {"mix": {"easy.any": 1.5}}}, "slices.m.mix.easy.any: 1.5 is out of range; it must be ≤"),
    ({"m": {"mix": {"easy.any": "half"}}}, "slices.m.mix.easy.any: 'half' is text, but a number"),
    (
        {"m": {"mix": {"all.any": 1}, **ONE}},
        "slices.m.tokens: a mix has no other key than mix; give tokens to",
    ),
    (
        {"m": {"mix": {"all.any": 1}, "transform": "shuffle-steps"}},
        "slices.m.transform: a mix has no other key than mix; give transform to the slices that "
        "it mixes",
    ),
    (
        {"m": {"mix": {"n": 1}}, "n": {"mix": {"m": 1}}},
        "slices.m.mix: m → n → m is a cycle; a slice must lead back to the pool",
    ),
    ({"m": {"mix": {"all.paired-correct": 1}}}, "all.paired-correct is drawn for each replic"),
    # transform
    ({"x": {"transform": "shufle-steps"}}, "slices.x.transform: there is no transform 'shufle-ste"),
    ({"x": {"transform": "reverse"}}, TRANSFORMS),
    ({"x": {"transform": ["truncate"]}}, "slices.x.transform: ['truncate'] is a list, but text or"),
    ({"x": {"transform": {}}}, "slices.x.transform: is empty; at least 1 entry is required"),
    (
        {"x": {"transform": {"truncate": 0.5, "delete-steps": 0.5}}},
        "slices.x.transform: has truncate, delete-steps; give 1, and chain others by `of`",
    ),
    ({"x": {"transform": "truncate"}}, "slices.x.transform: truncate needs a share above 0 and up"),
    ({"x": {"transform": {"truncate": 0}}}, "slices.x.transform.truncate: 0 is not allowed; trunc"),
    ({"x": {"transform": {"truncate": 1.5}}}, "1.5 is not allowed; truncate takes a share above 0"),
    ({"x": {"transform": {"delete-steps": "half"}}}, "'half' is not allowed; delete-steps takes a"),
    ({"x": {"transform": {"insert-steps": True}}}, "True is not allowed; insert-steps takes a sha"),
    ({"x": {"transform": {"shuffle-steps": 0.5}}}, "0.5 is not allowed; shuffle-steps takes no op"),
    ({"x": {"transform": {"remove-reflection": "wait"}}}, "remove-reflection takes a list of word"),
    ({"x": {"transform": {"wrong-program": "random"}}}, "takes one of other-problem, same-problem"),
    (
        {"x": {"transform": {"think-tags": "xml"}}},
        "think-tags takes one of none, thinking, thought",
    ),
    (
        {"x": {"transform": {"script": "transform.sh"}}},
        "script takes the path of a Python file, en",
    ),
]


@pytest.mark.parametrize(("slices", "message"), MISTAKES, ids=[m[1][:60] for m in MISTAKES])
def test_a_mistake_is_one_line_with_its_key_its_value_and_what_is_allowed(slices, message):
    with pytest.raises(StudyError) as caught:
        Study(declaring(**slices))
    first, *lines = str(caught.value).splitlines()
    assert message in str(caught.value)
    assert first == "1 mistake in the study file:"
    assert len(lines) == 1


def test_there_are_forty_mistakes_at_least():
    assert len(MISTAKES) >= 40


def test_an_axis_names_declared_slices_and_says_which_there_are():
    config = used("shrt", short={"tokens": [0, 100]})
    with pytest.raises(StudyError) as caught:
        Study(config)
    assert (
        "axes.scaling.slices[0]: 'shrt' is not a valid name; expected: difficulty.correctness, "
        "with "
        "correctness any, correct, incorrect, paired-correct, paired-incorrect, or one of `slices` "
        "(did you mean 'short'?); choose from: short, all.any"
    ) in str(caught.value)
    assert Study(used("short", short={"tokens": [0, 100]})).arms


ROWS = [
    {
        **{"id": f"p{n // 4}/{n % 4}", "problem_id": f"p{n // 4}", "prompt": f"question {n // 4}"},
        "response": f"<think>\nplan {n}\n\nso {n}\n</think>\n```python\nprint({n})\n```\n",
        "difficulty": ("easy", "hard")[n // 4 % 2],
        "correct": n % 4 != 3,
        "teacher": ("procedural", "other")[n % 2],
        "tokens": n,
        "source": "bank",
    }
    for n in range(80)
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool") / "pool.parquet"
    write_parquet(path, ROWS, POOL)
    return path


SMALL = [
    ("x", 50, {"x": {"teacher": "procedural"}}, "slice x holds 40 traces, but arms ask for 50"),
    ("x", 11, {"x": {"tokens": [70, None]}}, "slice x holds 10 traces, but arms ask for 11"),
    ("x", 41, {"x": {"answers_per_problem": 2}}, "slice x holds 40 traces, but arms ask for 41"),
    (
        *("x", 31, {"x": {"of": "y", "difficulty": "easy"}, "y": {"correct": True}}),
        "slice x holds 30 traces, but arms ask for 31; ask for less, or enlarge the corpus",
    ),
    (
        *("m", 50, {"m": {"mix": {"x": 0.4, "easy.any": 0.6}}, "x": {"tokens": [70, None]}}),
        "slice m can't be filled: 50 traces want more than the 10 of x at a share of 0.4, which "
        "suffice for 26; ask for less, lower its share, or enlarge the corpus",
    ),
    (
        *("x", 1, {"x": {"source": ["bank", "apps"]}}),
        "slices.x.source: no trace of the pool has 'apps'; there is: bank",
    ),
    (
        *("x", 1, {"x": {"problem_id": "p99"}}),
        "slices.x.problem_id: no trace of the pool has 'p99'; there is: p0, p1, p10",
    ),
]


@pytest.mark.parametrize(("name", "size", "slices", "message"), SMALL)
def test_where_there_is_a_pool_one_error_says_what_it_has(pool, name, size, slices, message):
    with pytest.raises(StudyError, match="1 mistake in the study file") as caught:
        declared_counts.check(Study(used(name, size, **slices)), str(pool))
    assert message in str(caught.value)


def test_what_the_pool_has_passes(pool):
    for name, size, slices in (
        ("x", 40, {"x": {"teacher": "procedural"}}),
        ("m", 26, {"m": {"mix": {"x": 0.4, "easy.any": 0.6}}, "x": {"tokens": [70, None]}}),
    ):
        declared_counts.check(Study(used(name, size, **slices)), str(pool))


SCRIPTS = [
    ("", "defines no function `transform(row, random)`"),
    ("def transform(row, random:", "is not Python: line 1: "),
]


@pytest.mark.parametrize(("text", "message"), SCRIPTS)
def test_a_script_that_can_not_be_used_is_known_before_anything_runs(tmp_path, text, message):
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(ScriptError, match=r"own\.py") as caught:
        script_digest(path)
    assert message in str(caught.value)
    with pytest.raises(ScriptError, match=r"none\.py is not there \(paths count from"):
        script_digest(tmp_path / "none.py")


RETURNED = [
    ("'text'", "returned str; a row (dict) is expected, or None to leave it out"),
    (
        "{'id': row['id']}",
        "returned other columns (correct, difficulty, problem_id, prompt, respon",
    ),
    ("{**row, 'score': 1}", "returned other columns (score); expected: id, problem_id, prompt"),
    ("{**row, 'id': 'new'}", "returned id 'new'; it must stay 'p0/0'"),
    ("{**row, 'problem_id': 'q'}", "returned problem_id 'q'; it must stay 'p0'"),
    ("{**row, 'response': ' '}", "returned an empty response; leave the row out by returning None"),
    ("{**row, 'response': None}", "returned response 'None'; str is expected"),
    ("{**row, 'tokens': '12'}", "returned tokens '12'; int is expected"),
    ("{**row, 'correct': 1}", "returned correct '1'; bool is expected"),
    ("1 / 0", "row p0/0: ZeroDivisionError: division by zero"),
]


@pytest.mark.parametrize(("value", "message"), RETURNED)
def test_what_a_script_returns_wrongly_is_named_by_row(tmp_path, pool, value, message):
    path = tmp_path / "own.py"
    path.write_text(f"def transform(row, random):\n    return {value}\n")
    with pytest.raises(ScriptError) as caught:
        load(path)(ROWS[0], None)
    assert f"{path}: row p0/0: " in str(caught.value)
    assert message in str(caught.value)


def test_the_job_itself_names_what_no_row_has(tmp_path, pool):
    from valley.core.declared import Cut

    def cut(**how):
        files = {"pool": pool, "of": pool, "out": tmp_path / "out", "about": tmp_path / "about"}
        Slice(**files, cut=Cut(**how), rewriting="unchanged", transform_code="").run(
            Job(wildcards={"slice": "mine"})
        )

    with pytest.raises(ValueError, match=r"slices\.mine\.language: no row has 'rust'; there is: p"):
        cut(where={"language": "rust"})
    with pytest.raises(ValueError, match=r"slice mine holds no row: no row has all of steps: \[9"):
        cut(where={"steps": [9, None]})
    assert not (tmp_path / "out").exists()
