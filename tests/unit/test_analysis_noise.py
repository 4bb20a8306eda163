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


def spread_at(groups: list, level: float, own=None) -> float:
    """Return half the 95 % interval of the luck of one arm at a level, for a scale of 1."""
    rng = np.random.default_rng(1)
    made = noise.luck(noise.pooled(groups), [level], np.ones(1), np.ones(1), 4000, rng, [own])
    return float(np.quantile(np.abs(made), 0.95))


def test_arms_near_in_level_say_more_of_an_arms_noise():
    # Four runs an arm: quiet at .4, and three times as noisy at .1.
    quiet = [noise.Replicates(1e-4, 3, 0.0, 1.0, level) for level in (0.38, 0.4, 0.42, 0.45)]
    loud = [noise.Replicates(9e-4, 3, 0.0, 1.0, level) for level in (0.09, 0.1, 0.11, 0.12)]
    both = quiet + loud
    assert spread_at(both, 0.1) > 2 * spread_at(both, 0.41)
    assert spread_at(both, 0.1) == pytest.approx(spread_at(loud, 0.1), rel=0.35)
    # Far from all arms less is known, and the interval is longer.
    assert spread_at(quiet, 0.02) > 1.5 * spread_at(quiet, 0.41)
    # Its own replicates say something there.
    own = noise.Replicates(9e-4, 3, 0.0, 1.0, 0.1)
    assert spread_at([*quiet, own], 0.1, own) > 2 * spread_at([*quiet, own], 0.41)


def test_noise_lent_by_quieter_arms_at_other_levels_covers():
    """Arms at the onset vary three times as much as those that lend their noise."""
    sizes, levels = np.array([0, 10, 100, 1000]), np.array([0.4, 0.12, 0.11, 0.14])
    design = Design(problems=400, world="beta")
    inside = []
    for study in range(80):
        rng = np.random.default_rng([9, study])
        others = draw_arms(np.linspace(0.35, 0.55, 6), [2] * 6, design, rng)
        groups = [noise.replicates(v, noise.scale(v, 4)) for v in others]
        values = draw_arms(levels, [1] * 4, design, rng, fixed=(0,))
        lent = noise.elsewhere(groups, None)
        data = from_values(sizes, values, 300, 17, noise=lent, samples=4)
        low, high = np.array(data.intervals).T
        inside += ((low <= levels) & (levels <= high))[1:].tolist()
    assert wilson(float(np.mean(inside)), len(inside))[1] >= 0.93, np.mean(inside)


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
