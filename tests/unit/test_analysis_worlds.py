"""The simulator's worlds: their levels are those asked for, whatever else they do."""

import numpy as np
import pytest
from valley.analysis import simulate, trials, trials_claims
from valley.analysis.simulate import SHAPES, Design, draw_arms, luck_at
from valley.analysis.trials import SIZES, Truth

LEVELS = np.array([0.05, 0.14, 0.3, 0.6])


@pytest.mark.parametrize("world", simulate.WORLDS)
def test_levels_are_the_levels_asked_for(world):
    design = Design(problems=60_000, samples=2, world=world)
    drawn = draw_arms(LEVELS, [1] * 4, design, np.random.default_rng(0), fixed=(0, 1, 2, 3))
    assert [arm.mean() for arm in drawn] == pytest.approx(LEVELS, abs=0.006)


def test_a_third_of_the_problems_is_impossible_and_the_rest_u_shaped():
    design = Design(problems=20_000, samples=50, world="beta")
    (shares,) = draw_arms(np.array([0.3]), [1], design, np.random.default_rng(1), fixed=(0,))
    assert np.mean(shares == 0) > simulate.IMPOSSIBLE
    rest = np.sort(shares[0])[int(20_000 * simulate.IMPOSSIBLE) :]
    middle = np.mean((rest > 0.35) & (rest < 0.65))
    assert np.mean(rest < 0.15) > 2 * middle and np.mean(rest > 0.85) > middle


def test_luck_is_largest_at_the_onset():
    assert luck_at(0.12) > 1.5 * luck_at(0.4) and luck_at(0.12) > 1.5 * luck_at(0.01)
    design = Design(problems=4000, samples=4, world="beta", run_sd=0.2)
    low, high = draw_arms(np.array([0.12, 0.45]), [60, 60], design, np.random.default_rng(2))
    assert low.mean(axis=1).std() > 1.3 * high.mean(axis=1).std()


def test_the_mean_over_runs_is_the_level_where_luck_would_reach_below_0():
    design = Design(problems=3000, samples=4, world="beta", run_sd=0.2)
    (runs,) = draw_arms(np.array([0.024]), [400], design, np.random.default_rng(3))
    assert 0.2 * luck_at(0.024) > 0.024  # one sd of luck is more than the level
    assert runs.mean() == pytest.approx(0.024, abs=4 * runs.mean(axis=1).std() / np.sqrt(400))
    assert runs.mean() == pytest.approx(0.024, abs=0.004)


def test_an_unknown_world_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no world 'flat'; there are logistic, beta"):
        draw_arms(LEVELS, [1] * 4, Design(world="flat"), np.random.default_rng(0))


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_have_their_levels_at_the_sizes(name):
    sizes = SIZES if len(SHAPES[name]) == len(SIZES) else np.array([0, 1000, 10_000, 30_000])
    assert simulate.shape(name, sizes)(sizes) == pytest.approx(SHAPES[name])


@pytest.mark.parametrize("name", ["half, and no more", "half, at last"])
@pytest.mark.parametrize("world, run_sd", [("logistic", 0.12), ("beta", 0.2)])
def test_a_fall_of_exactly_one_half_is_seldom_called_more(name, world, run_sd):
    truth = Truth("half", simulate.shape(name, SIZES))
    assert truth.readouts(SIZES)["depth_share"] == pytest.approx(0.5)
    design = Design(problems=300, world=world, run_sd=run_sd)
    hits = trials.curve_trial(truth, design, 30, 4, draws=200)
    assert np.mean(hits["falls by half"]) <= 0.1


def test_a_difference_within_the_margin_does_not_refute_equality():
    counts = trials_claims.equality_trial(0.015, Design(problems=500), 15, 1)
    assert counts["refuted"] <= 1
    beyond = trials_claims.equality_trial(0.1, Design(problems=500), 5, 1)
    assert beyond["refuted"] == 5
