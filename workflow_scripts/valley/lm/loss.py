"""The loss: cross-entropy over response tokens, without ever holding all logits at once."""

import torch
from torch.utils.checkpoint import checkpoint

from valley.lm.chunks import chunk_positions
from valley.lm.packing import IGNORED


def cross_entropy(hidden, targets, head, chunk: int):
    """Return the summed cross-entropy of hidden states (n, width) to target ids (n).

    More than a chunk of positions is done chunk by chunk, and each chunk's logits are computed
    again in the backward pass: 32K positions of a vocabulary of 150K would be 20 GB at once.

    Args:
        hidden: states before the output head.
        targets: token ids.
        head: the output head.
        chunk: positions at once.
    """

    def part(states, wanted):
        return torch.nn.functional.cross_entropy(head(states).float(), wanted, reduction="sum")

    if len(targets) <= chunk:
        return part(hidden, targets)
    parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
    return sum(checkpoint(part, *pair, use_reentrant=False) for pair in parts)


def causal_model(model):
    """Return the causal model below adapters."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def response_loss(model, batch: dict, total: int | None = None, chunk: int | None = None):
    """Return the cross-entropy over the response tokens of packed rows, divided by a total.

    Logits are computed at labelled positions only: prompts cost no vocabulary-wide product.

    Args:
        model: a causal model, or one with adapters.
        batch: tensors of shape (rows, width): input_ids, labels, position_ids.
        total: what to divide by: the response tokens of the whole update, of which this batch may
            be a part; None is this batch's own.
        chunk: positions whose logits are held at once; None is by the vocabulary.
    """
    causal = causal_model(model)
    # use_cache=False: with a cache, transformers does not build the block-diagonal mask.
    hidden = causal.base_model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    targets = batch["labels"][:, 1:]
    answered = targets != IGNORED
    head = causal.get_output_embeddings()
    summed = cross_entropy(
        hidden[:, :-1][answered],
        targets[answered],
        head,
        chunk or chunk_positions(causal.config.vocab_size),
    )
    return summed / (int(answered.sum()) if total is None else total)


class Learner(torch.nn.Module):
    """A model whose forward pass is its loss, so that sharding it covers body and head alike.

    Args:
        model: a causal model, or one with adapters.

    Raises:
        ValueError: the model does something to its logits that this loss would leave out.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        causal = causal_model(model)
        if causal.device.type == "meta":  # the first process, which has weights, looks
            return
        with torch.no_grad():
            ids = torch.arange(4, device=causal.device)[None] % causal.config.vocab_size
            hidden = causal.base_model(input_ids=ids, use_cache=False).last_hidden_state
            own = causal(input_ids=ids, use_cache=False).logits
            same = torch.allclose(causal.get_output_embeddings()(hidden), own, atol=1e-4, rtol=1e-2)
        if not same:
            raise ValueError(
                f"{type(causal).__name__} changes its logits after the output head (a cap or a "
                "scale), which training does not support; choose a student of another family"
            )

    def forward(self, batch: dict, total: int):
        return response_loss(self.model, batch, total)
