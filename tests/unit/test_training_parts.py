"""Training on parts, seen in decoded tokens, and examples in an order."""

import numpy as np
import pytest
from lm_material import pool_rows
from training_material import description, hub_student, made, tokenizer_of, work
from valley.core.files import POOL, read_parquet, write_parquet
from valley.core.study import Study
from valley.lm import chat, packing
from valley.lm.forward import Forward
from valley.lm.packing import IGNORED
from workspace import Workspace

ROWS = pool_rows(12)
RESPONSES = [
    *(row["response"] for row in ROWS),
    "<think>a é 字</think>x",
    "<think>\nlong thought\n</think>\n\n```python\nprint('é')\n```\n",
]


def learnt(tokenizer, loss_on, response):
    """Return the text of the tokens that carry loss, taken from the labels of a packed row."""
    part = chat.Part(tokenizer, loss_on)
    other = part(chat.encode(tokenizer, "first", "what?", "<think>no</think>yes"))
    example = part(chat.encode(tokenizer, "x", "a question?", response))
    arrays = packing.collate([[other, example]], 0)
    labels = arrays["labels"][0, len(other.ids) :]
    assert packing.response_tokens([example]) == (labels != IGNORED).sum()
    assert (
        labels[labels != IGNORED] == arrays["input_ids"][0, len(other.ids) :][labels != IGNORED]
    ).all()
    return tokenizer.decode(labels[labels != IGNORED].tolist())


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("response", RESPONSES, ids=range(len(RESPONSES)))
def test_the_tokens_that_carry_loss_are_those_of_the_part(family, response):
    tokenizer = tokenizer_of(family)
    end = tokenizer.decode([chat.end_of_turn(tokenizer)])
    whole = learnt(tokenizer, "response", response)
    assert whole == response + end
    reasoning, answer = (learnt(tokenizer, part, response) for part in ("reasoning", "answer"))
    assert reasoning + answer == whole
    assert reasoning.startswith("<think>") and "</think>" in reasoning
    # A token that begins in the tag may reach beyond it, no further than its own text.
    beyond = reasoning.partition("</think>")[2]
    assert len(beyond) <= 3 and not beyond.strip("\n` ")
    everything = learnt(tokenizer, "all", response)
    assert everything.endswith(whole)
    assert "a question?" in everything


def test_without_reasoning_all_of_a_response_is_its_answer():
    tokenizer = tokenizer_of("qwen2")
    end = tokenizer.decode([chat.end_of_turn(tokenizer)])
    assert learnt(tokenizer, "answer", "print(1)") == "print(1)" + end
    assert learnt(tokenizer, "reasoning", "print(1)") == ""


def test_the_first_token_of_an_example_is_learnt_from_no_other_example():
    tokenizer = tokenizer_of("qwen2")
    part = chat.Part(tokenizer, "all")
    examples = [part(chat.encode(tokenizer, str(n), "q", "<think>a</think>b")) for n in range(3)]
    labels = packing.collate([examples], 0)["labels"][0]
    for number in range(3):
        assert labels[number * len(examples[0].ids)] == IGNORED
    assert (labels != IGNORED).sum() == len(labels) - 3


LENGTHS = list(np.random.default_rng(0).integers(10, 99, 40))


def test_sorted_examples_begin_each_epoch_with_the_lowest():
    plan = packing.batches(LENGTHS, 8, 3, epochs=2, steps=None, first=LENGTHS)
    seen = [at for batch in plan for at in batch]
    for epoch in (seen[:40], seen[40:]):
        assert sorted(epoch) == list(range(40))
        assert [LENGTHS[at] for at in epoch] == sorted(LENGTHS)


def test_examples_alike_are_in_an_order_of_their_seed():
    def seen(seed, first):
        plan = packing.batches([9] * 40, 8, seed, epochs=1, steps=None, first=first)
        return [at for batch in plan for at in batch]

    halves = [at % 2 for at in range(40)]
    one, other = seen(1, halves), seen(2, halves)
    assert one != other
    for order in (one, other):
        assert [at % 2 for at in order] == [0] * 20 + [1] * 20
        assert order[:20] != sorted(order[:20])
    assert seen(1, None) == seen(1, [0] * 40)


def test_easy_first_is_the_difficulties_as_the_corpus_lists_them():
    config = Workspace.smoke()
    config["recipes"]["distil"]["order"] = "easy-first"
    study = Study(config)
    assert study.config["recipes"]["distil"]["order"] == ["easy", "hard"]
    assert study.config["recipes"]["answer"]["order"] == "random"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


def trained(folder, start, **settings):
    folder.mkdir()
    job = description(folder, start, epochs=1, **settings)
    rows = read_parquet(job["shard"])
    for at, row in enumerate(rows):
        row["difficulty"] = ("hard", "easy", None)[at % 3]
    write_parquet(job["shard"], rows, POOL)
    measured = work(job)
    return measured, made(job)


def test_a_training_learns_its_part_only(tmp_path, start):
    tokens, first = {}, {}
    for part in ("response", "reasoning", "answer", "all"):
        measured, left = trained(tmp_path / part, start, loss_on=part)
        tokens[part], first[part] = measured["response_tokens"], left["losses"][0]["loss"]
        assert left["looks"][0]["loss"] == pytest.approx(
            first.setdefault("held out", left["looks"][0]["loss"])
        ), "held-out loss is that of the response, whatever is learnt"
        if part == "all":
            assert measured["response_tokens"] == measured["tokens"] - 40
    assert tokens["reasoning"] + tokens["answer"] == tokens["response"] < tokens["all"]
    assert len({round(first[part], 6) for part in tokens}) == 4


def test_a_part_that_no_example_has_is_named(tmp_path, start):
    job = description(tmp_path, start, loss_on="reasoning")
    rows = [{**row, "response": "print(1)"} for row in read_parquet(job["shard"])]
    write_parquet(job["shard"], rows, POOL)
    with pytest.raises(
        ValueError, match="the first examples have no </think>, so that loss_on: re"
    ):
        work(job)


@pytest.mark.parametrize("order", ["short-first", ["easy", "hard"], ["hard", "easy"]], ids=str)
def test_a_training_takes_examples_in_its_order(tmp_path, start, order, monkeypatch):
    seen = []
    train = Forward.train

    def noted(self, examples):
        seen.extend(examples)
        return train(self, examples)

    monkeypatch.setattr(Forward, "train", noted)
    trained(tmp_path / "x", start, order=order)
    assert len(seen) == 40
    if order == "short-first":
        lengths = [len(example.ids) for example in seen]
        assert lengths == sorted(lengths) != sorted(set(lengths))
    else:
        words = [("hard", "easy", None)[int(example.id[1:].split("/")[0]) % 3] for example in seen]
        counts = {word: words.count(word) for word in (*order, None)}
        assert words == [word for word, count in counts.items() for _ in range(count)]
