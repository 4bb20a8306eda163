"""The order of training and its layout: the examples of each batch, and their rows.

Which examples a batch holds is decided by the seed alone; packing then only lays them out, so the
loss of a step is the same packed or padded.
"""

import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from valley.lm.chat import Example

IGNORED = -100  # the label that the loss of PyTorch and transformers skips


def batches(
    lengths: list[int],
    batch_examples: int | None,
    seed: int,
    *,
    epochs: float | None,
    steps: int | None,
    batch_tokens: int | None = None,
    first: list[int] | None = None,
) -> list[list[int]]:
    """Return the example indices of every update of a training run.

    Each epoch is a fresh permutation; the last batch of an epoch is filled up from the next one,
    so that every update but the last has the same number of examples (or about as many tokens).
    How many processes share the work has no part in it.

    Args:
        lengths: tokens of each example of the shard.
        batch_examples: examples per update, or None.
        seed: training seed.
        epochs: passes over the shard (may be fractional), or None.
        steps: number of updates, or None. Exactly one of `epochs` and `steps` is given.
        batch_tokens: tokens per update, as many whole examples as fit and at least one; or None.
            Exactly one of `batch_examples` and `batch_tokens` is given.
        first: what examples are sorted by in each epoch, the lowest first; those alike are in
            random order, as all are by default.
    """
    if (epochs is None) == (steps is None):
        raise ValueError("give either epochs or steps, not both and not neither")
    if (batch_examples is None) == (batch_tokens is None):
        raise ValueError("give either batch_examples or batch_tokens, not both and not neither")
    if not lengths:
        raise ValueError("there is no example to train on")
    wanted = None if epochs is None else max(1, round(len(lengths) * epochs))
    plan, batch, filled = [], [], 0
    for at in itertools.islice(_order(len(lengths), seed, first), wanted):
        full = len(batch) == batch_examples or filled + lengths[at] > (batch_tokens or math.inf)
        if batch and full:
            plan.append(batch)
            batch, filled = [], 0
            if len(plan) == steps:
                return plan
        batch.append(at)
        filled += lengths[at]
    return [*plan, batch]


def response_tokens(examples: Iterable[Example]) -> int:
    """Return how many tokens of the examples carry loss."""
    return sum(end - begin for begin, end in (example.span for example in examples))


def spread(times: int, updates: int) -> set[int]:
    """Return after which updates to look, evenly spread: before the first, and after the last."""
    return {round(updates * at / times) for at in range(times + 1)}


def _order(count: int, seed: int, first: list[int] | None) -> Iterator[int]:
    """Yield example indices for ever, one permutation after another."""
    draw = np.random.default_rng(seed)
    while True:
        drawn = draw.permutation(count)
        if first is not None:
            drawn = drawn[np.argsort(np.asarray(first)[drawn], kind="stable")]
        yield from drawn.tolist()


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


def micro_batches(
    examples: list[Example],
    row_tokens: int,
    micro_tokens: int | None,
    processes: int = 1,
    quadratic: float = 0.0,
) -> list[list[list[list[Example]]]]:
    """Divide an update's examples among processes and, within each, into what fits its memory.

    Every process gets equally many micro-batches, since they meet in each; one that has no row left
    gets empty ones. Accumulated over all of them, the loss is that of the whole batch.

    Args:
        examples: of one update.
        row_tokens: length of a packed row.
        micro_tokens: tokens of a micro-batch, padding included (a longer row is one by itself);
            None is all of a process' rows at once.
        processes: how many there are.
        quadratic: see `cost`; several processes get rows of equal cost.

    Returns:
        By process, by micro-batch: rows of examples.
    """
    lengths = [len(example.ids) for example in examples]
    if processes == 1:
        dealt = [[row] for row in pack(lengths, row_tokens)]
    else:
        dealt = deal(lengths, row_tokens, processes, quadratic)
    shares: list[list[list[list[Example]]]] = [[] for _ in range(processes)]
    widest = 0
    for together in dealt:
        width = max(sum(lengths[at] for at in row) for row in together)
        held = len(shares[0][-1]) if shares[0] else 0
        fits = held and (held + 1) * max(widest, width) <= (micro_tokens or math.inf)
        widest = max(widest, width) if fits else width
        for share, row in zip(shares, together, strict=True):
            if not fits:
                share.append([])
            share[-1].append([examples[at] for at in row])
    return [[[row for row in rows if row] for rows in share] for share in shares]


def cost(lengths: Iterable[int], quadratic: float) -> float:
    """Return the work of a row with examples of these lengths, in that of one token's matrices.

    Args:
        lengths: tokens of the examples.
        quadratic: of attention: work of an example of L tokens is L (1 + quadratic L).
    """
    return sum(length * (1 + quadratic * length) for length in lengths)


# How far above its share of the work a pass may be filled, tried one by one: a little room lets
# examples lie better, and leaves less for the passes after it.
ROOM = (1.0, 1.01, 1.02, 1.04, 1.06, 1.08, 1.15, 1.2, math.inf)


def deal(
    lengths: list[int], row_tokens: int, processes: int, quadratic: float
) -> list[list[list[int]]]:
    """Lay examples into rows that processes pass through together, each pass of equal cost.

    Sharded processes wait for each other in every block, so a pass takes as long as its dearest
    row. The number of rows is a multiple of the processes'. The longest examples begin the rows of
    the first pass, and each of the others goes, the longest first, to the row of least cost that
    has room for it (longest processing time first) until the pass has its share of the work.
    What stays unequal: an example that costs more than others that fill a row, and updates of few
    examples a process.

    Args:
        lengths: tokens of the examples.
        row_tokens: length of a row; a longer example has a row of its own.
        processes: rows of a pass; some are empty where there are fewer examples.
        quadratic: see `cost`.

    Returns:
        By pass, by process: positions in `lengths`.
    """
    costs = [cost([length], quadratic) for length in lengths]
    passes = max(1, math.ceil(sum(lengths) / (row_tokens * processes)))
    while True:
        laid = (_lay(lengths, costs, row_tokens, processes, passes, room) for room in ROOM)
        found = [rows for rows in laid if rows is not None]
        if found:
            break
        passes += 1
    dearest = [
        sum(max(sum(costs[at] for at in row) for row in rows) for rows in way) for way in found
    ]
    spent = [0.0] * processes
    dealt = []
    for rows in found[dearest.index(min(dearest))]:
        together: list[list[int]] = [[] for _ in range(processes)]
        least = sorted(range(processes), key=lambda process: spent[process])
        rows.sort(key=lambda row: -sum(costs[at] for at in row))
        for process, row in zip(least, rows, strict=True):
            together[process] = row
            spent[process] += sum(costs[at] for at in row)
        dealt.append(together)
    return dealt


def _lay(
    lengths: list[int],
    costs: list[float],
    row_tokens: int,
    processes: int,
    passes: int,
    room: float,
) -> list[list[list[int]]] | None:
    """Fill one pass after another up to `room` times its share; None if examples are left over."""
    left = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    laid = []
    for number in range(passes):
        share = sum(costs[at] for at in left) / (processes * (passes - number))
        full = max(room * share, costs[left[0]]) if left and number < passes - 1 else math.inf
        rows: list[list[int]] = [[] for _ in range(processes)]
        filled, spent, later = [0] * processes, [0.0] * processes, []
        for at in left:
            fitting = [
                row
                for row in range(processes)
                if not rows[row]
                or (filled[row] + lengths[at] <= row_tokens and spent[row] + costs[at] <= full)
            ]
            if not fitting:
                later.append(at)
                continue
            row = min(fitting, key=spent.__getitem__)
            rows[row].append(at)
            filled[row] += lengths[at]
            spent[row] += costs[at]
        left = later
        laid.append(rows)
    return None if left else laid


def _width(row: list[Example]) -> int:
    return sum(len(example.ids) for example in row)


def bounds(rows: list[list[Example]], width: int) -> np.ndarray:
    """Return where examples begin and end in a pass's tokens, rows one after another (int32).

    What fills a row up counts as one example, so that the last bound is rows x width.

    Args:
        rows: of examples; none are one row of padding, as in `collate`.
        width: tokens of each row.
    """
    found = [0]
    for number, row in enumerate(rows or [[]]):
        for example in row:
            found.append(found[-1] + len(example.ids))
        if found[-1] < (number + 1) * width:
            found.append((number + 1) * width)
    return np.array(found, dtype=np.int32)


def collate(rows: list[list[Example]], pad_id: int, multiple: int = 1) -> dict[str, np.ndarray]:
    """Return rows as arrays of shape (rows, width): input_ids, labels, position_ids.

    The width is the longest row's, rounded up to a multiple.

    Positions start anew with every example: from them transformers builds the block-diagonal mask
    that keeps packed examples apart. Each padding token is at position 0 and so a block by itself.
    No rows give one row of two padding tokens, which carries no loss.
    """
    width = max(map(_width, rows), default=2)
    shape = max(1, len(rows)), -(-width // multiple) * multiple
    ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, IGNORED, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    for number, row in enumerate(rows):
        offset = 0
        for example in row:
            end, (first, last) = offset + len(example.ids), example.span
            ids[number, offset:end] = example.ids
            labels[number, offset + first : offset + last] = example.ids[first:last]
            positions[number, offset:end] = np.arange(len(example.ids))
            offset = end
    return {"input_ids": ids, "labels": labels, "position_ids": positions}
