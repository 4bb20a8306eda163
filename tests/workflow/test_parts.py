"""A checkpoint's answers cut over jobs: targets of their own, and the bytes of one job."""

import json
import shutil

import pytest
from edits import study
from workspace import Workspace

BASE = "results/smoke/generations/tiny/base"
TARGET = f"{BASE}/bank.parquet"


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """The smoke study's undistilled student, and its answers by one job: 48, in six groups."""
    workspace = Workspace(tmp_path_factory.mktemp("parts"))
    config = workspace.smoke()
    config["sampling"] |= {"batch_size": 8, "group": 8}
    workspace.write(config)
    workspace.snakemake("--cores", "2", TARGET)
    return workspace


@pytest.fixture
def desk(answered, tmp_path):
    shutil.copytree(answered.folder, tmp_path / "copy")
    desk = Workspace(tmp_path / "copy")
    shutil.copy(answered.study, desk.study)
    return desk


def jobs(desk, number, **changes):
    config = json.loads(json.dumps(desk.smoke()))
    config["sampling"] |= {"batch_size": 8, "group": 8, "jobs": number, **changes}
    desk.write(config)


def measured(desk, name):
    return json.loads((desk.folder / BASE / f"{name}.meta.json").read_text())["measured"]


@pytest.mark.long
def test_two_jobs_give_the_bytes_of_one_and_more_sample_nothing_again(desk):
    alone = (desk.folder / TARGET).read_bytes()
    jobs(desk, 2)
    assert desk.plan(TARGET) == {}, "what is finished stays"
    shutil.rmtree(desk.folder / BASE)
    shutil.rmtree(desk.folder / "results/store/answers")
    assert desk.plan(TARGET) == {"answer": 2, "generate": 1}
    desk.snakemake("--cores", "2", TARGET)
    assert (desk.folder / TARGET).read_bytes() == alone
    names = [f"answers.{number}-of-2" for number in (1, 2)]
    assert [measured(desk, name)["sampled"] for name in names] == [24, 24]
    logs = desk.folder / "results/smoke/logs/answer/tiny"
    assert sorted(path.stem for path in logs.glob("*.log")) == ["base.1-of-2", "base.2-of-2"]
    assert desk.plan(TARGET) == {}

    jobs(desk, 3)
    assert desk.plan(TARGET) == {}
    (desk.folder / TARGET).unlink()
    assert desk.plan(TARGET) == {"answer": 3, "generate": 1}
    jobs(desk, 3, samples=3)
    desk.snakemake("--cores", "2", TARGET)
    told = [measured(desk, f"answers.{number}-of-3")["sampled"] for number in (1, 2, 3)]
    assert (sum(told), min(told)) == (24, 8), "one sample more of 24 problems, and no other"


@pytest.mark.long
def test_a_benchmark_with_its_own_sampling_has_parts_of_its_own(desk):
    config = desk.smoke()
    own = {"bank": config["benchmarks"]["bank"]["bank"], "sampling": {"samples": 3}}
    config["benchmarks"]["more"] = own
    config["sampling"] |= {"batch_size": 8, "group": 8, "jobs": 2}
    desk.write(config)
    shutil.rmtree(desk.folder / BASE)
    assert desk.plan(TARGET) == {"answer": 2, "generate": 1}
    more = f"{BASE}/more.parquet"
    said = desk.snakemake("--dry-run", TARGET, more)
    for name in ("answers", "answers-more"):
        assert all(f"{BASE}/{name}.{number}-of-2.json" in said for number in (1, 2))
    desk.snakemake("--cores", "2", more)
    told = [measured(desk, f"answers-more.{number}-of-2") for number in (1, 2)]
    assert [one["answers"] for one in told] == [72, 72]
    assert sum(one["sampled"] for one in told) == 24, "the third of each problem; the book is one"
    assert not (desk.folder / f"{BASE}/answers.1-of-2.json").exists()


@pytest.mark.long
def test_plan_and_status_know_of_parts(desk):
    jobs(desk, 2)
    shutil.rmtree(desk.folder / BASE)
    told = json.loads(desk.valley("plan", "study.yaml", TARGET, "--json", status=1))
    parts = [job for job in told["jobs"] if job["rule"] == "answer"]
    named = sorted(job["wildcards"]["part"] for job in parts)
    assert named == [".1-of-2", ".2-of-2"]
    assert all(job["state"] == "missing" and job["priority"] > 0 for job in parts)
    seen = json.loads(desk.valley("status", "study.yaml", "--json", status=1))
    shown = {job["path"] for job in seen["others"] if job["rule"] == "answer"}
    assert {f"{BASE}/answers.{number}-of-2.json" for number in (1, 2)} <= shown


def test_what_is_asked_for_parts_stands_under_answer(desk):
    jobs(desk, 1)
    study_with = desk.smoke() | {"resources": {"answer": {"cpus": 1}}}
    desk.write(study_with)
    said = desk.snakemake("--dry-run", check=False)
    assert "resources.answer: with engine transformers and `jobs: 1` the rule that samples" in said
    study_with["sampling"] |= {"jobs": 2}
    desk.write(study_with)
    desk.snakemake("--dry-run", TARGET)
    study(("sampling.jobs", 0))(desk)
    said = desk.snakemake("--dry-run", check=False)
    assert "sampling.jobs: 0 is out of range; it must be ≥ 1" in said
