"""Contrasts of contrasts: right quads, honest intervals, and what may be said of them."""

import numpy as np
import pytest
from valley.analysis import fitting, interactions, trials
from valley.analysis.contrasts import analyse
from valley.analysis.judgement import judge_claims
from valley.analysis.load import Evaluation
from valley.analysis.resample import wilson
from valley.analysis.simulate import Design, draw_arms
from valley.analysis.trials import MARGIN
from valley.core.interactions import text

CROSSED = {
    "field": "slice",
    "first": {"a": "easy.correct", "b": "easy.incorrect", "where": {}},
    "second": {"a": "hard.correct", "b": "hard.incorrect", "where": {}},
}
SLICES = ("easy.correct", "easy.incorrect", "hard.correct", "hard.incorrect")
EARLY = {
    "field": "slice",
    "first": {"a": "all.correct", "b": "all.incorrect", "where": {"start": "base"}},
    "second": {"a": "all.correct", "b": "all.incorrect", "where": {"start": "mid"}},
}


def arm(share, slice_: str, size: int = 100, seed=0, start: str = "base") -> Evaluation:
    accepted = np.round(np.asarray(share) * 4)
    full = np.full(len(accepted), 4.0)
    setting = {"student": "x", "recipe": "r", "start": start, "slice": slice_}
    setting |= {"size": size, "seed": seed}
    return Evaluation(setting, accepted, full, full, full, full, full, full)


def fitted(arms: list[Evaluation], declared: dict = CROSSED, **how) -> dict:
    how = {"margin": MARGIN, "bootstrap": 300, "seed": 1, "problems": len(arms[0].judged)} | how
    return fitting.interaction_of(arms, [], name="crossed", declared=declared, **how)


def judged(found: dict, **claim) -> dict:
    claim = {"kind": "interaction", "text": "…", "of": "crossed", **claim}
    (verdict,) = [one for one in judge_claims([], [found], None, {"mine": claim})][4:]
    return verdict


def four(levels, seeds: int = 3, problems: int = 400, run_sd: float = 0.02) -> list[Evaluation]:
    """Draw the arms of the crossed slices at four levels."""
    design = Design(problems=problems, samples=4, replicates=seeds, run_sd=run_sd)
    values = draw_arms(np.array(levels), [seeds] * 4, design, np.random.default_rng(3))
    return [
        arm(share, slice_, seed=seed)
        for slice_, runs in zip(SLICES, values, strict=True)
        for seed, share in enumerate(runs)
    ]


def test_quads_agree_in_all_but_the_field_and_in_their_replicate():
    base = np.array([0.5, 0.25, 0.5, 0.0])
    arms = [arm(base, name, seed=seed) for name in SLICES for seed in (0, 1)]
    arms[0] = arm(base + 0.5, "easy.correct", seed=0)
    arms[5] = arm(base + 0.25, "hard.correct", seed=1)
    arms += [arm(base, name, size=200) for name in SLICES[:3]]  # one side is missing
    arms += [arm(base, name, seed=2) for name in SLICES[1:]]  # here, too
    (found,) = interactions.quads(arms, CROSSED)
    assert found.setting == {"student": "x", "recipe": "r", "start": "base", "size": 100}
    assert found.differences == pytest.approx(np.array([[0.5] * 4, [-0.25] * 4]))
    assert found.means == pytest.approx((0.25, 0.125))
    assert found.levels == pytest.approx([base.mean() + more for more in (0.25, 0, 0.125, 0)])


def test_the_two_contrasts_may_differ_in_another_field():
    base = np.full(12, 0.25)
    arms = [
        arm(base + more, name, size=size, start=start)
        for start, gap in (("base", 0.5), ("mid", 0.25))
        for name, more in (("all.correct", gap), ("all.incorrect", 0.0))
        for size in (100, 200)
    ]
    # At size 0 both slices are the start itself: no difference there that could be larger.
    arms += [arm(base, name, 0, None, start) for name in ("all.correct", "all.incorrect")
             for start in ("base", "mid")]  # fmt: skip
    found = interactions.quads(arms, EARLY)
    assert [item.setting for item in found] == [
        {"student": "x", "recipe": "r", "size": size} for size in (100, 200)
    ]
    assert all(item.differences == pytest.approx(np.full((1, 12), 0.25)) for item in found)
    assert text(EARLY["second"]) == "all.correct minus all.incorrect (start mid)"
    assert len(interactions.arm_keys(found, EARLY)) == 8


def test_an_interaction_is_the_difference_of_its_contrasts():
    arms = four((0.5, 0.3, 0.45, 0.4))
    found = fitted(arms)
    sides = [
        fitting.contrast_of(
            arms, [], field="slice", a=f"{kind}.correct", b=f"{kind}.incorrect", margin=MARGIN,
            bootstrap=300, seed=1, problems=400,
        )["pooled"]["estimate"]
        for kind in ("easy", "hard")
    ]  # fmt: skip
    assert found["pooled"]["estimate"] == pytest.approx(sides[0] - sides[1])
    assert found["pooled"]["means"] == pytest.approx(sides)
    assert found["pooled"]["problems"] == 400 and len(found["pooled"]["levels"]) == 4


@pytest.mark.long
@pytest.mark.parametrize("gap", [0.0, MARGIN, 0.08])
@pytest.mark.parametrize("run_sd", [0.0, 0.12, 0.3])
def test_intervals_of_simulated_interactions_cover_and_alarm_as_they_should(gap, run_sd):
    hits = trials.interaction_trial(gap, Design(run_sd=run_sd), 200, 7, draws=400)
    for name, level in (("pooled interval", 0.95), ("pooled 90 % interval", 0.9)):
        assert wilson(float(np.mean(hits[name])), 200)[1] >= level - 0.02, name
    if gap == 0:
        assert wilson(float(np.mean(hits["pooled different"])), 200)[0] <= 0.05
    else:
        assert wilson(float(np.mean(hits["equivalent"])), 200)[0] <= 0.05


def test_a_large_interaction_is_found():
    hits = trials.interaction_trial(0.08, Design(run_sd=0.05), 60, 7, draws=300)
    assert np.mean(hits["pooled different"]) > 0.8


def test_seeds_that_disagree_widen_it():
    calm = fitted(four((0.5, 0.3, 0.4, 0.4), run_sd=0.0))["pooled"]
    wild = fitted(four((0.5, 0.3, 0.4, 0.4), run_sd=0.6))["pooled"]
    assert np.ptp(wild["interval"]) > 1.3 * np.ptp(calm["interval"])


def test_what_is_said_of_it():
    more = judged(fitted(four((0.5, 0.2, 0.4, 0.4))))
    assert more["status"] == "supported"
    first, second = (f"{kind}.correct minus {kind}.incorrect" for kind in ("easy", "hard"))
    assert f"{first} is larger than {second} by more than {MARGIN:g}: " in more["sentence"]
    less = judged(fitted(four((0.4, 0.4, 0.5, 0.2))))
    assert less["status"] == "refuted"
    same = fitted(four((0.5, 0.35, 0.5, 0.35), problems=4000, seeds=8, run_sd=0.0))
    assert judged(same)["status"] == "refuted" and judged(same, alike=True)["status"] == "supported"
    assert judged(fitted(four((0.5, 0.2, 0.4, 0.4))), alike=True)["status"] == "refuted"
    unsure = judged(fitted(four((0.5, 0.47, 0.5, 0.5), problems=60)))
    assert unsure["status"] == "undecided" and unsure["needed"]


def test_a_contrast_is_never_taken_for_an_interaction():
    other = {"kind": "more", "text": "…", "field": "slice", "a": "x", "b": "y"}
    found = fitted(four((0.5, 0.2, 0.4, 0.4))) | {"a": "x", "b": "y"}
    assert judge_claims([], [found], None, {"mine": other})[-1]["status"] == "not tested"


def test_arms_at_the_floor_decide_nothing():
    arms = [arm(np.zeros(40), name, seed=seed) for name in SLICES for seed in (0, 1)]
    verdict = judged(fitted(arms))
    assert verdict["status"] == "undecided" and "All arms score below" in verdict["sentence"]
    low, high = fitted(arms)["pooled"]["interval"]
    assert low < -0.05 and high > 0.05


def test_too_few_problems_say_nothing_up_to_what_there_could_be():
    arms = [arm(np.full(6, 0.5), name) for name in SLICES]
    found = analyse(interactions.quads(arms, CROSSED), MARGIN, 100, 1)["pooled"]
    assert found["interval"] == [-2.0, 2.0]


def test_the_larger_interaction_is_not_cut_at_what_a_difference_can_be():
    shares = {name: np.full(40, float(name in (SLICES[0], SLICES[3]))) for name in SLICES}
    arms = [arm(share, name) for name, share in shares.items()]
    assert fitted(arms, training_noise=0.0)["pooled"]["estimate"] == 2.0


def test_nothing_is_fitted_without_all_four_sides():
    found = fitted([arm(np.full(20, 0.5), name) for name in SLICES[:3]])
    assert found["settings"] == [] and found["pooled"] is None
    assert judged(found)["status"] == "not tested"
