"""A key-value cache of slots: rows of different ages side by side, replaced as answers end.

All rows end at the same column. A row that joins is written before that column, so its tokens lie
without a gap, and a step writes one column for all. What lies before the oldest row is left out.
"""

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SLACK = 64  # columns that are set aside ahead
GROUPED = "grouped_sdpa"


class SlotLayer(DynamicLayer):
    """Keys and values of one layer, shape (rows, heads, columns, head size).

    Args:
        span: columns in use, first and behind the last; one object for all layers.
    """

    def __init__(self, span: "Span"):
        super().__init__()
        self.span = span

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        start, end = self.span.start, self.span.end
        behind = end + key_states.shape[-2]
        self.keys[:, :, end:behind] = key_states
        self.values[:, :, end:behind] = value_states
        return self.keys[:, :, start:behind], self.values[:, :, start:behind]

    def get_seq_length(self) -> int:
        return self.span.end - self.span.start

    def join(self, rows: torch.Tensor, count: int, source: torch.Tensor, layer) -> None:
        """Put rows of another cache's layer in the place of these; `count` is all of these rows."""
        if not self.is_initialized:
            self.dtype, self.device = layer.keys.dtype, layer.keys.device
            self.keys, self.values = (
                states.new_zeros((count, states.shape[1], self.span.room, states.shape[-1]))
                for states in (layer.keys, layer.values)
            )
            self.is_initialized = True
        begin, end = self.span.end - layer.keys.shape[-2], self.span.end
        self.keys[rows, :, begin:end] = layer.keys[source]
        self.values[rows, :, begin:end] = layer.values[source]

    def move(self, rows: torch.Tensor | slice, end: int, room: int) -> None:
        """Keep these rows, with the span's columns ending at another column of another room."""
        self.keys, self.values = (
            self._moved(states, rows, end, room) for states in (self.keys, self.values)
        )

    def _moved(self, states: torch.Tensor, rows, end: int, room: int) -> torch.Tensor:
        kept = states[rows, :, self.span.start : self.span.end]
        moved = kept.new_zeros((*kept.shape[:2], room, kept.shape[-1]))
        moved[:, :, end - kept.shape[2] : end] = kept
        return moved


class Span:
    """Columns in use, of those that there are."""

    def __init__(self, end: int):
        self.start, self.end, self.room = end, end, end + SLACK


class Slots:
    """The cache of a batch whose rows are replaced.

    Args:
        layers: of the model.
        rows: answers side by side.
        longest: tokens of the longest prompt that will join.

    Attributes:
        cache: for the model.
        first: by row, the column of its first token.
    """

    def __init__(self, layers: int, rows: int, longest: int):
        self._longest = longest
        self._span = Span(longest)
        self.cache = Cache(layers=[SlotLayer(self._span) for _ in range(layers)])
        self.first = torch.full((rows,), longest)

    def join(self, rows: list[int], lengths: list[int], source: list[int], prompts: Cache) -> None:
        """Put prompts into rows.

        Args:
            rows: that are replaced.
            lengths: of their prompts, in tokens.
            source: the row of `prompts` that each takes.
            prompts: cache of left-padded prompts.
        """
        index = torch.tensor(rows)
        for mine, layer in zip(self.cache.layers, prompts.layers, strict=True):
            mine.join(index, len(self.first), torch.tensor(source), layer)
        self.first[index] = self._span.end - torch.tensor(lengths)
        self._span.start = min(self._span.start, self._span.end - max(lengths))

    def keep(self, rows: list[int]) -> None:
        """Drop all other rows."""
        self._move(torch.tensor(rows), SLACK)
        self.first = self.first[torch.tensor(rows)]

    def step(self, alive: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Make ready for a token per row; return mask (rows, columns) and positions (rows, 1).

        Rows that are not alive see their own token only.
        """
        end = self._span.end
        self.first[~torch.tensor(alive)] = end
        self._span.start = int(self.first.min())
        if end == self._span.room:
            self._move(slice(None), SLACK)
            end = self._span.end
        columns = torch.arange(self._span.start, end + 1)
        return (columns >= self.first[:, None]).long(), (end - self.first)[:, None]

    def advance(self) -> None:
        """Count the column that a step has written."""
        self._span.end += 1

    def _move(self, rows: torch.Tensor | slice, slack: int) -> None:
        span = self._span
        end = max(span.end - span.start, self._longest)
        for layer in self.cache.layers:
            layer.move(rows, end, end + slack)
        shift = span.end - end
        self.first -= shift
        span.start, span.end, span.room = span.start - shift, end, end + slack


def group_heads(model) -> None:
    """Let a model that works by PyTorch's attention share keys among query heads without copies."""
    if model.config._attn_implementation != "sdpa":
        return
    AttentionInterface.register(GROUPED, grouped)
    AttentionMaskInterface.register(GROUPED, sdpa_mask)
    model.set_attn_implementation(GROUPED)


def grouped(module, query, key, value, attention_mask, scaling=None, **others):
    """Return attention as transformers' `sdpa` does; for one token a row, without repeated keys.

    The query heads that share a key's head are put in the place of its queries: the one mask of
    the token holds for all of them.

    Args:
        module: the layer.
        query: shape (rows, heads, width, head size).
        key, value: shape (rows, shared heads, columns, head size).
        attention_mask: shape (rows, 1, width, columns), or None.
        scaling: of the scores.
        others: what other kernels know.

    Returns:
        Shape (rows, width, heads, head size), and no weights.
    """
    if query.shape[2] > 1 or others.get("position_bias") is not None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
    rows, heads, _, size = query.shape
    mixed = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, key.shape[1], -1, size), key, value, attention_mask, scale=scaling
    )
    return mixed.reshape(rows, 1, heads, -1), None
