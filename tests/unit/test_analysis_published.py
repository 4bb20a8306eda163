"""Published figures: what these rules say of them, and known parameters found again."""

import numpy as np
import pytest
import stats_published
from valley.analysis.published import judge_paper, shifted_arms
from valley.analysis.simulate import Design, ability_of, draw_arms


@pytest.fixture(scope="module")
def judged():
    design = Design(problems=266, samples=3)
    claims = judge_paper(*stats_published.paper(), design, margin=0.02, draws=1000, seed=1)
    return {claim["name"]: claim for claim in claims}


def test_typed_in_figures_are_whole():
    curves, subsets, rates = stats_published.paper()
    assert all(sizes == [0, 1000, 10_000, 30_000] for sizes, _ in curves.values())
    assert len(subsets) == 8
    # Rates are shares of about 800 responses: k / 798 to four decimals, as a check on the typing.
    for columns in rates.values():
        shares = np.array(columns["completion"] + columns["think_tag"])
        assert np.sum(np.abs(shares * 798 - np.round(shares * 798)) < 0.06) >= 5


def test_made_up_results_have_the_published_means():
    scores = np.array([0.127, 0.055])
    arms = shifted_arms(scores, Design(problems=399, samples=2), 1)
    assert [arm.mean() for arm in arms] == pytest.approx(scores)


def test_llama_falls_and_rises_and_the_rest_is_open(judged):
    parts = {(part["where"], i % 3): part["status"] for i, part in enumerate(judged["F1"]["parts"])}
    assert [parts["Llama-3.1-8B-Instruct", i] for i in range(3)] == ["supported"] * 3
    assert parts["Qwen2.5-7B-Instruct", 0] == "undecided"
    assert parts["Qwen2.5-7B-Instruct", 1] == "supported"
    assert {claim["status"] for claim in judged.values()} == {"undecided"}


def test_three_sizes_decide_no_rank_correlation(judged):
    assert all("too few" in part["sentence"] for part in judged["F4"]["parts"])


def test_bnsl_parameters_are_found_again():
    text = stats_published.known(1)
    row = next(line for line in text.splitlines() if "without noise" in line)
    found = [float(cell) for cell in row.split("|")[2:8]]
    assert found == pytest.approx(list(stats_published.PRINTED.values()), rel=0.01)


def test_simulated_levels_are_the_levels_asked_for():
    design = Design(problems=200_000, samples=2)
    levels = np.array([0.02, 0.3, 0.8])
    drawn = draw_arms(levels, [1, 1, 1], design, np.random.default_rng(0), fixed=(0, 1, 2))
    assert [arm.mean() for arm in drawn] == pytest.approx(levels, abs=0.004)
    assert np.all(np.diff(ability_of(np.linspace(0.01, 0.99, 50), design)) > 0)
