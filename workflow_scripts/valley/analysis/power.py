"""What would decide an undecided claim: power by simulation, one lever at a time."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from valley.analysis.resample import Z

POWER = 0.8
REACH = 0.841621  # the standard normal's 80 % point
FACTORS = (1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
DRAWS = 4000


def spread(parts: dict, problems: float = 1, samples: float = 1, seeds: float = 1) -> float:
    """Return a read-out's standard error with each lever multiplied by a factor.

    More problems shrink the problem and answer parts, more samples the answer part, more seeds the
    seed part and the answer part (each seed brings answers of its own).
    """
    evaluation = parts["problem"] + (parts["answers"] or 0.0) / (samples * seeds)
    return float(np.sqrt(evaluation / problems + (parts["seed"] or 0.0) / seeds))


def chance(parts: dict, estimate: float, decides: Callable, seed: int, **factors: float) -> float:
    """Return the chance that `decides(estimates, errors)` is met if the truth is `estimate`."""
    error = spread(parts, **factors)
    return float(np.mean(decides(estimate + error * _normal(seed), error)))


@lru_cache(maxsize=4)
def _normal(seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 11]).standard_normal(DRAWS)


def needed(parts: dict | None, estimate: float | None, decides: Callable, seed: int) -> dict | None:
    """Return how many problems, samples or seeds alone would decide with 80 % power.

    None for a lever that does not get there within 64 times what was run (the rest is then noise
    that it does not reduce, or the estimate lies too near the rule's border). `decidable` is how
    far from a border a true value must lie for the study as it stands to decide it. `seeds` is also
    None where training noise is not known: nobody can say then what more seeds would buy. None
    altogether where the results do not vary at all, so that nothing can be said.
    """
    if parts is None or estimate is None or spread(parts) < 1e-9:
        return None
    out: dict = {"power": POWER, "assuming": estimate}
    now = {"problems": "problems", "samples": "samples", "seeds": "replicates"}
    for lever, key in now.items():
        out[lever] = None
        if lever == "seeds" and parts["seed"] is None:
            continue
        if lever == "samples" and parts["answers"] is None:
            continue
        for factor in FACTORS:
            count = int(np.ceil(parts[key] * factor))
            real = count / parts[key]
            if chance(parts, estimate, decides, seed, **{lever: real}) >= POWER:
                out[lever] = count
                break
    together = [
        f for f in FACTORS if chance(parts, estimate, decides, seed, seeds=f, problems=f) >= POWER
    ]
    out["decidable"] = (Z + REACH) * spread(parts)
    out["problems_and_seeds_times"] = together[0] if together else None
    out["now"] = {lever: parts[key] for lever, key in now.items()}
    return out


def outside(low: float, high: float, z: float = Z) -> Callable:
    """Return the rule "the interval lies entirely above `high` or below `low`"."""
    return lambda value, error: (value - z * error > high) | (value + z * error < low)


def inside_or_beyond(margin: float) -> Callable:
    """Return the rule "equivalent within the margin (90 % interval), or beyond it (95 %)"."""

    def decides(value: np.ndarray, error: float) -> np.ndarray:
        equal = np.abs(value) + 1.644854 * error < margin
        return equal | (np.abs(value) - Z * error > margin)

    return decides
