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


def jobs(copy, number, **changes):
    copy.write(
        copy.smoke() | {"judge": {**copy.smoke().get("judge", {}), "jobs": number}, **changes}
    )


def lose(copy, *names):
    """Take verdicts away, also those that the store has."""
    for name in names:
        (copy.folder / name).unlink()
    shutil.rmtree(copy.folder / KNOWN)


def measured(copy, name):
    return json.loads((copy.folder / f"{name}.meta.json").read_text())["measured"]


@pytest.mark.long
@pytest.mark.parametrize("number", [2, 3])
def test_several_jobs_give_the_bytes_of_one(copy, number):
    alone = [(copy.folder / name).read_bytes() for name in (VERDICTS, LABELS)]
    jobs(copy, number)
    assert copy.plan() == {}, "what is finished stays"
    lose(copy, VERDICTS, LABELS)
    parts = {"judge_part": number, "labels_part": number}
    assert copy.plan(VERDICTS, LABELS) == {**parts, "judge": 1, "labels": 1}
    names = [
        f"{name.removesuffix('.parquet')}.{at}-of-{number}"
        for name in (VERDICTS, LABELS)
        for at in range(1, number + 1)
    ]
    copy.snakemake("--cores", "2", *(f"{name}.json" for name in names))
    segments = sorted((copy.folder / KNOWN).iterdir())
    assert all(measured(copy, name)["programs"] > 0 for name in names)
    assert copy.plan(VERDICTS, LABELS) == {"judge": 1, "labels": 1}
    copy.snakemake("--cores", "2", VERDICTS, LABELS)
    assert sorted((copy.folder / KNOWN).iterdir()) == segments, "no program was judged again"
    assert [(copy.folder / name).read_bytes() for name in (VERDICTS, LABELS)] == alone
    logs = copy.folder / "results/smoke/logs"
    for at in range(1, number + 1):
        for name in (f"judge/{PLACE}/bank", "labels"):
            assert (logs / f"{name}.{at}-of-{number}.log").is_file()
    assert copy.plan() == {}
    jobs(copy, 1)
    assert copy.plan() == {}


def test_a_killed_part_is_done_again_and_no_other(copy):
    alone = (copy.folder / LABELS).read_bytes()
    jobs(copy, 2)
    lose(copy, LABELS)
    first, second = (f"results/smoke/corpus/labels.{at}-of-2.json" for at in (1, 2))
    copy.snakemake("--cores", "1", first)
    done = (copy.folder / first).stat().st_mtime_ns
    known = len([*(copy.folder / KNOWN).iterdir()])
    log = copy.folder / "results/smoke/logs/labels.2-of-2.log"
    run = subprocess.Popen(
        copy.command("--cores", "1", second),
        cwd=copy.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not log.exists() and run.poll() is None:  # the job has begun
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (copy.folder / second).exists()
    copy.snakemake("--unlock")
    copy.snakemake("--cores", "2", "--rerun-incomplete", LABELS)
    assert (copy.folder / LABELS).read_bytes() == alone
    assert (copy.folder / first).stat().st_mtime_ns == done
    assert len([*(copy.folder / KNOWN).iterdir()]) > known


def test_plan_status_and_requests_know_of_parts(copy):
    jobs(copy, 2, resources={"judge": {"cpus": 2}})
    lose(copy, VERDICTS, LABELS)
    told = json.loads(copy.valley("plan", "study.yaml", VERDICTS, LABELS, "--json", status=1))
    found = [job for job in told["jobs"] if job["rule"] in ("judge_part", "labels_part")]
    named = sorted(job["wildcards"]["part"] for job in found)
    assert named == [".1-of-2", ".1-of-2", ".2-of-2", ".2-of-2"]
    assert all(job["state"] == "missing" for job in found)
    assert {job["threads"] for job in found if job["rule"] == "judge_part"} == {2}
    assert {job["threads"] for job in found if job["rule"] == "labels_part"} == {1}
    whole = measured(copy, LABELS.removesuffix(".parquet"))["wall_seconds"]
    shares = [job for job in found if job["rule"] == "labels_part"]
    assert {one["source"] for one in shares} == {"measured"}
    expected = min(whole, 4) + max(whole - 4, 0) / 2  # starting a job is taken to last 4 s
    assert [one["seconds"] for one in shares] == pytest.approx([expected] * 2)
    seen = json.loads(copy.valley("status", "study.yaml", "--json", status=1))
    shown = {job["path"] for job in seen["others"] if job["rule"].endswith("_part")}
    stem = VERDICTS.removesuffix(".parquet")
    assert {f"{stem}.1-of-2.json", f"{stem}.2-of-2.json"} <= shown


def test_a_partial_report_says_why_a_part_failed(copy):
    jobs(copy, 2)
    lose(copy, VERDICTS)
    log = copy.folder / f"results/smoke/logs/judge/{PLACE}/bank.2-of-2.log"
    log.write_text("Traceback (most recent call last):\n  File ...\nOSError: no jail here\n")
    said = copy.valley("report", "study.yaml", status=1)
    assert "Partial: 8 of 9 results" in said
    assert "on bank: failed: OSError: no jail here" in said


def test_a_wrong_number_of_jobs_is_refused(copy):
    for wrong, said in ((0, "0 is out of range; it must be ≥ 1"), ("two", "'two' is text, but a")):
        jobs(copy, wrong)
        assert f"judge.jobs: {said}" in copy.snakemake("--dry-run", check=False)
