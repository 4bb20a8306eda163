"""Two studies in one page: paired on the problems that both asked, and honest about the rest."""

import generated_study
import numpy as np
import pytest
from browser import Elements
from valley.analysis import load
from valley.core.files import PROBLEM, read_parquet, write_parquet
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
            place = f"tiny/distil/base/all.any/n1024-s{seed}"
            files = [
                layout.result(k, place, "bank", "parquet") for k in ("generations", "verdicts")
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
