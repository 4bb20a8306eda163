"""Paired differences: right pairs, honest intervals, equivalence only by test, Holm."""

import numpy as np
import pytest
from valley.analysis import contrasts, noise, trials
from valley.analysis.correlate import bonett_wright, ranks, spearman
from valley.analysis.load import Evaluation
from valley.analysis.resample import wilson
from valley.analysis.simulate import Design
from valley.analysis.trials import MARGIN


def arm(share, slice_: str, size: int, seed, start: str = "base", samples: int = 4) -> Evaluation:
    accepted = np.round(np.asarray(share) * samples)
    full = np.full(len(accepted), float(samples))
    setting = {"student": "x", "recipe": "r", "start": start, "slice": slice_}
    setting |= {"size": size, "seed": seed}
    return Evaluation(setting, accepted, full, full, full, full, full, full)


def test_pairs_agree_in_all_but_the_field():
    base = np.array([0.5, 0.25, 0.75, 0.0])
    arms = [
        arm(base + 0.25, "easy.any", 100, 0),
        arm(base, "hard.any", 100, 0),
        arm(base, "easy.any", 100, 1),
        arm(base, "hard.any", 100, 1),
        arm(base, "easy.any", 200, 0),  # no partner
        arm(base, "hard.any", 100, 0, start="mid"),  # no partner
        arm(base, "all.any", 100, 0),  # another slice
    ]
    found = contrasts.pairs(arms, "slice", "easy.any", "hard.any")
    assert len(found) == 1
    assert found[0].setting == {"student": "x", "recipe": "r", "start": "base", "size": 100}
    assert found[0].differences == pytest.approx(np.array([[0.25] * 4, [0.0] * 4]))


def test_a_judge_error_is_missing_not_wrong():
    one = arm([0.5] * 4, "easy.any", 100, 0)
    one.judged[0], one.accepted[0] = 0, 0
    found = contrasts.pairs(
        [one, arm([0.5] * 4, "hard.any", 100, 0)], "slice", "easy.any", "hard.any"
    )
    assert contrasts.analyse(found, MARGIN, 100, 1)["problems"] == 3


def test_all_differences_zero_are_not_certainly_zero():
    pair = contrasts.pair({}, np.zeros((2, 20)), np.zeros((2, 20)), 2)
    low, high = contrasts.analyse([pair], MARGIN, 400, 1)["pooled"]["interval"]
    assert low < -0.05 and high > 0.05


def test_lent_replicates_are_grouped_by_setting_and_never_counted_twice():
    rng = np.random.default_rng(0)
    arms = [
        arm(rng.random(30), slice_, size, seed)
        for slice_ in ("easy.any", "hard.any", "all.any")
        for size in (0, 100)
        for seed in (0, 1)
    ]
    assert len(noise.groups_of(arms)) == 3  # never the start, never two slices as one
    found = contrasts.pairs(arms, "slice", "easy.any", "hard.any")
    used = contrasts.arm_keys(found, "slice", ("easy.any", "hard.any"))
    assert len(noise.groups_of(arms, without=used)) == 1


def test_holm_against_the_worked_example():
    assert contrasts.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert contrasts.holm([0.6, 0.9]) == [1.0, 1.0]


def test_permutation_p_equals_the_exact_sign_flip_p():
    values = np.array([0.5, 0.25, 0.5, -0.25, 0.25, 0.5, 0.0, 0.25])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-12)
    found = contrasts.analyse([contrasts.Pair({}, values[None], (0.5, 0.3))], MARGIN, 20_000, 3)[
        "pooled"
    ]
    assert found["p_permutation"] == pytest.approx(exact, abs=0.01)


def test_equal_arms_are_equivalent_only_when_precise():
    rng = np.random.default_rng(0)
    for problems, verdict in ((60, False), (20_000, True)):
        spread = rng.choice([-0.25, 0.0, 0.25], (1, problems))
        found = contrasts.analyse(
            [contrasts.Pair({}, spread - spread.mean(), (0.3, 0.3))], MARGIN, 500, 1
        )["pooled"]
        assert (found["p_equivalence"] <= 0.05) == verdict
        assert found["p"] > 0.5


def test_equivalence_needs_both_one_sided_tests():
    near = 0.001 * np.random.default_rng(0).standard_normal(2000)
    assert contrasts.equivalence(near, MARGIN) < 0.01
    for centre in (-0.05, 0.05):
        assert contrasts.equivalence(centre + near, MARGIN) > 0.99


def test_one_replicate_says_that_noise_is_not_in():
    found = contrasts.analyse([contrasts.Pair({}, np.eye(1, 50), (0.3, 0.3))], MARGIN, 200, 1)
    assert found["training_noise"] is None and found["training_noise_from"] is None
    assert found["pooled"]["parts"]["seed"] is None


def test_the_noise_that_would_undo_a_difference_undoes_it():
    design = Design(replicates=1, run_sd=0.0)
    found, _ = trials.draw_pairs(0.06, design, np.random.default_rng(2), lent=False)
    plain = contrasts.analyse(found, MARGIN, 4000, 1)
    assert plain["pooled"]["interval"][0] > 0
    from valley.analysis.published import assumed_noise

    limit = plain["shift_sd_that_would_undo_it"]
    for factor, holds_zero in ((0.9, False), (1.1, True)):
        assumed = assumed_noise(limit * factor)
        low, high = contrasts.analyse(found, MARGIN, 4000, 1, noise=assumed)["pooled"]["interval"]
        assert (low <= 0 <= high) == holds_zero


@pytest.mark.long
@pytest.mark.parametrize("gap", [0.0, MARGIN, 0.05])
@pytest.mark.parametrize("run_sd", [0.0, 0.12, 0.3])
def test_intervals_of_simulated_contrasts_cover_and_alarm_as_they_should(gap, run_sd):
    hits = trials.contrast_trial(gap, Design(run_sd=run_sd), 200, 7, draws=400)
    cover = wilson(float(np.mean(hits["pooled interval"])), 200)
    assert cover[1] >= 0.93
    if gap == 0:
        assert wilson(float(np.mean(hits["pooled different"])), 200)[0] <= 0.05
        assert wilson(float(np.mean(hits["any setting different (Holm)"])), 200)[0] <= 0.05
    else:
        assert wilson(float(np.mean(hits["equivalent"])), 200)[0] <= 0.05


def test_permutation_alone_would_be_fooled_by_training_noise():
    hits = trials.contrast_trial(0.0, Design(run_sd=0.3), 150, 7, draws=300)
    assert np.mean(hits["permutation alone"]) > 0.2


def test_spearman_is_scipys_and_its_interval_holds_it():
    from scipy.stats import rankdata, spearmanr

    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 9), rng.random(9)
    assert ranks(x.astype(float)) == pytest.approx(rankdata(x))
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4)))
    assert bonett_wright(1.0, 3) is None
    low, high = bonett_wright(0.9, 8)
    assert -1 < low < 0.9 < high < 1
