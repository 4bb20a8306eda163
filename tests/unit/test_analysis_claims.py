"""Claims: the rule decides, the sentence says what the numbers say, and no more."""

import re
from statistics import NormalDist

import numpy as np
import pytest
from valley.analysis import power
from valley.analysis.judge_parts import against, widened
from valley.analysis.judgement import KINDS, judge_claims
from valley.analysis.words import interval, would_decide
from valley.core.claims import KEYS, PAPER

PARTS = {"problem": 1e-4, "answers": 1e-4, "seed": 1e-4, "problems": 250, "samples": 4,
         "replicates": 2}  # fmt: skip


def numbers(estimate: float, error: float) -> dict:
    return {
        "estimate": estimate,
        "interval": [estimate - 1.96 * error, estimate + 1.96 * error],
        "interval_90": [estimate - 1.645 * error, estimate + 1.645 * error],
        "p": 2 * NormalDist().cdf(-abs(estimate) / error),
        "parts": {**PARTS, "problem": error**2 / 3, "answers": error**2 / 3, "seed": error**2 / 3},
    }


def contrast(a: str, b: str, base: dict, mid: dict | None = None, noise: dict | None = None):
    starts = {"base": base} | ({"mid": mid} if mid else {})
    return {
        "field": "slice", "a": a, "b": b, "margin": 0.02, "pooled": base, "starts": starts,
        "training_noise": noise, "training_noise_from": "own replicates" if noise else None,
    }  # fmt: skip


def curve(share=(0.7, 0.6, 0.8), bend=(0.1, 0.05, 0.15), rise=(0.3, 0.2, 0.4), p=0.001) -> dict:
    def read(values):
        return {"estimate": values[0], "interval": list(values[1:]), "parts": PARTS}

    return {
        "title": "student", "slice": "all.any", "start": "base", "training_noise": NOISE,
        "readouts": {
            "valley": {"p": p, "margin": 0.02}, "depth_share": read(share), "rise": read(rise),
            "curvature": read(bend),
        },
    }  # fmt: skip


NOISE = {"shift_sd": 0.1}


def one(name: str, curves=(), contrasts=(), rates=None, config=None) -> dict:
    judged = judge_claims(list(curves), list(contrasts), rates, config or {})
    return next(claim for claim in judged if claim["name"] == name)


def test_a_study_without_arms_tests_nothing():
    for claim in judge_claims([], [], None, {}):
        assert claim["status"] == "not tested"
        assert "no arms that bear on it" in claim["sentence"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "supported"),
        ({"share": (0.55, 0.45, 0.65)}, "undecided"),
        ({"share": (0.2, 0.1, 0.3)}, "refuted"),
        ({"bend": (0.01, -0.05, 0.07)}, "undecided"),
        ({"bend": (-0.2, -0.25, -0.15)}, "refuted"),
        ({"p": 0.2}, "undecided"),
        ({"rise": (0.0, -0.01, 0.005)}, "refuted"),
    ],
)
def test_the_valley_needs_all_its_parts(change, status):
    assert one("F1", curves=[curve(**change)])["status"] == status


def test_a_valley_elsewhere_is_not_this_valley():
    other = curve() | {"start": "mid"}
    assert one("F1", curves=[other])["parts"] == []


@pytest.mark.parametrize(
    ("estimate", "error", "status"),
    [
        (0.06, 0.01, "supported"),
        (0.03, 0.01, "undecided"),
        (0.0, 0.005, "refuted"),
        (-0.08, 0.01, "refuted"),
        (0.0, 0.03, "undecided"),
    ],
)
def test_better_means_by_more_than_the_margin(estimate, error, status):
    found = contrast("easy.any", "hard.any", numbers(estimate, error), noise=NOISE)
    assert one("F2", contrasts=[found])["status"] == status


@pytest.mark.parametrize(
    ("estimate", "error", "status"),
    [
        (0.0, 0.005, "supported"),
        (0.01, 0.004, "supported"),  # a small difference, surely inside the margin
        (0.0, 0.02, "undecided"),
        (0.06, 0.01, "refuted"),
        (0.025, 0.01, "undecided"),  # different, but not shown to be so by more than the margin
        (0.015, 0.004, "undecided"),
        (-0.06, 0.01, "refuted"),
    ],
)
def test_no_difference_only_by_an_equivalence_test(estimate, error, status):
    found = contrast("all.correct", "all.incorrect", numbers(estimate, error), noise=NOISE)
    claim = one("F3", contrasts=[found])
    assert claim["status"] == status


def test_a_floor_decides_nothing():
    # Both sides (almost) never right: a difference of zero, and no evidence of equality.
    for means in ([0.001, 0.0], [0.995, 1.0]):
        stuck = numbers(0.0, 0.001) | {"means": means}
        for name, (a, b) in (
            ("F2", ("easy.any", "hard.any")),
            ("F3", ("all.correct", "all.incorrect")),
        ):
            claim = one(name, contrasts=[contrast(a, b, stuck, noise=NOISE)])
            assert claim["status"] == "undecided"
            assert "could not differ" in claim["sentence"]


def test_every_start_must_agree():
    found = contrast("easy.any", "hard.any", numbers(0.06, 0.01), numbers(0.03, 0.02), NOISE)
    assert one("F2", contrasts=[found])["status"] == "undecided"
    found = contrast("easy.any", "hard.any", numbers(0.06, 0.01), numbers(-0.05, 0.02), NOISE)
    assert one("F2", contrasts=[found])["status"] == "refuted"


def test_one_of_many_looks_refutes_only_beyond_doubt():
    assert against([-0.05, -0.001], 0.0, -0.0255, 1) == "refuted"
    assert against([-0.05, -0.001], 0.0, -0.0255, 6) == "undecided"
    assert widened([-1.0, 1.0], 0.0, 2) == pytest.approx([-1.1436, 1.1436], abs=1e-3)
    assert widened([None, 1.0], 0.0, 3)[0] is None


def rates_of(with_size: float, with_score: float, sizes: int = 100) -> dict:
    from valley.analysis.correlate import bonett_wright

    items = [
        {"rate": rate, "with": other, "sizes": sizes, "estimate": rho, "interval": [rho, rho],
         "interval_sizes": bonett_wright(rho, sizes)}
        for rate in ("completion", "think_tag")
        for other, rho in (("size", with_size), ("pass@1", with_score))
    ]  # fmt: skip
    return {"groups": [{"student": "s", "correlations": items, "training_noise": NOISE}]}


@pytest.mark.parametrize(
    ("with_size", "with_score", "sizes", "status"),
    [
        (0.95, 0.1, 100, "supported"),
        (0.95, 0.9, 100, "refuted"),
        (0.2, 0.1, 100, "refuted"),
        (0.95, 0.1, 8, "undecided"),
        (1.0, 0.0, 4, "undecided"),
    ],
)
def test_rates_follow_data_closely_and_performance_weakly(with_size, with_score, sizes, status):
    assert one("F4", rates=rates_of(with_size, with_score, sizes))["status"] == status


FORBIDDEN = {
    "supported": ["open", "neither", "not better", "would decide"],
    "refuted": ["open", "neither", "would decide"],
    "undecided": ["by more than 0.02:", "differ by less", "is not better", "is sharper"],
    "not tested": ["supported", "refuted", "open"],
}


def test_sentences_never_say_more_than_the_numbers():
    rng = np.random.default_rng(0)
    for _ in range(150):
        base = numbers(rng.normal(0, 0.05), rng.uniform(0.002, 0.04))
        noise = NOISE if rng.random() < 0.5 else None
        pairs = [("easy.any", "hard.any"), ("all.correct", "all.incorrect")]
        claims = judge_claims([], [contrast(a, b, base, noise=noise) for a, b in pairs], None, {})
        for claim in claims[1:3]:
            sentence = claim["sentence"]
            assert sentence.startswith(claim["status"].capitalize())
            for word in FORBIDDEN[claim["status"]]:
                assert word not in sentence, sentence
            # The interval shown decides what is said, and every number shown is in the record.
            estimate, bounds = claim["estimate"], claim["interval"]
            assert interval(estimate, bounds) in sentence
            assert ("not in the interval" in sentence) == (noise is None)
            low, high = bounds
            if claim["name"] == "F2":
                assert (claim["status"] == "supported") == (low > 0.02)
                assert (claim["status"] == "refuted") == (high < 0.02)
                if "is better" in sentence and "whether" not in sentence:
                    assert low > 0
            elif claim["status"] == "supported":
                assert low > -0.02 and high < 0.02
            elif claim["status"] == "refuted":
                assert low > 0.02 or high < -0.02
                assert "by more than 0.02" in sentence
            elif low > 0 or high < 0:
                assert "whether by more than 0.02 is open" in sentence
            else:
                assert "either a difference" in sentence
            known = {f"{value:.3f}" for value in (estimate, low, high)} | {"0.02"}
            if claim["needed"]:
                known.add(f"{claim['needed']['assuming']:.3f}")
                known.add(f"{claim['needed']['decidable']:.3f}")
            shown = set(re.findall(r"-?\d+\.\d+", sentence))
            assert shown <= known, (shown - known, sentence)


def test_needed_is_enough_and_not_far_too_much():
    decide = power.outside(0.02, 0.02)
    parts = {**PARTS, "problem": 2e-4, "answers": 1e-4, "seed": 0.0}
    need = power.needed(parts, 0.05, decide, 1)
    enough = need["problems"] / parts["problems"]
    assert power.chance(parts, 0.05, decide, 2, problems=enough) > 0.75
    assert power.chance(parts, 0.05, decide, 2, problems=enough / 2) < 0.8
    # Samples alone can't remove what lies between problems.
    assert power.chance(parts, 0.05, decide, 2, samples=1000) < power.chance(
        parts, 0.05, decide, 2, problems=1000
    )


def test_each_lever_shrinks_its_own_part():
    parts = {**PARTS, "problem": 1.0, "answers": 2.0, "seed": 4.0}
    assert power.spread(parts) ** 2 == pytest.approx(7.0)
    assert power.spread(parts, samples=2) ** 2 == pytest.approx(6.0)
    assert power.spread(parts, seeds=2) ** 2 == pytest.approx(1 + 1 + 2)
    assert power.spread(parts, problems=2) ** 2 == pytest.approx(0.5 + 1 + 4)


def test_what_is_not_known_is_not_promised():
    one_run = {**PARTS, "seed": None, "answers": None}
    need = power.needed(one_run, 0.03, power.outside(0.02, 0.02), 1)
    assert need["seeds"] is None and need["samples"] is None
    on_the_border = power.needed(PARTS, 0.02, power.outside(0.02, 0.02), 1)
    assert not any(on_the_border[lever] for lever in ("problems", "samples", "seeds"))
    said = would_decide(on_the_border)
    assert "lies on the line" in said and f"{on_the_border['decidable']:.3f}" in said
    # What it says could be decided, the study as it stands does decide.
    far = 0.02 + on_the_border["decidable"]
    assert power.chance(PARTS, far, power.outside(0.02, 0.02), 3) == pytest.approx(0.8, abs=0.02)


def test_a_study_declares_claims_of_its_own():
    config = {
        "F1": {"share": 0.9},
        "steps": {"kind": "equal", "text": "steps do not matter", "field": "recipe",
                  "a": "matched", "b": "epochs"},
    }  # fmt: skip
    found = contrast("matched", "epochs", numbers(0.0, 0.004), noise=NOISE) | {"field": "recipe"}
    claim = one("steps", contrasts=[found], config=config)
    assert claim["status"] == "supported" and claim["text"] == "steps do not matter"
    assert one("F1", curves=[curve()], config=config)["status"] == "refuted"
    assert [c["name"] for c in judge_claims([], [], None, config)] == [*PAPER, "steps"]


def test_every_kind_that_a_study_file_may_declare_has_a_judge():
    assert set(KINDS) == set(KEYS)
