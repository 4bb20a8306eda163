"""Sampling answers in batches with a key-value cache, by transformers models.

Each request has a seed of its own and draws its own uniforms: what is sampled for one request does
not depend on which others are in the run (except where a matrix product's rounding, which changes
with the batch's shape, moves a token). `generate()` draws from one stream for the whole batch and
so can't offer that; greedy decoding agrees with it, and is tested to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer


@dataclass(frozen=True)
class Request:
    """One answer wanted: the prompt's token ids and the seed of its draws."""

    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Answer:
    """Token ids without the end-of-turn token, and why generation ended: "stop" or "length"."""

    ids: list[int]
    finish_reason: str


class BufferedLayer(DynamicLayer):
    """A cache layer that writes into room set aside, where DynamicLayer copies it all each step."""

    def __init__(self, room: int):
        super().__init__()
        self.room, self.filled = room, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        batch, heads, _, size = key_states.shape
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = key_states.new_zeros((batch, heads, self.room, size))
        self.values = value_states.new_zeros((batch, heads, self.room, size))
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[-2]
        self.keys[:, :, self.filled : end] = key_states
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        return self.filled


def choose(
    logits: torch.Tensor, draws: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """Choose a token per row: the most likely one at temperature 0, else by inverse transform.

    Args:
        logits: shape (rows, vocabulary).
        draws: uniforms in [0, 1), shape (rows,).
        temperature: 0 is greedy.
        top_p: only the likeliest tokens that together hold this much probability are kept.

    Returns:
        Token ids, shape (rows,).
    """
    if temperature == 0:
        return logits.argmax(-1)
    chances = torch.softmax(logits.float() / temperature, -1).double()
    if top_p < 1:
        ordered, order = chances.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(-1) - ordered
        ordered = ordered.masked_fill(before >= top_p, 0)
        chances = torch.zeros_like(chances).scatter_(-1, order, ordered)
    reach = chances.cumsum(-1)
    target = draws.double().unsqueeze(-1) * reach[:, -1:]
    return torch.searchsorted(reach, target, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)


@torch.inference_mode()
def sample(
    model,
    requests: list[Request],
    *,
    end_id: int,
    pad_id: int,
    max_tokens: int,
    temperature: float,
    top_p: float,
    batch_size: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Answer]:
    """Answer all requests, in their order.

    Args:
        model: a transformers causal model in evaluation mode.
        requests: prompts with seeds.
        end_id: the token that ends an answer.
        pad_id: any valid id, for padding.
        max_tokens: tokens per answer at most; an answer that reaches it ends by "length".
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        batch_size: requests decoded side by side.
        progress: called with the number of requests that a batch finished.
    """
    answers: list[Answer | None] = [None] * len(requests)
    # Prompts of like length share a batch: less padding, and the order is a function of the input.
    order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prompt), i))
    for at in range(0, len(order), batch_size):
        chosen = order[at : at + batch_size]
        batch = [requests[i] for i in chosen]
        found = _sample_batch(model, batch, end_id, pad_id, max_tokens, temperature, top_p)
        for i, answer in zip(chosen, found, strict=True):
            answers[i] = answer
        progress(len(chosen))
    return answers


def _sample_batch(model, batch, end_id, pad_id, max_tokens, temperature, top_p) -> list[Answer]:
    device = model.device
    width = max(len(request.prompt) for request in batch)
    ids = torch.full((len(batch), width), pad_id)
    mask = torch.zeros((len(batch), width + max_tokens), dtype=torch.long)
    for row, request in enumerate(batch):
        ids[row, width - len(request.prompt) :] = torch.tensor(request.prompt)
        mask[row, width - len(request.prompt) : width] = 1
    draws = torch.from_numpy(
        np.stack([np.random.default_rng(request.seed).random(max_tokens) for request in batch])
    ).to(device)
    ids, mask = ids.to(device), mask.to(device)

    room = width + max_tokens
    cache = Cache(layers=[BufferedLayer(room) for _ in range(model.config.num_hidden_layers)])
    positions = (mask[:, :width].cumsum(-1) - 1).clamp(min=0)
    written = torch.full((len(batch), max_tokens), pad_id, device=device)
    length = torch.full((len(batch),), max_tokens, device=device)
    alive = torch.arange(len(batch), device=device)
    inputs = ids
    for step in range(max_tokens):
        logits = model(
            input_ids=inputs,
            attention_mask=mask[:, : width + step],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        token = choose(logits, draws[alive, step], temperature, top_p)
        written[alive, step] = token
        ended = (token == end_id) & (length[alive] == max_tokens)
        length[alive[ended]] = step
        running = length[alive] == max_tokens
        if not bool(running.any()):
            break
        # Rows that have ended leave the batch once they are a quarter of it: shrinking the cache
        # copies it, carrying dead rows costs a forward pass each.
        if int((~running).sum()) * 4 >= len(alive):
            keep = running.nonzero().squeeze(-1)
            cache.batch_select_indices(keep)
            alive, token, mask, positions = alive[keep], token[keep], mask[keep], positions[keep]
        mask[:, width + step] = 1
        positions = positions[:, -1:] + 1
        inputs = token.unsqueeze(-1)
    return [
        Answer(row[:count], "length" if count == max_tokens else "stop")
        for row, count in zip(written.tolist(), length.tolist(), strict=True)
    ]
