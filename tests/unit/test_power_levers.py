"""What would help a study to decide, and at what cost: levers, budgets, pilots."""

from dataclasses import replace

import pytest
from power_material import paper_part, ready, study
from valley.core.study import Study
from valley.planning import levers as at
from valley.planning import power_report, power_search
from valley.planning.pilot import pilot
from workspace import Workspace


@pytest.fixture(autouse=True)
def _nothing_is_finished(monkeypatch, tmp_path):
    """Away from the repository, whose own smoke study may be finished."""
    monkeypatch.chdir(tmp_path)


def test_only_problems_made_here_can_be_multiplied():
    kinds = {lever.kind for lever in at.levers(ready(study()).of_claim("F1"))}
    assert kinds == {"seeds", "samples", "problems", "sizes"}
    published = {lever.kind for lever in at.levers(paper_part().of_claim("F1"))}
    assert published == {"seeds", "samples", "sizes"}
    assert any("can't be multiplied" in note for note in power_report.notes(paper_part()))


def test_levers_are_edits_that_valley_plan_understands():
    one = ready(study())
    part = one.of_claim("F1")
    for lever in at.levers(part):
        more, edits = at.pulled(part, {lever: 2})
        assert edits
        assert more.study.config == at.with_edits(one.plan.study, edits).config
        assert at.cost(more.study).core > at.cost(part.study).core
    more, _ = at.pulled(part, {at.Lever(at.PROBLEMS): 2, at.Lever(at.SAMPLES): 2})
    assert more.problems == 400
    assert more.study.config["sampling"]["samples"] == 8


def test_what_buys_most_is_doubled_once_more_where_that_does_not_decide():
    """Four seeds in place of two, then eight, for a difference that two seldom show."""
    one = ready(study(problems=150), truth="F2=0.07", studies=25)
    base = one.chances(one.of_claim("F2"), one.truths[0])["F2"]
    moves = power_search.moves_of(one, "F2", base, at.cost(one.plan.study), "cpuh")
    twice = {(move["kind"], move["factor"]): move for move in moves}
    assert {kind for kind, factor in twice if factor == 2} >= {"seeds", "samples", "problems"}
    again = [(kind, move) for (kind, factor), move in twice.items() if factor == 4]
    assert [kind for kind, _ in again] == ["seeds"]
    for kind, move in again:
        assert twice[kind, 2]["beyond_error"]
        assert twice[kind, 2]["decided"] < power_search.ENOUGH
        assert move["extra"] > twice[kind, 2]["extra"]
    assert (
        power_search.moves_of(
            one,
            "F2",
            replace(base, counts={"supported": 25, "refuted": 0}),
            at.cost(one.plan.study),
            "cpuh",
        )
        == []
    )


def test_seeds_keep_their_names_and_one_of_each_stays():
    made = study(seeds=(3, 7))
    lever = at.Lever(at.SEEDS, ("scaling",))
    assert at.edits(made, "bank", {lever: 2}) == ["axes.scaling.seeds=[3, 7, 8, 9]"]
    assert at.edits(made, "bank", {lever: 0.25}) == ["axes.scaling.seeds=[3]"]


def test_an_arms_cost_is_its_training_its_answers_and_its_starts():
    made = study()
    checkpoints = ["tiny/distil/mid/easy.any/n16-s0"]
    config = made.config
    parts = [
        at.cost(made, checkpoints),
        *(at.estimate(config, rule, how) for rule, how in (
            ("train", {"student": "tiny", "recipe": "distil", "size": 16}),
            ("train", {"student": "tiny", "recipe": "distil", "size": 32}),
            ("generate", {"checkpoint": "tiny/base", "benchmark": "bank"}),
            ("judge", {"checkpoint": "tiny/base", "benchmark": "bank"}),
        )),
    ]  # fmt: skip
    seconds = sum(part.core_seconds + part.start_seconds for part in parts[1:])
    assert parts[0].core == pytest.approx(seconds / 3600)
    assert parts[0].gpu == 0


def test_what_programs_cost_to_judge_is_the_same_in_parts():
    def core_hours(jobs):
        assumed = {"job_seconds": 0, "program_seconds": 5}
        made = Study({**study().config, "judge": {"jobs": jobs}, "estimates": assumed})
        return at.cost(made, ["tiny/distil/mid/easy.any/n16-s0"]).core

    assert core_hours(4) == pytest.approx(core_hours(1))


def test_a_benchmark_of_unknown_size_is_asked_for():
    config = Workspace.smoke()
    config["benchmarks"] = {"mine": {"source": {"format": "problems", "path": "here"}}}
    with pytest.raises(at.UnknownProblems, match="--problems mine=164"):
        ready(Study(config))
    assert ready(Study(config), problems=90).plan.problems == 90


def test_a_design_within_a_budget_costs_no_more_and_more_budget_never_less_chance():
    made = study()
    config = {**made.config, "axes": {"difficulty": made.config["axes"]["difficulty"]}}
    made = Study(config)
    base = at.cost(made).core
    one = ready(made, truth="F2=0.08", studies=8)
    first = one.chances(one.plan, one.truths[0])
    moves = {"F2": power_search.moves_of(one, "F2", first["F2"], at.cost(made), "cpuh")}
    tight = power_search.search(one, first, moves, (base * 0.6, "cpuh"))
    assert tight["design"]["hours"] <= base * 0.6
    assert tight["design"]["edits"]
    ample = power_search.search(one, first, moves, (base * 3, "cpuh"))
    assert ample["design"]["hours"] <= base * 3
    none = power_search.search(one, first, moves, (base * 1e-6, "cpuh"))
    assert none["design"] is None


def test_a_pilot_of_two_seeds_bounds_training_noise_and_names_its_files():
    one = ready(study(problems=400, samples=8), assume=["run_sd=0.3"], studies=20)
    found = pilot(one, [64, 256])
    told = found["tells"]["run_sd"]
    assert told["estimate"] == pytest.approx(0.3, abs=0.15)
    assert told["spread"][1] - told["spread"][0] > 0.1
    assert told["interval"][0] < 0.3 < told["interval"][1]
    root = one.options.study.root
    assert (
        f"{root}/verdicts/tiny/distil/base/all.any/n{{64,256}}-s{{0,1}}/bank.parquet"
        in (found["targets"])
    )
    assert 0 < found["hours"] < at.cost(one.plan.study).core


def test_a_pilot_of_a_study_of_one_seed_says_what_to_change():
    found = pilot(ready(study(seeds=(0,)), studies=3))
    assert found["edits"] == ["axes.scaling.seeds=[0, 1]"]
    with pytest.raises(ValueError, match="has no size 48"):
        pilot(ready(study()), [48])
