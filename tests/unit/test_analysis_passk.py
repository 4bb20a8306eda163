"""pass@k against its definition, and the edges where it is not defined."""

from itertools import combinations

import numpy as np
import pytest
from valley.analysis.passk import pass_at_k


@pytest.mark.parametrize("samples", [1, 2, 5, 7])
def test_equals_the_share_of_subsets_with_an_accepted_sample(samples):
    for accepted in range(samples + 1):
        for k in range(1, samples + 1):
            subsets = list(combinations(range(samples), k))
            truth = np.mean([min(subset) < accepted for subset in subsets])
            assert pass_at_k(np.array([accepted]), np.array([samples]), k)[0] == pytest.approx(
                truth
            )


def test_k_above_the_samples_is_not_defined():
    assert np.isnan(pass_at_k(np.array([3]), np.array([3]), 4)[0])


def test_pass_at_k_is_unbiased():
    rng = np.random.default_rng(0)
    accepted = rng.binomial(6, 0.3, 200_000)
    estimate = pass_at_k(accepted, np.full(200_000, 6), 3).mean()
    assert estimate == pytest.approx(1 - 0.7**3, abs=0.003)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="more accepted"):
        pass_at_k(np.array([4]), np.array([3]), 1)
    with pytest.raises(ValueError, match="k ≥ 1"):
        pass_at_k(np.array([1]), np.array([3]), 0)
