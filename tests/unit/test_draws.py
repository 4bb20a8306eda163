"""Choosing tokens by their probabilities: the nucleus, ties, and the ends of the interval."""

import pytest
import torch
from valley.lm.draws import choose, nucleus


def test_draws_follow_the_models_probabilities():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = (torch.arange(4000) + 0.5) / 4000
    chosen = choose(logits.expand(4000, -1), draws, temperature=0.5, top_p=1.0)
    shares = torch.bincount(chosen, minlength=4) / 4000
    assert torch.allclose(shares, torch.softmax(logits[0] / 0.5, -1), atol=1e-3)


def test_the_nucleus_holds_the_likeliest_tokens_only():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]]))
    draws = (torch.arange(1000) + 0.5) / 1000
    chosen = choose(logits.expand(1000, -1), draws, temperature=1.0, top_p=0.7)
    shares = torch.bincount(chosen, minlength=4) / 1000
    assert torch.allclose(shares, torch.tensor([0, 2 / 3, 0, 1 / 3]), atol=2e-3)


def test_draws_at_the_ends_of_the_interval_are_tokens():
    logits = torch.tensor([[0.0, -1e9, 0.0]])
    for number in (0.0, 1 - 1e-16):
        token = choose(logits, torch.tensor([number], dtype=torch.double), 1.0, 1.0)
        assert int(token) in (0, 2)


def by_hand(shares: list[float], draw: float, top_p: float) -> int:
    """Choose a token as the definition says, in plain Python."""
    counted = [int(share * 2**40) for share in shares]
    kept = [
        count
        if sum(c for c, s in zip(counted, shares, strict=True) if s > share) < int(top_p * 2**40)
        else 0
        for count, share in zip(counted, shares, strict=True)
    ]
    target, reach = min(int(draw * sum(kept)), sum(kept) - 1), 0
    for token, count in enumerate(kept):
        reach += count
        if reach > target:
            return token
    raise AssertionError("nothing lies there")


def shares_of(rows: int, vocabulary: int, dtype: torch.dtype, flat: float) -> torch.Tensor:
    """Return probabilities of random logits; in bf16 many are equal."""
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(rows, vocabulary, generator=generator) / flat
    return torch.softmax(logits.to(dtype).float(), -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("flat", [0.15, 1.0, 100.0])
@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.95])
def test_the_likeliest_tokens_give_the_draws_of_the_whole_vocabulary(dtype, flat, top_p):
    shares = shares_of(60, 300, dtype, flat)
    draws = torch.rand(60, dtype=torch.double, generator=torch.Generator().manual_seed(12))
    whole = nucleus(shares, draws, top_p, 300)
    for likeliest in (1, 2, 16, 100, 299, 1000):
        assert torch.equal(nucleus(shares, draws, top_p, likeliest), whole), likeliest
    expected = [by_hand(*pair, top_p) for pair in zip(shares.tolist(), draws.tolist(), strict=True)]
    assert whole.tolist() == expected


def test_those_draws_come_from_both_ways():
    """In the test above some rows are held by the likeliest tokens, and some are not."""
    for flat, expected in ((0.15, True), (100.0, False)):
        shares = shares_of(60, 300, torch.float32, flat)
        held = shares.topk(16, -1).values.sum(-1) > 0.95
        assert bool(held.float().mean() > 0.5) == expected


def test_equally_likely_tokens_are_kept_together():
    shares = torch.tensor([[0.25, 0.125, 0.125, 0.5]])
    draws = torch.arange(64, dtype=torch.double) / 64
    chosen = nucleus(shares.expand(64, -1), draws, 0.8, 2)
    assert set(chosen.tolist()) == {0, 1, 2, 3}
    assert set(nucleus(shares.expand(64, -1), draws, 0.75, 2).tolist()) == {0, 3}


def test_a_diverged_models_tokens_are_in_the_vocabulary():
    for top_p in (0.9, 1.0):
        chosen = choose(torch.full((3, 9), torch.nan), torch.rand(3), 0.6, top_p)
        assert ((chosen >= 0) & (chosen < 9)).all()
