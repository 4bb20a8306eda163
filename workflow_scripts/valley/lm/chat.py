"""From prompts and responses to token ids: what the student reads and what it is trained on.

A prompt is laid out by the student's own chat template, a system message that the template adds
included. A response never passes through the template: some templates cut reasoning out of an
assistant's turn, and the student would then learn other text than the shard holds. What the
template opens of an answer, `<think>` say, is a part of the prompt and not learnt again. Generation
uses the same prompts, so what is learnt is what is asked.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

from valley.lm.templates import FIXED, THINK, around, continued, end_of_turn, opening


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        id: the pool row's id.
        ids: token ids of prompt, response and end of turn.
        prompt_tokens: how many of them belong to the prompt.
        learnt: the tokens that carry loss, from and up to; None is all after the prompt.
    """

    id: str
    ids: Sequence[int]
    prompt_tokens: int
    learnt: tuple[int, int] | None = None

    @property
    def span(self) -> tuple[int, int]:
        """The tokens that carry loss, from and up to."""
        return self.learnt or (self.prompt_tokens, len(self.ids))


class Part:
    """The part of examples that carries loss.

    Args:
        tokenizer: that they are encoded by.
        loss_on: "response", "reasoning" (up to the end of the closing think tag), "answer" (what
            follows it; all of a response without reasoning) or "all" (the prompt too).
    """

    def __init__(self, tokenizer, loss_on: str):
        self._tokenizer, self.loss_on = tokenizer, loss_on
        self._ends: dict[str, int] = {}  # by id: decoding a long example takes a while

    def __call__(self, example: Example) -> Example:
        """Return the example with the tokens that carry loss."""
        if self.loss_on == "response":
            return example
        begin, end = example.span
        if self.loss_on == "all":  # nothing comes before the first token that could tell it
            return replace(example, learnt=(1, end))
        if example.id not in self._ends:
            self._ends[example.id] = reasoning_end(self._tokenizer, example)
        between = self._ends[example.id]
        return replace(
            example, learnt=(begin, between) if self.loss_on == "reasoning" else (between, end)
        )


def reasoning_end(tokenizer, example: Example) -> int:
    """Return how many of an example's tokens lie before the end of the closing think tag.

    A token that begins before the tag's end belongs to the reasoning. Without the tag it is the
    prompt's tokens.
    """
    begin, ids = example.prompt_tokens, [int(token) for token in example.ids]

    def closed(end: int) -> bool:
        return THINK[1] in tokenizer.decode(ids[begin:end])

    if not closed(len(ids)):
        return begin
    return bisect.bisect_left(range(len(ids) + 1), True, lo=begin, key=closed)


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """Return the ids of a user's turn, up to where the assistant begins to answer."""
    turn = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(
        turn, add_generation_prompt=True, tokenize=True, return_dict=False, **FIXED
    )


def layout(tokenizer) -> dict[str, str]:
    """Return what the chat template puts around a prompt and after an answer, for people.

    Raises:
        ValueError: there is no chat template, it loses the prompt, or it opens something unknown.
    """
    before, after = around(tokenizer)
    opening(tokenizer)
    return {
        "before": before,
        "after": after,
        "end": tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer)),
    }


def encode(tokenizer, id: str, prompt: str, response: str, end: int | None = None) -> Example:
    """Encode an example; the loss covers exactly the response and the end-of-turn token.

    Args:
        tokenizer: with a chat template.
        id: the pool row's id.
        prompt, response: its texts.
        end: `end_of_turn`, when it is known already.
    """
    start = prompt_ids(tokenizer, prompt)
    written = continued(response, opening(tokenizer))
    answer = tokenizer(written, add_special_tokens=False)["input_ids"]
    end = end_of_turn(tokenizer) if end is None else end
    return Example(id, [*start, *answer, end], len(start))


def encode_all(tokenizer, rows: list[dict], end: int) -> list[Example]:
    """Encode rows (id, prompt, response) together, as `encode` does one by one.

    Args:
        tokenizer: with a chat template.
        rows: of the pool.
        end: `end_of_turn`.
    """
    turns = [[{"role": "user", "content": row["prompt"]}] for row in rows]
    starts = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, tokenize=True, return_dict=False, **FIXED
    )
    opened = opening(tokenizer)
    written = [continued(row["response"], opened) for row in rows]
    answers = tokenizer(written, add_special_tokens=False)["input_ids"]
    return [
        Example(row["id"], [*start, *answer, end], len(start))
        for row, start, answer in zip(rows, starts, answers, strict=True)
    ]


def add_think_tokens(model, tokenizer) -> list[int]:
    """Make each think tag one token where it is not; return the ids of those that were added.

    A new token's embedding begins as the mean of the pieces' that spelt it, in the input and the
    output. The matrices grow only when they must: many models have spare rows. The tags are
    ordinary tokens, not "special" ones: they must survive decoding.
    """
    import torch

    known = tokenizer.get_vocab()
    spelt = {tag: tokenizer(tag, add_special_tokens=False)["input_ids"] for tag in THINK}
    new = [tag for tag in THINK if tag not in known]
    tokenizer.add_tokens(new)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    matrices = {
        id(m.weight): m.weight
        for m in (model.get_input_embeddings(), model.get_output_embeddings())
    }
    with torch.no_grad():
        for matrix in matrices.values():
            for tag in new:
                matrix[tokenizer.convert_tokens_to_ids(tag)] = matrix[spelt[tag]].mean(0)
    return tokenizer.convert_tokens_to_ids(new)
