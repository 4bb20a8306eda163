"""Sampling answers side by side with a key-value cache, by transformers models.

Each request has a seed of its own and draws its own uniforms: what is sampled for one request does
not depend on which others are in the run (except where a matrix product's rounding, which changes
with the batch's shape, moves a token). `generate()` draws from one stream for the whole batch and
so can't offer that; greedy decoding agrees with it, and is tested to.
"""

from collections.abc import Iterator

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer

from valley.lm.draws import choose
from valley.lm.requests import Answer, Finished, Request, Stopping
from valley.lm.slots import Slots

PROMPT_TOKENS = 2**14  # that are read at once, padding included
WAITING = 8  # slots are filled again when one of this many is free


def sample(
    model,
    requests: list[Request],
    *,
    end_ids: list[int],
    pad_id: int,
    temperature: float,
    top_p: float,
    batch_size: int,
    group: int = 0,
    stopping: Stopping = lambda: False,
) -> Finished:
    """Answer requests group by group; yield each group's (number of the request, answer).

    Within a group the place of an answer that has ended is taken by the next. Groups are cut from
    the requests in the order of their prompts' lengths: less padding. So whole groups that are
    taken out of the list leave the composition of the others as it was.

    Args:
        model: a transformers causal model in evaluation mode.
        requests: prompts with seeds and limits; an answer that reaches its limit ends by "length".
        end_ids: the tokens that end an answer.
        pad_id: any valid id, for padding.
        temperature: 0 is greedy.
        top_p: nucleus, 1 is off.
        batch_size: requests decoded side by side; halved, with a message, when memory runs out.
        group: requests of a group; at least `batch_size` are.
        stopping: asked at every token; the group that is running when it turns true is lost.
    """
    order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prompt), i))
    size, at = max(group, batch_size), 0
    while at < len(order) and not stopping():
        chosen = order[at : at + size]
        chosen_requests = [requests[i] for i in chosen]
        try:
            running = _Group(model, chosen_requests, batch_size, pad_id)
            if not running.decode(set(end_ids), temperature, top_p, stopping):
                return
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size = -(-min(batch_size, len(chosen_requests)) // 2)
            running = None
            torch.cuda.empty_cache()
            print(f"out of memory: continuing with {batch_size} answers at once", flush=True)
            continue
        yield list(zip(chosen, running.answers, strict=True))
        at += len(chosen)


class _Group:
    """Requests that are answered together.

    Attributes:
        answers: by request; None while one is being written.
    """

    def __init__(self, model, requests: list[Request], batch_size: int, pad_id: int):
        self._model, self._requests, self._pad_id = model, requests, pad_id
        self._draws = [np.random.default_rng(one.seed).random(one.max_tokens) for one in requests]
        self._written: list[list[int]] = [[] for _ in requests]
        self.answers: list[Answer | None] = [None] * len(requests)
        self._waiting = list(range(len(requests)))[::-1]  # the next is the last
        # By slot, the request in it; None is free.
        self._slots: list[int | None] = [None] * min(batch_size, len(requests))
        layers = model.config.get_text_config().num_hidden_layers
        longest = max(len(one.prompt) for one in requests)
        self._cache = Slots(layers, len(self._slots), longest)

    @torch.inference_mode()
    def decode(
        self, end_ids: set[int], temperature: float, top_p: float, stopping: Stopping
    ) -> bool:
        """Answer the requests; return whether all are answered."""

        def choose_for(slots: list[int], logits: torch.Tensor) -> None:
            numbers = [self._slots[slot] for slot in slots]
            draws = [self._draws[n][len(self._written[n])] for n in numbers]
            draws = torch.tensor(draws, dtype=torch.double, device=logits.device)
            tokens = choose(logits, draws, temperature, top_p).tolist()
            for slot, number, token in zip(slots, numbers, tokens, strict=True):
                self._take(slot, number, token, token in end_ids)

        while not stopping():
            for slots, logits in self._joining():
                choose_for(slots, logits)
            alive = [slot for slot, number in enumerate(self._slots) if number is not None]
            if not alive and not self._waiting:
                return True
            if not self._waiting and (len(self._slots) - len(alive)) * 4 >= len(self._slots):
                # Leaving the batch copies the cache, a dead row costs a forward pass a token.
                self._cache.keep(alive)
                self._slots = [self._slots[slot] for slot in alive]
                alive = list(range(len(alive)))
            if alive:
                choose_for(alive, self._step()[alive])
        return False

    def _take(self, slot: int, number: int, token: int, ends: bool) -> None:
        written = self._written[number]
        if not ends:
            written.append(token)
        if ends or len(written) == self._requests[number].max_tokens:
            self.answers[number] = Answer(written, "stop" if ends else "length")
            self._slots[slot] = None

    def _step(self) -> torch.Tensor:
        """Return the logits after each slot's last token, free slots' included."""
        device = self._model.device
        last = [
            self._pad_id if number is None else self._written[number][-1] for number in self._slots
        ]
        mask, positions = self._cache.step([number is not None for number in self._slots])
        logits = self._forward(
            torch.tensor(last, device=device)[:, None],
            mask.to(device),
            positions.to(device),
            self._cache.cache,
        )
        self._cache.advance()
        return logits

    def _joining(self) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Fill free slots, when they are enough; yield which, with the logits after the prompts."""
        free = [slot for slot, number in enumerate(self._slots) if number is None]
        if len(free) * WAITING < len(self._slots):
            return
        while free and self._waiting:
            # Later prompts are longer, if at all.
            width = len(self._requests[self._waiting[-min(len(free), len(self._waiting))]].prompt)
            count = min(len(free), len(self._waiting), max(1, PROMPT_TOKENS // width))
            numbers = [self._waiting.pop() for _ in range(count)]
            slots, free = free[:count], free[count:]
            yield slots, self._read(slots, numbers)

    def _read(self, slots: list[int], numbers: list[int]) -> torch.Tensor:
        """Put requests into slots, reading equal prompts once; return the logits after them."""
        prompts = [self._requests[number].prompt for number in numbers]
        distinct = {prompt: at for at, prompt in enumerate(dict.fromkeys(prompts))}
        width = max(map(len, distinct))
        ids = torch.full((len(distinct), width), self._pad_id)
        mask = torch.zeros((len(distinct), width), dtype=torch.long)
        for prompt, row in distinct.items():
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        device = self._model.device
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = Cache(layers=[DynamicLayer() for _ in self._cache.cache.layers])
        logits = self._forward(ids.to(device), mask.to(device), positions.to(device), cache)
        source = [distinct[prompt] for prompt in prompts]
        self._cache.join(slots, [len(prompt) for prompt in prompts], source, cache)
        for slot, number in zip(slots, numbers, strict=True):
            self._slots[slot] = number
        return logits[source]

    def _forward(self, ids, mask, positions, cache: Cache) -> torch.Tensor:
        return self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
