"""What is common to the engines, and what to try when vLLM lacks memory."""

import pytest
from lm_material import tiny
from valley.lm.engines.memory import WORKSPACE, adjusted, side_by_side, token_bytes
from valley.lm.flops import LLAMA_3_1_8B, QWEN2_5_7B
from valley.lm.requests import end_ids, room

SPEED = {"gpu_memory_utilization": 0.9, "max_num_seqs": 64, "enforce_eager": False}
# As vLLM 0.32 says it.
TAKEN = (
    "Free memory on device cuda:0 (60.1/79.1 GiB) on startup is less than desired GPU memory "
    "utilization (0.9, 71.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by "
    "other processes."
)
LACKING = [
    "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
    "To serve at least one request with the model's max seq len (32768), (1.75 GiB KV cache is "
    "needed, which is larger than the available KV cache memory (0.9 GiB). Try increasing",
    "Available memory on node 0 (16.18/17.59 GiB) on kv cache allocation is less than requested "
    "memory for kv (-0.71/0.02 GiB). Reduce CPU memory used by other processes.",
]


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


def test_memory_that_others_hold_makes_the_share_smaller():
    assert adjusted(SPEED, ValueError(TAKEN)) == {**SPEED, "gpu_memory_utilization": 0.72}


@pytest.mark.parametrize("text", LACKING)
def test_too_little_room_for_keys_and_values_asks_for_more_and_answers_fewer_at_once(text):
    found = adjusted(SPEED, ValueError(text))
    assert found == {**SPEED, "gpu_memory_utilization": 0.95, "max_num_seqs": 32}


def test_a_share_that_is_far_too_small_is_large_enough_before_answers_are_few():
    speed = {**SPEED, "gpu_memory_utilization": 0.05}
    for _ in range(3):
        speed = adjusted(speed, ValueError(LACKING[2]))
    assert speed == {**SPEED, "gpu_memory_utilization": 0.4, "max_num_seqs": 8}


def test_running_out_halves_the_answers_side_by_side():
    assert adjusted(SPEED, OutOfMemoryError("CUDA out of memory")) == {**SPEED, "max_num_seqs": 32}


def test_in_the_end_it_says_what_would_help():
    speed, error = SPEED, OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="ask for a larger GPU or more of them"):
        for _ in range(10):
            speed = adjusted(speed, error)
    assert speed["max_num_seqs"] == 4


def test_other_errors_stay_what_they_are():
    with pytest.raises(KeyError, match="rope"):
        adjusted(SPEED, KeyError("rope"))


@pytest.mark.parametrize(("length", "left"), [(10, 24), (90, 10), (100, 0), (120, 0)])
def test_the_context_window_limits_answers(length, left):
    assert room((0,) * length, 100, 24) == left
    assert room((0,) * length, None, 24) == 24


def test_answers_end_at_every_token_that_anyone_names():
    tokenizer = tiny()[1]
    end, user = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|user|>")
    assert end_ids(tokenizer, None, []) == [end]
    assert end_ids(tokenizer, [user, end], []) == sorted([end, user])
    assert end_ids(tokenizer, 7, ["<|user|>"]) == sorted([7, end, user])


H100 = 79.1 * 2**30  # as PyTorch reports it
BF16 = {"share": 0.9, "width": 2}


@pytest.mark.parametrize(
    ("shape", "expected"), [(QWEN2_5_7B, 57_344), (LLAMA_3_1_8B, 131_072)], ids=["Qwen", "Llama"]
)
def test_a_tokens_keys_and_values_are_those_of_transformers_cache(shape, expected):
    """28 layers x 4 heads x 128 numbers, and 32 x 8 x 128; twice, of 2 bytes."""
    import torch
    from transformers import DynamicCache, LlamaConfig

    assert token_bytes(shape, 2) == expected
    cache = DynamicCache(config=LlamaConfig(**shape.config()))
    for layer in range(shape.layers):
        states = torch.zeros(1, shape.kv_heads, 3, shape.head, dtype=torch.bfloat16)
        cache.update(states, states.clone(), layer)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert held == 3 * expected


@pytest.mark.parametrize(
    ("shape", "length", "expected"),
    [
        (QWEN2_5_7B, 1_024, 991),
        (QWEN2_5_7B, 10_240, 99),
        (QWEN2_5_7B, 33_792, 30),
        (LLAMA_3_1_8B, 10_240, 42),
        (LLAMA_3_1_8B, 33_792, 12),
    ],
)
def test_as_many_answers_run_at_once_as_have_room_at_full_length(shape, length, expected):
    found = side_by_side(shape, length, H100, **BF16)
    assert found == expected
    room = 0.9 * H100 - 2 * shape.parameters - WORKSPACE
    each = length * token_bytes(shape, 2)
    assert found * each <= room < (found + 1) * each


def test_more_gpus_have_more_room_until_heads_of_keys_are_held_twice():
    of = {g: side_by_side(QWEN2_5_7B, 10_240, H100, **BF16, gpus=g) for g in (1, 2, 4, 8)}
    assert of[2] > 2 * of[1]
    assert of[4] > 2 * of[2]
    assert of[8] < 1.1 * of[4], "four heads of keys: eight GPUs hold each twice"


def test_at_least_one_answer_runs_and_vllm_says_when_even_that_does_not_fit():
    assert side_by_side(QWEN2_5_7B, 32_768, 16e9, **BF16) == 1
