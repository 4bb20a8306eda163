"""What a study could decide: simulated designs, their chances, levers, costs and assumptions."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from power_material import ended, paper_part, ready, study
from valley.analysis import assumptions
from valley.analysis.chances import ONE_SEED, chances
from valley.analysis.designs import blueprint, drawn, judged
from valley.analysis.plain import plain
from valley.analysis.resample import wilson
from valley.analysis.simulate import Design, draw_arm, draw_problems
from valley.analysis.truths import (
    TruthError,
    curve,
    levels_of,
    opposite_truth,
    paper_truth,
    parse_truth,
    rate,
    students_of,
)
from valley.core.study import Study
from valley.planning import power_report
from workspace import Workspace


@pytest.fixture(autouse=True)
def _nothing_is_finished(monkeypatch, tmp_path):
    """Away from the repository, whose own smoke study may be finished."""
    monkeypatch.chdir(tmp_path)


# --- chances


def test_a_huge_difference_is_found_and_its_opposite_refuted():
    assert ended(study(), "F2", "F2=0.3").share("supported") == 1
    assert ended(study(), "F2", "F2=-0.3").share("refuted") == 1


def test_a_rising_curve_refutes_a_valley():
    assert ended(study(problems=400), "F1", "F1=rising").share("refuted") > 0.8


def test_the_chance_is_the_one_that_arithmetic_gives():
    """One setting, one seed, runs alike: the difference is normal with a known standard error."""
    made = study(problems=300, seeds=(0,), statistics={"training_noise": 0, "bootstrap": 200})
    gap, margin = 0.055, made.config["statistics"]["margin"]
    one = ready(made, truth=f"F2={gap}", studies=120)
    part = one.of_claim("F2")
    part = replace(
        part, contrasts=tuple(
            (field, a, b, [point for point in points if point["start"] == "base"])
            for field, a, b, points in part.contrasts
        ),
    )  # fmt: skip
    design = Design(problems=300, samples=4, run_sd=0.0)
    levels = levels_of(part, one.truths[0], one.students)
    found = chances(part, levels, design, studies=120, seed=3)["F2"]
    many, rng = replace(design, problems=200_000), np.random.default_rng(1)
    problems = draw_problems(many, rng)
    sides = [
        draw_arm(levels[f"tiny/distil/base/{side}/n16"]["pass@1"], 1, many, problems, rng)[0]
        for side in ("easy.any", "hard.any")
    ]
    error = float((sides[0] - sides[1]).std() / np.sqrt(300))
    expected = NormalDist().cdf((gap - margin) / error - NormalDist().inv_cdf(0.975))
    assert 0.1 < expected < 0.9
    low, high = wilson(found.share("supported"), 120, z=2.6)
    assert low <= expected <= high


def test_shares_add_up_and_carry_the_simulations_error():
    found = ended(study(), "F1", "F1=valley")
    assert sum(found.counts.values()) == 12
    outcomes = found.plain()["outcomes"]
    assert sum(one["chance"] for one in outcomes.values()) == pytest.approx(1)
    for one in outcomes.values():
        assert one["interval"][0] <= one["chance"] <= one["interval"][1]


def test_a_claim_without_arms_is_not_tested_and_says_so():
    found = ended(study(), "F3", "F2=0.1", studies=2)
    assert not found.tested
    assert "no arms" in found.plain()["why"]


def test_designs_share_the_chance_of_what_they_share():
    small, large = (ready(study(sizes=sizes)) for sizes in ((0, 32, 128), (0, 32, 64, 128)))
    one = [
        drawn(
            each.plan,
            levels_of(each.plan, each.truths[0], small.students),
            Design(problems=200),
            5,
            2,
        )
        for each in (small, large)
    ]
    shared = one[0].keys() & one[1].keys()
    assert len(shared) > 5
    for checkpoint in shared:
        assert np.array_equal(one[0][checkpoint].accepted, one[1][checkpoint].accepted)


def test_the_rules_are_the_studys_own():
    """With a margin above both sides' scores the same answers no longer support the claim."""
    verdicts = []
    for claims in ({}, {"F2": {"margin": 0.4}}):
        one = ready(study(claims=claims), truth="F2=0.2")
        part = one.of_claim("F2")
        arms = drawn(part, levels_of(part, one.truths[0], one.students), Design(problems=200), 1, 0)
        verdicts.append(judged(part, arms, 200, 1)[0]["status"])
    assert verdicts == ["supported", "undecided"]


# --- the paper's design


def test_one_seed_and_unknown_noise_decide_nothing():
    one = paper_part()
    found = one.chances(one.of_claim("F1"), one.truths[0])["F1"]
    assert found.share("supported") == found.share("refuted") == 0
    assert found.share(ONE_SEED) > 0.5
    told = " ".join(power_report.notes(one))
    assert "One seed an arm on scaling" in told
    assert "at most undecided" in told


def test_the_papers_design_has_a_small_chance_with_training_noise_left_out():
    """docs/statistics.md has 1 to 3 %, by another simulation of the same scores."""
    one = paper_part(training_noise=0)
    found = one.chances(one.of_claim("F1"), one.truths[0], run_sd=0.0)["F1"]
    assert found.share("supported") <= 0.1
    assert found.share("undecided") > 0.8


# --- truths


def test_the_papers_truth_is_its_published_scores():
    one = paper_part()
    levels = levels_of(one.plan, paper_truth(one.config), one.students)
    assert levels["qwen/paper/base/all.any/n1000"]["pass@1"] == pytest.approx(0.055)
    assert levels["llama/paper/base/all.any/n30000"]["pass@1"] == pytest.approx(0.299)
    assert levels["qwen/paper/base/easy.any/n4000"]["pass@1"] == pytest.approx(0.179)
    assert levels["qwen/paper/thirty/all.incorrect/n6000"]["pass@1"] == pytest.approx(0.350)
    assert levels["llama/paper/base/all.any/n1000"]["think_tag"] == pytest.approx(0.0777)


def test_another_student_falls_by_as_much_as_the_papers_do_on_average():
    one = ready(study())
    student = one.students["tiny"]
    levels = [curve("valley", student)(size) for size in np.geomspace(32, 512, 400)]
    shares = np.mean([0.055 / 0.127, 0.019 / 0.103])
    assert min(levels) == pytest.approx(student.start * shares, rel=0.01)
    assert levels[-1] > student.start
    assert "assumed" in student.source


def test_a_measured_start_stands_in_for_the_assumed_one():
    one = ready(study())
    assert students_of(one.plan, {"tiny": 0.4})["tiny"].start == 0.4


def test_the_opposite_has_no_fall_no_difference_and_falling_rates():
    one = ready(study())
    truth, student = opposite_truth(one.config), one.students["tiny"]
    at_sizes = [curve(truth.values["F1"], student)(size) for size in (0, 32, 100, 300, 512)]
    assert at_sizes == sorted(at_sizes)
    assert truth.values["F2"] == {"": 0.0}
    rates = [rate(truth.values["F4"], "think_tag", student)(size) for size in (32, 100, 512)]
    assert rates == sorted(rates, reverse=True)


def test_a_side_that_the_curve_is_made_of_keeps_its_level():
    config = Workspace.smoke()
    config["axes"]["steps"] = {
        "question": "?", "recipes": ["distil", "matched"], "sizes": [16],
        "contrasts": [{"field": "recipe", "a": "matched", "b": "distil"}],
    }  # fmt: skip
    config["claims"] = {
        "steps": {"kind": "more", "text": "?", "field": "recipe", "a": "matched", "b": "distil"}
    }
    one = ready(Study(config), truth="steps=0.1")
    levels = levels_of(one.plan, one.truths[0], one.students)
    same = curve("valley", one.students["tiny"])(16)
    assert levels["tiny/distil/base/all.any/n16"]["pass@1"] == pytest.approx(same)
    assert levels["tiny/matched/base/all.any/n16"]["pass@1"] == pytest.approx(same + 0.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("F9=valley", "there is no claim 'F9'"),
        ("F1=vally", "did you mean 'valley'"),
        ("F2=much", "write a number between -1 and 1"),
        ("F2=1.5", "write a number between -1 and 1"),
        ("F4=0.3", "choose from: rising, falling, flat"),
        ("F1", "is not CLAIM=TRUTH"),
    ],
)
def test_a_truth_that_does_not_fit_is_answered_with_what_does(text, said):
    with pytest.raises(TruthError, match=said):
        parse_truth(text, study().config)


# --- assumptions


@pytest.mark.parametrize("real", [(0.12, 2.0, 0.6), (0.35, 1.4, 1.0)])
def test_finished_arms_tell_what_they_were_drawn_with(real):
    run_sd, problem_sd, interaction_sd = real
    design = Design(
        problems=800, samples=8, run_sd=run_sd, problem_sd=problem_sd, interaction_sd=interaction_sd
    )
    one = ready(study(seeds=(0, 1, 2)), truth="F1=plateau")
    levels = levels_of(one.plan, one.truths[0], one.students)
    made = drawn(one.plan, levels, design, 4, 0)
    arms = [
        replace(made[checkpoint], setting={**vars(cell.arm), "seed": number})
        for cell in one.plan.cells
        for number, checkpoint in enumerate(cell.checkpoints)
    ]
    found = assumptions.measured(arms, "a test", bootstrap=20)
    low, high = found["run_sd"].interval
    assert low <= run_sd <= high
    assert high < 1
    assert found["problem_sd"].middle == pytest.approx(problem_sd, rel=0.2)
    assert found["interaction_sd"].middle == pytest.approx(interaction_sd, rel=0.35)


def test_one_seed_tells_nothing_of_training_noise():
    one = ready(study(seeds=(0,)))
    made = drawn(
        one.plan, levels_of(one.plan, one.truths[0], one.students), Design(problems=200), 1, 0
    )
    arms = [
        replace(made[cell.checkpoints[0]], setting={**vars(cell.arm), "seed": 0})
        for cell in one.plan.cells
    ]
    assert "run_sd" not in assumptions.measured(arms, "a test", bootstrap=5)


def test_a_range_has_both_ends_and_a_middle():
    assert assumptions.parse(["run_sd=0.1..0.4"])["run_sd"].values == (0.1, 0.25, 0.4)
    assert assumptions.parse(["world=beta"])["world"].middle == "beta"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run_sdd=0.1", "did you mean 'run_sd'"),
        ("run_sd=much", "write a number from 0 to 6"),
        ("run_sd=0.4..0.1", "the lower first"),
        ("run_sd=-1", "write a number from 0 to 6"),
        ("run_sd=0.1..0.2..0.3", "a range of two"),
        ("run_sd=nan", "write a number from 0 to 6"),
        ("world=flat", "choose from: logistic, beta"),
    ],
)
def test_an_assumption_that_does_not_read_is_answered_with_what_does(text, said):
    with pytest.raises(assumptions.AssumptionError, match=said):
        assumptions.parse([text])


def test_more_training_noise_leaves_less_to_be_decided():
    loud, quiet = (
        ended(study(problems=400), "F2", "F2=0.1", 25, run_sd=run_sd) for run_sd in (1.0, 0.0)
    )
    assert quiet.share("supported") > loud.share("supported") + 0.2


# --- everything


def test_the_same_seed_gives_the_same_report_and_another_seed_another():
    def whole(seed):
        made = study(problems=60, sizes=(0, 32, 128), statistics={"seed": seed, "bootstrap": 200})
        return plain(power_report.report(ready(made, studies=4)))

    first = whole(1)
    assert first == whole(1)
    assert first["claims"] != whole(2)["claims"]
    assert {claim["name"] for claim in first["claims"]} == {"F1", "F2", "F3", "F4"}
    assert first["truths"][0]["levels"]["tiny//base//n0"] > 0


def test_a_range_is_shown_at_both_ends():
    made = study(problems=60, sizes=(0, 32, 128))
    found = power_report.report(ready(made, studies=5, assume=["run_sd=0.1..0.9"]))
    assert [row["value"] for row in found["ranges"]] == [0.1, 0.9]


def test_blueprints_of_one_claim_hold_no_more_than_it_needs():
    plan = ready(study()).plan
    part = blueprint(plan.study, "bank", 200, ["F2"])
    assert not part.curves
    assert not part.rates
    assert part.axes == ("difficulty",)
    assert {"scaling"} <= {
        axis for axis in plan.study.axes for p in part.lenders if p in plan.study.points(axis)
    }
