"""Examples through a model: packed into rows, in parts that fit, each process its share."""

import math

import numpy as np
import torch

from valley.lm import packing
from valley.lm.attention import BOUNDED
from valley.lm.chat import Example
from valley.lm.loss import causal_model
from valley.lm.parallel import World


class Forward:
    """How examples run through a learner.

    Args:
        learner: `valley.lm.loss.Learner`, in its place.
        world: the processes that share the work.
        pad_id: fills rows up.
        row_tokens: length of a packed row.
        micro_tokens: tokens of one pass; None is all at once.
        precision: "fp32", or "bf16" for autocast.
        quadratic: how the work of examples grows with their length, see `packing.cost`.
        few_shapes: keep to few lengths of rows, since each is compiled by itself.
    """

    def __init__(
        self,
        learner,
        world: World,
        *,
        pad_id: int,
        row_tokens: int,
        micro_tokens: int | None,
        precision: str,
        quadratic: float = 0.0,
        few_shapes: bool = False,
    ):
        self.learner, self.world, self.pad_id = learner, world, pad_id
        self.row_tokens, self.micro_tokens = row_tokens, micro_tokens
        self.bf16, self.quadratic, self.few_shapes = precision == "bf16", quadratic, few_shapes
        self.bounded = causal_model(learner.model).config._attn_implementation in BOUNDED

    def train(self, examples: list[Example]) -> float:
        """Add the gradients of an update's mean loss to the weights'; return that loss.

        Each part is divided by the response tokens of the whole update: accumulated over parts and
        processes, gradients are those of one big batch, but for rounding.
        """
        # FSDP takes the mean of the processes' gradients; the sum is needed.
        # Examples cut before the part that carries loss may be all that an update has.
        total = max(1, packing.response_tokens(examples)) / self.world.size
        return self._losses(examples, total, lambda loss: loss.backward()) / self.world.size

    def measure(self, examples: list[Example], at_once: int = 64) -> float:
        """Return the mean loss of examples over their response tokens, learning nothing."""
        total = packing.response_tokens(examples)
        self.learner.eval()
        with torch.no_grad():
            loss = sum(
                self._losses(examples[at : at + at_once], total, lambda loss: None)
                for at in range(0, len(examples), at_once)
            )
        self.learner.train()
        return loss

    def _losses(self, examples, total, use) -> float:
        device = self.world.device
        summed = torch.zeros((), device=device)
        shares = packing.micro_batches(
            examples, self.row_tokens, self.micro_tokens, self.world.size, self.quadratic
        )
        for rows in shares[self.world.rank]:
            self.world.note()
            batch = self._batch(rows)
            with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=self.bf16):
                loss = self.learner(batch, total)
            use(loss)
            summed += loss.detach()
        return self.world.all_reduce_sum(summed)

    def _batch(self, rows: list[list[Example]]) -> dict:
        """Return a pass's tensors, on their device."""
        multiple = max(1, self.row_tokens // 4) if self.few_shapes else 1
        arrays = packing.collate(rows, self.pad_id, multiple)
        longest = {}
        if self.bounded:
            width = arrays["input_ids"].shape[1]
            bounds = packing.bounds(rows, width)
            longest = {"longest": int(np.diff(bounds).max())}
            if self.few_shapes:  # further bounds enclose nothing; a larger longest costs little
                fill = 2 ** math.ceil(math.log2(len(bounds))) - len(bounds)
                bounds, longest = np.pad(bounds, (0, fill), mode="edge"), {"longest": width}
            arrays["bounds"] = bounds
        device = self.world.device
        tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        return {**tensors, **longest}
