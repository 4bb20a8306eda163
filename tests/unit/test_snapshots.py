"""Snapshots of a training on its way: their names, their places on curves, and their bytes."""

from pathlib import Path

import pytest
from test_training_parallel import launched
from training_material import description, hub_student, made, same, work
from valley.core import snapshots
from valley.core.arms import Arm
from valley.core.config import StudyError
from valley.core.files import read_json
from valley.core.layout import Layout
from valley.core.study import Study
from valley.lm.training import updates_until
from valley.planning.estimates import estimate
from workspace import Workspace


def study_with(*, x="updates", sizes=(0, 32), **recipe) -> dict:
    config = Workspace.smoke()
    config["recipes"]["distil"] = {**config["recipes"]["distil"], "save_at": [0.25, 0.5], **recipe}
    config["axes"] = {
        "run": {
            "question": "How far is a training at each update?",
            "recipes": ["distil"],
            "sizes": list(sizes),
            "seeds": [0, 1],
            "curve": True,
            "x": x,
        }
    }
    config["starts"] = {}
    return config


def test_each_snapshot_is_a_recipe_that_ends_early():
    study = Study(study_with())
    recipes = study.config["recipes"]
    assert [recipes[f"distil-at-{n}"]["until"] for n in (25, 50)] == [0.25, 0.5]
    assert recipes["distil"]["until"] is None
    whole = {**recipes["distil"], "save_at": [], "until": 0.25}
    assert recipes["distil-at-25"] == whole
    assert Study(study.config).config == study.config, "completed twice is as once"


def test_on_an_axis_over_updates_snapshots_are_points_of_the_curve():
    layout = Layout(Study(study_with()))
    assert layout.curves == ["run/tiny/distil/base/all.any/bank"]
    points = layout.curve_points("run", Arm("tiny", "distil", "base", "all.any", 0, 0).__dict__)
    assert sorted((p["size"], p["place"]) for p in points) == [
        (0, "tiny/base"),
        *((8, f"tiny/distil-at-25/base/all.any/n32-s{seed}") for seed in (0, 1)),
        *((16, f"tiny/distil-at-50/base/all.any/n32-s{seed}") for seed in (0, 1)),
        *((32, f"tiny/distil/base/all.any/n32-s{seed}") for seed in (0, 1)),
    ]


def test_on_other_axes_a_snapshot_is_named_like_any_recipe_and_brings_its_whole_training():
    config = study_with(x="examples")
    assert {arm.recipe for arm in Study(config).arms} == {"distil"}
    config["axes"]["run"]["recipes"] = ["distil-at-25"]
    study = Study(config)
    assert {arm.recipe for arm in study.arms} == {"distil", "distil-at-25"}
    assert {arm.recipe for arm in study.evaluated() if arm.size} == {"distil-at-25"}


def test_a_schedule_that_falls_is_pointed_out():
    (note,) = Study(study_with()).notes
    assert note.startswith(
        "recipes.distil.save_at: the schedule is cosine, so the learning rate is"
    )
    assert not Study(study_with(schedule="constant")).notes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"save_at": [0.125]}, "recipes.distil.save_at: 0.125 has more than two decimal places"),
        ({"save_at": [1]}, "recipes.distil.save_at[0]: 1 is out of range; it must be < 1"),
        ({"save_at": [0.5, 0.5]}, "recipes.distil.save_at: listed twice: 0.5"),
        ({"until": 0.5}, "recipes.distil: give either save_at or until, one of the two"),
        ({"sizes": (0, 16, 32)}, "axes.run.sizes: 16, 32 are 2 sizes, but snapshots of distil"),
    ],
)
def test_mistakes(changes, said):
    with pytest.raises(StudyError) as error:
        Study(study_with(**changes))
    assert said in str(error.value)


def test_a_recipe_of_a_snapshots_name_is_refused():
    config = study_with()
    config["recipes"]["distil-at-25"] = dict(Workspace.smoke()["recipes"]["distil"])
    with pytest.raises(StudyError, match=r"0\.25 is named distil-at-25, and so is a recipe"):
        Study(config)


def test_a_snapshot_costs_no_training_and_a_recipe_that_ends_early_its_share():
    config = Study(study_with()).config
    cells = {"student": "tiny", "start": "base", "slice": "all.any", "size": "32", "seed": "0"}
    config["recipes"]["short"] = {**config["recipes"]["distil"], "until": 0.25, "save_at": []}

    def work_of(recipe):
        return estimate(config, "train", {**cells, "recipe": recipe}).amount

    assert [work_of(name) for name in snapshots.snapshots_of(config, "distil")] == [0, 0]
    assert work_of("short") == work_of("distil") / 4


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return hub_student(tmp_path_factory.mktemp("student"))


@pytest.mark.parametrize(
    "settings",
    [{}, {"lora": {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}}],
    ids=["full", "dropout in adapters"],
)
def test_a_snapshot_has_the_bytes_of_a_training_that_ends_there(tmp_path, start, settings):
    undisturbed = description(tmp_path / "undisturbed", start, **settings)
    whole = description(tmp_path / "whole", start, **settings)
    work(undisturbed)
    updates = len(made(undisturbed)["losses"])
    alone, taken = [
        description(tmp_path / name, start, until=0.4, **settings) for name in ("alone", "taken")
    ]
    whole["snapshots"] = [(0.4, taken["state"])]
    work(whole)
    same(made(whole), made(undisturbed))

    assert work(alone)["tokens"] > 0
    end = updates_until(0.4, updates)
    assert read_json(Path(taken["state"]) / "position.json")["done"] == end
    assert work(taken)["tokens"] == 0, "it has only to save"
    same(made(taken), made(alone))
    assert [entry["step"] for entry in made(taken)["losses"]] == [*range(1, end + 1)]
    assert made(taken)["losses"] == made(whole)["losses"][:end], "on the whole's schedule"
    assert read_json(taken["manifest"])["updates"] == end


@pytest.mark.long
def test_two_processes_leave_a_state_that_one_saves(tmp_path, start):
    whole = description(tmp_path / "whole", start)
    taken = description(tmp_path / "taken", start, until=0.4)
    whole["snapshots"] = [(0.4, taken["state"])]
    launched(whole)
    assert work(taken)["tokens"] == 0
    end = read_json(taken["manifest"])["updates"]
    assert made(taken)["losses"] == made(whole)["losses"][:end]
