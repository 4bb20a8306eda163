"""Several students together: compute and parameters from files, lines, and the joint fit."""

import json
from dataclasses import replace

import generated_study
import numpy as np
import pytest
from valley.analysis import across, joint, plot_across
from valley.analysis.sample import from_values
from valley.core.files import read_json, write_json
from valley.core.layout import Layout
from valley.core.study import Study, StudyError
from valley.lm.flops import Shape
from valley.pages import paper
from valley.reporting.partial import Gathered

STUDENTS = {"tiny": 16, "small": 32, "wide": 64}
SIZES = [0, 16, 64, 256]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of three students whose files tell their parameters."""
    declared = generated_study.config([0, 16, 32, 64, 256], [0, 1], 40)
    made = declared["students"].pop("tiny")["scratch"]
    declared["students"] = {
        name: {"scratch": {**made, "hidden": hidden}} for name, hidden in STUDENTS.items()
    }
    del declared["axes"]["difficulty"]
    declared["axes"]["scaling"] |= {"sizes": SIZES, "x": "flops"}
    layout = generated_study.write(tmp_path_factory.mktemp("across"), declared)
    for name, hidden in STUDENTS.items():
        folder = layout.root + f"/students/{name}"
        write_json(folder + "/checkpoint.json", {"files": {}})
        shape = Shape.scratch(600, hidden, 2, 2).config()
        write_json(folder + "/model/config.json", shape)
    return layout


def fitted(layout, x="flops", change=lambda arm: arm, **how) -> dict:
    wanted = {"recipe": "distil", "start": "base", "slice": "all.any"}
    points = layout.across_points("scaling", wanted)
    arms = [change(arm) for arm in layout.with_results(points, "bank")]
    how = {"title": "x", "x": x, "bootstrap": 200, "seed": 1} | how
    return across.across(arms, f"{layout.root}/benchmarks/bank.parquet", **how)


def test_compute_is_six_times_parameters_and_tokens_and_four_with_adapters(study):
    value = fitted(study)
    assert value["students"] == {
        name: Shape.scratch(600, hidden, 2, 2).parameters for name, hidden in STUDENTS.items()
    }
    assert [line["name"] for line in value["lines"]] == sorted(STUDENTS)
    for line in value["lines"]:
        count = value["students"][line["name"]]
        assert [p["x"] for p in line["points"]] == [6 * count * size * 400 for size in SIZES]
    lora = fitted(study, change=lambda arm: {**arm, "lora": True})
    assert lora["cells"][1]["flops"] == pytest.approx(value["cells"][1]["flops"] * 4 / 6)


def test_over_parameters_a_line_is_a_size(study):
    value = fitted(study, "parameters")
    assert [line["name"] for line in value["lines"]] == [
        "start", "16 examples", "64 examples", "256 examples",
    ]  # fmt: skip
    for line in value["lines"]:
        assert [p["student"] for p in line["points"]] == ["tiny", "small", "wide"]
    over = {(c["student"], c["size"]): c["estimate"] for c in fitted(study)["cells"]}
    point = value["lines"][2]["points"][1]
    assert point["estimate"] == over[point["student"], point["size"]]


def test_students_of_one_size_are_no_line_over_parameters(study):
    def same(arm: dict) -> dict:
        return {**arm, "manifest": arm["manifest"].replace("wide", "small")}

    with pytest.raises(ValueError, match=r"parameters must differ from point to point .*small at"):
        fitted(study, "parameters", same)


def test_a_student_whose_files_do_not_tell_takes_what_is_declared(study, tmp_path):
    write_json(tmp_path / "checkpoint.json", {"files": {}})

    def blind(arm: dict) -> dict:
        lost = {"manifest": str(tmp_path / "checkpoint.json")} if arm["student"] == "tiny" else {}
        return {**arm, **lost}

    with pytest.raises(ValueError, match=r"students.tiny: neither its files .*estimates: \{param"):
        fitted(study, change=blind)
    assert fitted(study, change=blind, parameters={"tiny": 900})["students"]["tiny"] == 900


def test_the_figure_and_its_table_say_what_the_joint_fit_does(study, tmp_path):
    write_json(tmp_path / "fit.json", fitted(study))
    plot_across.across(*(tmp_path / f"fit.{end}" for end in ("json", "svg", "pdf", "csv")))
    svg, table = ((tmp_path / f"fit.{end}").read_text() for end in ("svg", "csv"))
    assert all(f">{name}<" in svg for name in STUDENTS)
    assert "additive: alpha" in table and table.count("\ncell") == len(STUDENTS) * len(SIZES)


@pytest.mark.long
def test_the_report_of_whatever_is_finished_shows_the_figure(study, tmp_path):
    found = Gathered(study, tmp_path)
    assert not [one for one in found.state["left_out"] if "across" in one]
    drawn = [path for path in found.files["figures"] if "/across/" in str(path)]
    assert [path.name for path in drawn] == ["bank.svg"]
    page = paper.page_of(study.study.config, found.files, state=found.state, scratch=tmp_path)
    assert "the table holds the joint fit over parameters and data" in page
    # Each student's own curve stays over examples.
    assert {read_json(path).get("x") for path in found.files["curves"]} == {None}
    claims = read_json(found.files["claims"][0])["claims"]
    assert set(claims[0]["by_student"]["students"]) == set(STUDENTS)


@pytest.mark.parametrize("x", ["flops", "parameters"])
def test_files_and_names_of_the_fit(study, x):
    config = json.loads(json.dumps(study.study.described))
    config["axes"]["scaling"]["x"] = x
    assert Layout(Study(config)).across == ["scaling/distil/base/all.any/bank"]
    arm = study.across_points("scaling", {"recipe": "distil", "start": "base", "slice": "all.any"})[
        -1
    ]
    assert arm["spent"] == f"{study.root}/checkpoints/{arm['place']}/checkpoint.json"
    assert arm["lora"] is False


def test_parameters_take_two_students(study):
    config = json.loads(json.dumps(study.study.described))
    config["axes"]["scaling"] |= {"x": "parameters", "students": ["tiny"]}
    message = r"axes.scaling.x: parameters is drawn over students, and this axis has one \(tiny\); "
    with pytest.raises(StudyError, match=message):
        Study(config)


TRUTH = {"floor": 0.2, "a": 0.12, "b": 0.12, "alpha": 0.5, "beta": 0.4}
N = np.repeat([1e6, 4e6, 1.6e7, 6.4e7], 5)
D = np.tile([1e4, 4e4, 1.6e5, 6.4e5, 2.56e6], 4)


def world(seed: int, n=N, d=D, problems: int = 300, samples: int = 4):
    """Return levels of cells whose error is the additive form's, and that error."""
    x, y = (np.log(each) - np.log(each).mean() for each in (n, d))
    error = TRUTH["floor"] + TRUTH["a"] * np.exp(-TRUTH["alpha"] * x)
    error = error + TRUTH["b"] * np.exp(-TRUTH["beta"] * y)
    rng = np.random.default_rng(seed)
    # Problems are as hard in every cell: chances of a beta law, moved together through a copula.
    from scipy.stats import beta, norm

    ease = norm.cdf(rng.normal(size=problems))
    values = []
    for wrong in error:
        chance = beta.ppf(ease, 2 * (1 - wrong), 2 * wrong)
        values.append(rng.binomial(samples, chance)[None] / samples)
    return from_values(np.arange(1, len(n) + 1), values, 200, seed, samples=samples), error


def sized(levels, d):
    return replace(levels, sizes=d)


def test_intervals_cover_the_truth_of_simulated_cells():
    inside = dict.fromkeys([*TRUTH, "levels"], 0)
    studies = 30
    for seed in range(studies):
        levels, error = world(seed)
        fit = joint.joint(sized(levels, D), N, D)["families"]["additive"]
        for name, value in TRUTH.items():
            low, high = fit["parameters"][name]["interval"]
            inside[name] += low - 1e-9 <= value <= high + 1e-9
        ends = np.array([one["interval"] for one in fit["predicted"]])
        inside["levels"] += np.mean((ends[:, 0] <= 1 - error) & (1 - error <= ends[:, 1]))
    assert all(count >= 0.75 * studies for count in inside.values()), inside


def test_the_form_that_made_the_cells_is_found_again_and_fits():
    levels, _ = world(3, problems=4000, samples=8)
    found = joint.joint(sized(levels, D), N, D)
    additive, other = found["families"]["additive"], found["families"]["multiplicative"]
    for name, value in TRUTH.items():
        assert additive["parameters"][name]["estimate"] == pytest.approx(value, abs=0.1)
    assert additive["rank"] == 5 and additive["misfit"] < other["misfit"]
    n0 = np.exp(np.log(N).mean())
    told = additive["parameters"]
    scale = told["a"]["estimate"] * n0 ** told["alpha"]["estimate"]
    assert additive["scales"]["a"] == pytest.approx(scale)


def test_too_few_students_or_sizes_are_said():
    few = N < 1e7
    levels, _ = world(1, N[few], D[few])
    found = joint.joint(sized(levels, D[few]), N[few], D[few])
    assert found["families"] == {}
    assert "3 numbers of parameters and 3 data sizes above 0; there are 2 and 5" in found["reason"]


def test_what_the_cells_do_not_tell_is_said_in_words():
    y = np.log(D) - np.log(D).mean()
    error = TRUTH["floor"] + TRUTH["b"] * np.exp(-TRUTH["beta"] * y)
    rng = np.random.default_rng(5)
    values = [rng.binomial(4, 1 - wrong, (1, 200)) / 4 for wrong in error]
    levels = from_values(np.arange(1, len(N) + 1), values, 200, 1, samples=4)
    fit = joint.joint(sized(levels, D), N, D)["families"]["additive"]
    assert any("interval of alpha is not bounded" in word for word in fit["words"])


def test_a_valley_is_said_not_to_fit():
    error = 0.5 + 0.2 * np.cos(np.arange(len(N)))
    rng = np.random.default_rng(5)
    values = [rng.binomial(4, 1 - wrong, (1, 200)) / 4 for wrong in error]
    levels = from_values(np.arange(1, len(N) + 1), values, 200, 1, samples=4)
    fit = joint.joint(sized(levels, D), N, D)["families"]["additive"]
    assert any("The form does not fit" in word for word in fit["words"])
