"""The study file: what it expands to, and what it says when it is wrong."""

import copy

import pytest
from valley.core import sampling
from valley.core.arms import Arm
from valley.core.study import Study, StudyError
from workspace import Workspace

SMOKE = Workspace.smoke()


def changed(path: str, value) -> dict:
    """Return the smoke study with one key set; a value of None takes the key away."""
    config = copy.deepcopy(SMOKE)
    *folders, last = path.split(".") if path else [""]
    at = config
    for part in folders:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[int(part)]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return config


EASIER = {"a": "easy.any", "b": "hard.any"}


def crossed(**changes) -> dict:
    """Return an interaction of the smoke study's slices, some of it changed."""
    second = {"a": "hard.any", "b": "easy.any"}
    return {"later": {"field": "slice", "first": EASIER, "second": second, **changes}}


AXIS = {"question": "Why?", "recipes": ["distil"], "sizes": [16]}
MISTAKES = [
    ("studdy", "x", "studdy: unknown key (did you mean 'study'?); allowed here: axes, benchmarks"),
    ("study", "my study", "study: 'my study' is not a valid name; expected: letters, digits"),
    ("study", None, "the study file: the key 'study' is missing; The study's name"),
    ("sampling.temprature", 1, "sampling.temprature: unknown key (did you mean 'temperature'?)"),
    ("sampling.temperature", "warm", "sampling.temperature: 'warm' is text, but a number is exp"),
    ("sampling.temperature", -1, "sampling.temperature: -1 is out of range; it must be ≥ 0"),
    ("sampling.top_p", 0, "sampling.top_p: 0 is out of range; it must be > 0"),
    ("sampling.group", 0, "sampling.group: 0 is out of range; it must be ≥ 1"),
    ("sampling.samples", 2.5, "sampling.samples: 2.5 is a number, but a whole number is expected"),
    (
        "benchmarks.bank.sampling.temprature",
        1,
        "sampling.temprature: unknown key (did you mean 'temperature'?)",
    ),
    (
        "benchmarks.bank.sampling",
        {"engine": "vllm"},
        "benchmarks.bank.sampling.engine: unknown key; allowed here: max_tokens, samples, seed, st",
    ),
    (
        "benchmarks.bank.sampling",
        {"max_tokens": 0},
        "benchmarks.bank.sampling.max_tokens: 0 is out of range; it must be ≥ 1",
    ),
    (
        "benchmarks.bank",
        {"bank": {"problems": 9, "seed": 3}, "sampling": {"samples": 0}},
        "benchmarks.bank.sampling.samples: 0 is out of range; it must be ≥ 1",
    ),
    ("axes.scaling.x", "token", "axes.scaling.x: 'token' is not allowed (did you mean 'tokens'?)"),
    ("axes.difficulty.x", "tokens", "axes.difficulty.x: tokens is the x axis of curves, and"),
    (
        "axes.scaling",
        {**AXIS, "recipes": ["matched"], "curve": True, "x": "updates"},
        "axes.scaling.x: recipe matched makes the same number of updates at every size (steps), "
        "so there is",
    ),
    (
        "axes.difficulty.x",
        "flops",
        "axes.difficulty.x: flops is the x axis of curves, and this",
    ),
    (
        "axes.scaling",
        {**AXIS, "curve": True, "x": "parameters"},
        "axes.scaling.x: parameters is drawn over students, and this axis has one (tiny); name t",
    ),
    (
        "axes.scaling",
        {**AXIS, "recipes": ["matched"], "curve": True, "x": "flops"},
        "axes.scaling.x: recipe matched makes the same number of updates at every size (steps), "
        "so there is",
    ),
    ("axes.difficulty.interactions", [], "axes.difficulty.interactions: [] is a list, but a mapp"),
    (
        "axes.difficulty.interactions",
        {"later": {"field": "slice", "first": EASIER}},
        "axes.difficulty.interactions.later: the key 'second' is missing; The contrast that is tak",
    ),
    (
        "axes.difficulty.interactions",
        crossed(field="size"),
        "interactions.later.field: 'size' is not allowed (did you mean 'slice'?); choose from: sl",
    ),
    (
        "axes.difficulty.interactions",
        crossed(first={**EASIER, "a": "easy.all"}),
        "interactions.later.first.a: there is no slice 'easy.all' (did you mean 'easy.any'?)",
    ),
    (
        "axes.difficulty.interactions",
        crossed(second={"a": "easy.any", "b": "easy.any"}),
        "interactions.later.second: a and b are both 'easy.any'",
    ),
    (
        "axes.difficulty.interactions",
        crossed(second=EASIER),
        "interactions.later: first and second are the same contrast",
    ),
    (
        "axes.difficulty.interactions",
        crossed(first={**EASIER, "where": {"start": "base"}}),
        "interactions.later: first.where and second.where must have the same keys, each with its "
        "own",
    ),
    (
        "axes.difficulty.interactions",
        crossed(first={**EASIER, "where": {"start": "late"}}),
        "interactions.later.first.where.start: this axis has no start 'late'; choose from: base, m",
    ),
    (
        "axes.difficulty.interactions",
        crossed(first={**EASIER, "where": {"size": 17}}),
        "interactions.later.first.where.size: this axis has no size 17; choose from: 16",
    ),
    (
        "axes.difficulty.interactions",
        crossed(first={**EASIER, "where": {"slice": "easy.any"}}),
        "interactions.later.first.where.slice: a and b set it already; leave it out",
    ),
    (
        "claims",
        {"later": {"kind": "interaction", "text": "more, later"}},
        "claims.later.of: is missing; a claim of kind interaction needs of",
    ),
    (
        "claims",
        {"later": {"kind": "interaction", "text": "more, later", "of": "late"}},
        "claims.later.of: no axis has an interaction 'late'; declare it in an axis",
    ),
    (
        "claims",
        {"later": {"kind": "interaction", "text": "more", "of": "late", "a": "easy.any"}},
        "claims.later.a: does not apply to a claim of kind interaction; allowed there: kind, text",
    ),
    ("recipes.distil.learning_rate", "1e-3", "is text, but a number is expected (write 0.001)"),
    ("recipes.distil.epochs", None, "recipes.distil: give either epochs or steps, one of the two"),
    ("recipes.distil.steps", 5, "recipes.distil: give either epochs or steps, one of the two"),
    ("recipes.distil.schedule", "cosin", "'cosin' is not allowed (did you mean 'cosine'?); choose"),
    ("recipes.distil.loss_on", "reason", "'reason' is not allowed (did you mean 'reasoning'?); ch"),
    (
        "recipes.distil.order",
        "easyfirst",
        "order: 'easyfirst' is not allowed (did you mean 'easy-f",
    ),
    ("recipes.distil.order", ["esy"], "recipes.distil.order: there is no difficulty 'esy' (did yo"),
    ("recipes.distil.order", 3, "recipes.distil.order: 3 is a number, but text or a list is exp"),
    ("axes.scaling.sizes", [0, -5], "axes.scaling.sizes[1]: -5 is out of range; it must be ≥ 0"),
    ("axes.scaling.sizes", [4, 4], "axes.scaling.sizes: listed twice: 4; each may occur once"),
    ("axes.scaling.sizes", [], "axes.scaling.sizes: is empty; at least 1 entry is required"),
    ("axes.scaling.sizes", 16, "axes.scaling.sizes: 16 is a number, but a list is expected"),
    ("axes.scaling.recipes", ["distill"], "there is no recipe 'distill' (did you mean 'distil'?)"),
    ("axes.scaling.students", ["big"], "axes.scaling.students[0]: there is no student 'big'"),
    ("axes.scaling.starts", ["middle"], "axes.scaling.starts[0]: there is no start 'middle'"),
    ("axes.scaling.slices", ["medium.any"], "there is no slice 'medium.any'"),
    (
        "axes.scaling.slices",
        ["easy"],
        "'easy' is not a valid name; expected: difficulty.correctness",
    ),
    ("axes.scaling.seeds", [True], "axes.scaling.seeds[0]: True is true/false, but a whole number"),
    (
        "axes.scaling.curve",
        "yes",
        "axes.scaling.curve: 'yes' is text, but true or false is expected",
    ),
    ("starts.mid.start", "mid", "starts.mid.start: mid → mid is a cycle; a start must lead back"),
    ("starts.base", {"recipe": "distil", "slice": "all.any", "size": 1}, "starts.base: 'base' is"),
    ("students.tiny.scratch.hidden", 30, "students.tiny.scratch.hidden: 30 is not a multiple of"),
    ("students.tiny.hub", {"id": "x"}, "students.tiny: has scratch, hub; give only one of them"),
    ("corpus.difficulties.all", ["easy"], "corpus.difficulties.all: 'all' means every difficulty"),
    ("statistics.ks", [1, 5], "statistics.ks: pass@5 needs 5 samples a problem, but sampling.sam"),
    ("benchmarks.bank.bank.form", "func", "benchmarks.bank.bank.form: 'func' is not allowed"),
    ("corpus.bank.steps", [0], "corpus.bank.steps[0]: 0 is out of range; it must be ≥ 1"),
    ("judge.isolation", "none", "judge.isolation: 'none' is not allowed; choose from: auto"),
    (
        "axes.difficulty.contrasts",
        [{"field": "slice", "a": "easy.any", "b": "all.any"}],
        "axes.difficulty.contrasts[0].b: there is no slice 'all.any'",
    ),
    ("claims.F1", {"shar": 0.4}, "claims.F1.shar: unknown key (did you mean 'share'?); allowed"),
    ("claims.F1", {"margin": 0.1}, "claims.F1.margin: does not apply to a claim of kind valley"),
    ("claims.F1", {"where": {"slice": "al.any"}}, "claims.F1.where.slice: there is no slice"),
    ("claims.F2", {"b": "hrd.any"}, "claims.F2.b: there is no slice 'hrd.any' (did you mean"),
    (
        "claims.F5",
        {"share": 0.4},
        "claims.F5.kind: is missing; a claim other than the paper's F1, F2",
    ),
    ("claims.steps", {"kind": "best"}, "claims.steps.kind: 'best' is not allowed; choose from"),
    (
        "claims.steps",
        {"kind": "equal", "text": "Steps do not matter.", "field": "recipe", "a": "distil"},
        "claims.steps.b: is missing; a claim of kind equal needs field, a, b",
    ),
]


SOURCE = {"hub": "nvidia/OpenCodeReasoning-2", "revision": "abc"}
CORPUS = {"sources": {"r1": SOURCE}, "difficulties": {"easy": ["EASY"], "hard": ["HARD"]}}


def source(**changed) -> dict:
    return {**CORPUS, "sources": {"r1": {**SOURCE, **changed}}}


MISTAKES += [
    ("corpus", {**CORPUS, "bank": {"problems": 5}}, "corpus: give either bank (with teachers) or"),
    ("corpus", {"difficulties": {}}, "corpus: give either bank (with teachers) or sources"),
    ("corpus.teachers", None, "corpus.teachers: is missing; the bank's problems need someone"),
    ("corpus.correctness", "judgement", "is read from sources, and there are none; use judge"),
    (
        "corpus",
        source(revision=None),
        "r1.revision: is missing; pin the commit of nvidia/OpenCodeR",
    ),
    (
        "corpus",
        source(form="opencode"),
        "r1.form: 'opencode' is not allowed (did you mean 'opencod",
    ),
    (
        "corpus",
        source(columns={"promt": "q"}),
        "columns.promt: unknown (did you mean 'prompt'?); c",
    ),
    (
        "corpus",
        source(columns={"response": None}),
        "r1.columns: response is missing; name the column that holds it",
    ),
    (
        "corpus",
        source(hub=None, path="own.jsonl"),
        "corpus.sources.r1.columns: prompt is missing; name the column that holds it (or dataset, "
        "split and index",
    ),
    ("corpus", source(hub=None), "corpus.sources.r1: say where it is: hub (and revision), or path"),
    (
        "corpus",
        {**source(columns={"pass_rate": None}), "correctness": "pass_rate"},
        "corpus.correctness: is pass_rate, but corpus.sources.r1 has no such column; map one, or",
    ),
    (
        "corpus",
        {**CORPUS, "ratings": {"easy": 1500, "hard": 900}},
        "corpus.ratings: bounds must ri",
    ),
    ("corpus", {**CORPUS, "ratings": {"esy": 1500}}, "no difficulty 'esy' (did you mean 'easy'?)"),
    (
        "corpus",
        {**CORPUS, "questions": {"taco": {}}},
        "corpus.questions.taco.revision: is missing; pin the commit of BAAI/TACO",
    ),
    (
        "corpus",
        {**CORPUS, "questions": {"mine": {"path": "x"}}},
        "corpus.questions.mine.files: is missing; name the files of each split, such as",
    ),
    (
        "corpus",
        {**CORPUS, "teachers": {"r1": {"mistakes": 0}}},
        "corpus.sources.r1: a teacher has the same name, and both would write one file; rename one",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES, ids=[m[2][:50] for m in MISTAKES])
def test_a_mistake_is_named_with_its_key_its_value_and_what_is_allowed(path, value, message):
    with pytest.raises(StudyError) as caught:
        Study(changed(path, value))
    assert message in str(caught.value)


def test_a_study_file_that_can_not_be_read_is_told(tmp_path):
    with pytest.raises(StudyError, match=r"can't be read: .*none\.yaml"):
        Study.read(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("study: [")
    with pytest.raises(StudyError, match="is not YAML: while parsing"):
        Study.read(broken)
    broken.write_text("")
    with pytest.raises(StudyError, match="the study file: None is empty, but a mapping"):
        Study.read(broken)


def test_all_mistakes_are_told_at_once():
    config = changed("sampling.temprature", 1)
    config["axes"]["scaling"]["sizes"] = [-1]
    with pytest.raises(StudyError, match="2 mistakes in the study file"):
        Study(config)


def test_pass_at_k_needs_as_many_answers_to_the_benchmark_that_has_fewest():
    config = changed("statistics.ks", [1, 2])
    Study(config)
    config["benchmarks"]["bank"]["sampling"] = {"samples": 1}
    with pytest.raises(StudyError) as raised:
        Study(config)
    assert "pass@2 needs 2 samples a problem, but benchmarks.bank.sampling.samples is 1" in str(
        raised.value
    )
    config["benchmarks"]["bank"]["sampling"] = {"samples": 2}
    config["sampling"]["samples"] = 1  # which no benchmark is left with
    Study(config)


def test_benchmarks_drawn_in_one_way_are_answered_together():
    config = changed("sampling.max_tokens", 64)
    bank = config["benchmarks"]["bank"]["bank"]
    ways = {"long": {"max_tokens": 96}, "alike": {"max_tokens": 64}, "long2": {"max_tokens": 96}}
    config["benchmarks"] |= {name: {"bank": bank, "sampling": way} for name, way in ways.items()}
    study = Study(config)
    assert sampling.together(study.config) == {"": ["bank", "alike"], "long": ["long", "long2"]}
    assert study.sampling("long")["max_tokens"] == 96 and study.sampling("long")["samples"] == 2
    assert study.distinct == ["bank"], "their problems are the pool's to avoid, each once"
    study.config["benchmarks"]["alike"]["sampling"] = {}
    assert study.distinct == ["bank", "alike"]


def test_interactions_are_known_by_their_names_in_all_axes():
    config = changed("axes.difficulty.interactions", crossed())
    config["claims"] = {"later": {"kind": "interaction", "text": "more, later", "of": "later"}}
    Study(config)
    config["axes"]["again"] = {**config["axes"]["difficulty"]}
    with pytest.raises(StudyError, match="2 axes have an interaction 'later'; claims refer to it"):
        Study(config)


def test_circles_of_several_starts_are_found():
    config = changed("starts.mid.start", "late")
    config["starts"]["late"] = {"recipe": "distil", "start": "mid", "slice": "all.any", "size": 8}
    with pytest.raises(StudyError, match="mid → late → mid is a cycle"):
        Study(config)


def test_an_arm_wanted_by_two_axes_is_one_arm():
    config = changed("axes.more", {**AXIS, "seeds": [0, 1]})
    assert Study(config).arms == Study(SMOKE).arms


def test_size_zero_is_the_start_itself():
    study = Study(SMOKE)
    base = Arm("tiny", "distil", "base", "all.any", 0, 1)
    assert study.checkpoint_name(study.resolve(base)) == "tiny/base"
    late = Arm("tiny", "distil", "mid", "easy.any", 0, 1)
    assert study.checkpoint_name(study.resolve(late)) == "tiny/distil/base/all.any/n32-s1"


def test_replicates_share_the_point_of_size_zero():
    points = Study(SMOKE).points("scaling")
    assert [(p["size"], p["seed"]) for p in points] == [
        (0, None),
        (16, 0),
        (16, 1),
        (32, 0),
        (32, 1),
    ]


def test_a_start_is_trained_for_every_replicate_that_needs_it():
    config = changed("axes.difficulty.seeds", [0, 7])
    assert Arm("tiny", "distil", "base", "all.any", 32, 7) in Study(config).arms


def test_a_slice_too_small_is_named_with_both_numbers():
    counts = dict.fromkeys(["all.any", "easy.any", "hard.any"], 20)
    with pytest.raises(StudyError, match=r"slice all\.any holds 20 traces, but arms ask for 32"):
        Study(SMOKE).check_pool(counts)


def test_defaults_are_filled_in():
    config = Study(changed("statistics", None)).config
    assert config["statistics"]["bootstrap"] == 2000
    assert config["recipes"]["distil"]["schedule"] == "cosine"
    assert config["starts"]["mid"]["start"] == "base"


def test_a_source_of_questions_only_has_no_traces():
    config = changed("corpus", source(answers=False))
    config["corpus"]["teachers"] = {
        "asked": {"endpoint": {"base_url": "http://localhost/v1", "model": "m"}}
    }
    study = Study(config)
    assert study.teachers == ["asked"]
    assert list(study.all_corpora) == ["r1"]


def test_a_pool_made_before_a_slice_was_named_is_not_checked_for_it():
    Study(SMOKE).check_pool({"all.any": 100})


def test_an_arm_is_known_by_its_path():
    arm = Arm("tiny", "distil", "mid", "easy.paired-correct", 1024, 3)
    assert Arm.parsed(arm.path) == arm
    for other in ("tiny/base", arm.shard, f"{arm.path}/bank", f"x/{arm.path}", "a/b/c/d/n-s0", ""):
        assert Arm.parsed(other) is None
