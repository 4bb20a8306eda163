"""A curve's data as the methods need it: levels by size, and draws of their joint error."""

from dataclasses import dataclass, field

import numpy as np

from valley.analysis import few
from valley.analysis import noise as training
from valley.analysis.load import METRICS, Evaluation
from valley.analysis.resample import over_replicates, resampled_means


@dataclass
class Levels:
    """Levels at sizes (ascending, 0 first where the start was scored) and their joint error.

    `estimate` (sizes,) is the mean over replicates; `draws` (draws, sizes) scatter round it as the
    estimate scatters round the truth, over problems, answers and (where known) training seeds.
    `replicates` counts the runs; `seeds` lists (size, seed, level); `problem_means` is
    (sizes, problems), over samples and replicates, NaN where nothing was judged. `answers`
    (sizes,) is the part of each level's variance that more samples would remove (None with one
    sample: not known), `luck` (sizes,) the part that more replicates would, `luck_draws`
    (draws, sizes) draws of it by itself. `scales` (sizes,) are the squared responses to a training
    shift; `groups` the replicates behind `noise`, for others to pool.
    """

    sizes: np.ndarray
    estimate: np.ndarray
    draws: np.ndarray
    replicates: np.ndarray
    seeds: list[tuple]
    problem_means: np.ndarray
    noise: dict | None
    answers: np.ndarray | None = None
    luck: np.ndarray | None = None
    luck_draws: np.ndarray | None = None
    samples: int = 1
    scales: np.ndarray | None = None
    groups: list = field(default_factory=list)

    @property
    def missing(self) -> list[int]:
        """Problems without a judged answer, at each size."""
        return (~np.isfinite(self.problem_means)).sum(axis=1).tolist()

    @property
    def sd(self) -> np.ndarray:
        """Standard error of each level."""
        return self.draws.std(axis=0)

    @property
    def intervals(self) -> list[list[float]]:
        """95 % interval of each level; it holds the estimate also where that is 0 or 1."""
        low, high = np.percentile(self.draws, [2.5, 97.5], axis=0)
        ends = np.minimum(low, self.estimate), np.maximum(high, self.estimate)
        return np.stack(ends, axis=1).tolist()


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
    counted = [
        max(
            int((arm.judged if metric == "pass@1" else arm.samples).max(initial=1)) for arm in group
        )
        for group in (by_size[size] for size in sizes)
    ]
    return from_values(
        sizes,
        values,
        draws,
        seed,
        noise=noise,
        bounded=bounded,
        stream=METRICS.index(metric),
        samples=counted,
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
    samples: int | list[int] = 1,
) -> Levels:
    """Build levels from per-problem values, one (replicates, problems) array a size.

    A problem without a value in an arm (NaN: the judge failed) is left out of that arm only, so a
    level is the arm's score. `samples` is the number of answers a problem, of all or of each size.

    Raises:
        ValueError: a size has no value at all.
    """
    sample_counts = np.broadcast_to(np.asarray(samples), (len(sizes),))
    means = np.array([over_replicates(item) for item in values])
    known = np.isfinite(means)
    if not known.any(axis=1).all():
        empty = [int(size) for size, any_ in zip(sizes, known.any(axis=1), strict=True) if not any_]
        raise ValueError(f"no problem has a value at size {', '.join(map(str, empty))}")
    estimate = np.nanmean(means, axis=1)
    runs = np.array([len(item) for item in values])
    scales = np.array(
        [
            training.scale(item, int(count)) if bounded else 1.0
            for item, count in zip(values, sample_counts, strict=True)
        ]
    )
    each = [
        training.replicates(item, scale) if len(item) > 1 and size else None
        for item, scale, size in zip(values, scales, sizes, strict=True)
    ]
    groups = [one for one in each if one]
    noise = (training.pooled(groups) or noise) if bounded else None
    rng = np.random.default_rng([seed, 1, stream])
    luck = training.luck(noise, estimate, scales * (sizes > 0), runs, draws, rng, each)
    problems = known.sum(axis=1)
    wide = np.array([few.stretch(int(count)) for count in problems])
    evaluated = resampled_means(means, draws, seed)
    evaluated = np.where(np.isfinite(evaluated), evaluated, estimate)
    resampled = estimate + wide * (evaluated - estimate)
    resampled += _bent(luck, estimate) if bounded else luck
    if bounded:
        resampled = np.clip(resampled, 0.0, 1.0)
        _loosen(resampled, means, rng)
    names = seeds or [list(range(len(item))) for item in values]
    runs_seen = [
        (int(size), name, float(np.nanmean(item)))
        for size, item, row in zip(sizes, values, names, strict=True)
        for name, item in zip(row, item, strict=True)
        if np.isfinite(item).any()
    ]
    answers = None
    if bounded and sample_counts.min() > 1:
        each = [np.nanmean(item * (1 - item)) for item in values]
        answers = np.array(each) / (sample_counts - 1) / runs / problems
    return Levels(
        sizes=sizes,
        estimate=estimate,
        draws=resampled,
        replicates=runs,
        seeds=runs_seen,
        problem_means=means,
        noise=noise,
        answers=answers,
        luck=training.effective(luck),
        luck_draws=luck,
        scales=scales,
        groups=groups if bounded else [],
        samples=int(sample_counts.max()),
    )


def _bent(luck: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Return (draws, sizes) noise that is larger in the middle of [0, 1] than at its ends.

    A run's luck at a level grows with how far the level is from 0 and 1; an estimate that came out
    too low would show too little of it. On the scale of arcsin sqrt it is alike on both sides.
    """
    inside = np.clip(estimate, 0.005, 0.995)
    slope = 2 * np.sqrt(inside * (1 - inside))
    angle = np.arcsin(np.sqrt(estimate))
    return np.sin(np.clip(angle + luck / slope, 0.0, np.pi / 2)) ** 2 - estimate


def _loosen(draws: np.ndarray, means: np.ndarray, rng: np.random.Generator) -> None:
    """Give levels of exactly 0 or 1 a spread, in place: resampling sees none.

    Exponential with mean 1 / problems: its 95 % point is the "rule of three", with a problem's
    samples counted as one trial.
    """
    known = np.isfinite(means)
    for end, sign in ((0.0, 1.0), (1.0, -1.0)):
        stuck = np.flatnonzero(((means == end) | ~known).all(axis=1))
        scatter = rng.exponential(1 / known[stuck].sum(axis=1), (len(draws), len(stuck)))
        draws[:, stuck] = np.clip(end + sign * scatter, 0.0, 1.0)
    for alone in np.flatnonzero(known.sum(axis=1) == 1):  # one problem tells no spread at all
        draws[:, alone] = rng.random(len(draws))


def variance_parts(data: Levels, gradient: np.ndarray) -> dict:
    """Split the variance of a linear read-out (gradient over sizes) by what would reduce it.

    `problem`: only more problems; `answers`: more samples too (None: not known, then it is inside
    `problem`); `seed`: more replicates (None where training noise is not known).
    """
    used = data.problem_means[gradient != 0]
    values = gradient[gradient != 0] @ used[:, np.isfinite(used).all(axis=0)]
    problems = data.problem_means.shape[1]
    total = float(values.var(ddof=1) / problems) if len(values) > 1 else 0.0
    answers = None if data.answers is None else float((gradient**2 * data.answers).sum())
    return {
        "problem": max(total - (answers or 0.0), 0.0),
        "answers": answers,
        "seed": None if data.noise is None else float((gradient**2 * data.luck).sum()),
        "problems": problems,
        "samples": data.samples,
        "replicates": int(np.median(data.replicates[data.sizes > 0])),
    }
