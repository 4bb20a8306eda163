"""The sampler against transformers' generate(), and its seeds."""

import pytest
import torch
from lm_material import tiny
from valley.lm import chat
from valley.lm.requests import Request
from valley.lm.sampler import choose, sample

MODEL, TOKENIZER = tiny(seed=5)
with torch.no_grad():  # an untrained model repeats itself: larger weights make it say more
    for weight in MODEL.parameters():
        weight.mul_(3)
PROMPTS = [
    tuple(chat.prompt_ids(TOKENIZER, f"Add {number}. " * (1 + number % 5))) for number in range(24)
]


def ask(prompts, max_tokens=24):
    return [Request(prompt, number, max_tokens) for number, prompt in enumerate(prompts)]


def draw(requests, model=MODEL, **settings):
    chosen = {"temperature": 0.8, "top_p": 1.0, "batch_size": 7, **settings}
    chosen.setdefault("end_ids", [TOKENIZER.eos_token_id])
    found = {}
    for finished in sample(model, requests, pad_id=TOKENIZER.pad_token_id, **chosen):
        found |= dict(finished)
    return [found[number] for number in range(len(found))]


@pytest.fixture(scope="module")
def often_ending():
    """A model whose greedy answers end at many lengths: rows leave the batch on the way."""
    answers = draw(ask(PROMPTS), temperature=0)
    tokens = {token for answer in answers for token in answer.ids}
    return min(
        sorted(tokens), key=lambda t: abs(sum(t in a.ids for a in answers) - len(answers) / 2)
    )


@pytest.mark.parametrize("batch_size", [1, 7, 24])
def test_greedy_equals_generate(batch_size, often_ending):
    requests = ask(PROMPTS)
    for end_id in (TOKENIZER.eos_token_id, often_ending):
        answers = draw(requests, temperature=0, batch_size=batch_size, end_ids=[end_id])
        for request, answer in zip(requests, answers, strict=True):
            made = MODEL.generate(
                torch.tensor([request.prompt]),
                max_new_tokens=24,
                do_sample=False,
                eos_token_id=end_id,
                pad_token_id=TOKENIZER.pad_token_id,
            )[0, len(request.prompt) :].tolist()
            ended = made[-1] == end_id
            assert answer.ids == (made[:-1] if ended else made)
            assert answer.finish_reason == ("stop" if ended else "length")


def test_some_answers_end_early_in_that_test(often_ending):
    answers = draw(ask(PROMPTS), temperature=0, end_ids=[often_ending])
    assert {answer.finish_reason for answer in answers} == {"stop", "length"}


def test_an_answer_depends_on_its_seed_not_on_its_neighbours():
    requests = ask(PROMPTS)
    together = draw(requests, batch_size=24)
    alone = [draw([request])[0] for request in requests]
    assert together == alone
    backwards = draw(requests[::-1], batch_size=5)[::-1]
    assert together == backwards


def test_other_seeds_give_other_answers():
    first, second = (draw([Request(PROMPTS[0], seed, 24)])[0] for seed in (1, 2))
    assert first != second


def test_any_of_several_tokens_ends_an_answer(often_ending):
    unending = draw(ask(PROMPTS), end_ids=[-1])
    ends = {TOKENIZER.eos_token_id, often_ending}
    endings = set()
    for whole, answer in zip(unending, draw(ask(PROMPTS), end_ids=sorted(ends)), strict=True):
        at = next((n for n, token in enumerate(whole.ids) if token in ends), None)
        assert answer.ids == whole.ids[:at]
        assert answer.finish_reason == ("length" if at is None else "stop")
        endings.add(None if at is None else whole.ids[at])
    assert endings == {None, *ends}


def test_limits_are_each_answer_s_own_and_cut_it_where_it_would_go_on():
    full = draw(ask(PROMPTS))
    limits = [1 + number % 24 for number in range(len(PROMPTS))]
    limited = draw([Request(PROMPTS[n], n, limit) for n, limit in enumerate(limits)])
    for whole, part, limit in zip(full, limited, limits, strict=True):
        assert part.ids == whole.ids[:limit]
        assert part.finish_reason == ("stop" if len(whole.ids) < limit else "length")


def test_a_wish_to_stop_is_heard_within_a_token():
    asked = []

    def stopping():
        asked.append(None)
        return len(asked) > 30  # in the second of four batches

    found = list(
        sample(
            MODEL,
            ask(PROMPTS),
            end_ids=[TOKENIZER.eos_token_id],
            pad_id=TOKENIZER.pad_token_id,
            temperature=0.8,
            top_p=1.0,
            batch_size=7,
            stopping=stopping,
        )
    )
    assert [len(batch) for batch in found] == [7]
    assert len(asked) == 31


def test_draws_follow_the_model_s_probabilities():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = (torch.arange(4000) + 0.5) / 4000
    chosen = choose(logits.expand(4000, -1), draws, temperature=0.5, top_p=1.0)
    shares = torch.bincount(chosen, minlength=4) / 4000
    assert torch.allclose(shares, torch.softmax(logits[0] / 0.5, -1), atol=1e-3)


def test_the_nucleus_holds_the_likeliest_tokens_only():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]]))
    draws = (torch.arange(1000) + 0.5) / 1000
    chosen = choose(logits.expand(1000, -1), draws, temperature=1.0, top_p=0.7)
    shares = torch.bincount(chosen, minlength=4) / 1000
    assert torch.allclose(shares, torch.tensor([0, 2 / 3, 0, 1 / 3]), atol=2e-3)


def test_draws_at_the_ends_of_the_interval_are_tokens():
    logits = torch.tensor([[0.0, -1e9, 0.0]])
    for number in (0.0, 1 - 1e-16):
        token = choose(logits, torch.tensor([number], dtype=torch.double), 1.0, 1.0)
        assert int(token) in (0, 2)
