"""Read-outs: exact without noise, honest with it (a fast subset of the bench's simulations)."""

import numpy as np
import pytest
from valley.analysis import readouts, trials, valleys
from valley.analysis.resample import wilson
from valley.analysis.sample import Levels, variance_parts
from valley.analysis.simulate import Design, valley_truth
from valley.analysis.trials import MARGIN, SIZES, Truth


def exact(sizes, estimate, sd: float = 1e-6) -> Levels:
    """Levels that are known (almost) without error."""
    estimate = np.array(estimate, float)
    noise = sd * np.random.default_rng(0).standard_normal((400, len(estimate)))
    means = np.repeat(estimate[:, None], 10, axis=1)
    runs = np.ones(len(estimate), int)
    return Levels(np.array(sizes), estimate, estimate + noise, runs, [], means, None)


VALLEY = exact([0, 10, 100, 1000, 10_000], [0.4, 0.3, 0.1, 0.2, 0.6])


def test_a_curve_without_noise_reads_exactly():
    assert readouts.depth(VALLEY)["estimate"] == pytest.approx(0.3, abs=1e-4)
    assert readouts.depth_share(VALLEY)["estimate"] == pytest.approx(0.75, abs=1e-4)
    assert readouts.bottom(VALLEY) == {
        "size": 100,
        "level": pytest.approx(0.1),
        "interval": [100, 100],
        "may_be": [100],
        "between": [10, 1000],
    }
    assert readouts.crossing(VALLEY)["size"] == pytest.approx(1000 * 10**0.5, rel=1e-3)
    assert readouts.crossing(VALLEY, 0.5)["size"] == pytest.approx(1000 * 10**0.75, rel=1e-3)
    valley = valleys.valley(VALLEY, MARGIN)
    assert valleys.rise(VALLEY, valley)["estimate"] == pytest.approx(0.5, abs=1e-4)
    assert valley["p"] < 0.01


def test_bend_has_the_sign_and_size_of_the_square_term():
    x = np.arange(1, 5.0)
    for square in (-0.03, 0.0, 0.05):
        levels = 0.1 + 0.1 * x + square * x * x
        found = readouts.curvature(exact([10, 100, 1000, 10_000], levels), 10)
        assert found["estimate"] == pytest.approx(square, abs=1e-5)
    assert readouts.curvature(exact([10, 100], [0.1, 0.2]), 10) is None


def test_a_level_that_is_not_regained_lies_beyond_the_largest_size():
    found = readouts.crossing(exact([0, 10, 100, 1000], [0.6, 0.1, 0.2, 0.3], 0.01))
    assert found == {"size": None, "interval": [None, None], "reached": False}


def test_a_noisy_last_point_leaves_the_recovery_open_above():
    found = readouts.crossing(exact([0, 10, 100, 1000], [0.3, 0.1, 0.2, 0.31], 0.05))
    assert found["size"] is not None and found["interval"][1] is None


def test_no_valley_in_a_fall_without_rise_or_a_rise_without_fall():
    falling = exact([0, 10, 100, 1000], [0.5, 0.4, 0.3, 0.2], 0.01)
    rising = exact([0, 10, 100, 1000], [0.2, 0.3, 0.4, 0.5], 0.01)
    for levels in (falling, rising):
        assert valleys.valley(levels, MARGIN)["p"] > 0.3


def test_sharper_spans_every_possible_bottom():
    levels = exact([0, 10, 100, 1000, 10_000], [0.4, 0.1, 0.1, 0.15, 0.3], 0.01)
    found = readouts.sharper(levels)
    assert len(found["all"]) == 2
    assert found["interval"][0] == min(item["interval"][0] for item in found["all"])
    assert found["interval"][1] == max(item["interval"][1] for item in found["all"])


def test_the_greatest_of_equals_is_not_called_greater():
    rng = np.random.default_rng(1)
    plain, honest, inside = [], [], []
    for _ in range(400):
        estimate = 0.1 * rng.standard_normal(8)
        draws = estimate + 0.1 * rng.standard_normal((300, 8))
        found = readouts.greatest(estimate, draws)
        plain.append(found["plain"])
        honest.append(found["estimate"])
        inside.append(found["interval"][0] <= 0 <= found["interval"][1])
    assert np.mean(plain) > 0.1
    assert abs(np.median(honest)) < 0.03
    assert np.mean(inside) >= 0.93


def test_variance_parts_add_up():
    design = Design(problems=5000)
    truth = Truth("valley", valley_truth)
    data = trials.draw_levels(truth, design, np.random.default_rng(0), 400)
    gradient = np.zeros(len(SIZES))
    gradient[0], gradient[4] = 1, -1
    parts = variance_parts(data, gradient)
    drawn = (data.draws @ gradient).var()
    assert parts["problem"] + parts["answers"] + parts["seed"] == pytest.approx(drawn, rel=0.35)
    assert parts["samples"] == 4 and parts["replicates"] == 2


@pytest.fixture(scope="module")
def simulated():
    return trials.curve_trial(Truth("valley", valley_truth), Design(), 150, 11, draws=400)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["depth", "depth_share", "rise", "recovery", "target", "curvature"]
)
def test_intervals_cover_the_truth(simulated, name):
    _, high = wilson(float(np.mean(simulated[name])), len(simulated[name]))
    assert high >= 0.93, f"{name}: covers {np.mean(simulated[name]):.3f}"


def test_the_set_of_bottoms_holds_the_bottom(simulated):
    assert np.mean(simulated["bottom"]) >= 0.93
    assert np.mean(simulated["valley called"]) > 0.95


@pytest.mark.long
@pytest.mark.parametrize(
    "curve",
    [
        lambda n: np.full(np.shape(n), 0.3),
        lambda n: np.where(n == 0, 0.3, 0.2),
        lambda n: 0.4 - 0.03 * np.log1p(n / 30),
        lambda n: 0.2 + 0.05 * np.log1p(n / 50),
    ],
    ids=["flat", "step down", "falling", "rising"],
)
def test_a_monotone_truth_is_not_called_a_valley(curve):
    hits = trials.curve_trial(Truth("monotone", curve), Design(), 100, 5, draws=300)
    called = hits["valley called"]
    assert wilson(float(np.mean(called)), len(called))[0] <= 0.05
