"""Two studies in one page: paired on the problems that both asked, and honest about the rest."""

import json
from types import SimpleNamespace

import generated_study
import numpy as np
import pytest
from browser import Elements
from valley.analysis import load
from valley.core.files import PROBLEM, read_parquet, write_parquet
from valley.reporting import agreeing, command, studies
from valley.reporting.comparing import Compared, differences, page_of

SIZES = [0, 16, 64, 256, 1024]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A study, and one with another rate, one more size and a level that is twice as high."""
    first = generated_study.config(SIZES, [0, 1], 40)
    second = {**generated_study.config([*SIZES, 4096], [0, 1], 30), "study": "other"}
    second["recipes"] = {"distil": {**second["recipes"]["distil"], "learning_rate": 0.01}}
    second["starts"] = first["starts"]
    second["axes"]["difficulty"]["sizes"] = first["axes"]["difficulty"]["sizes"]
    a = generated_study.write(tmp_path_factory.mktemp("a"), first)
    level = generated_study.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_study, "level", lambda arm: level(arm) * (2 if arm.size else 1))
        b = generated_study.write(tmp_path_factory.mktemp("b"), second)
    return a, b


def test_differences_are_paired_on_common_problems(two):
    compared = Compared(*two, ("a", "b"), "bank")
    assert len(compared.ids) == 30
    found = compared.contrast(0.03, 200, 1)
    row = next(
        row
        for row in found["settings"]
        if (row["setting"]["size"], row["setting"]["slice"]) == (1024, "all.any")
    )
    means = []
    for layout in two:
        for seed in (0, 1):
            checkpoint = f"tiny/distil/base/all.any/n1024-s{seed}"
            files = [
                layout.result(k, checkpoint, "bank", "parquet") for k in ("generations", "verdicts")
            ]
            ids, _ = load.problem_table(f"{layout.root}/benchmarks/bank.parquet")
            means.append(load.evaluation(ids, *files, {}).mean("pass@1")[:30].mean())
    assert row["estimate"] == pytest.approx(np.mean(means[:2]) - np.mean(means[2:]), abs=1e-6)
    assert found["pooled"]["interval"][1] < 0


def test_a_study_compared_with_itself_differs_in_nothing(two):
    compared = Compared(two[0], two[0], ("a", "b"), "bank")
    found = compared.contrast(0.03, 200, 1)
    assert {row["estimate"] for row in found["settings"]} == {0.0}
    both, first, second = compared.sides()
    assert (len(both), first, second) == (len(two[0].study.evaluated()), [], [])
    assert differences(two[0].study.config, two[0].study.config) == []


def test_a_problem_whose_text_or_tests_differ_is_left_out(two, tmp_path):
    changed = generated_study.write(tmp_path, generated_study.config(SIZES, [0], 20))
    at = f"{changed.root}/benchmarks/bank.parquet"
    rows = read_parquet(at)
    rows[3]["statement"] += " Really."
    rows[4]["tests"][0]["expected"] = "other"
    write_parquet(at, rows, PROBLEM)
    compared = Compared(two[0], changed, ("a", "b"), "bank")
    assert compared.unlike == 2
    assert len(compared.ids) == 18


def test_the_page_says_what_differs_and_what_is_only_in_one(two, tmp_path):
    written = page_of(*two, tmp_path)
    seen = Elements(written)
    text = " ".join(" ".join(seen.text).split())
    assert "other is ahead" in text
    assert "recipes.distil.learning_rate" in text
    assert "2 arms of other only" in text.replace("  ", " ")
    assert "N = 4,096 · distil · replicate 1" in text
    assert seen.count["figure"] == 2


def test_studies_without_a_common_problem_are_refused(two, tmp_path):
    other = generated_study.config(SIZES, [0], 5)
    other["benchmarks"] = {"another": other["benchmarks"]["bank"]}
    other["study"] = "third"
    third = type(two[0])(type(two[0].study)(other), root=str(tmp_path))
    with pytest.raises(ValueError, match="no problem in common"):
        page_of(two[0], third, tmp_path)


def agreed(first, second, name: str) -> dict:
    compared = Compared(first, second, ("a", "b"), "bank")
    return next(claim for claim in compared.claims() if claim["name"] == name)


def test_claims_of_a_study_compared_with_itself(two):
    for name in ("F1", "F2"):
        claim = agreed(two[0], two[0], name)
        assert claim["paired"] and claim["verdict"] != "differs"
        assert {part["difference"] for part in claim["parts"]} == {0.0}
    fall, rise = agreed(two[0], two[0], "F1")["parts"]
    assert "fall between 0 and 64" in fall["what"] or "fall between 0 and 16" in fall["what"]
    assert rise["what"].startswith("rise between 1,024 and ")
    assert [part["where"] for part in agreed(two[0], two[0], "F2")["parts"]] == [
        "the student, base",
        "the student, mid",
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two studies of one curve on the same problems; the second rises far higher."""
    layouts = []
    for name, more in (("one", 0.0), ("other", 0.35)):
        declared = generated_study.config(SIZES, [0, 1], 120, samples=4) | {"study": name}
        del declared["axes"]["difficulty"]
        with pytest.MonkeyPatch.context() as patch:
            plain = generated_study.level
            patch.setattr(
                generated_study,
                "level",
                lambda arm, plain=plain, more=more: plain(arm) + more * (arm.size >= 1024),
            )
            layouts.append(generated_study.write(tmp_path_factory.mktemp(name), declared))
    return layouts


def test_a_rise_that_is_another_in_the_other_study_differs(large):
    claim = agreed(*large, "F1")
    fall, rise = claim["parts"]
    assert rise["difference"] == pytest.approx(-0.35, abs=0.1)
    assert rise["interval"][1] < -rise["margin"] and rise["verdict"] == "differs"
    assert rise["difference"] == pytest.approx(np.subtract(*rise["estimates"]))
    assert fall["interval"][0] < 0 < fall["interval"][1] and fall["verdict"] != "differs"
    assert claim["verdict"] == "differs"


def test_the_margin_decides_whether_falls_agree(large):
    wide = [Compared(*large, ("a", "b"), "bank") for _ in range(2)]
    wide[1].layouts[0].study.config["statistics"] |= {"margin": 0.3}
    fall = next(c for c in wide[1].claims() if c["name"] == "F1")["parts"][0]
    wide[1].layouts[0].study.config["statistics"] |= {"margin": 0.02}
    assert fall["verdict"] == "agrees" and fall["interval_90"][0] > -0.3
    narrow = next(c for c in wide[0].claims() if c["name"] == "F1")["parts"][0]
    assert narrow["verdict"] == "undecided"


def test_estimates_are_paired_problem_by_problem(large):
    """The paired interval is that of the differences of differences, not of independent ones."""
    each = Compared(*large, ("a", "b"), "bank")
    widths = []
    for paired in (True, False):
        found = agreeing.agreement(each.layouts, each.arms, each.names, "bank", paired)
        (low, high), _ = (part["interval"] for part in found[0]["parts"])
        widths.append(high - low)
    assert widths[0] < widths[1]


def test_a_claim_about_something_else_is_not_compared(two, tmp_path):
    other = generated_study.config(SIZES, [0, 1], 30)
    other["claims"] = {"F2": {"b": "all.any"}, "mine": {**F3, "text": "alike"}}
    layout = generated_study.write(tmp_path, other)
    claim = agreed(two[0], layout, "F2")
    assert claim["verdict"] == "not compared"
    assert claim["reason"] == "b of the claim differ between the studies"
    assert agreed(two[0], layout, "F4")["reason"] == "rank correlations have no margin in pass@1"
    names = {claim["name"] for claim in Compared(two[0], layout, ("a", "b"), "bank").claims()}
    assert names == {"F1", "F2", "F3", "F4"}, "what only one study claims is left out"


F3 = {"kind": "equal", "field": "slice", "a": "easy.any", "b": "hard.any"}


def test_interactions_are_compared_where_both_declare_them_alike(two, tmp_path):
    sides = {"a": "easy.any", "b": "hard.any"}
    layouts = []
    for name, order in (("one", ("base", "mid")), ("other", ("base", "mid")), ("third", None)):
        declared = generated_study.config(SIZES, [0, 1], 30)
        declared["study"] = name
        first, second = order or ("mid", "base")
        declared["axes"]["difficulty"] |= {
            "interactions": {
                "later": {
                    "field": "slice",
                    "first": {**sides, "where": {"start": first}},
                    "second": {**sides, "where": {"start": second}},
                }
            }
        }
        declared["claims"] = {"L": {"kind": "interaction", "text": "more, later", "of": "later"}}
        (tmp_path / name).mkdir()
        layouts.append(generated_study.write(tmp_path / name, declared))
    (part,) = agreed(*layouts[:2], "L")["parts"]
    assert part["what"] == "difference of the differences" and part["difference"] == 0
    assert part["verdict"] != "differs"
    other = agreed(layouts[0], layouts[2], "L")
    assert other["reason"] == "the interaction later is not declared alike in both"


def test_claims_on_other_problems_are_compared_as_independent(two, tmp_path):
    layout = generated_study.write(tmp_path, generated_study.config(SIZES, [0, 1], 30))
    at = f"{layout.root}/benchmarks/bank.parquet"
    rows = read_parquet(at)
    for row in rows:
        row["statement"] += " Another text."
    write_parquet(at, rows, PROBLEM)
    compared = Compared(two[0], layout, ("a", "b"), "bank")
    assert not compared.ids
    claim = next(one for one in compared.claims() if one["name"] == "F2")
    assert claim["paired"] is False and len(claim["parts"]) == 2
    part = claim["parts"][0]
    assert part["difference"] == pytest.approx(part["estimates"][0] - part["estimates"][1])
    assert "no problem in common" in page_of(two[0], layout, tmp_path)


def test_the_comparison_as_json(large, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {layout.study.config["study"]: layout for layout in large}
    monkeypatch.setattr(studies, "layout_of", files.get)
    options = SimpleNamespace(first="one", second="other", json=True, out=None)
    assert command.compare(options) == 0
    said = json.loads(capsys.readouterr().out)
    claims = {one["name"]: one["verdict"] for one in said["benchmarks"]["bank"]["claims"]}
    assert claims["F1"] == "differs" and claims["F4"] == "not compared"
    assert said["studies"] == ["one", "other"] and said["benchmarks"]["bank"]["problems"] == 120
    assert not list(tmp_path.iterdir())
