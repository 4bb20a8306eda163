"""The families of curves, each linear in some coefficients given a few shape parameters.

With the shape held, the best coefficients are a small least-squares problem (variable projection,
Golub & Pereyra 1973). So a family is a bank of shapes (a fixed low-discrepancy set inside bounds:
the multi-start) and a design matrix; fitting tries the whole bank for all draws at once.

Sizes are numbers of examples. Size 0 is never put under a logarithm: a family either gives the
start a level of its own or starts from it as its limit for N → 0 (constant, valleys, two breaks).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Family:
    """A family of curves.

    `design(shapes, sizes)` maps (shapes, q) and (n,) to (shapes, n, coefficients). `bounds(low,
    high)` gives the q bounds for log sizes between low and high. `nonnegative` marks coefficients
    that may not fall below 0. `own_level` says that the start has a level of its own, which tells
    nothing about the rest.
    """

    name: str
    label: str
    parameters: int
    bank_size: int
    bounds: Callable[[float, float], list[tuple[float, float]]]
    design: Callable[[np.ndarray, np.ndarray], np.ndarray]
    nonnegative: tuple[bool, ...]
    own_level: bool
    coefficients: tuple[str, ...]
    shapes: tuple[str, ...]


def _log(sizes: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(sizes, float))


def _columns(count: int, *columns: np.ndarray) -> np.ndarray:
    return np.stack([np.broadcast_to(c, (count, np.shape(c)[-1])) for c in columns], axis=-1)


def _constant(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return _columns(len(shapes), np.ones((1, len(sizes))))


def _polynomial(degree: int) -> Callable:
    def design(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        start = np.asarray(sizes) == 0
        x = np.where(start, 0.0, _log(np.where(start, 1.0, sizes)) / np.log(10))
        powers = [np.where(start, 0.0, x**power)[None] for power in range(degree + 1)]
        return _columns(len(shapes), start.astype(float)[None], *powers)

    return design


def _valley(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Level bottom + fall to x0, straight down to the bottom at x1, straight up from there."""
    x = _log(sizes)[None]
    first, bottom = shapes[:, :1], shapes[:, :1] + shapes[:, 1:2]
    done = np.clip((np.maximum(x, -1e3) - first) / (bottom - first), 0.0, 1.0)
    return _columns(len(shapes), np.ones_like(done), 1 - done, np.maximum(x - bottom, 0.0))


def _smooth_valley(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """A logistic step down of width w round x0, and a rise that sets in round x0 + gap."""
    x = np.maximum(_log(sizes)[None], -1e3)
    middle, gap, width = shapes[:, :1], shapes[:, 1:2], shapes[:, 2:3]
    fallen = _logistic((x - middle) / width)
    rise = width * np.logaddexp(0.0, (x - middle - gap) / width)
    return _columns(len(shapes), np.ones_like(fallen), 1 - fallen, rise)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * value))


def _break(x: np.ndarray, at: np.ndarray, slope: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """log of (1 + (N / d)^(1/f))^(-c f): one break of Caballero et al. 2022, equation 1."""
    return -slope * sharp * np.logaddexp(0.0, (x - at) / sharp)


def _bnsl1(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Level of the start; a + b N^-c0 (1 + (N/d1)^(1/f1))^(-c1 f1) for N > 0."""
    start = (np.asarray(sizes) == 0)[None]
    x = np.where(start, 0.0, _log(np.where(start[0], 1.0, sizes))[None])
    c0, c1, d1, f1 = (shapes[:, i : i + 1] for i in range(4))
    power = -c0 * (x - d1) + _break(x, d1, c1, f1)
    curve = np.where(start, 0.0, np.exp(np.clip(power, -50, 50)))
    return _columns(len(shapes), start.astype(float), np.where(start, 0.0, 1.0), curve)


def _bnsl2(shapes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """a + b (1 + (N/d1)^(1/f1))^(-c1 f1) (1 + (N/d2)^(1/f2))^(-c2 f2), at a + b for N = 0."""
    x = np.maximum(_log(sizes)[None], -1e3)
    c1, d1, f1, c2, gap, f2 = (shapes[:, i : i + 1] for i in range(6))
    power = _break(x, d1, c1, f1) + _break(x, d1 + gap, c2, f2)
    return _columns(len(shapes), np.ones_like(power), np.exp(np.clip(power, -50, 50)))


def _none(low: float, high: float) -> list[tuple[float, float]]:
    return []


FAMILIES = {
    family.name: family
    for family in (
        Family("constant", "constant", 1, 1, _none, _constant, (False,), False, ("level",), ()),
        Family(
            "loglinear",
            "log-linear",
            3,
            1,
            _none,
            _polynomial(1),
            (False, False, False),
            True,
            ("start", "intercept", "slope_per_decade"),
            (),
        ),
        Family(
            "quadratic",
            "quadratic in log N",
            4,
            1,
            _none,
            _polynomial(2),
            (False,) * 4,
            True,
            ("start", "intercept", "linear", "square"),
            (),
        ),
        Family(
            "valley",
            "valley (piecewise)",
            5,
            512,
            lambda low, high: [(low - 2.0, high - 0.3), (0.2, high - low + 2.0)],
            _valley,
            (True, True, True),
            False,
            ("bottom_level", "fall", "rise_per_e"),
            ("log_first", "log_fall_width"),
        ),
        Family(
            "smooth_valley",
            "valley (smooth)",
            6,
            768,
            lambda low, high: [(low - 1.5, high), (0.0, high - low + 1.0), (0.1, 1.5)],
            _smooth_valley,
            (True, True, True),
            False,
            ("floor", "fall", "rise_per_e"),
            ("log_middle", "log_gap", "width"),
        ),
        Family(
            "bnsl1",
            "BNSL, one break",
            7,
            1536,
            lambda low, high: [(-1.2, 1.2), (-2.0, 2.0), (low, high), (0.05, 1.5)],
            _bnsl1,
            (False, False, False),
            True,
            ("start", "a", "b"),
            ("c0", "c1", "log_d1", "f1"),
        ),
        Family(
            "bnsl2",
            "BNSL, two breaks",
            8,
            2048,
            lambda low, high: [
                (0.1, 3.0),
                (low - 1.0, high),
                (0.05, 1.2),
                (-3.0, 0.0),
                (0.0, high - low),
                (0.05, 1.2),
            ],
            _bnsl2,
            (True, True),
            False,
            ("a", "b"),
            ("c1", "log_d1", "f1", "c2", "log_gap", "f2"),
        ),
    )
}


def bank(family: Family, low: float, high: float, count: int | None = None) -> np.ndarray:
    """Return the family's shapes (shapes, q): a Halton set inside its bounds, always the same."""
    bounds = family.bounds(low, high)
    if not bounds:
        return np.zeros((1, 0))
    from scipy.stats import qmc

    unit = qmc.Halton(len(bounds), scramble=False).random(count or family.bank_size)
    lower, upper = np.array(bounds).T
    return lower + unit * (upper - lower)
