"""The sampler against transformers' generate(), and its seeds."""

import pytest
import torch
from lm_material import tiny
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from valley.lm import chat, slots
from valley.lm.requests import Request
from valley.lm.sampler import sample

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


@pytest.mark.long
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


def test_limits_are_each_answers_own_and_cut_it_where_it_would_go_on():
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


@pytest.mark.parametrize(("batch_size", "group"), [(1, 24), (3, 11), (7, 24), (24, 5)])
def test_an_ended_answers_place_is_taken_and_no_answer_changes(
    batch_size, group, often_ending, monkeypatch
):
    requests = [Request(PROMPTS[n], n, 1 + 5 * n % 24) for n in range(len(PROMPTS))]
    ends = {"end_ids": [TOKENIZER.eos_token_id, often_ending]}
    alone = [draw([request], **ends)[0] for request in requests]
    monkeypatch.setattr(slots, "SLACK", 5)  # the columns are moved many times
    assert draw(requests, batch_size=batch_size, group=group, **ends) == alone


def test_long_prompts_that_join_when_the_batch_shrinks_are_whole():
    by_length = sorted(PROMPTS, key=len)
    short = [Request(prompt, n, 2) for n, prompt in enumerate(by_length[:6])]
    long = [Request(prompt, 9 + n, 9) for n, prompt in enumerate(by_length[-2:])]
    assert len(long[0].prompt) > len(short[-1].prompt) + 2
    alone = [draw([request], end_ids=[-1])[0] for request in short + long]
    assert draw(short + long, batch_size=6, group=8, end_ids=[-1]) == alone


def test_refilling_saves_forward_passes(often_ending):
    class Counting:
        """The model, counting its passes and their rows."""

        device, config = MODEL.device, MODEL.config

        def __init__(self):
            self.passes = self.rows = 0

        def __call__(self, **inputs):
            if inputs["input_ids"].shape[1] == 1:
                self.passes, self.rows = self.passes + 1, self.rows + len(inputs["input_ids"])
            return MODEL(**inputs)

    ends = {"end_ids": [TOKENIZER.eos_token_id, often_ending], "batch_size": 6}
    batches, refilled = Counting(), Counting()
    first = draw(ask(PROMPTS), batches, **ends)
    assert draw(ask(PROMPTS), refilled, group=24, **ends) == first
    assert refilled.passes < 0.9 * batches.passes
    assert refilled.rows < 1.05 * batches.rows


def test_groups_are_saved_whole_and_the_rest_is_composed_as_before():
    """What a stopped job has not saved is asked in the very passes of an undisturbed run."""

    def passes_of(requests):
        seen = []

        class Watched:
            device, config = MODEL.device, MODEL.config

            def __call__(self, **inputs):
                seen.append((inputs["input_ids"].tolist(), inputs["attention_mask"].tolist()))
                return MODEL(**inputs)

        groups = sample(
            Watched(),
            requests,
            end_ids=[TOKENIZER.eos_token_id],
            pad_id=TOKENIZER.pad_token_id,
            temperature=0.8,
            top_p=0.9,
            batch_size=4,
            group=10,
        )
        for finished in groups:
            yield [requests[number] for number, _ in finished], list(seen)
            seen.clear()

    requests = ask(PROMPTS)
    (first, _), *others = passes_of(requests)
    assert len(first) == 10 and len(others) == 2
    left = [request for request in requests if request not in first]
    assert list(passes_of(left)) == others


def test_equal_prompts_are_read_once():
    read = []

    class Watched:
        device, config = MODEL.device, MODEL.config

        def __call__(self, **inputs):
            read.append(inputs["input_ids"].shape)
            return MODEL(**inputs)

    requests = [Request(PROMPTS[0], seed, 3) for seed in range(6)]
    assert draw(requests, Watched(), batch_size=6) == [draw([one])[0] for one in requests]
    assert read[0] == (1, len(PROMPTS[0]))


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_grouped_heads_attend_as_the_models_own_attention(shared):
    torch.manual_seed(7)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=shared,
        vocab_size=len(TOKENIZER),
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config).eval()
    requests = ask(PROMPTS[:9], max_tokens=12)
    own = draw(requests, model, temperature=0)
    slots.group_heads(model)
    assert model.config._attn_implementation == slots.GROUPED
    assert draw(requests, model, temperature=0) == own
    ids = torch.tensor([requests[0].prompt])
    grouped = model(ids, use_cache=True)
    model.set_attn_implementation("sdpa")
    plain = model(ids, use_cache=True)
    assert torch.allclose(grouped.logits, plain.logits, atol=1e-5)


def test_a_sliding_window_is_kept_by_rows_that_join_later():
    torch.manual_seed(8)
    config = MistralConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(TOKENIZER),
        sliding_window=6,
        initializer_range=0.3,
    )
    model = MistralForCausalLM(config).eval()
    slots.group_heads(model)
    requests = [Request(PROMPTS[n], n, 4 + n) for n in range(12)]
    answers = draw(requests, model, temperature=0, batch_size=3, group=12, end_ids=[-1])
    for request, answer in zip(requests, answers, strict=True):
        made = model.generate(
            torch.tensor([request.prompt]),
            max_new_tokens=request.max_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=TOKENIZER.pad_token_id,
        )[0, len(request.prompt) :].tolist()
        assert answer.ids == made


def test_running_out_of_memory_goes_on_with_fewer_side_by_side(capsys):
    wide = []

    class Small:
        device, config = MODEL.device, MODEL.config

        def __call__(self, **inputs):
            if len(inputs["input_ids"]) > 5:
                raise torch.OutOfMemoryError("too wide")
            wide.append(len(inputs["input_ids"]))
            return MODEL(**inputs)

    assert draw(ask(PROMPTS), Small(), batch_size=16, group=24) == draw(ask(PROMPTS))
    assert max(wide) == 4
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[5] for line in told] == ["8", "4"]
