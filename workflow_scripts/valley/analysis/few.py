"""Intervals of few problems: resampling them is too narrow, and says nothing of the rare ones.

Draws are stretched about their estimate, first by Student's t with the small-sample correction of
the variance, then until they agree with the exact sign-flip test, where so few problems differ that
all flips can be counted. Below `FEW` problems no interval is worth the name.
"""

from functools import lru_cache

import numpy as np

from valley.analysis.resample import Z

FEW = 10  # problems from which on the stretched intervals hold (docs/statistics.md)
EXACT = 14  # differing problems up to which every flip of signs is counted
REFUSAL = "{} problems are too few for an interval; it takes 10"


def refusal(problems: int | None) -> str:
    """Return why there are too few problems for an interval, or "" if there are enough."""
    return "" if problems is None or problems >= FEW else REFUSAL.format(problems)


@lru_cache(maxsize=64)
def stretch(problems: int) -> float:
    """Return how much wider than resampled an interval of so many problems must be."""
    if problems < 2:
        return 1.0
    from scipy.stats import t

    return float(np.sqrt(problems / (problems - 1)) * t.ppf(0.975, problems - 1) / Z)


@lru_cache(maxsize=1)
def _flips() -> np.ndarray:
    return ((np.arange(2**EXACT)[:, None] >> np.arange(EXACT)) & 1) * 2 - 1


def exact_p(differences: np.ndarray) -> float | None:
    """Return the exact two-sided sign-flip p of differences, None where too many are not 0."""
    moved = differences[differences != 0]
    if len(moved) > EXACT:
        return None
    flips = _flips()[: 2 ** len(moved), : len(moved)]
    return float(np.mean(np.abs(flips @ moved) >= abs(moved.sum()) - 1e-12))


def widened(draws: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """Return draws of a mean difference (draws,), centred at 0, as wide as few problems ask for."""
    error = (draws - draws.mean()) * stretch(len(differences))
    p = exact_p(differences)
    if p is None or p > 0.9:
        return error
    reach = float(np.quantile(np.abs(error), 1 - p))
    need = abs(float(differences.mean())) / reach if reach > 0 else 1.0
    return error * min(max(need, 1.0), 4.0)
