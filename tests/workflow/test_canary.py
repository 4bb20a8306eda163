"""A student's own score against a published one: it stops, warns, or lets arms be trained."""

import json

import pytest

SCORE = "results/smoke/scores/tiny/base/bank.json"
ARM = "results/smoke/checkpoints/tiny/distil/base/all.any/n24-s0/checkpoint.json"


def declare(workspace, pass_at_1, **settings):
    config = workspace.smoke()
    config["axes"]["scaling"]["sizes"] = [0, 16, 24, 32]
    config["students"]["tiny"]["published"] = {"benchmark": "bank", "pass_at_1": pass_at_1}
    config["students"]["tiny"]["published"]["tolerance"] = 0.05
    workspace.write({**config, **settings})


def measured(workspace):
    return json.loads((workspace.folder / SCORE).read_text())["overall"]["pass@1"]["estimate"]


def test_finished_arms_are_not_trained_again_for_a_canary(copy):
    """Neither when one is declared, nor when its score is computed again."""
    config = copy.smoke()
    published = {"benchmark": "bank", "pass_at_1": measured(copy)}
    config["students"]["tiny"]["published"] = published
    copy.write(config)
    assert copy.plan() == {"all": 1, "canary": 1, "report": 1}
    canary = "results/smoke/students/tiny/canary.json"
    copy.snakemake("--cores", "1")
    assert json.loads((copy.folder / canary).read_text())["passes"]
    assert "train" not in copy.plan()
    config["statistics"]["bootstrap"] = 300
    published["tolerance"] = 0.2
    copy.write(config)
    plan = copy.plan()
    assert plan["score"] == 9
    assert plan["canary"] == 1
    assert "train" not in plan
    copy.snakemake("--cores", "1", canary)
    assert "train" not in copy.plan()


@pytest.mark.long
def test_a_score_that_is_far_from_the_published_one_stops_training_until_told(copy):
    wrong = measured(copy) + 0.5
    declare(copy, wrong)
    assert copy.plan(ARM) == {"canary": 1, "shard": 1, "train": 1}
    said = copy.snakemake("--cores", "1", ARM, check=False)
    log = (copy.folder / "results/smoke/logs/canary/tiny.log").read_text()
    assert "CanaryError" in said + log
    for words in (f"published is {wrong:.3f}", "Likely causes", "template", "`canary: warn`"):
        assert words in log
    assert not (copy.folder / ARM).exists()

    declare(copy, wrong, canary="warn")
    copy.snakemake("--cores", "1", ARM)
    assert "WARNING" in (copy.folder / "results/smoke/logs/canary/tiny.log").read_text()
    assert (copy.folder / ARM).exists()
    declare(copy, wrong, canary="off")
    assert copy.plan(ARM) == {}


@pytest.mark.long
def test_a_failed_canary_lets_no_trained_arm_be_trained_again(copy):
    """Whatever else is edited: what is trained waits too, when it is to be trained anew."""
    declare(copy, measured(copy) + 0.5)
    copy.snakemake("--cores", "1", "results/smoke/students/tiny/canary.json", check=False)
    config = copy.smoke()
    config["students"]["tiny"]["published"] = {"benchmark": "bank", "pass_at_1": 0.5}
    config["sampling"]["temperature"] = 0.9
    copy.write(config)
    plan = copy.plan()
    assert (plan["generate"], plan["canary"]) == (9, 1), "all that is stale is seen in one go"
    assert "train" not in plan
    config["recipes"]["distil"]["epochs"] = 3
    copy.write(config)
    assert copy.plan()["train"] == 8
    trained = copy.results("checkpoints/**/*")
    copy.snakemake("--cores", "2", "--keep-going", check=False)
    assert copy.results("checkpoints/**/*") == trained
    assert "CanaryError" in (copy.folder / "results/smoke/logs/canary/tiny.log").read_text()


@pytest.mark.long
@pytest.mark.parametrize("canary", ["stop", "off"])
def test_a_close_score_and_no_canary_let_training_go_on(copy, canary):
    declare(copy, measured(copy) + 0.04, canary=canary)
    expected = {"shard": 1, "train": 1} | ({"canary": 1} if canary == "stop" else {})
    assert copy.plan(ARM) == expected
    copy.snakemake("--cores", "1", ARM)
    assert (copy.folder / ARM).exists()


def test_what_is_published_must_be_about_a_benchmark_of_the_study(copy):
    config = copy.smoke()
    config["students"]["tiny"]["published"] = {"benchmark": "lcb", "pass_at_1": 0.127}
    copy.write(config)
    said = copy.snakemake("--dry-run", check=False)
    assert "students.tiny.published.benchmark: there is no benchmark 'lcb'" in said
