"""The loss: cross-entropy over response tokens, without ever holding all logits at once."""

import copy

import torch
from torch.utils.checkpoint import checkpoint

from valley.lm.attention import bounds_of
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
        batch: tensors of shape (rows, width): input_ids, labels, position_ids; for kernels that
            are given bounds these too, see `valley.lm.packing.bounds`.
        total: what to divide by: the response tokens of the whole update, of which this batch may
            be a part; None is this batch's own.
        chunk: positions whose logits are held at once; None is by the vocabulary.
    """
    causal = causal_model(model)
    # use_cache=False: with a cache, transformers does not build the block-diagonal mask.
    hidden = causal.base_model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        use_cache=False,
        **bounds_of(batch),
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
        model: a causal model, or one with adapters, that passed `check_logits`.
        chunk: positions whose logits are held at once; None is by the vocabulary.
    """

    def __init__(self, model, chunk: int | None = None):
        super().__init__()
        self.model, self.chunk = model, chunk

    def forward(self, batch: dict, total: int):
        return response_loss(self.model, batch, total, self.chunk)


def check_logits(config) -> None:
    """Check that a model's logits are its output head's and nothing else, before it is loaded.

    A model of the same class is asked, with the same settings but without blocks and with a small
    vocabulary: it takes no time, and it needs neither weights nor a kernel. Its logits are large,
    so that a cap shows.

    Args:
        config: the model's.

    Raises:
        ValueError: it does something to its logits that the loss would leave out.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        try:
            model = _without_blocks(config)
        except Exception as error:  # whatever a class of transformers may say
            raise ValueError(
                f"a model of type {config.model_type} can't be checked for what it does to its "
                f"logits ({error}); choose a student of another family"
            ) from error
        torch.nn.init.normal_(model.get_output_embeddings().weight, std=10.0)
        ids = torch.arange(4)[None]
        hidden = model.eval().base_model(input_ids=ids, use_cache=False).last_hidden_state
        own = model(input_ids=ids, use_cache=False).logits
        plain = model.get_output_embeddings()(hidden)
    if not torch.allclose(plain, own, atol=1e-4, rtol=1e-3):
        raise ValueError(
            f"{type(model).__name__} changes its logits after the output head (a cap or a "
            "scale), which training does not support; choose a student of another family"
        )


def _without_blocks(config):
    """Return a model of a configuration's class, of 64 tokens and no blocks, in fp32."""
    from transformers import AutoModelForCausalLM

    small = copy.deepcopy(config)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(small, name, None)
    small.vocab_size, small.num_hidden_layers = 64, 0
    if getattr(small, "layer_types", None):
        small.layer_types = []
    return AutoModelForCausalLM.from_config(small, dtype=torch.float32, attn_implementation="eager")
