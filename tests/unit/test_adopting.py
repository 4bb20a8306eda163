"""Models and answers from elsewhere are looked at before they stand in a study."""

import json

import pytest
from valley.adopting import checkpoints, generations


@pytest.fixture
def model(tmp_path):
    """A folder as a trainer leaves it: model, tokenizer, and states that are no part of it."""
    head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    weights = len(head).to_bytes(8, "little") + head + bytes(8)
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    for left in ("optimizer.pt", "trainer_state.json", "training_args.bin"):
        (tmp_path / left).write_text("state")
    (tmp_path / "checkpoint-500").mkdir()
    return tmp_path


def test_a_whole_model_has_no_faults_and_leaves_the_trainers_states_behind(model):
    assert checkpoints.faults(model) == []
    names = [path.name for path in checkpoints.files_of(model)]
    assert names == [
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", None, "config.json is missing"),
        (
            "config.json",
            '{"architectures": ["BertForMaskedLM"]}',
            "not a model that generates text",
        ),
        ("model.safetensors", None, "has no weights"),
        ("model.safetensors", "short", "is not a safetensors file"),
        ("model.safetensors.index.json", '{"weight_map": {"w": "part-2.safetensors"}}', "part-2"),
        ("tokenizer.json", None, "has no tokenizer"),
        ("tokenizer_config.json", "{}", "has no chat template"),
        ("adapter_config.json", "{}", "LoRA adapter"),
    ],
)
def test_a_model_that_lacks_something_is_refused_with_what_it_lacks(model, name, content, said):
    path = model / name
    path.unlink() if content is None else path.write_text(content)
    assert said in "; ".join(checkpoints.faults(model))


def test_weights_cut_short_are_noticed(model):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "but should have" in checkpoints.faults(model)[0]


def write(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_the_studys_own_form_is_read_as_it_is(tmp_path):
    row = {"problem_id": "a", "sample": 1, "text": "x", "finish_reason": "length", "tokens": 3}
    assert generations.read(write(tmp_path / "a.jsonl", [row])) == [{**row, "seed": None}]


@pytest.mark.parametrize(
    ("name", "text"), [("output_list", "say 1"), ("code_list", "```python\nsay 1\n```")]
)
def test_livecodebenchs_form_has_a_row_a_sample(tmp_path, name, text):
    path = tmp_path / "lcb.json"
    path.write_text(json.dumps([{"question_id": 7, name: ["say 1", "say 2"]}]))
    rows = generations.read(path, finish_reason="stop")
    assert [(row["problem_id"], row["sample"]) for row in rows] == [("7", 0), ("7", 1)]
    assert rows[0]["text"] == text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x", "finish_reason": "stop"}, "problem_id is missing, and so is question_id"),
        ({"problem_id": "a", "finish_reason": "stop"}, "text is missing, and so are output_list"),
        ({"problem_id": "a", "text": "x"}, "--finish-reason stop"),
        (
            {"question_id": "a", "output_list": [3], "finish_reason": "stop"},
            "something other than text",
        ),
    ],
)
def test_a_broken_row_is_named(tmp_path, row, said):
    with pytest.raises(ValueError, match="row 1") as error:
        generations.read(write(tmp_path / "a.jsonl", [row]))
    assert said in str(error.value)


def answers(*keys):
    return [{"problem_id": problem, "sample": sample} for problem, sample in keys]


def test_answers_are_ordered_and_what_nobody_asked_for_is_left_out():
    rows, left_out = generations.fitted(
        answers(("b", 0), ("c", 0), ("a", 0), ("a", 1)), ["a", "b"], samples=1
    )
    assert rows == answers(("a", 0), ("b", 0))
    assert left_out == 2


def test_missing_and_double_answers_are_refused():
    with pytest.raises(ValueError, match="1 of 2 answers are missing, among them b sample 0"):
        generations.fitted(answers(("a", 0)), ["a", "b"], samples=1)
    with pytest.raises(ValueError, match="two answers of sample 0"):
        generations.fitted(answers(("a", 0), ("a", 0)), ["a"], samples=1)
