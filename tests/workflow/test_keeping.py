"""What stays, what goes and what comes from elsewhere: accept, frozen, retention, prune, adopt."""

import json
import shutil

import pytest
from edits import ROOT, code, forget, study
from workspace import Workspace

TRAIN_LOG = code("workflow_scripts/valley/lm/training.py", "tokens/s", "tokens a second")
ARM = "tiny/distil/base/hard.any/n16-s0"


def stamps(desk: Workspace) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and times of the study's results, sidecars left out."""
    root = desk.folder / ROOT
    return {
        name: (content, (root / name).stat().st_mtime_ns)
        for name, content in desk.results().items()
    }


def noted(desk: Workspace, name: str) -> dict:
    """Return a result's sidecar."""
    return json.loads((desk.folder / ROOT / name).with_suffix(".meta.json").read_text())


@pytest.mark.long
def test_accepting_changes_what_is_recorded_and_no_result(desk):
    before = stamps(desk)
    TRAIN_LOG(desk)
    said = desk.valley("accept", "--all", "--dry-run", "--study", "study.yaml")
    assert "8 train: code" in said
    assert desk.plan()["train"] == 8
    desk.valley("accept", "--all", "--study", "study.yaml")
    assert desk.plan() == {}
    assert stamps(desk) == before

    # The store has it under its new key: a job that runs all the same takes it from there.
    target = f"{ROOT}/checkpoints/{ARM}/checkpoint.json"
    desk.snakemake("--cores", "1", "--force", target)
    assert noted(desk, f"checkpoints/{ARM}/checkpoint.json")["restored"]


@pytest.mark.long
def test_what_differs_in_more_than_code_is_accepted_only_when_it_is_named(desk):
    TRAIN_LOG(desk)
    study(("recipes.distil.clip", 2.0), ("frozen", ["tiny/base"]))(desk)
    accept = ("accept", "--rule", "train", "--study", "study.yaml")
    refused = desk.valley(*accept, status=2)
    assert "8 train: clip 1.0 → 2.0" in refused
    assert desk.plan()["train"] == 8
    desk.valley(*accept, "--also", "clip")
    assert desk.plan() == {"report": 1, "all": 1}, "the report shows every recipe"


@pytest.mark.long
def test_a_setting_that_the_code_takes_no_more_is_accepted_as_the_code_is(copy):
    """Sidecars of an older checkout may have a param that no contract declares now."""
    for name in ("report.html", "corpus/summary.html"):
        path = (copy.folder / ROOT / name).with_suffix(".meta.json")
        about = json.loads(path.read_text())
        about["params"]["templates"] = "0" * 64
        path.write_text(json.dumps(about))
    assert copy.plan() == {"report": 1, "corpus_page": 1, "all": 1}
    before = stamps(copy)
    said = copy.valley("accept", "--all", "--study", "study.yaml")
    assert "1 report: templates (64 characters) → (none)" in said
    assert "1 corpus_page: templates (64 characters) → (none)" in said
    assert copy.plan() == {} and stamps(copy) == before
    assert "templates" not in noted(copy, "report.html")["params"]


def test_a_setting_that_the_code_did_not_take_is_accepted_only_at_its_default(copy):
    for name, setting in (("verdicts", "packages"), ("scores", "max_judge_errors")):
        path = copy.folder / f"{ROOT}/{name}/tiny/base/bank.meta.json"
        about = json.loads(path.read_text())
        del about["params"][setting]
        path.write_text(json.dumps(about))
    study(("judge.max_judge_errors", 0.5))(copy)
    said = copy.valley("accept", "--all", "--study", "study.yaml", status=1)
    accepted, refused = said.split("Not accepted:")
    assert "1 score: max_judge_errors (none) → 0.5" in refused and "packages" not in refused
    assert "1 judge: packages (none) → []" in accepted


def test_a_frozen_arm_without_a_checkpoint_is_an_error(copy):
    study(("frozen", ["tiny/distil/*"]), ("axes.scaling.sizes", [0, 16, 24, 32]))(copy)
    output = copy.snakemake("--dry-run", check=False)
    assert "frozen: tiny/distil/base/all.any/n24-s0 has no checkpoint" in output
    study(("frozen", ["tiny/distill/*"]))(copy)
    assert "no arm matches 'tiny/distill/*'" in copy.snakemake("--dry-run", check=False)


def test_the_plan_says_that_a_frozen_checkpoint_is_older_than_the_code(desk):
    study(("frozen", [ARM]))(desk)
    TRAIN_LOG(desk)
    said = desk.valley("plan", "study.yaml", status=1)
    assert f"frozen checkpoints: 1; older than the code: 1 ({ARM})" in said


@pytest.mark.long
def test_weights_go_at_the_end_of_a_run_and_an_arm_is_trained_again_when_it_is_wanted(copy):
    manifest = copy.folder / ROOT / "checkpoints" / ARM / "checkpoint.json"
    was = manifest.read_bytes(), manifest.stat().st_mtime_ns
    entries = set((copy.folder / "results/store").glob("??/*/folder0"))

    policy = (("retention", "starts"), ("note", "An edit for the report."))
    study(*policy)(copy)
    copy.snakemake("--cores", "2")
    gone = manifest.with_name("checkpoint.gone.json")
    assert (gone.read_bytes(), gone.stat().st_mtime_ns) == was
    assert not manifest.with_name("model").exists()
    kept = sorted(p.parent.name for p in (copy.folder / ROOT / "checkpoints").rglob("model"))
    assert kept == ["n32-s0"], "others start from it"
    assert len(entries - set((copy.folder / "results/store").glob("??/*/folder0"))) == 7
    forget(copy)
    assert copy.plan() == {}

    study(*policy, ("sampling.max_tokens", 65))(copy)
    assert copy.plan()["train"] == 7
    said = copy.valley("plan", "study.yaml", status=1)
    assert "trained again because `retention` removed the weights" in said
    copy.snakemake("--cores", "2", "--", f"{ROOT}/generations/{ARM}/bank.parquet")
    assert manifest.read_bytes() == was[0]
    assert not noted(copy, f"checkpoints/{ARM}/checkpoint.json")["restored"]


@pytest.mark.long
def test_prune_lists_what_nobody_wants_and_removes_it_on_request(copy):
    assert "Nothing to remove." in copy.valley("prune", "study.yaml")
    study(("axes.scaling.sizes", [0, 32]))(copy)
    unknown = copy.folder / ROOT / "notes.txt"
    unknown.write_text("mine")
    before = copy.results()
    said = copy.valley("prune", "study.yaml", status=1)
    arms = [f"tiny/distil/base/all.any/n16-s{seed}" for seed in (0, 1)]
    for arm in arms:
        assert f"{ROOT}/checkpoints/{arm}/checkpoint.json" in said
    assert "Not made by any rule, left alone:" in said
    assert copy.results() == before

    lock = copy.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{ROOT}/report.html\n")
    assert "Snakemake is running here" in copy.valley("prune", "study.yaml", "--yes", status=2)
    assert copy.results() == before
    lock.unlink()

    copy.valley("prune", "study.yaml", "--yes")
    left = copy.results()
    assert {
        name for name in before.keys() - left.keys() if not any(arm in name for arm in arms)
    } == {f"shards/all.any/n16-s{seed}.parquet" for seed in (0, 1)}
    assert unknown.exists()
    assert "Nothing to remove." in copy.valley("prune", "study.yaml")
    assert copy.plan()["curve"] == 1
    assert "train" not in copy.plan()
    copy.write(copy.smoke())
    assert copy.plan()["train"] == 2


def test_prune_spares_what_another_study_refers_to(copy):
    """The other study is a copy of this one: they share every entry of the store."""

    shutil.copytree(copy.folder / ROOT, copy.folder / "results/other")
    study(("axes.scaling.sizes", [0, 32]))(copy)
    entries = sorted((copy.folder / "results/store").rglob("*"))
    copy.valley("prune", "study.yaml", "--yes")
    assert sorted((copy.folder / "results/store").rglob("*")) == entries


@pytest.fixture
def elsewhere(finished, tmp_path) -> Workspace:
    """A study of which only the benchmark has been made."""
    desk = Workspace(tmp_path / "elsewhere")
    desk.snakemake("--cores", "1", "--", f"{ROOT}/benchmarks/bank.parquet")
    return desk


@pytest.mark.long
def test_what_was_made_elsewhere_stands_in_the_study(finished, elsewhere, tmp_path):
    source = finished.folder / ROOT
    whole = elsewhere.plan()
    model = str(source / "checkpoints" / ARM / "model")
    elsewhere.valley("adopt", ARM, "--checkpoint", model, "--study", "study.yaml")
    rows = json.loads(json.dumps(_as_livecodebench(source / f"generations/{ARM}/bank.parquet")))
    answers = tmp_path / "lcb.json"
    answers.write_text(json.dumps(rows))
    adopt = ("adopt", "tiny/base", "--answers", str(answers), "--study", "study.yaml")
    assert "--finish-reason stop" in elsewhere.valley(*adopt, status=2)
    elsewhere.valley(*adopt, "--finish-reason", "stop")

    plan = elsewhere.plan()
    less = {rule: whole[rule] - plan.get(rule, 0) for rule in whole}
    assert {rule: number for rule, number in less.items() if number} == {"train": 1, "generate": 1}
    said = elsewhere.valley("plan", "study.yaml", status=1)
    assert "adopted from elsewhere: 2" in said
    assert noted(elsewhere, f"checkpoints/{ARM}/checkpoint.json")["adopted"]["from"] == model
    elsewhere.snakemake("--cores", "1", "--", f"{ROOT}/verdicts/tiny/base/bank.parquet")
    target = f"{ROOT}/generations/{ARM}/bank.parquet"
    elsewhere.snakemake("--cores", "1", "--", target)
    made = (elsewhere.folder / target).read_bytes()
    assert made == (finished.folder / target).read_bytes()

    rows.pop()
    answers.write_text(json.dumps(rows))
    again = elsewhere.valley(*adopt, "--finish-reason", "stop", "--replace", status=2)
    assert "2 of 48 answers are missing" in again


def _as_livecodebench(path) -> list[dict]:
    from valley.core.files import read_parquet

    said: dict[str, list[str]] = {}
    for row in read_parquet(path):
        said.setdefault(row["problem_id"], []).append(row["text"])
    return [{"question_id": name, "output_list": texts} for name, texts in said.items()]
