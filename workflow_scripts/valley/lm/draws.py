"""Choosing tokens by their probabilities, each row by a uniform of its own.

Shares of probability are counted in whole numbers: their sums are exact, so the same token comes
whichever way they are added up.
"""

import torch

LIKELIEST = 256  # tokens that mostly hold a nucleus; the whole vocabulary is sorted where not
WHOLE = 2**40  # what a probability of 1 counts


def choose(
    logits: torch.Tensor, draws: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """Choose a token per row: the most likely one at temperature 0, else by inverse transform.

    Args:
        logits: shape (rows, vocabulary).
        draws: uniforms in [0, 1), shape (rows,).
        temperature: 0 is greedy.
        top_p: a token is kept if those likelier than it hold less probability than this; tokens
            that are equally likely are kept or dropped together.

    Returns:
        Token ids, shape (rows,).
    """
    if temperature == 0:
        return logits.argmax(-1)
    shares = torch.softmax(logits.float() / temperature, -1)
    if top_p < 1:
        return nucleus(shares, draws, top_p, LIKELIEST)
    return _drawn(_counted(shares), draws)


def nucleus(
    shares: torch.Tensor, draws: torch.Tensor, top_p: float, likeliest: int
) -> torch.Tensor:
    """Choose a token per row among the likeliest that hold `top_p`.

    Args:
        shares: probabilities, shape (rows, vocabulary).
        draws: uniforms, shape (rows,).
        top_p: below 1.
        likeliest: tokens that are looked at first, all for rows whose nucleus may be larger; it
            moves no choice.
    """
    vocabulary = shares.shape[-1]
    top, ids = shares.topk(min(likeliest, vocabulary), -1)
    counted = _counted(top)
    kept = counted.cumsum(-1) - counted < int(top_p * WHOLE)
    least = top.masked_fill(~kept, 1).amin(-1, keepdim=True)
    ids, order = ids.sort(-1)
    within = counted.masked_fill(top < least, 0).gather(-1, order)
    tokens = ids.gather(-1, _drawn(within, draws).unsqueeze(-1)).squeeze(-1)
    # A token beyond these may be as likely as the last that is kept.
    larger = (least <= top[:, -1:]).squeeze(-1)
    if likeliest < vocabulary and bool(larger.any()):
        tokens[larger] = nucleus(shares[larger], draws[larger], top_p, vocabulary)
    return tokens


def _counted(shares: torch.Tensor) -> torch.Tensor:
    return (shares.double() * WHOLE).long()


def _drawn(counted: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    reach = counted.cumsum(-1)
    # The product may round up to the whole, at which nothing lies.
    target = torch.minimum((draws.double() * reach[:, -1]).long(), reach[:, -1] - 1)
    found = torch.searchsorted(reach, target.unsqueeze(-1), right=True).squeeze(-1)
    return found.clamp(max=counted.shape[-1] - 1)  # a model that has diverged says nan
