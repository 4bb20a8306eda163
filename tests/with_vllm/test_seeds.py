"""How vLLM draws by a seed: what docs/generation.md says, on the runner that is used here."""

import os

from material import GPUS, GREEDY, SMALL, answers
from valley.lm.engines import with_vllm

PROMPTS = [f"Add {number} and {number + 3}. " for number in range(24)]


def test_requests_with_seeds_are_not_drawn_by_flashinfer(sampling):
    """The sampler of both runners, asked with the requests that this workflow makes."""
    answers(sampling, PROMPTS[:2], max_tokens=2)
    assert os.environ["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
    from vllm.v1.sample.ops.topk_topp_sampler import flashinfer_sampler_supported

    assert not flashinfer_sampler_supported()


def test_a_users_own_switch_stays(checkpoint, monkeypatch):
    monkeypatch.setenv("VLLM_USE_FLASHINFER_SAMPLER", "1")
    with_vllm.Engine(checkpoint, vllm=SMALL, **GREEDY)
    assert os.environ["VLLM_USE_FLASHINFER_SAMPLER"] == "1"


def test_neighbours_and_order_move_no_draw_on_this_runner(sampling):
    together = answers(sampling, PROMPTS, max_tokens=12)
    newer = sampling._llm.llm_engine.vllm_config.use_v2_model_runner
    assert newer == bool(GPUS), "the build for CPUs finds no Triton that it can use"
    alone = [answers(sampling, [PROMPTS[n]], max_tokens=12, seed=n)[0] for n in range(0, 24, 5)]
    assert sum(a == b for a, b in zip(alone, together[::5], strict=True)) >= 4
