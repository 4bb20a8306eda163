"""Whole studies drawn from a known truth: the yardstick of every method here.

A problem has a difficulty, an arm an ability, a run a luck; an answer is accepted with log-odds
ability - difficulty + luck + what this arm happens to think of this problem. Levels are set so that
the *mean over problems and runs* equals the wanted truth exactly (by quadrature), which makes the
truth of every read-out known.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

WORLDS = ("logistic", "beta")
IMPOSSIBLE = 1 / 3  # of the problems, in the world "beta"
SPREAD = 0.6  # a + b of its Beta distributions: below 2 they are U-shaped
ALIKE = 0.8  # how far arms agree on which problems are hard


@dataclass(frozen=True)
class Design:
    """How a study is run: problems, samples each, replicates, and how much things vary.

    The three sds are in log-odds: between problems (shared by all arms), between runs of one arm,
    and what one arm makes of one problem (half its variance shared by the arm's runs, half each
    run's own). `problem_sd` 2 gives benchmarks on which
    most problems are either mostly solved or mostly not. `world` names how answers come about:
    "logistic" as above, or "beta", which shares none of the analysis' assumptions (`_beta_arm`).
    """

    problems: int = 250
    samples: int = 4
    replicates: int = 2
    problem_sd: float = 2.0
    run_sd: float = 0.12
    interaction_sd: float = 0.6
    world: str = "logistic"


@lru_cache(maxsize=8)
def _abilities(total_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a table from ability to level: E[logistic(ability + total_sd Z)]."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()
    ability = np.linspace(-16, 16, 3201)
    levels = (weights / (1 + np.exp(-(ability[:, None] + total_sd * nodes)))).sum(axis=1)
    return ability, levels


def ability_of(level: np.ndarray, design: Design) -> np.ndarray:
    """Return the ability whose mean level over problems, runs and interactions is `level`."""
    total = float(np.sqrt(design.problem_sd**2 + design.run_sd**2 + design.interaction_sd**2))
    ability, levels = _abilities(total)
    return np.interp(level, levels, ability)


def draw_arms(
    levels: np.ndarray, runs: np.ndarray, design: Design, rng: np.random.Generator, fixed=()
) -> list[np.ndarray]:
    """Return accepted shares for each level: a list of (runs, problems) arrays, one study.

    `fixed` names indices of `levels` that are one given model: its luck is part of what it is, so
    its level is exact over problems (no run noise).
    """
    problems = draw_problems(design, rng)
    return [
        draw_arm(level, int(count), design, problems, rng, i in fixed)
        for i, (level, count) in enumerate(zip(levels, runs, strict=True))
    ]


def draw_problems(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what all arms share of the problems: which are possible at all, and how hard each is.

    Raises:
        ValueError: there is no such world.
    """
    if design.world == "beta":
        possible = rng.random(design.problems) >= IMPOSSIBLE
        return possible, rng.standard_normal(design.problems)
    if design.world != "logistic":
        raise ValueError(f"no world {design.world!r}; there are {', '.join(WORLDS)}")
    every = np.ones(design.problems, bool)
    return every, design.problem_sd * rng.standard_normal(design.problems)


def draw_arm(
    level: float,
    runs: int,
    design: Design,
    problems: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    fixed: bool = False,
) -> np.ndarray:
    """Return one arm's accepted shares, (runs, problems), on problems from `draw_problems`."""
    if design.world == "beta":
        return _beta_arm(level, runs, design, problems, rng, fixed)
    # A run's luck moves the level; a fixed model's is folded into the interaction instead, so
    # that the same table gives its level.
    shape = (runs, design.problems)
    luck = design.run_sd * rng.standard_normal((runs, 1))
    half = design.interaction_sd / np.sqrt(2)
    other = half * (rng.standard_normal(shape) + rng.standard_normal((1, shape[1])))
    if fixed:
        luck = design.run_sd * rng.standard_normal(shape)
    odds = ability_of(level, design) + problems[1] + luck + other
    return rng.binomial(design.samples, 1 / (1 + np.exp(-odds))) / design.samples


def _beta_arm(level, runs: int, design: Design, problems, rng, fixed: bool) -> np.ndarray:
    """Draw an arm whose problems have U-shaped chances, a third of them none at all.

    A problem's chance is a quantile of a Beta distribution with the arm's mean; which quantile is
    mostly shared by all arms (`ALIKE`), the rest is the arm's and the run's own. A run's luck moves
    its mean, not its log-odds, and most where a level is about to rise: at 0.12.
    """
    from scipy.special import betaincinv, ndtr

    possible, hard = problems
    shape = (runs, design.problems)
    luck = design.run_sd * luck_at(float(level)) * rng.standard_normal((runs, 1))
    # No further down than up: the mean over runs is the level also where that is near 0.
    room = max(min(level, 1 - IMPOSSIBLE - level), 0.0)
    mean = level + (0.0 if fixed else np.clip(luck, -room, room))
    # The chances' mean over all problems is the level: possible ones make up for the others.
    mean = np.clip(mean / (1 - IMPOSSIBLE), 1e-3, 1 - 1e-3)
    own = (rng.standard_normal(shape) + rng.standard_normal((1, shape[1]))) / np.sqrt(2)
    rank = ndtr(np.sqrt(ALIKE) * hard + np.sqrt(1 - ALIKE) * own)
    chance = possible * betaincinv(SPREAD * mean, SPREAD * (1 - mean), rank)
    return rng.binomial(design.samples, chance) / design.samples


def luck_at(level: float) -> float:
    """Return how far a run's noise of 1 moves a level in the world "beta"; most at the onset."""
    odds = np.log(max(level, 1e-3) / (1 - min(level, 0.999)) / (0.12 / 0.88))
    return float(0.12 + 0.18 * np.exp(-0.5 * (odds / 0.6) ** 2))


# Levels at 0 and eight sizes that reading a lowest size is hard for.
SHAPES = {
    "plateau": (0.42, 0.30, 0.14, 0.14, 0.14, 0.14, 0.14, 0.25, 0.45),
    "double dip": (0.42, 0.30, 0.13, 0.24, 0.30, 0.22, 0.13, 0.28, 0.45),
    "collapse": (0.42, 0.40, 0.38, 0.36, 0.36, 0.38, 0.40, 0.38, 0.12),
    "half, at last": (0.42, 0.40, 0.38, 0.36, 0.36, 0.38, 0.40, 0.38, 0.21),
    "half, and no more": (0.40, 0.36, 0.28, 0.20, 0.20, 0.20, 0.20, 0.30, 0.20),
    "as Llama's": (0.13, 0.024, 0.04, 0.30),
    "as Qwen's": (0.24, 0.10, 0.18, 0.31),
}


def shape(name: str, sizes: np.ndarray):
    """Return one of SHAPES as a function from sizes to levels, straight in log N between them.

    Args:
        name: of the shape.
        sizes: where its levels stand, 0 first.
    """
    x, y = np.log(sizes[1:].astype(float)), np.array(SHAPES[name])
    return lambda at: np.where(
        np.asarray(at) == 0, y[0], np.interp(np.log(np.maximum(at, 1e-9)), x, y[1:])
    )


def valley_truth(
    sizes: np.ndarray,
    base: float = 0.42,
    bottom: float = 0.12,
    at: float = 128.0,
    rise: float = 0.11,
    first: float = 8.0,
    top: float = 0.85,
) -> np.ndarray:
    """Return a smooth valley's levels: base at 0, a bottom near `at`, a bent rise, a ceiling."""
    sizes = np.asarray(sizes, float)
    x = np.log(np.maximum(sizes, 1e-9))
    fall = np.clip((x - np.log(first)) / (np.log(at) - np.log(first)), 0, 1)
    after = np.maximum(x - np.log(at), 0.0)
    value = base + (bottom - base) * fall * fall * (3 - 2 * fall) + rise * after**1.15
    return np.minimum(value, top)


KINDS = ("valley", "bnsl", "loglinear", "plateau")


def random_curve(kind: str, rng: np.random.Generator):
    """Return a curve of this kind with parameters of its own: a function from sizes to levels.

    Kinds: a smooth valley; a broken neural scaling law with two breaks (fall, then power-law rise);
    log-linear; and a fall followed by a logistic rise to a plateau.
    """
    if kind == "valley":
        base = rng.uniform(0.25, 0.5)
        settings = {
            "base": base,
            "bottom": base * rng.uniform(0.05, 0.6),
            "at": np.exp(rng.uniform(np.log(50), np.log(400))),
            "rise": rng.uniform(0.05, 0.14),
            "first": np.exp(rng.uniform(np.log(4), np.log(16))),
            "top": 0.95,
        }
        return lambda sizes: valley_truth(sizes, **settings)
    if kind == "bnsl":
        return _bnsl_curve(rng)
    if kind == "loglinear":
        base, low, slope = rng.uniform(0.1, 0.4), rng.uniform(0.03, 0.25), rng.uniform(0.02, 0.08)
        return lambda sizes: np.where(
            np.asarray(sizes) == 0,
            base,
            np.minimum(low + slope * np.log(np.maximum(sizes, 1) / 16), 0.95),
        )
    if kind == "plateau":
        base, floor = rng.uniform(0.2, 0.4), rng.uniform(0.02, 0.1)
        height, steep = rng.uniform(0.25, 0.5), rng.uniform(0.8, 2.0)
        middle = rng.uniform(np.log(100), np.log(1200))
        return lambda sizes: np.where(
            np.asarray(sizes) == 0,
            base,
            floor + height / (1 + np.exp(-steep * (np.log(np.maximum(sizes, 1e-3)) - middle))),
        )
    raise ValueError(f"no kind of curve {kind!r}; there are {', '.join(KINDS)}")


def _bnsl_curve(rng: np.random.Generator):
    while True:
        base, first = rng.uniform(0.2, 0.5), np.exp(rng.uniform(np.log(10), np.log(50)))
        second = np.exp(rng.uniform(np.log(80), np.log(600)))
        fall, gain = rng.uniform(0.5, 1.5), rng.uniform(0.2, 0.6)
        sharp = rng.uniform(0.2, 0.8, 2)

        def curve(sizes, b=base, d=(first, second), c=(fall, -fall - gain), f=tuple(sharp)):
            sizes = np.asarray(sizes, float)
            value = np.full(sizes.shape, b)
            for at, slope, width in zip(d, c, f, strict=True):
                value = value * (1 + (sizes / at) ** (1 / width)) ** (-slope * width)
            return np.minimum(value, 0.95)

        if 0.15 < curve(4096) < 0.9:
            return curve
