"""The order of training and its layout: which examples make a batch, and how they lie in rows.

Which examples a batch holds is decided by the seed alone; packing then only lays them out, so the
loss of a step is the same packed or padded.
"""

import numpy as np

from lm.chat import Example

IGNORED = -100  # the label that the loss of PyTorch and transformers skips


def batches(
    count: int, batch_examples: int, seed: int, *, epochs: float | None, steps: int | None
) -> list[list[int]]:
    """Return the example indices of every update of a training run.

    Each epoch is a fresh permutation; the last batch of an epoch is filled up from the next one,
    so that every update but the last has the same number of examples.

    Args:
        count: examples in the shard.
        batch_examples: examples per update.
        seed: training seed.
        epochs: passes over the shard (may be fractional), or None.
        steps: number of updates, or None. Exactly one of `epochs` and `steps` is given.
    """
    if (epochs is None) == (steps is None):
        raise ValueError("give either epochs or steps, not both and not neither")
    if count < 1:
        raise ValueError("there is no example to train on")
    wanted = steps * batch_examples if epochs is None else max(1, round(count * epochs))
    draw = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < wanted:
        order.extend(draw.permutation(count).tolist())
    order = order[:wanted]
    return [order[at : at + batch_examples] for at in range(0, wanted, batch_examples)]


def pack(lengths: list[int], row_tokens: int) -> list[list[int]]:
    """Lay examples into rows of at most `row_tokens` tokens, by first fit of the longest.

    An example longer than a row has a row of its own (the row is then as long as the example).

    Returns:
        For each row the positions in `lengths` that it holds.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fits = next((row for row, left in enumerate(room) if left >= lengths[at]), None)
        if fits is None:
            rows.append([at])
            room.append(row_tokens - lengths[at])
        else:
            rows[fits].append(at)
            room[fits] -= lengths[at]
    return rows


def collate(examples: list[Example], row_tokens: int, pad_id: int) -> dict[str, np.ndarray]:
    """Return one batch as arrays of shape (rows, longest row): input_ids, labels, position_ids.

    Positions start anew with every example: from them transformers builds the block-diagonal mask
    that keeps packed examples apart. Each padding token is at position 0 and so a block by itself.
    """
    rows = pack([len(example.ids) for example in examples], row_tokens)
    width = max(sum(len(examples[at].ids) for at in row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    labels = np.full((len(rows), width), IGNORED, dtype=np.int64)
    positions = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        offset = 0
        for at in row:
            example = examples[at]
            end = offset + len(example.ids)
            ids[number, offset:end] = example.ids
            labels[number, offset + example.prompt_tokens : end] = example.ids[
                example.prompt_tokens :
            ]
            positions[number, offset:end] = np.arange(len(example.ids))
            offset = end
    return {"input_ids": ids, "labels": labels, "position_ids": positions}
