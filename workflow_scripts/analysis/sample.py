"""A curve's data as the methods need it: levels by size, and draws of their joint error."""

from dataclasses import dataclass

import numpy as np

from analysis import noise as training
from analysis.load import METRICS, Evaluation
from analysis.resample import problem_weights


@dataclass
class Levels:
    """Levels at sizes (ascending, 0 first where the start was scored) and their joint error.

    `estimate` (sizes,) is the mean over replicates; `draws` (draws, sizes) scatter round it as the
    estimate scatters round the truth, over problems, answers and (where known) training seeds.
    `replicates` counts the runs; `seeds` lists (size, seed, level); `problem_means` is
    (sizes, problems), over samples and replicates.
    """

    sizes: np.ndarray
    estimate: np.ndarray
    draws: np.ndarray
    replicates: np.ndarray
    seeds: list[tuple]
    problem_means: np.ndarray
    noise: dict | None

    @property
    def sd(self) -> np.ndarray:
        """Standard error of each level."""
        return self.draws.std(axis=0)


def levels(
    arms: list[Evaluation],
    metric: str,
    draws: int,
    seed: int,
    noise: dict | None = None,
    bounded: bool = True,
) -> Levels:
    """Gather arms of one axis (one or more replicates a size) into levels with joint draws.

    `noise` stands in for the training noise where no size has two replicates. The start (size 0)
    is one given model, not one of many runs, so it carries no training noise.
    """
    by_size: dict[int, list[Evaluation]] = {}
    for arm in arms:
        size = int(arm.setting["size"])
        if size or not by_size.get(0):
            by_size.setdefault(size, []).append(arm)
    sizes = np.array(sorted(by_size))
    values = [np.array([arm.mean(metric) for arm in by_size[size]]) for size in sizes]
    return from_values(
        sizes,
        values,
        draws,
        seed,
        noise=noise,
        bounded=bounded,
        stream=METRICS.index(metric),
        seeds=[[arm.setting["seed"] for arm in by_size[size]] for size in sizes],
    )


def from_values(
    sizes: np.ndarray,
    values: list[np.ndarray],
    draws: int,
    seed: int,
    *,
    noise: dict | None = None,
    bounded: bool = True,
    seeds: list[list] | None = None,
    stream: int = 0,
) -> Levels:
    """Build levels from per-problem values, one (replicates, problems) array a size.

    A problem without a value in some arm is left out of all, so that levels stay paired.
    """
    known = np.all([np.isfinite(item).all(axis=0) for item in values], axis=0)
    if not known.any():
        raise ValueError("no problem has a value in every arm of this axis")
    values = [item[:, known] for item in values]
    means = np.array([item.mean(axis=0) for item in values])
    estimate = means.mean(axis=1)
    runs = np.array([len(item) for item in values])
    scales = np.array([training.logit_scale(item) if bounded else 1.0 for item in estimate])
    groups = [
        training.replicates(item, scale)
        for item, scale, size in zip(values, scales, sizes, strict=True)
        if len(item) > 1 and size
    ]
    own = training.pooled(groups) if bounded else None
    noise = own or noise
    rng = np.random.default_rng([seed, 1, stream])
    tau2 = training.draw_variances(noise, draws, rng)
    spread = np.sqrt(tau2[:, None] * (scales / runs * (sizes > 0))[None, :])
    luck = spread * rng.standard_normal((draws, len(sizes)))
    resampled = problem_weights(means.shape[1], draws, seed) @ means.T + luck
    if bounded:
        resampled = np.clip(resampled, 0.0, 1.0)
    names = seeds or [list(range(len(item))) for item in values]
    runs_seen = [
        (int(size), name, float(item.mean()))
        for size, item, row in zip(sizes, values, names, strict=True)
        for name, item in zip(row, item, strict=True)
    ]
    return Levels(sizes, estimate, resampled, runs, runs_seen, means, noise)
