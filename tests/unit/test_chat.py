"""Prompts and the loss mask: exactly the response is trained on."""

import numpy as np
import pyarrow as pa
import pytest
from lm_material import tiny
from valley.lm import chat, packing, students
from valley.lm.encoded import SCHEMA, Encoded

MODEL, TOKENIZER = tiny()
PROMPT, RESPONSE = "Add 3 to 4 numbers.", "<think>\nadd 3\n</think>\n```python\nprint(1)\n```\n"


def test_the_loss_covers_exactly_the_response_and_the_end_of_turn():
    example = chat.encode(TOKENIZER, "x", PROMPT, RESPONSE)
    batch = packing.collate([[example]], TOKENIZER.pad_token_id)
    trained = batch["labels"][batch["labels"] != packing.IGNORED]
    assert TOKENIZER.decode(trained) == RESPONSE + students.END
    untrained = batch["input_ids"][batch["labels"] == packing.IGNORED]
    assert TOKENIZER.decode(untrained) == f"{students.USER}{PROMPT}{students.ASSISTANT}"


def test_generation_begins_where_training_answers_begin():
    prompt = chat.prompt_ids(TOKENIZER, PROMPT)
    example = chat.encode(TOKENIZER, "x", PROMPT, RESPONSE)
    assert example.ids[: example.prompt_tokens] == prompt


def test_think_tags_are_single_tokens_and_survive_decoding():
    ids = TOKENIZER("<think>a</think>", add_special_tokens=False)["input_ids"]
    assert {TOKENIZER.decode([ids[0]]), TOKENIZER.decode([ids[-1]])} == set(students.THINK)
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "<think>a</think>"


def test_any_text_survives_the_round_trip():
    text = "naïve ☂ \t12345 -7\n\n\nif a < b:\n    print('☃')\n"
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids) == text


@pytest.mark.parametrize(("policy", "kept"), [("drop", [3, 5]), ("cut", [3, 5, 5])])
def test_length_policy_counts_what_is_too_long(policy, kept):
    lengths = (3, 5, 9)
    rows = {
        "id": [str(n) for n in lengths],
        "ids": [list(range(n)) for n in lengths],
        "prompt_tokens": [1] * 3,
    }
    examples = Encoded([pa.RecordBatch.from_pydict(rows, schema=SCHEMA)])
    fitted, count = examples.fitting(5, policy)
    assert [len(example.ids) for example in fitted] == kept
    assert count == 1


def test_a_saved_tokenizer_splits_text_as_the_one_that_was_trained(tmp_path):
    students.save(MODEL, TOKENIZER, tmp_path / "checkpoint.json")
    _, loaded = students.load(tmp_path / "checkpoint.json")
    text = PROMPT + RESPONSE + " 12 -3"
    assert loaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert chat.prompt_ids(loaded, PROMPT) == chat.prompt_ids(TOKENIZER, PROMPT)


def test_a_checkpoint_is_a_folder_that_transformers_loads(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    students.save(MODEL, TOKENIZER, tmp_path / "checkpoint.json", updates=0)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="float32")
    for name, weight in MODEL.state_dict().items():
        assert torch.equal(weight, plain.state_dict()[name]), name


def test_a_damaged_checkpoint_says_which_file_is_missing(tmp_path):
    manifest = tmp_path / "checkpoint.json"
    students.save(MODEL, TOKENIZER, manifest)
    (tmp_path / "model" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json.*delete .*checkpoint\.json"):
        students.load(manifest)


def test_positions_start_anew_with_every_packed_example():
    examples = [chat.Example(str(n), [7] * n, 1) for n in (4, 3)]
    batch = packing.collate([examples], 0)
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert np.array_equal(batch["labels"][0] == packing.IGNORED, [1, 0, 0, 0, 1, 0, 0])
