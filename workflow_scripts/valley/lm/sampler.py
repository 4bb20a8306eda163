"""Sampling answers in batches with a key-value cache, by transformers models.

Each request has a seed of its own and draws its own uniforms: what is sampled for one request does
not depend on which others are in the run (except where a matrix product's rounding, which changes
with the batch's shape, moves a token). `generate()` draws from one stream for the whole batch and
so can't offer that; greedy decoding agrees with it, and is tested to.
"""

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer

from valley.lm.requests import Answer, Finished, Request, Stopping


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


def sample(
    model,
    requests: list[Request],
    *,
    end_ids: list[int],
    pad_id: int,
    temperature: float,
    top_p: float,
    batch_size: int,
    stopping: Stopping = lambda: False,
) -> Finished:
    """Answer requests batch by batch; yield each batch's (number of the request, answer).

    Batches are cut from the requests in the order of their prompts' lengths: less padding. So whole
    batches that are taken out of the list leave the composition of the others as it was.

    Args:
        model: a transformers causal model in evaluation mode.
        requests: prompts with seeds and limits; an answer that reaches its limit ends by "length".
        end_ids: the tokens that end an answer.
        pad_id: any valid id, for padding.
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        batch_size: requests decoded side by side; halved, with a message, when memory runs out.
        stopping: asked at every token; the batch that is running when it turns true is lost.
    """
    order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prompt), i))
    at = 0
    while at < len(order) and not stopping():
        chosen = order[at : at + batch_size]
        batch = [requests[i] for i in chosen]
        try:
            answers = _sample_batch(model, batch, end_ids, pad_id, temperature, top_p, stopping)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            torch.cuda.empty_cache()
            batch_size = -(-min(batch_size, len(batch)) // 2)
            print(f"out of memory: on with {batch_size} answers side by side", flush=True)
            continue
        if answers is None:
            return
        yield list(zip(chosen, answers, strict=True))
        at += len(chosen)


@torch.inference_mode()
def _sample_batch(
    model, batch, end_ids, pad_id, temperature, top_p, stopping
) -> list[Answer] | None:
    device = model.device
    width = max(len(request.prompt) for request in batch)
    longest = max(request.max_tokens for request in batch)
    ids = torch.full((len(batch), width), pad_id)
    mask = torch.zeros((len(batch), width + longest), dtype=torch.long)
    for row, request in enumerate(batch):
        ids[row, width - len(request.prompt) :] = torch.tensor(request.prompt)
        mask[row, width - len(request.prompt) : width] = 1
    draws = torch.from_numpy(
        np.stack([np.random.default_rng(request.seed).random(longest) for request in batch])
    ).to(device)
    ids, mask, ends = ids.to(device), mask.to(device), torch.tensor(end_ids, device=device)

    cache = Cache(
        layers=[BufferedLayer(width + longest) for _ in range(model.config.num_hidden_layers)]
    )
    positions = (mask[:, :width].cumsum(-1) - 1).clamp(min=0)
    written = torch.full((len(batch), longest), pad_id, device=device)
    limit = torch.tensor([request.max_tokens for request in batch], device=device)
    length, stopped = limit.clone(), torch.zeros_like(limit, dtype=torch.bool)
    alive = torch.arange(len(batch), device=device)
    inputs = ids
    for step in range(longest):
        if stopping():
            return None
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
        # A row that has ended and is still carried along keeps the length at which it ended.
        ended = torch.isin(token, ends) & ~stopped[alive] & (step < limit[alive])
        length[alive[ended]], stopped[alive[ended]] = step, True
        running = ~stopped[alive] & (step + 1 < limit[alive])
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
        Answer(row[:count], "stop" if end else "length")
        for row, count, end in zip(written.tolist(), length.tolist(), stopped.tolist(), strict=True)
    ]
