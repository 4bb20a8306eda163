"""Programs cut over jobs: targets of their own, and the bytes of one job."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

PLACE = "tiny/base"
VERDICTS = f"results/smoke/verdicts/{PLACE}/bank.parquet"
LABELS = "results/smoke/corpus/labels.parquet"
KNOWN = "results/store/programs"


def jobs(desk, number, **changes):
    desk.write(
        desk.smoke() | {"judge": {**desk.smoke().get("judge", {}), "jobs": number}, **changes}
    )


def lose(desk, *names):
    """Take verdicts away, also those that the store has."""
    for name in names:
        (desk.folder / name).unlink()
    shutil.rmtree(desk.folder / KNOWN)


def measured(desk, name):
    return json.loads((desk.folder / f"{name}.meta.json").read_text())["measured"]


@pytest.mark.parametrize("number", [2, 3])
def test_several_jobs_give_the_bytes_of_one(desk, number):
    alone = [(desk.folder / name).read_bytes() for name in (VERDICTS, LABELS)]
    jobs(desk, number)
    assert desk.plan() == {}, "what is finished stays"
    lose(desk, VERDICTS, LABELS)
    parts = {"judge_part": number, "labels_part": number}
    assert desk.plan(VERDICTS, LABELS) == {**parts, "judge": 1, "labels": 1}
    names = [
        f"{name.removesuffix('.parquet')}.{at}-of-{number}"
        for name in (VERDICTS, LABELS)
        for at in range(1, number + 1)
    ]
    desk.snakemake("--cores", "2", *(f"{name}.json" for name in names))
    segments = sorted((desk.folder / KNOWN).iterdir())
    assert all(measured(desk, name)["programs"] > 0 for name in names)
    assert desk.plan(VERDICTS, LABELS) == {"judge": 1, "labels": 1}
    desk.snakemake("--cores", "2", VERDICTS, LABELS)
    assert sorted((desk.folder / KNOWN).iterdir()) == segments, "no program was judged again"
    assert [(desk.folder / name).read_bytes() for name in (VERDICTS, LABELS)] == alone
    logs = desk.folder / "results/smoke/logs"
    for at in range(1, number + 1):
        for name in (f"judge/{PLACE}/bank", "labels"):
            assert (logs / f"{name}.{at}-of-{number}.log").is_file()
    assert desk.plan() == {}
    jobs(desk, 1)
    assert desk.plan() == {}


def test_a_killed_part_is_done_again_and_no_other(desk):
    alone = (desk.folder / LABELS).read_bytes()
    jobs(desk, 2)
    lose(desk, LABELS)
    first, second = (f"results/smoke/corpus/labels.{at}-of-2.json" for at in (1, 2))
    desk.snakemake("--cores", "1", first)
    done = (desk.folder / first).stat().st_mtime_ns
    known = len([*(desk.folder / KNOWN).iterdir()])
    log = desk.folder / "results/smoke/logs/labels.2-of-2.log"
    run = subprocess.Popen(
        desk.command("--cores", "1", second),
        cwd=desk.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not log.exists() and run.poll() is None:  # the job has begun
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (desk.folder / second).exists()
    desk.snakemake("--unlock")
    desk.snakemake("--cores", "2", "--rerun-incomplete", LABELS)
    assert (desk.folder / LABELS).read_bytes() == alone
    assert (desk.folder / first).stat().st_mtime_ns == done
    assert len([*(desk.folder / KNOWN).iterdir()]) > known


def test_plan_status_and_requests_know_of_parts(desk):
    jobs(desk, 2, resources={"judge": {"cpus": 2}})
    lose(desk, VERDICTS, LABELS)
    told = json.loads(desk.valley("plan", "study.yaml", VERDICTS, LABELS, "--json", status=1))
    found = [job for job in told["jobs"] if job["rule"] in ("judge_part", "labels_part")]
    named = sorted(job["wildcards"]["part"] for job in found)
    assert named == [".1-of-2", ".1-of-2", ".2-of-2", ".2-of-2"]
    assert all(job["state"] == "missing" for job in found)
    assert {job["threads"] for job in found if job["rule"] == "judge_part"} == {2}
    assert {job["threads"] for job in found if job["rule"] == "labels_part"} == {1}
    seen = json.loads(desk.valley("status", "study.yaml", "--json", status=1))
    shown = {job["path"] for job in seen["others"] if job["rule"].endswith("_part")}
    stem = VERDICTS.removesuffix(".parquet")
    assert {f"{stem}.1-of-2.json", f"{stem}.2-of-2.json"} <= shown
    desk.valley("report", "study.yaml", status=1)
    page = (desk.folder / "results/smoke/report.measured.html").read_text()
    assert VERDICTS in page and ".1-of-2" not in page, "the file is missing, whoever judges for it"


def test_a_wrong_number_of_jobs_is_refused(desk):
    for wrong, said in ((0, "0 is out of range; it must be ≥ 1"), ("two", "'two' is text, but a")):
        jobs(desk, wrong)
        assert f"judge.jobs: {said}" in desk.snakemake("--dry-run", check=False)
