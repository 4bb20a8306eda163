"""vLLM, really run: the answers that transformers gives, adapters, and too little memory."""

import pytest
import torch
from material import GREEDY, PROMPTS, SMALL, SPEED, answers
from valley.lm import students
from valley.lm.engines import with_transformers, with_vllm
from valley.lm.requests import Request


def by_transformers(checkpoint, **settings):
    engine = with_transformers.Engine(checkpoint, batch_size=100, **GREEDY | settings)
    return engine, answers(engine, PROMPTS, max_tokens=64)


def equal(these, those):
    return sum(a == b for a, b in zip(these, those, strict=True)) / len(these)


def test_greedy_answers_are_those_of_transformers(checkpoint, greedy):
    """In single precision; a tie of logits to the last bits may fall either way."""
    _, expected = by_transformers(checkpoint)
    assert equal(answers(greedy, PROMPTS, max_tokens=64), expected) >= 0.95


def test_a_stop_ends_answers_where_transformers_ends_them(checkpoint):
    engine, unending = by_transformers(checkpoint)
    said = {token for answer in unending for token in answer.ids}
    stop = min(said, key=lambda t: abs(sum(t in a.ids for a in unending) - len(unending) / 2))
    settings = {"stop": [engine.decode([stop])]}
    _, expected = by_transformers(checkpoint, **settings)
    assert {answer.finish_reason for answer in expected} == {"stop", "length"}
    ending = with_vllm.Engine(checkpoint, vllm=SMALL, **GREEDY | settings)
    assert equal(answers(ending, PROMPTS, max_tokens=64), expected) >= 0.95
    ending.close()


def test_an_answer_depends_on_its_seed_not_on_its_neighbours(sampling):
    together = answers(sampling, PROMPTS, max_tokens=24)
    alone = [answers(sampling, [PROMPTS[n]], max_tokens=24, seed=n)[0] for n in range(0, 100, 9)]
    assert equal(alone, together[::9]) >= 0.95
    others = answers(sampling, PROMPTS, max_tokens=24, seed=1000)
    assert equal(together, others) < 0.05


def test_a_wish_to_stop_is_heard_and_leaves_nothing_behind(sampling):
    steps = []

    def stopping():
        steps.append(None)
        return len(steps) > 10

    requests = [Request(sampling.encode(text), 1, 64) for text in PROMPTS]
    found = [number for done in sampling.answers(requests, stopping) for number, _ in done]
    assert len(found) < len(PROMPTS)
    assert len(steps) < 14
    assert len(answers(sampling, PROMPTS[:5], max_tokens=4)) == 5


def test_adapters_are_applied_without_merging_them(checkpoint, tmp_path):
    from peft import LoraConfig, get_peft_model

    model, tokenizer = students.load(checkpoint)
    lora = LoraConfig(r=12, lora_alpha=24, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:  # zero when new: adapters that do nothing
                weight.normal_(0, 0.02)
    manifest = tmp_path / "checkpoint.json"
    base = {"id": str(checkpoint.parent / students.FOLDER), "revision": None}
    students.save(adapted, tokenizer, manifest, adapter={"base": base, "rank": 12})
    _, merged = by_transformers(manifest)
    assert equal(merged, by_transformers(checkpoint)[1]) < 0.5, "the adapters do something"
    engine = with_vllm.Engine(manifest, vllm=SMALL, **GREEDY)
    assert equal(answers(engine, PROMPTS, max_tokens=64), merged) >= 0.95
    engine.close()


def test_too_small_a_share_of_the_memory_is_enlarged_and_told(checkpoint, capfd):
    short = {**SPEED, "gpu_memory_utilization": 0.001}
    engine = with_vllm.Engine(checkpoint, vllm=short, **GREEDY)
    assert len(answers(engine, PROMPTS, max_tokens=8)) == len(PROMPTS)
    assert engine.measured["vllm"]["gpu_memory_utilization"] > 0.04
    assert "not enough memory" in capfd.readouterr().out
    engine.close()


def test_what_is_no_want_of_memory_is_not_retried(checkpoint):
    engine = with_vllm.Engine(checkpoint, vllm={**SMALL, "max_num_seqs": 0}, **GREEDY)
    with pytest.raises(Exception, match="max_num_seqs"):
        answers(engine, PROMPTS[:1], max_tokens=4)
