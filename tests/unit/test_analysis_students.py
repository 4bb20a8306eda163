"""Claims on several students: what each says by itself, and what all of them say together."""

import numpy as np
import pytest
from test_analysis_claims import contrast, curve, numbers
from valley.analysis import fitting
from valley.analysis.judge_students import _averaged, by_student, with_students, word_of
from valley.analysis.judgement import judge_claims
from valley.core.claims import PAPER
from valley.core.files import write_json

HIGH = {"share": (0.7, 0.6, 0.8)}
LOW = {"share": (0.2, 0.1, 0.3)}
UNSURE = {"share": (0.55, 0.45, 0.65)}


def curves(**students: dict) -> list[dict]:
    return [
        {**curve(**how), "title": f"{name} on bank", "student": name}
        for name, how in students.items()
    ]


def judged(fits: list[dict], name: str = "F1", contrasts=(), declared=None) -> dict:
    fits = (fits, list(contrasts), None, declared or {})
    return next(one for one in with_students(judge_claims(*fits), *fits) if one["name"] == name)


@pytest.mark.parametrize(
    ("students", "word", "status"),
    [
        ({"a": HIGH, "b": HIGH}, "holds on all", "supported"),
        ({"a": LOW, "b": LOW}, "holds on none", "refuted"),
        ({"a": HIGH, "b": LOW}, "mixed", "refuted"),
        ({"a": HIGH, "b": UNSURE}, "open", "undecided"),
        ({"a": LOW, "b": UNSURE, "c": HIGH}, "mixed", "refuted"),
    ],
)
def test_what_students_say_together(students, word, status):
    claim = judged(curves(**students))
    assert claim["status"] == status, "the claim's own status is that of all parts"
    assert claim["by_student"]["verdict"] == word
    assert f"By student: {word}; a: " in claim["sentence"]


def test_each_student_has_its_verdict_and_interval():
    claim = judged(curves(a=HIGH, b=LOW))
    each = claim["by_student"]["students"]
    assert {name: one["status"] for name, one in each.items()} == {"a": "supported", "b": "refuted"}
    assert each["b"]["parts"][0]["what"] == "fall as a share"
    assert each["b"]["parts"][0]["interval"] == [0.1, 0.3]
    assert "a: supported (fall as a share 0.700 [0.600, 0.800])" in claim["sentence"]
    assert "b: refuted (fall as a share 0.200 [0.100, 0.300])" in claim["sentence"]
    share = claim["by_student"]["pooled"][0]
    assert share["estimate"] == pytest.approx(0.45)
    assert share["interval"] == pytest.approx([0.35, 0.55])


def test_students_whose_parts_are_of_different_quantities_are_not_averaged():
    flat = curve() | {"student": "b", "title": "b on bank"}
    flat["readouts"] = {**flat["readouts"], "fall": {"estimate": 0.0, "interval": [-0.01, 0.01]}}
    flat["readouts"]["fall"]["parts"] = flat["readouts"]["rise"]["parts"]
    claim = judged([*curves(a=HIGH), flat])
    whats = [part["what"] for part in claim["by_student"]["pooled"]]
    assert whats == ["fall as a share", "square term"]


def test_one_student_says_no_more_than_the_claim():
    assert "by_student" not in judged(curves(a=HIGH))
    assert "By student" not in judged(curves(a=HIGH))["sentence"]


def test_contrasts_are_pooled_by_their_own_fit_and_judged_for_each_student():
    near, far = numbers(0.005, 0.01), numbers(0.1, 0.01)
    value = contrast("easy.any", "hard.any", numbers(0.05, 0.008))
    value["students"] = {
        name: {"pooled": one, "starts": {"base": one}}
        for name, one in {"a": far, "b": near}.items()
    }
    claim = judged([], "F2", [value])
    each = claim["by_student"]["students"]
    assert each["a"]["status"] == "supported" and each["b"]["status"] != "supported"
    assert claim["by_student"]["pooled"][0]["estimate"] == 0.05
    assert judged([], "F2", [{**value, "students": {}}]).get("by_student") is None


def test_refuting_on_a_student_allows_for_all_students_parts():
    edge = {"share": (0.4, 0.32, 0.495)}  # below one half at 5 %, not at 5 % / 6
    fits = curves(a=edge, b=edge)
    settings = PAPER["F1"]
    found = by_student({"name": "F1"}, settings, fits, [], None)
    assert found["students"]["a"]["status"] == "undecided"


def test_a_study_without_any_tested_student_is_not_tested():
    assert word_of(["not tested", "not tested"]) == "not tested"
    assert word_of(["not tested", "supported"]) == "holds on all"


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
def test_the_mean_of_intervals_covers_however_errors_go_together(together):
    rng = np.random.default_rng(3)
    truth, inside = np.array([0.2, 0.5, 0.7]), 0
    for _ in range(2000):
        common, own = rng.normal(), rng.normal(size=3)
        at = truth + 0.1 * (np.sqrt(together) * common + np.sqrt(1 - together) * own)
        parts = [
            [{"what": "x", "estimate": value, "interval": [value - 0.196, value + 0.196]}]
            for value in at
        ]
        low, high = _averaged(parts)[0]["interval"]
        inside += low <= truth.mean() <= high
    assert inside / 2000 >= 0.94


def test_claims_as_the_task_writes_them(tmp_path):
    paths = []
    for number, value in enumerate(curves(a=HIGH, b=HIGH)):
        paths.append(tmp_path / f"{number}.json")
        write_json(paths[-1], value)
    found = fitting.claims(paths, [], None, claims={})["claims"]
    assert found[0]["by_student"]["verdict"] == "holds on all"
    assert "by_student" not in found[1]
