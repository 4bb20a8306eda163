"""Training noise is pooled over arms, known with its uncertainty, and not known without seeds."""

import numpy as np
import pytest
from valley.analysis import few, noise
from valley.analysis.resample import mean_interval, problem_weights, resampled_means, wilson
from valley.analysis.sample import from_values
from valley.analysis.simulate import Design, draw_arms


def groups_of(run_sd: float, seed: int, arms: int = 8, samples: int = 4) -> list:
    design = Design(run_sd=run_sd, samples=samples)
    rng = np.random.default_rng(seed)
    values = draw_arms(np.linspace(0.15, 0.5, arms), [2] * arms, design, rng)
    return [noise.replicates(v, noise.response(v, samples) ** 2) for v in values]


@pytest.mark.parametrize("run_sd", [0.0, 0.15, 0.4])
def test_pooled_shift_is_right_on_average_and_covered(run_sd):
    found = [noise.pooled(groups_of(run_sd, seed)) for seed in range(80)]
    root_mean_square = np.sqrt(np.mean([item["shift_sd"] ** 2 for item in found]))
    assert root_mean_square == pytest.approx(run_sd, abs=0.05)
    inside = [item["interval"][0] <= run_sd <= item["interval"][1] for item in found]
    assert np.mean(inside) >= 0.87


def test_without_replicates_it_is_not_known():
    assert noise.pooled([]) is None
    data = from_values(np.array([0, 10]), [np.eye(1, 30)] * 2, 50, 1)
    assert data.noise is None


def test_response_counts_only_problems_in_the_balance():
    decided = np.repeat([[0.0, 1.0]], 50, axis=1).reshape(1, -1)
    open_ = np.full((1, 100), 0.5)
    assert noise.response(decided, 4) < 0.3 * noise.response(open_, 4)


def test_training_noise_widens_levels_but_not_the_start():
    design = Design(run_sd=0.4, problems=400)
    rng = np.random.default_rng(3)
    sizes = np.array([0, 10, 100, 1000])
    values = draw_arms(np.full(4, 0.4), [1, 3, 3, 3], design, rng, fixed=(0,))
    data = from_values(sizes, values, 2000, 1, samples=4)
    resampled = resampled_means(data.problem_means, 2000, 1).std(axis=0)
    assert data.sd[0] == pytest.approx(resampled[0] * few.stretch(400))
    assert (data.sd[1:] > 1.3 * resampled[1:]).all()


def test_arms_are_resampled_together():
    values = np.random.default_rng(0).random((1, 60))
    draws = resampled_means(np.vstack([values, values + 0.1]), 200, 5)
    assert np.ptp(draws[:, 1] - draws[:, 0]) < 1e-12


def test_weights_are_shared_and_sum_to_one():
    weights = problem_weights(30, 100, 9)
    assert weights is problem_weights(30, 100, 9)
    assert weights.sum(axis=1) == pytest.approx(1)
    with pytest.raises(ValueError):
        weights[0, 0] = 2


def test_all_wrong_is_not_certainly_zero():
    found = mean_interval(np.zeros(50), 200, 1)
    assert found["interval"] == wilson(0.0, 50)
    assert 0.03 < found["interval"][1] < 0.1
    data = from_values(np.array([0, 10]), [np.full((1, 50), 0.5), np.zeros((1, 50))], 400, 1)
    assert data.draws[:, 1].max() > 0.02
