"""pass@k: the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, equation 1)."""

import numpy as np


def pass_at_k(accepted: np.ndarray, samples: np.ndarray, k: int) -> np.ndarray:
    """Return each problem's estimate of the chance that one of k samples is accepted.

    `accepted` and `samples` are counts of one shape; the result has that shape, in [0, 1], and is
    NaN where fewer than k samples exist: there the estimator is not defined.

    1 - C(n-c, k) / C(n, k), as a product of k factors (n-c-i) / (n-i), which never overflows.
    """
    if k < 1:
        raise ValueError(f"pass@k needs k ≥ 1, not {k}")
    accepted = np.asarray(accepted, float)
    samples = np.asarray(samples, float)
    if np.any(accepted > samples) or np.any(accepted < 0):
        raise ValueError("pass@k: a problem has more accepted samples than samples")
    miss = np.ones(np.broadcast(accepted, samples).shape)
    for i in range(k):
        with np.errstate(divide="ignore", invalid="ignore"):
            miss = miss * np.clip((samples - accepted - i) / (samples - i), 0.0, None)
    return np.where(samples >= k, 1.0 - miss, np.nan)
