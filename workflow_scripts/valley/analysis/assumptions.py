"""What a simulated study takes for granted: how much problems, runs and arms differ.

Each has a value, or a range of values, and a source: the user, arms of the study that are finished,
or the simulator's defaults (docs/statistics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from valley.analysis import noise as training
from valley.analysis.load import Evaluation
from valley.analysis.simulate import WORLDS, Design
from valley.core.config import nearest

DEFAULT = "assumed: the simulator's default"
FROM_USER = "as you say"
NAMES = ("run_sd", "problem_sd", "interaction_sd", "world")
BOOTSTRAP = 100
NODES = np.polynomial.hermite_e.hermegauss(31)
ABILITIES = np.linspace(-9, 9, 73)
SPREADS = np.linspace(0.05, 6.0, 40)


class AssumptionError(ValueError):
    """An assumption does not read or is not known; the message says what would do."""


@dataclass(frozen=True)
class Assumption:
    """One of them.

    Attributes:
        name: of a field of `Design`.
        values: one, or the low end, the middle and the high end of a range.
        source: where it comes from.
        interval: 95 %, where it was measured.
    """

    name: str
    values: tuple
    source: str
    interval: tuple[float, float] | None = None

    @property
    def middle(self):
        """The value, or the middle of the range."""
        return self.values[len(self.values) // 2]


def defaults() -> dict[str, Assumption]:
    """Return the simulator's."""
    return {name: Assumption(name, (getattr(Design(), name),), DEFAULT) for name in NAMES}


def parse(items: Sequence[str]) -> dict[str, Assumption]:
    """Return a user's assumptions: "run_sd=0.1..0.4", "problem_sd=1.5", "world=beta".

    Raises:
        AssumptionError: one does not read, is not known or is out of range.
    """
    out = {}
    for item in items:
        name, sign, said = (part.strip() for part in item.partition("="))
        if not sign or name not in NAMES:
            raise AssumptionError(
                f"--assume: {item!r} is not known{nearest(name, list(NAMES))}; write NAME=VALUE or "
                f"NAME=LOW..HIGH, with NAME one of {', '.join(NAMES)}"
            )
        out[name] = Assumption(name, _values(name, said), FROM_USER)
    return out


def _values(name: str, said: str) -> tuple:
    if name == "world":
        if said not in WORLDS:
            raise AssumptionError(
                f"--assume: there is no world {said!r}{nearest(said, list(WORLDS))}; "
                f"choose from: {', '.join(WORLDS)}"
            )
        return (said,)
    try:
        ends = [float(part) for part in said.split("..")]
    except ValueError:
        ends = []
    if not 1 <= len(ends) <= 2 or not all(0 <= end <= 6 for end in ends) or ends != sorted(ends):
        raise AssumptionError(
            f"--assume: {name}={said} is not an sd in log-odds; write a number from 0 to 6, such "
            f"as {name}=0.2, or a range of two, the lower first, such as {name}=0.1..0.4"
        )
    return tuple(ends) if len(ends) == 1 else (ends[0], sum(ends) / 2, ends[1])


def measured(
    arms: Sequence[Evaluation], source: str, seed: int = 0, bootstrap: int = BOOTSTRAP
) -> dict[str, Assumption]:
    """Return what finished arms measure of each assumption; others are left out.

    `run_sd` takes an arm with two replicates, `problem_sd` two cells; with one sample a problem the
    interaction can't be told from the noise of answers, and stays as assumed.

    Args:
        arms: with their settings, all on the same problems.
        source: what they are, for people.
        seed: of the bootstrap over problems.
        bootstrap: its draws; none leaves out the intervals of the spreads.
    """
    out = {}
    cells: dict[tuple, list[Evaluation]] = {}
    for arm in arms:
        key = tuple(value for name, value in arm.setting.items() if name != "seed")
        cells.setdefault(key, []).append(arm)
    values = [np.array([arm.mean("pass@1") for arm in group]) for group in cells.values()]
    samples = int(min((arm.samples.max(initial=1) for arm in arms), default=1))
    groups = [
        training.replicates(item, training.response(item, samples) ** 2)
        for item, (key, group) in zip(values, cells.items(), strict=True)
        if len(item) > 1 and group[0].setting["size"]
    ]
    noise = training.pooled([group for group in groups if group.freedom])
    if noise:
        ends = tuple(noise["interval"])
        out["run_sd"] = Assumption("run_sd", (noise["shift_sd"],), source, ends)
    first = np.array([item[0] for item in values])
    whole = np.isfinite(first).all(axis=0) if len(first) else np.zeros(0, bool)
    first = first[:, whole] if len(first) else first
    kept = [row for row in first if 0.02 < row.mean() < 0.98]
    if len(kept) < 2 or whole.sum() < 10:
        return out
    run_sd = out["run_sd"].middle if "run_sd" in out else Design.run_sd
    data = np.array(kept)
    found = _spreads(data, samples, run_sd)
    rng = np.random.default_rng([seed, 31])
    drawn = np.array(
        [
            _spreads(data[:, rng.integers(0, data.shape[1], data.shape[1])], samples, run_sd)
            for _ in range(bootstrap)
        ]
    ).reshape(-1, 2)
    names = ("problem_sd", "interaction_sd") if samples > 1 else ("problem_sd",)
    for at, name in enumerate(names):
        low, high = np.percentile([found[at], *drawn[:, at]], [2.5, 97.5])
        ends = (float(min(low, found[at])), float(max(high, found[at])))
        out[name] = Assumption(name, (float(found[at]),), source, ends)
    return out


def _spreads(data: np.ndarray, samples: int, run_sd: float) -> tuple[float, float]:
    """Return the sds of problems and of the interaction, from shares (arms, problems).

    By moments: the variance of problems' chances within an arm gives the whole spread in log-odds,
    the covariance between arms the part of it that is shared.
    """
    level = float(np.median(data.mean(axis=1)))
    at = [int(np.abs(data.mean(axis=1) - level).argsort()[i]) for i in range(min(4, len(data)))]
    near = data[at]  # arms of about one level, for which one table holds
    centred = near - near.mean(axis=1, keepdims=True)
    cov = centred @ centred.T / (near.shape[1] - 1)
    shared = float(cov[np.triu_indices(len(near), 1)].mean())
    level = float(near.mean())
    if samples < 2:
        rest = Design.interaction_sd**2 + run_sd**2
        sd = [_shared_variance(level, spread, rest) for spread in SPREADS]
        return float(np.interp(shared, sd, SPREADS)), Design.interaction_sd
    answers = float((near * (1 - near)).mean() / (samples - 1))
    within = float(np.diag(cov).mean()) - answers
    table = [_shared_variance(level, spread, 0.0) for spread in SPREADS]
    total = float(np.interp(within, table, SPREADS))
    part = np.linspace(0.02, 1.0, 25)
    table = [_shared_variance(level, total * np.sqrt(p), total**2 * (1 - p)) for p in part]
    share = float(np.interp(shared, table, part))
    rest = total**2 * (1 - share) - run_sd**2
    return total * float(np.sqrt(share)), float(np.sqrt(max(rest, 0.0)))


def _shared_variance(level: float, shared_sd: float, rest: float) -> float:
    """Return the variance over a shared normal of sd `shared_sd` of chances whose mean is `level`.

    `rest` is the variance in log-odds of what is not shared, over which chances are averaged.
    """
    nodes, weights = NODES[0], NODES[1] / NODES[1].sum()
    scale = 1 / np.sqrt(1 + rest / 2.89)  # a logistic averaged over a normal: 1.7² is 2.89
    chance = 1 / (1 + np.exp(-scale * (ABILITIES[:, None] + shared_sd * nodes)))
    means = chance @ weights
    spread = (chance**2) @ weights - means**2
    return float(np.interp(level, means, spread))


def design(
    found: dict[str, Assumption], problems: int, samples: int, **chosen: float | str
) -> Design:
    """Return the design under the middle of each assumption, but for those that are `chosen`."""
    values = {name: item.middle for name, item in found.items()} | chosen
    return replace(Design(problems=problems, samples=samples), **values)
