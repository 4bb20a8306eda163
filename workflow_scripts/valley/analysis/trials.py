"""Simulated studies put through the methods, and how often the methods were right."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from valley.analysis import contrasts, interactions, readouts, valleys
from valley.analysis import noise as training
from valley.analysis.contrasts import Pair
from valley.analysis.sample import Levels, from_values
from valley.analysis.simulate import Design, draw_arms

MARGIN = 0.02
TARGET = 0.35
SIZES = np.array([0, 16, 35, 78, 172, 380, 840, 1855, 4096])


@dataclass(frozen=True)
class Truth:
    """A known curve: levels of any sizes, and the read-outs that follow from it."""

    name: str
    curve: object

    def at(self, sizes) -> np.ndarray:
        """Return the true levels at sizes."""
        return np.asarray(self.curve(np.asarray(sizes, float)), float)

    def readouts(self, sizes: np.ndarray) -> dict:
        """Return depth, share, bottom, recovery, target and bend on this grid of sizes.

        Depth and bottom are those of the sizes that are run (as the read-outs promise), recovery
        and target those of the curve itself.
        """
        levels = self.at(sizes)
        base, above = levels[0], levels[1:]
        low = int(above.argmin())
        start = float(sizes[1 + low])
        fine = np.geomspace(start, float(sizes[-1]), 20_000)
        later = self.at(fine)
        out = {
            "depth": base - above.min(),
            "depth_share": max(1 - above.min() / base, 0.0),
            "bottom": int(sizes[1 + low]),
            "recovery": _first(fine, later >= base),
            "target": _first(fine, later >= TARGET),
            "rise": _climb(levels),
            "curvature": bend(np.asarray(sizes)[1 + low :], levels[1 + low :]),
        }
        return out


def _climb(levels: np.ndarray) -> float:
    """Return the largest rise from a size that has a later one and lies below the start."""
    low = [i for i in range(1, len(levels) - 1) if levels[0] - levels[i] > MARGIN]
    return max([0.0, *(float(levels[i + 1 :].max() - levels[i]) for i in low)])


def bend(sizes: np.ndarray, levels: np.ndarray) -> float | None:
    """Return the square term of a quadratic in log10 N through levels; None below three sizes."""
    return float(np.polyfit(np.log10(sizes), levels, 2)[0]) if len(sizes) > 2 else None


def _first(sizes: np.ndarray, hit: np.ndarray) -> float | None:
    return float(sizes[hit.argmax()]) if hit.any() else None


def draw_levels(
    truth: Truth, design: Design, rng: np.random.Generator, draws: int, sizes=SIZES
) -> Levels:
    """Draw one study of one axis and return its levels as a workflow would see them."""
    runs = np.where(sizes == 0, 1, design.replicates)
    values = draw_arms(truth.at(sizes), runs, design, rng, fixed=(0,) if sizes[0] == 0 else ())
    noise = training.elsewhere([], None if design.run_sd else 0)  # where there are no replicates
    return from_values(sizes, values, draws, 17, noise=noise, samples=design.samples)


def covers(interval: list, value: float | None) -> bool:
    """Say whether an interval holds a value; None is "beyond the last size" on both sides."""
    low, high = interval
    if value is None:
        return high is None
    return (low is not None and low <= value * (1 + 1e-9)) and (
        high is None or value <= high * (1 + 1e-9)
    )


def curve_trial(truth: Truth, design: Design, studies: int, seed: int, draws=400, sizes=SIZES):
    """Return {read-out: [covered?, …]} and the valley calls over simulated studies of one axis."""
    expected = truth.readouts(sizes)
    hits: dict[str, list] = {}
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        data = draw_levels(truth, design, rng, draws, sizes)
        valley = valleys.valley(data, MARGIN)
        for name, item in (
            ("depth", readouts.depth(data)),
            ("depth_share", readouts.depth_share(data)),
            ("rise", valleys.rise(data, valley)),
        ):
            if item and item["interval"][0] is not None:
                hits.setdefault(name, []).append(covers(item["interval"], expected[name]))
                hits.setdefault(f"{name} width", []).append(float(np.ptp(item["interval"])))
        fall = readouts.depth_share(data)
        hits.setdefault("falls by half", []).append(bool(fall and fall["interval"][0] > 0.5))
        bottom = readouts.bottom(data)
        hits.setdefault("bottom", []).append(expected["bottom"] in bottom["may_be"])
        called = valley["p"] <= valleys.VALLEY_P
        hits.setdefault("valley called", []).append(called)
        hits.setdefault("valley probability", []).append(valley["probability"])
        for name, target in (("recovery", None), ("target", TARGET)):
            if called:
                item = readouts.crossing(data, target)
                right = covers(item["interval"], expected[name])
                hits.setdefault(name, []).append(right)
        bent = readouts.sharper(data)
        if bent and bent["interval"][0] is not None and expected["curvature"] is not None:
            hits.setdefault("curvature", []).append(covers(bent["interval"], expected["curvature"]))
        low, high = np.percentile(data.draws, [2.5, 97.5], axis=0)
        inside = (low <= truth.at(sizes)) & (truth.at(sizes) <= high)
        hits.setdefault("level", []).append(float(inside.mean()))
    return hits


STARTS = np.array([0.12, 0.28, 0.30, 0.45])  # levels of b at 2 sizes from 2 starts
SCALING = np.array([0.35, 0.2, 0.12, 0.12, 0.2, 0.3, 0.4, 0.5])


def draw_pairs(
    difference: float, design: Design, rng: np.random.Generator, lent: bool = True
) -> tuple[list[Pair], list]:
    """Draw one contrast: a - b at two sizes from two starts, and the replicates lent to it."""
    b = STARTS
    levels = np.concatenate([b + difference / 2, b - difference / 2, SCALING if lent else []])
    runs = np.full(len(levels), design.replicates)
    values = draw_arms(levels, runs, design, rng)
    count = len(b)
    found = []
    for i in range(count):
        setting = {"start": "base" if i < 2 else "mid", "size": 256 if i % 2 else 1024}
        found.append(contrasts.pair(setting, values[i], values[count + i], design.samples))
    return found, _lent(values[2 * count :], design)


def contrast_trial(
    difference: float,
    design: Design,
    studies: int,
    seed: int,
    draws: int = 400,
    lent: bool = True,
    given: float | None = None,
) -> dict[str, list]:
    """Return coverage and calls over simulated contrasts whose true difference is known.

    As in the workflow, training noise that no replicates show is `given` (sd in log-odds, 0 leaves
    it out), else assumed.
    """
    return _trial(draw_pairs, difference, design, studies, seed, draws, lent, given)


def interaction_trial(
    difference: float, design: Design, studies: int, seed: int, draws: int = 400, lent: bool = True
) -> dict[str, list]:
    """Return the same of interactions: the difference of two differences is known."""
    return _trial(draw_quads, difference, design, studies, seed, draws, lent)


def draw_quads(
    difference: float, design: Design, rng: np.random.Generator, lent: bool = True
) -> tuple[list[Pair], list]:
    """Draw one interaction, (a - b) - (c - d), at the settings and with the loans of `draw_pairs`.

    Both contrasts are 0.08, but for what the first is larger and the second smaller.
    """
    apart = np.array([1, -1, -1, 1]) * difference / 4 + np.array([1, -1, 1, -1]) * 0.04
    levels = np.concatenate([*(STARTS + one for one in apart), SCALING if lent else []])
    values = draw_arms(levels, np.full(len(levels), design.replicates), design, rng)
    count = len(STARTS)
    found = [
        interactions.quad(
            {"start": "base" if i < 2 else "mid", "size": 256 if i % 2 else 1024},
            *(values[i + side * count] for side in range(4)),
            samples=design.samples,
        )
        for i in range(count)
    ]
    return found, _lent(values[4 * count :], design)


def _lent(values: list, design: Design) -> list:
    return [
        training.replicates(value, training.scale(value, design.samples))
        for value in values
        if len(value) > 1
    ]


def _trial(
    draw: Callable,
    difference: float,
    design: Design,
    studies: int,
    seed: int,
    draws: int,
    lent: bool,
    given: float | None = None,
) -> dict[str, list]:
    hits: dict[str, list] = {}
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        found, others = draw(difference, design, rng, lent)
        groups = contrasts.own_groups(found) + others
        noise = training.elsewhere([], given)
        result = contrasts.analyse(found, MARGIN, draws, 17, groups, noise)
        pooled = result["pooled"]
        low, high = pooled["interval"]
        tight = pooled["interval_90"]
        equal = tight[0] > -MARGIN and tight[1] < MARGIN
        row = {
            "pooled interval": low <= difference <= high,
            "pooled 90 % interval": tight[0] <= difference <= tight[1],
            "setting interval": np.mean(
                [r["interval"][0] <= difference <= r["interval"][1] for r in result["settings"]]
            ),
            "pooled different": not low <= 0 <= high,
            "any setting different (Holm)": min(r["p_holm"] for r in result["settings"]) <= 0.05,
            "permutation alone": pooled["p_permutation"] <= 0.05,
            "equivalent": equal,
            "better by the margin": low > MARGIN,
        }
        for name, value in row.items():
            hits.setdefault(name, []).append(float(value))
    return hits
