"""Forecasts: calibrated on curves of several kinds, and useful for choosing the next size."""

import numpy as np
import pytest
from valley.analysis import forecast, trials, trials_forecast
from valley.analysis.resample import wilson
from valley.analysis.sample import from_values
from valley.analysis.simulate import KINDS, Design, random_curve, valley_truth
from valley.analysis.trials import Truth


@pytest.fixture(scope="module")
def data():
    return trials.draw_levels(
        Truth("valley", valley_truth), Design(), np.random.default_rng(4), 300
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_held_out_size_is_inside_its_interval(kind):
    hits = trials_forecast.forecast_trial(kind, Design(), 30, 5, draws=200)
    assert wilson(float(np.mean(hits["inside"])), 30)[1] >= 0.88
    if kind != "loglinear":
        ours, line = (np.mean(np.square(hits[key])) for key in ("error", "error loglinear"))
        assert ours < line


def test_weights_follow_the_track_record():
    record = {"good": [(0.01, 0.0), (0.01, 0.0)], "bad": [(0.2, 0.01), (0.3, 0.01)]}
    weights, errors, misses = forecast.component_weights(record)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["good"] > 0.95
    assert errors["good"] == misses["good"] == pytest.approx(0.01)
    # What noise of the levels explains of an error is in the draws already.
    assert misses["bad"] ** 2 == pytest.approx(errors["bad"] ** 2 - 0.01)
    assert forecast.component_weights({"noise": [(0.1, 0.04)]})[2]["noise"] == 0.0


def test_luck_of_the_problems_is_no_error_of_a_forecast_on_the_same_problems():
    rng = np.random.default_rng(2)
    sizes = np.array([0, 10, 100, 1000, 10_000])
    solved = rng.random(100)  # problems are all or nothing: their choice is all there is to luck
    values = [
        np.repeat((solved < level)[None].astype(float), 1 if not i else 2, axis=0)
        for i, level in enumerate((0.2, 0.3, 0.4, 0.5, 0.6))
    ]
    data = from_values(sizes, values, 300, 1, samples=4)
    assert data.sd.min() > 0.03
    assert forecast.on_same_problems(data, 1).std(axis=0).max() < 0.01
    one = from_values(sizes, values, 300, 1, samples=1)  # what answers add is not known then
    assert forecast.on_same_problems(one, 1).std(axis=0).min() > 0.02


def test_a_trend_on_a_line_goes_on_damped(data):
    sizes = np.array([0, 10, 100, 1000])
    y = np.array([[0.5, 0.1, 0.2, 0.3]])
    at = np.array([0, 100, 10_000, 100_000])
    full = forecast._trend(sizes, y, at, np.array([1.0]))[0]
    assert full == pytest.approx([0.5, 0.2, 0.4, 0.5])
    damped = forecast._trend(sizes, y, at, np.array([0.5]))[0]
    assert damped == pytest.approx([0.5, 0.2, 0.35, 0.375])


def test_prediction_widens_with_distance(data):
    near, far = (forecast.predict(data, size, 1, 4)["interval"] for size in (6000, 60_000))
    assert near[1] - near[0] < far[1] - far[0]


def test_a_bad_record_widens_what_lies_ahead_and_nothing_else(data):
    sizes = np.array([0.0, 100.0, 9000.0])
    sure, doubtful = (
        forecast.mixture(data, {"loglinear": 1.0}, {"loglinear": miss}, sizes, 1, data.draws).std(
            axis=0
        )
        for miss in (0.0, 0.15)
    )
    assert doubtful[:2] == pytest.approx(sure[:2])
    assert doubtful[2] > sure[2] + 0.05


def test_two_sizes_are_too_few_to_forecast():
    short = trials.draw_levels(
        Truth("valley", valley_truth), Design(), np.random.default_rng(1), 50,
        sizes=np.array([0, 100, 1000]),
    )  # fmt: skip
    assert forecast.predict(short, 2000, 1, 4) is None
    assert forecast.next_size(short, [2000], 1, 4) == []


def test_the_next_size_is_the_one_that_tells_most(data):
    rows = forecast.next_size(data, [20, 9000], 1, 4, costs={"9000": 10.0})
    small, large = rows
    assert large["shrinkage"]["largest"] > small["shrinkage"]["largest"]
    assert large["per_cost"]["largest"] == pytest.approx(large["shrinkage"]["largest"] / 10)
    assert small["cost"] is None and "per_cost" not in small
    assert all(0 <= value < 1 for row in rows for value in row["shrinkage"].values())


def test_random_curves_are_shares():
    rng = np.random.default_rng(0)
    for kind in KINDS:
        for _ in range(50):
            levels = random_curve(kind, rng)(np.array([0, 16, 300, 4096, 10_000]))
            assert (levels >= 0).all() and (levels <= 1).all()
    with pytest.raises(ValueError, match="no kind"):
        random_curve("spiral", rng)
