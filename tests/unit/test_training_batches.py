"""Batches and the loss: neither memory nor the number of processes changes what is learnt."""

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest
import torch
from lm_material import pool_rows
from training_material import model_of, tokenizer_of
from valley.lm import chat, flops, packing
from valley.lm.chunks import chunk_positions
from valley.lm.encoded import SCHEMA, Encoded
from valley.lm.forward import Forward
from valley.lm.loss import Learner, cross_entropy, response_loss
from valley.lm.parallel import World

TOKENIZER = tokenizer_of("qwen2")
ROWS = pool_rows(24)
EXAMPLES = [chat.encode(TOKENIZER, r["id"], r["prompt"], r["response"]) for r in ROWS]


def gradients(model, **how):
    forward = Forward(
        Learner(model), World(), pad_id=0, precision="fp32", **{"micro_tokens": None, **how}
    )
    model.zero_grad()
    loss = forward.train(EXAMPLES)
    return loss, [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("micro_tokens", [1, 300, 1000])
def test_accumulated_over_micro_batches_gradients_are_those_of_one_big_batch(micro_tokens):
    """Examples differ in length: a mean of means would be another loss."""
    model = model_of("qwen2", TOKENIZER)
    whole, of_whole = gradients(model, row_tokens=256)
    parts, of_parts = gradients(model, row_tokens=256, micro_tokens=micro_tokens)
    assert parts == pytest.approx(whole, rel=1e-5)
    for one, other in zip(of_whole, of_parts, strict=True):
        assert torch.allclose(one, other, atol=2e-6)


def test_loss_measured_is_loss_trained_on():
    model = model_of("qwen2", TOKENIZER)
    how = {"row_tokens": 256, "micro_tokens": 300, "pad_id": 0, "precision": "fp32"}
    forward = Forward(Learner(model), World(), **how)
    loss, _ = gradients(model, row_tokens=256)
    model.zero_grad()
    assert forward.measure(EXAMPLES) == pytest.approx(loss, rel=1e-5)
    assert forward.measure(EXAMPLES, at_once=5) == pytest.approx(loss, rel=1e-5)
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_cross_entropy_in_chunks_equals_the_plain_one_with_its_gradients(chunk):
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 90, bias=False)
    hidden, targets = torch.randn(50, 16, requires_grad=True), torch.randint(90, (50,))
    plain = torch.nn.functional.cross_entropy(head(hidden), targets, reduction="sum")
    wanted = torch.autograd.grad(plain, [hidden, head.weight])
    chunked = cross_entropy(hidden, targets, head, chunk)
    assert chunked.item() == pytest.approx(plain.item(), rel=1e-6)
    for one, other in zip(wanted, torch.autograd.grad(chunked, [hidden, head.weight]), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_models_loss_in_chunks_equals_the_plain_one():
    model = model_of("llama", TOKENIZER)
    rows = packing.micro_batches(EXAMPLES, 256, None)[0][0]
    batch = {n: torch.from_numpy(a) for n, a in packing.collate(rows, 0).items()}
    plain = response_loss(model, batch)
    assert response_loss(model, batch, chunk=16).item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize(("vocabulary", "positions"), [(1536, 87381), (152064, 882)])
def test_chunks_hold_half_a_gigabyte_of_logits(vocabulary, positions):
    assert chunk_positions(vocabulary) == positions
    assert positions * vocabulary * 4 <= 2**29


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("micro_tokens", [None, 1, 500])
def test_processes_share_every_example_once_in_equally_many_passes(processes, micro_tokens):
    shares = packing.micro_batches(EXAMPLES, 200, micro_tokens, processes)
    assert len(shares) == processes
    assert len({len(share) for share in shares}) == 1
    seen = [e.id for share in shares for rows in share for row in rows for e in row]
    assert sorted(seen) == sorted(example.id for example in EXAMPLES)
    for share in shares:
        for rows in share:
            cells = packing.collate(rows, 0)["input_ids"].size
            assert cells <= (micro_tokens or 10**9) or len(rows) <= 1


def balance(lengths, examples, quadratic, processes=8, row_tokens=32768):
    """Return the share of their time in which processes work, when they meet after every pass."""
    worked = waited = 0.0
    for at in range(0, len(lengths) - examples + 1, examples):
        update = [chat.Example("", range(n), 0) for n in lengths[at : at + examples]]
        shares = packing.micro_batches(update, row_tokens, row_tokens, processes, quadratic)
        spent = [
            [
                sum(packing.cost([len(example.ids) for example in row], quadratic) for row in rows)
                for rows in share
            ]
            for share in shares
        ]
        worked += sum(map(sum, spent))
        waited += processes * sum(map(max, zip(*spent, strict=True)))
    return worked / waited


# The goal is met where an update has enough examples to fill up with. Where lengths differ less,
# three long examples fill a row and one that is cut at the row's length costs more than they do;
# sixteen processes have eight examples each.
@pytest.mark.long
@pytest.mark.parametrize(
    ("spread", "examples", "processes", "least"),
    [(0.8, 128, 8, 0.98), (1.0, 128, 8, 0.98), (0.6, 128, 8, 0.965), (0.8, 128, 16, 0.94)],
)
def test_processes_are_evenly_loaded_in_every_pass(spread, examples, processes, least):
    """30,000 examples of log-normal lengths, median 8,000, as a 7B model's work grows with them."""
    draw = np.random.default_rng(0)
    lengths = np.minimum(draw.lognormal(np.log(8000), spread, 30000), 32768).astype(int).tolist()
    slope = flops.quadratic(flops.QWEN2_5_7B)
    assert slope * 32768 == pytest.approx(0.5, abs=0.01), "attention is half the matrices there"
    assert balance(lengths, examples, slope, processes) >= least


def test_dealt_rows_hold_every_example_and_are_no_longer_than_a_row():
    draw = random.Random(1)
    for _ in range(50):
        lengths = [draw.randrange(1, 200) for _ in range(draw.randrange(1, 40))]
        processes = draw.choice([2, 3, 8])
        passes = packing.deal(lengths, 150, processes, 1e-3)
        assert {len(rows) for rows in passes} == {processes}
        rows = [row for rows in passes for row in rows]
        assert sorted(at for row in rows for at in row) == list(range(len(lengths)))
        assert all(len(row) <= 1 or sum(lengths[at] for at in row) <= 150 for row in rows)


def test_a_pass_without_examples_carries_no_loss_but_gradients_of_nought():
    """A process that has nothing to do meets the others all the same."""
    model = model_of("qwen2", TOKENIZER)
    batch = {n: torch.from_numpy(a) for n, a in packing.collate([], 0).items()}
    loss = response_loss(model, batch, total=9)
    loss.backward()
    assert loss.item() == 0
    assert all(not weight.grad.any() for weight in model.parameters())


def test_batches_in_tokens_hold_as_many_examples_as_fit():
    lengths = random.Random(0).choices(range(1, 90), k=200)
    plan = packing.batches(lengths, None, 3, epochs=2, steps=None, batch_tokens=256)
    seen = [at for batch in plan for at in batch]
    assert sorted(seen) == sorted([*range(200), *range(200)])
    tokens = [sum(lengths[at] for at in batch) for batch in plan]
    assert max(tokens) <= 256
    for batch, after, held in zip(plan, plan[1:], tokens, strict=False):
        assert batch and held + lengths[after[0]] > 256


def test_an_example_longer_than_the_batch_is_one_by_itself():
    plan = packing.batches([900, 10, 900], None, 0, epochs=1, steps=None, batch_tokens=100)
    assert sorted(map(len, plan)) == [1, 1, 1]


def test_steps_count_updates_of_batches_in_tokens_too():
    plan = packing.batches([60] * 10, None, 0, epochs=None, steps=25, batch_tokens=128)
    assert [len(batch) for batch in plan] == [2] * 25


def test_the_order_is_the_same_in_examples_and_in_tokens():
    """Both walk the same permutations: only where an update ends differs."""
    by_count = packing.batches([9] * 30, 4, 7, epochs=2, steps=None)
    by_tokens = packing.batches([9] * 30, None, 7, epochs=2, steps=None, batch_tokens=40)
    flat = itertools.chain.from_iterable
    assert [*flat(by_count)] == [*flat(by_tokens)]


def test_looks_are_spread_from_the_first_update_to_the_last():
    assert packing.spread(4, 100) == {0, 25, 50, 75, 100}
    assert packing.spread(1, 7) == {0, 7}
    assert packing.spread(9, 2) == {0, 1, 2}


def test_cut_examples_lose_their_end_and_prompts_alone_are_left_out():
    rows = {"id": ["a", "b"], "ids": [[1] * 9, [1] * 9], "prompt_tokens": [3, 7]}
    examples = Encoded([pa.RecordBatch.from_pydict(rows, schema=SCHEMA)])
    kept, count = examples.fitting(6, "cut")
    assert [(example.id, len(example.ids)) for example in kept] == [("a", 6)]
    assert count == 2
