"""Studies at the edges: no crash, no interval that can't be, no words against the numbers."""

import math

import numpy as np
import pytest
from valley.analysis import contrasts, few, fitting, noise, readouts, valleys
from valley.analysis.correlate import bonett_wright, correlations
from valley.analysis.curve_report import curve_report
from valley.analysis.judge_follow import sizes_needed
from valley.analysis.judgement import judge_claims
from valley.analysis.plain import plain
from valley.analysis.resample import wilson
from valley.analysis.sample import from_values
from valley.analysis.simulate import Design, draw_arms
from valley.core.files import GENERATION, PROBLEM, VERDICT, write_parquet

SIZES = np.array([0, 16, 64, 256, 1024, 4096])
LEVELS = np.array([0.4, 0.2, 0.1, 0.15, 0.3, 0.5])


def curve_of(sizes, values, margin: float = 0.03, **how) -> dict:
    """Return a fitted curve as the claims read it."""
    sizes = np.array(sizes)
    data = from_values(sizes, values, 300, 1, **{"samples": 4, **how})
    report = curve_report(data, margin=margin, seed=1, samples=data.samples)
    about = {"title": "s", "student": "s", "recipe": "r", "start": "base", "slice": "all.any"}
    return plain({**about, **report})


def drawn(levels, problems: int = 200, runs: int = 2, seed: int = 1, samples: int = 4, sizes=None):
    design = Design(problems=problems, samples=samples)
    many = [1 if not i else runs for i in range(len(levels))]
    rng = np.random.default_rng(seed)
    return draw_arms(np.array(levels), many, design, rng, fixed=(0,))


def claim(name: str, curves=(), found=(), rates=None, declared=None) -> dict:
    judged = judge_claims(list(curves), list(found), rates, declared or {})
    return next(item for item in judged if item["name"] == name)


def sound(curve: dict) -> None:
    """Check that every interval holds its estimate, and shares and levels stay in [0, 1]."""
    reads = curve["readouts"]
    for item in [*curve["points"], *(read for read in reads.values() if read)]:
        if item.get("interval") and item.get("estimate") is not None:
            low, high = item["interval"]
            if low is not None and high is not None:
                assert low - 1e-6 <= item["estimate"] <= high + 1e-6, item
    for item in [*curve["points"], *([reads["depth_share"]] if reads["depth_share"] else [])]:
        assert 0 <= item["interval"][0] <= item["interval"][1] <= 1
    assert "NaN" not in str(curve)


def test_one_problem_tests_nothing():
    found = curve_of(SIZES, [np.full((1, 1), value) for value in (0.5, 0.25, 0, 0, 0.5, 1)])
    sound(found)
    judged = claim("F1", [found])
    assert judged["status"] == "not tested" and "1 problems are too few" in judged["sentence"]
    pair = contrasts.pair({"start": "base"}, np.array([[0.75]]), np.array([[0.5]]), 4)
    value = contrasts.analyse([pair], 0.03, 200, 1)
    assert value["pooled"]["interval"] == [-1.0, 1.0] and value["pooled"]["p"] == 1.0
    sides = {"field": "slice", "a": "all.correct", "b": "all.incorrect"}
    judged = claim("F3", found=[{**sides, **value}])
    assert judged["status"] == "not tested"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_wrong_or_all_right(value):
    found = curve_of(SIZES, [np.full((1 if not n else 2, 60), value) for n in SIZES])
    sound(found)
    judged = claim("F1", [found])
    assert judged["status"] == ("refuted" if value else "not tested"), judged["sentence"]
    if not value:
        assert "the start scores 0" in judged["sentence"]
        assert found["readouts"]["depth_share"] is None


def test_the_start_alone_and_two_sizes():
    sound(curve_of([0], drawn([0.4])))
    found = curve_of([0, 64], drawn([0.4, 0.1]))
    sound(found)
    judged = claim("F1", [found])
    assert judged["status"] == "not tested" and "two sizes above" in judged["sentence"]


@pytest.mark.parametrize("margin", [0.0001, 0.9])
def test_margins_at_the_ends(margin):
    found = curve_of(SIZES, drawn(LEVELS), margin)
    sound(found)
    parts = claim("F1", [found])["parts"]
    if margin == 0.9:  # a start of .4 can't fall by .9: that refutes nothing
        assert (
            parts[1]["status"] == "not tested" and "can't fall by as much" in parts[1]["sentence"]
        )
    else:
        assert parts[1]["status"] == "supported"


def test_a_peak_before_the_fall_is_no_rise_after_it():
    levels = [0.25, 0.25, 0.32, 0.40, 0.15, 0.165]
    rng = np.random.default_rng(0)
    chances = rng.random(3000)
    values = [(chances < level).astype(float)[None] for level in levels]
    found = curve_of(SIZES, [np.repeat(v, 1 if not i else 2, axis=0) for i, v in enumerate(values)])
    rise = found["readouts"]["rise"]
    assert rise["interval"][1] < 0.1
    part = claim("F1", [found])["parts"][1]
    assert part["status"] != "supported" and "0.2" not in part["sentence"].split("rise")[-1]
    assert valleys.valley(from_values(SIZES, values, 300, 1), 0.03)["p"] > valleys.VALLEY_P


def test_a_curve_that_only_rises_does_not_fall():
    found = curve_of(SIZES, drawn([0.2, 0.25, 0.3, 0.4, 0.5, 0.6], problems=600))
    part = claim("F1", [found])["parts"][1]
    assert part["status"] == "refuted" and "does not fall" in part["sentence"]
    assert part["needed"] is None and "would decide" not in part["sentence"]


def test_a_share_of_the_fall_is_a_share():
    rising = curve_of(SIZES, drawn([0.02, 0.3, 0.3, 0.4, 0.5, 0.6], problems=60))
    sound(rising)
    assert rising["readouts"]["depth_share"]["estimate"] == 0.0


def test_sizes_with_different_numbers_of_samples():
    values = [arm for n, one in zip((1, 2, 4, 8, 4, 2), LEVELS, strict=True)
              for arm in drawn([one], samples=n)]  # fmt: skip
    data = from_values(SIZES, values, 200, 1, samples=[1, 2, 4, 8, 4, 2])
    assert data.answers is None  # one size has one sample: the share of answers is not known
    data = from_values(SIZES[1:], values[1:], 200, 1, samples=[2, 4, 8, 4, 2])
    expected = (values[3] * (1 - values[3])).mean() / 7 / 200
    assert data.answers[2] == pytest.approx(expected)
    sound(curve_of(SIZES, values, samples=[1, 2, 4, 8, 4, 2]))


def test_one_seed_and_no_knowledge_is_at_most_undecided():
    values = drawn(LEVELS, problems=2000, runs=1)
    assumed = noise.elsewhere([], None)
    found = curve_of(SIZES, values, noise=assumed)
    judged = claim("F1", [found])
    assert judged["status"] == "undecided" and judged["sentence"].startswith("Undecided (one seed)")
    assert "0.25 in log-odds is assumed" in judged["sentence"] and judged["needed"] is None
    left_out = curve_of(SIZES, values, noise=noise.elsewhere([], 0))
    assert claim("F1", [left_out])["parts"][0]["status"] == "supported"
    assert "not in the interval" in claim("F1", [left_out])["sentence"]
    given = curve_of(SIZES, values, noise=noise.elsewhere([], 0.1))
    part = claim("F1", [given])["parts"][0]
    assert part["status"] == "supported" and "from the study file" in part["sentence"]
    widths = [np.ptp(item["readouts"]["rise"]["interval"]) for item in (left_out, given, found)]
    assert widths == sorted(widths)


def test_noise_lent_from_other_levels_is_marked_and_uneven_arms_are_seen():
    lender = [noise.replicates(v, noise.response(v, 4) ** 2) for v in drawn([0.4] + [0.9] * 5)[1:]]
    lent = noise.elsewhere(lender, None)
    assert lent["source"] == noise.LENT
    assert noise.far(lent, [0.1]) and not noise.far(lent, [0.88])
    low = curve_of(SIZES, drawn(LEVELS, runs=1), noise=lent)
    assert "scores are far from these" in claim("F1", [low])["sentence"]
    even = noise.pooled([noise.Replicates(1e-3, 1, 1e-5, 0.04) for _ in range(8)])
    uneven = noise.pooled(
        [noise.Replicates(1e-3 if i else 0.9, 1, 1e-5, 0.04) for i in range(8)]
    )  # fmt: skip
    assert even["p_alike"] > 0.05 > uneven["p_alike"]
    assert uneven["alike"] < even["alike"]


def rates_of(completion, think_tag, score, runs: int = 2, problems: int = 400, margin=0.03, seed=1):
    rng = np.random.default_rng(seed)
    data = {}
    rows = (("pass@1", score), ("completion", completion), ("think_tag", think_tag))
    for i, (name, levels) in enumerate([*rows, ("well_formed", think_tag)]):
        values = [(rng.random((runs, problems)) < level).astype(float) for level in levels]
        sizes = 2 ** np.arange(4, 4 + len(levels))
        data[name] = from_values(sizes, values, 200, seed, samples=1, stream=i)
    group = {"student": "s", "correlations": correlations(data, margin), "training_noise": {}}
    return plain({"problems": problems, "groups": [group]})


RISING = np.linspace(0.1, 0.8, 8)


def test_a_rate_that_stands_still_is_not_tested():
    for seed in range(6):
        found = rates_of([0.99] * 8, [0.99] * 8, RISING, problems=1500, seed=seed)
        judged = claim("F4", rates=found)
        assert judged["status"] == "not tested", judged["sentence"]
        assert "at every size" in judged["sentence"] and "0.9" in judged["sentence"]


def test_a_rate_that_saturates_is_read_before_its_ceiling():
    found = rates_of([0.03, 0.94, *[1.0] * 7], [*np.linspace(0.05, 0.9, 8), 1.0], [0.1, *RISING])
    tags = [item for item in found["groups"][0]["correlations"] if item["rate"] == "completion"]
    assert [item["sizes"] for item in tags] == [3, 3] and tags[0]["left_out"] == 6
    assert tags[0]["estimate"] == pytest.approx(1.0)
    parts = claim("F4", rates=found)["parts"]
    assert (
        parts[0]["status"] == "undecided" and "before the rate stands still" in parts[0]["sentence"]
    )


def test_intervals_of_rho_hold_their_estimate():
    for seed in range(20):
        found = rates_of([0.03, 0.94, *[0.99] * 7], np.linspace(0.3, 0.4, 9), [0.2] * 9, seed=seed)
        for item in found["groups"][0]["correlations"]:
            if item["interval"]:
                low, high = item["interval"]
                assert low <= item["estimate"] <= high


def test_rho_that_is_not_a_number():
    assert sizes_needed(float("nan"), 0.8) is None and sizes_needed(None, 0.8) is None
    assert bonett_wright(math.nan, 8) is None
    flat = rates_of([0.5] * 8, [0.5] * 8, [0.0] * 8)
    assert claim("F4", rates=flat)["status"] in ("undecided", "not tested")


@pytest.mark.parametrize("problems", [10, 14, 20, 40])
@pytest.mark.parametrize("samples", [1, 4])
def test_equal_arms_of_few_problems_are_not_called_different(problems, samples):
    called = []
    for study in range(150):
        rng = np.random.default_rng([5, study])
        design = Design(problems=problems, samples=samples, replicates=1, run_sd=0.0)
        a, b = draw_arms(np.array([0.35, 0.35]), [1, 1], design, rng)
        value = contrasts.analyse([contrasts.pair({}, a, b, samples)], 0.03, 300, 1)["pooled"]
        low, high = value["interval"]
        called.append(not low <= 0 <= high)
        assert low <= value["estimate"] <= high and low >= -1 and high <= 1
    assert wilson(float(np.mean(called)), len(called))[0] <= 0.05


def test_the_exact_test_counts_all_flips():
    assert few.exact_p(np.array([0.25, 0.25, 0.25, 0.0])) == pytest.approx(0.25)
    assert few.exact_p(np.zeros(5)) == 1.0
    assert few.exact_p(np.ones(few.EXACT + 1)) is None


def test_students_are_judged_apart_and_pooled_only_when_asked():
    rng = np.random.default_rng(3)
    found = {}
    for student, gap in (("one", 0.15), ("two", -0.1)):
        a, b = draw_arms(np.array([0.3 + gap, 0.3]), [6, 6], Design(problems=800), rng)
        found[student] = [contrasts.pair({"student": student, "start": "base"}, a, b, 4)]
    every = [pair for part in found.values() for pair in part]
    alike = contrasts.disagreement(found, 400, 1)
    assert alike["p"] < 0.01
    value = {"field": "slice", "a": "easy.any", "b": "hard.any"}
    value |= {**contrasts.analyse(every, 0.03, 300, 1), "alike": alike, "starts": {}}
    value["students"] = {
        name: {"pooled": contrasts.analyse(part, 0.03, 300, 1)["pooled"], "starts": {}}
        for name, part in found.items()
    }
    apart = claim("F2", found=[value])
    assert [part["where"] for part in apart["parts"]] == ["one", "two"]
    assert [part["status"] for part in apart["parts"]] == ["supported", "refuted"]
    pooled = claim("F2", found=[value], declared={"F2": {"pool_students": True}})
    assert len(pooled["parts"]) == 1 and "differ among themselves" in pooled["sentence"]


def test_a_verdict_on_an_edge_is_marked():
    def judged(estimate: float) -> dict:
        parts = {"problem": 1e-6, "answers": 3e-5, "seed": 1e-6, "problems": 250, "samples": 4}
        sd = 0.0057
        bounds = [estimate - 1.96 * sd, estimate + 1.96 * sd]
        tight = [estimate - 1.645 * sd, estimate + 1.645 * sd]
        numbers = {"estimate": estimate, "interval": bounds, "interval_90": tight}
        numbers |= {"parts": {**parts, "replicates": 2}}
        value = {"field": "slice", "a": "easy.any", "b": "hard.any", "margin": 0.02}
        value |= {"pooled": numbers, "training_noise": {}, "training_noise_from": None}
        return claim("F2", found=[value])

    near, far = judged(0.0325), judged(0.08)
    assert near["status"] == far["status"] == "supported"
    assert near["on_edge"] and "On an edge" in near["sentence"]
    assert not far["on_edge"] and "On an edge" not in far["sentence"]
    assert sum(near["chances"].values()) == pytest.approx(1.0)
    # The share is what redrawn answers do: about half of them fall below the line.
    assert near["redrawn"]["undecided"] == pytest.approx(0.43, abs=0.08)


@pytest.fixture
def study(tmp_path):
    """Files of 17 arms of one sample; `fails(arm, problem)` says where the judge does."""
    ids = [f"p{i:03d}" for i in range(500)]
    problems = tmp_path / "problems.parquet"
    write_parquet(problems, [{"id": i, "difficulty": "", "tests": []} for i in ids], PROBLEM)
    sizes = [0, *(2**n for n in range(4, 12) for _ in (0, 1))]
    chances = np.random.default_rng(1).random(len(ids))

    def write(fails) -> list[dict]:
        arms = []
        for at, size in enumerate(sizes):
            rng = np.random.default_rng([7, at])
            passed = chances < 0.3 + 0.02 * at + 0.1 * rng.standard_normal(len(ids))
            rows = [{"problem_id": i, "sample": 0} for i in ids]
            about = {"text": "", "finish_reason": "stop", "tokens": 1}
            words = [
                "judge_error" if fails(at, n, rng) else ("accepted" if ok else "wrong_answer")
                for n, ok in enumerate(passed)
            ]
            paths = {
                kind: tmp_path / f"{at}-{kind}.parquet" for kind in ("generations", "verdicts")
            }
            write_parquet(paths["generations"], [{**row, **about} for row in rows], GENERATION)
            judged = [{**row, "verdict": w} for row, w in zip(rows, words, strict=True)]
            write_parquet(paths["verdicts"], judged, VERDICT)
            seed = (at + 1) % 2 if size else None
            arms.append({"student": "s", "recipe": "r", "start": "base", "slice": "all.any",
                         "size": size, "seed": seed, **paths})  # fmt: skip
        return arms

    return problems, write


COMMON = {"bootstrap": 100, "seed": 1, "title": "t"}


def test_judge_errors_cost_their_own_arm_only(study):
    problems, write = study
    arms = write(lambda at, n, rng: rng.random() < 0.04)
    value = fitting.curve(arms, problems, margin=0.03, **COMMON)
    (start,) = fitting.usable(arms[:1], [f"p{i:03d}" for i in range(500)])[0]
    assert value["points"][0]["estimate"] == pytest.approx(
        np.nanmean(start.mean("pass@1")), abs=1e-6
    )
    assert value["problems"] == 500
    lost = [note for note in value["notes"] if "no judged answer" in note]
    assert len(lost) == 17
    sound(value)
    rates = fitting.rates(arms, problems, **COMMON)
    assert claim("F4", rates=rates)["parts"]


def test_an_arm_that_failed_wholly_is_named_and_left_out(study):
    problems, write = study
    arms = write(lambda at, n, rng: at == 5)
    value = fitting.curve(arms, problems, margin=0.03, **COMMON)
    named = "s/r/base/all.any/64/0 is left out: only 0 of 500 problems"
    assert any(named in note for note in value["notes"])
    runs = {point["size"]: point["replicates"] for point in value["points"]}
    assert runs[64] == 1 and runs[32] == 2
    rates = fitting.rates(arms, problems, **COMMON)
    assert any(named in note for note in rates["notes"])
    sides = {"field": "slice", "a": "all.any", "b": "easy.any"}
    found = fitting.contrast(arms, problems, margin=0.03, **sides, **COMMON)
    assert found["pooled"] is None and any(named in note for note in found["notes"])
    assert claim("F2", found=[found])["status"] == "not tested"
    arms = write(lambda at, n, rng: True)
    with pytest.raises(ValueError, match="no arm has a judged answer to enough problems"):
        fitting.curve(arms, problems, margin=0.03, **COMMON)


def test_missing_values_anywhere_do_no_harm():
    values = drawn(LEVELS, problems=120)
    rng = np.random.default_rng(2)
    for arm in values:
        arm[rng.random(arm.shape) < 0.1] = np.nan
    found = curve_of(SIZES, values)
    sound(found)
    pair = contrasts.pair({"start": "base"}, values[4], values[1], 4)
    value = contrasts.analyse([pair, pair], 0.03, 200, 1)
    assert np.isfinite([*value["pooled"]["interval"], value["pooled"]["p"]]).all()
    assert value["missing"] > 0
    values[2][:] = np.nan
    with pytest.raises(ValueError, match="no problem has a value at size 64"):
        from_values(SIZES, values, 50, 1)


def test_a_falling_curve_reads_a_depth_that_its_interval_holds():
    for seed in range(10):
        found = curve_of(SIZES, drawn([0.3] * 6, problems=30, seed=seed))
        sound(found)
        assert readouts.bottom(from_values(SIZES, drawn([0.3] * 6, problems=30), 50, 1))["may_be"]
