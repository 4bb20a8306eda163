"""What jobs ask of a cluster, and what is made of SLURM's words about them."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
from valley.cluster import cost, demands, offers, probe, runs, slurm_patches, usage
from valley.cluster.requests import Request, measured, request
from valley.cluster.states import LOST_AFTER, JobWatch
from valley.core.sidecars import provenances
from valley.core.study import Study
from valley.reporting import measured as page

ARM = {"student": "big", "recipe": "paper", "start": "base", "slice": "all.any", "seed": 0}
MADE = {"params": {}, "inputs": {}, "outputs": {}}  # what a sidecar has beside what is counted


def study(**changes) -> dict:
    recipe = {"learning_rate": 1e-5, "batch_examples": 8, "epochs": 3, "max_length": 16384}
    bank = {"problems": 1000, "seed": 1}
    config = {
        "study": "some",
        "corpus": {"bank": bank, "teachers": {"t": {"mistakes": 0.1}}, "difficulties": {}},
        "benchmarks": {"bank": {"bank": bank}},
        "students": {"big": {"hub": {"id": "x/Some-7B", "revision": "0" * 40}}},
        "recipes": {"paper": recipe},
        "axes": {"all": {"question": "?", "recipes": ["paper"], "sizes": [0, 1000], "seeds": [0]}},
    }
    return Study({**config, **changes}).config


def test_time_grows_with_what_is_to_be_trained_and_halves_on_twice_the_gpus():
    small, large = (request(study(), "train", {**ARM, "size": n}) for n in (1000, 30000))
    assert (small.gpus, small.nodes, small.cpus) == (1, 1, 8)
    assert 20 < large.runtime / small.runtime < 30
    two = study(resources={"train": {"gpus": 2}})
    halved = request(two, "train", {**ARM, "size": 30000})
    assert (halved.gpus, halved.cpus) == (2, 16)
    assert halved.runtime == pytest.approx(large.runtime / 2, rel=0.02)
    assert halved.mem_mb > large.mem_mb > 4 * 7000


def test_processes_of_a_node_share_one_copy_of_a_model_and_a_state_that_is_written():
    sharded = study(resources={"train": {"gpus": 8}})
    adapted = study(
        resources={"train": {"gpus": 8}},
        recipes={"paper": {**study()["recipes"]["paper"], "lora": {"rank": 16, "alpha": 32}}},
    )
    full, lora = (request(config, "train", {**ARM, "size": 10}) for config in (sharded, adapted))
    assert 12 * 7000 < full.mem_mb < 8 * 4 * 7000, "less than eight copies"
    assert 4 * 7000 < lora.mem_mb < full.mem_mb, "adapters' state is small"


def test_the_study_file_overrides_and_a_retry_asks_for_more_up_to_the_limit():
    config = study(
        resources={"longest": 1440, "train": {"nodes": 2, "gpus": 8, "runtime": 600, "mem_mb": 9}}
    )
    first, second, third = (request(config, "train", {**ARM, "size": 10}, n) for n in (1, 2, 3))
    assert first == Request(gpus=8, nodes=2, cpus=32, mem_mb=9, runtime=600)
    assert (second.runtime, second.mem_mb) == (1200, 18)
    assert (third.runtime, third.mem_mb) == (1440, 27)


def test_a_student_that_tells_nothing_of_its_size_gets_a_day():
    config = study(students={"big": {"hub": {"id": "x/nameless", "revision": "0" * 40}}})
    assert request(config, "train", {**ARM, "size": 10}).runtime >= 1440


def test_the_judge_gets_cores_for_its_programs():
    config = study(estimates={"program_seconds": 20}, sampling={"samples": 2})
    wildcards = {"checkpoint": "big/base", "benchmark": "bank"}
    assert request(config, "judge", wildcards).cpus == 16
    assert request(study(), "judge", wildcards).cpus == 1


def test_a_part_of_the_programs_asks_for_its_share_and_so_does_who_reads_the_verdicts():
    def config(jobs, **own):
        assumed = {"estimates": {"program_seconds": 20}, "sampling": {"samples": 20}}
        return study(**assumed, judge={"jobs": jobs}, resources=own)

    where = {"checkpoint": "big/base", "benchmark": "bank"}
    part = {**where, "part": ".2-of-8"}
    alone = request(config(1), "judge", where)
    shared = request(config(8), "judge_part", part)
    assert (alone.cpus, shared.cpus) == (16, 16)
    assert shared.runtime - 10 == pytest.approx((alone.runtime - 10) / 8, rel=0.02)
    assert request(config(8), "judge", where) == shared, "it may have to judge some again"
    own = config(8, judge={"cpus": 3, "runtime": 7}, labels={"cpus": 2})
    asked = request(own, "judge_part", part)
    assert (asked.cpus, asked.runtime) == (3, 7)
    assert request(own, "labels_part", {"part": ".2-of-8"}).cpus == 2
    assert request(own, "labels", {}).cpus == 2


def test_requests_of_parts_learn_from_finished_parts(tmp_path):
    config = study(judge={"jobs": 2})
    place = tmp_path / "verdicts/big/base"
    place.mkdir(parents=True)
    took = {"restored": False, "measured": {"wall_seconds": 1e5}}
    for name, rule in (("bank", "judge"), ("bank.1-of-2", "judge_part")):
        (place / f"{name}.meta.json").write_text(json.dumps({**MADE, **took, "rule": rule}))
    seen = measured(config, tmp_path)
    assert {*seen} == {("judge_part", "big")}
    where = {"checkpoint": "big/base", "benchmark": "bank"}
    first, again = (
        request(config, "judge_part", {**where, "part": ".2-of-2"}, seen=told)
        for told in ({}, seen)
    )
    assert again.runtime > 10 * first.runtime
    assert request(config, "judge", where, seen=seen) == first


def test_requests_learn_from_finished_jobs(tmp_path):
    config = study()
    folder = tmp_path / "checkpoints/big/paper/base/all.any/n1000-s0"
    folder.mkdir(parents=True)
    about = {**MADE, "rule": "train", "restored": False, "measured": {"wall_seconds": 1e6}}
    (folder / "checkpoint.meta.json").write_text(json.dumps(about))
    seen = measured(config, tmp_path)
    before = request(config, "train", {**ARM, "size": 1000})
    after = request(config, "train", {**ARM, "size": 1000}, seen=seen)
    assert seen["train", "big"] > 1
    assert after.runtime * 60 > 1e6 > before.runtime * 60
    about["restored"] = True
    (folder / "checkpoint.meta.json").write_text(json.dumps(about))
    assert measured(config, tmp_path) == {}


@pytest.mark.parametrize(
    ("accounted", "current", "state"),
    [
        ("CANCELLED by 1000", None, "CANCELLED"),
        ("CANCELLED by 1000", "CANCELLED", "CANCELLED"),
        ("COMPLETED", "COMPLETING", "COMPLETING"),
        ("NODE_FAIL", "PENDING", "PENDING"),
        ("NODE_FAIL", "NODE_FAIL", "CANCELLED"),
        ("NODE_FAIL", None, None),
        ("PREEMPTED", "RUNNING", "RUNNING"),
        ("PREEMPTED", "PREEMPTED", "CANCELLED"),
        ("RUNNING", None, "RUNNING"),
        (None, "OUT_OF_MEMORY", "OUT_OF_MEMORY"),
    ],
)
def test_the_controller_is_believed_first(accounted, current, state):
    said = JobWatch().settle(accounted and [("7", accounted)], current and [("7", current)])
    assert said == ({"7": state} if state else {})


def test_a_job_that_only_accounting_calls_alive_is_given_up():
    watch = JobWatch()
    said = [watch.settle([("7", "RUNNING")], [])["7"] for _ in range(LOST_AFTER)]
    assert said == ["RUNNING"] * (LOST_AFTER - 1) + ["FAILED"]


def test_without_accounting_a_forgotten_job_is_known_by_its_files():
    watch = JobWatch()
    assert watch.settle(None, [("7", "RUNNING")], accounting=False) == {"7": "RUNNING"}
    assert watch.settle(None, None, accounting=False) == {}
    assert watch.settle(None, [], accounting=False) == {"7": "UNKNOWN"}


def test_a_command_that_ends_as_its_time_is_up_ends_no_run(monkeypatch):
    async def just_too_late(answer, seconds):
        await answer
        await asyncio.sleep(0.2)
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", just_too_late)
    assert asyncio.run(slurm_patches._rows("echo", "1|RUNNING")) == (None, "no answer")


def test_what_still_submits_a_job_is_found_by_its_runs_name():
    run = f"run-{secrets.token_hex(8)}"  # this test may run twice at a time
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen([*wait, "sbatch", "--job-name", f"{run}-1"]) as process:
        try:
            # The system shows a new process a moment before its command line.
            end = time.monotonic() + 60
            while not (found := runs.submitting([f"{run}-0", f"{run}-1"])):
                assert time.monotonic() < end
            assert found == [process.pid]
            assert runs.submitting([f"{run}-0"]) == []
            assert runs.submitting([]) == []
        finally:
            process.kill()
    assert runs.submitting([f"{run}-1"]) == []


def test_a_reason_to_wait_for_ever_is_told_once():
    watch = JobWatch()
    rows = [("1", "PENDING", "(QOSMaxGRESPerUser)"), ("2", "PENDING", "Priority")]
    (told,) = watch.warnings(rows)
    assert "1 job (1): QOSMaxGRESPerUser" in told
    assert "waits until others end" in told
    assert watch.warnings(rows) == []
    (told,) = watch.warnings([("3", "PENDING", "(QOSMaxGRESPerJob)")])
    assert "It alone asks for more than your account or QOS allows" in told


def test_nodes_that_are_down_are_asked_for_with_their_reasons():
    reason = "(Nodes required for job are DOWN, DRAINED or reserved for jobs in other partitions)"
    (told,) = JobWatch().warnings([("1", "PENDING", reason)])
    assert "sinfo -R" in told


def test_of_a_refused_submission_slurms_own_words_are_kept():
    said = (
        "SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: "
        "Invalid qos specification'.\n    sbatch call:\n        sbatch --parsable …\n"
        "    sbatch script:\n#!/bin/sh\n"
    )
    assert slurm_patches.REFUSAL.match(said)[1].endswith("Invalid qos specification")
    assert not slurm_patches.REFUSAL.match("SLURM-job '7' failed, SLURM status is: 'FAILED'.")


LOG = """\
SLURM run ID: abc-1
rule train:
    input: a
    jobid: 3
    reason: Missing
    wildcards: student=tiny, recipe=r, start=base, slice=all.any, size=16, seed=0
Job 3 has been submitted with SLURM jobid 11 (log: /x/slurm_logs/rule_train/tiny_r/11.log).
Job 7-x has been submitted with SLURM jobid 12 (log: /x/slurm_logs/group_verdicts_judge/12.log).
"""


RECORD = {
    "JobID": "11",
    "State": "CANCELLED by 0",
    "ElapsedRaw": "1800",
    "TimelimitRaw": "120",
    "AllocTRES": "billing=4,cpu=4,gres/gpu=2,mem=1G,node=1",
    "TotalCPU": "01:00:00",
}


def test_costs_are_added_up_by_stage_and_arm():
    known = runs.submissions([LOG])
    assert known["11"].arm == "tiny/r/base/all.any/n16-s0"
    assert known["12"].stage == "verdicts"
    record = {**RECORD, "stage": known["11"].stage, "arm": known["11"].arm}
    (row,) = usage.table([record, {**record, "State": "COMPLETED"}])
    assert (row["stage"], row["arm"], row["jobs"]) == ("train", "tiny/r/base/all.any/n16-s0", 2)
    assert (row["gpu_hours_asked"], row["gpu_hours_held"], row["gpu_hours_lost"]) == (8, 2, 1)
    assert (row["cpu_hours_held"], row["cpu_hours_used"]) == (4, 2)
    assert usage.summed([row])[-1]["gpu_hours_held"] == 2


def sidecar(root, folder, rule, seconds, **measured):
    path = root / f"{folder}.meta.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = {"minutes": 60, "gpus": 0, "nodes": 1, "cpus": 2}
    took = {"wall_seconds": seconds, "cpu_seconds": seconds, "asked": asked, **measured}
    path.write_text(json.dumps({**MADE, "rule": rule, "restored": False, "measured": took}))


def test_jobs_of_one_submission_share_its_hours_and_the_others_are_told_by_sidecars(tmp_path):
    arms = "t/r/base/all.any/n16-s0", "t/r/base/all.any/n16-s1"
    for arm, seconds in zip(arms, (100, 300), strict=True):
        sidecar(tmp_path, f"verdicts/{arm}/bank", "judge", seconds, slurm_job="12")
    gpus = {"minutes": 120, "gpus": 2, "nodes": 1, "cpus": 8}
    sidecar(
        tmp_path, f"checkpoints/{arms[0]}/checkpoint", "train", 3600, asked=gpus, train_seconds=1800
    )
    sidecar(tmp_path, "corpus/pool", "pool", 36)
    taken = tmp_path / "corpus/labels.meta.json"
    taken.write_text(json.dumps({**MADE, "rule": "labels", "restored": True, "measured": {}}))
    group = {**RECORD, "JobID": "12", "State": "COMPLETED", "stage": "verdicts", "arm": ""}
    rows = usage.table([group], usage.finished(tmp_path, provenances(tmp_path)))
    judged = [row for row in rows if row["stage"] == "judge"]
    assert [(row["arm"], row["source"]) for row in judged] == [(a, "accounting") for a in arms]
    assert [row["cpu_hours_held"] for row in judged] == [0.5, 1.5]
    assert sum(row["cpu_hours_used"] for row in judged) == 1
    silent = usage.table(
        [{**group, "TotalCPU": "00:00:00"}], usage.finished(tmp_path, provenances(tmp_path))
    )
    used = [row["cpu_hours_used"] for row in silent if row["stage"] == "judge"]
    assert used == [100 / 3600, 300 / 3600], "where SLURM gathers no processor time"
    (trained,) = (row for row in rows if row["stage"] == "train")
    assert (trained["arm"], trained["source"]) == (arms[0], "sidecars")
    assert [trained[f"gpu_hours_{x}"] for x in ("asked", "held", "used")] == [4, 2, 1]
    assert trained["gpu_hours_lost"] is None, "sidecars know nothing of attempts that failed"
    assert {row["stage"] for row in rows} == {"judge", "train", "pool"}
    total = usage.summed(rows)[-1]
    assert (total["source"], total["cpu_hours_lost"]) == ("both", 0)
    assert total["cpu_hours_held"] == pytest.approx(2 + 8 + 0.02)


def test_a_damaged_sidecar_keeps_no_report_from_telling_the_others_hours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sidecar(tmp_path, "corpus/pool", "pool", 36)
    (tmp_path / "corpus/labels.meta.json").write_text('{"rule": "lab')
    (row,) = page.measured(tmp_path)["hours"]["arms"]
    assert (row["stage"], row["cpu_hours_held"]) == ("pool", 0.02)


def test_the_cost_of_a_study_passes_over_damaged_sidecars_and_names_them(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results/smoke"
    sidecar(root, "corpus/pool", "pool", 36)
    (root / "corpus/labels.meta.json").write_text('{"rule": "lab')
    (root / "corpus/bank.meta.json").write_text("[]")
    study = Path(__file__).parents[2] / "studies/smoke.yaml"
    table = tmp_path / "hours/cost.csv"
    assert cost.run(Namespace(study=str(study), csv=table, arms=False)) == 0
    said = capsys.readouterr()
    for name in ("labels", "bank"):
        assert f"passed over: results/smoke/corpus/{name}.meta.json: damaged" in said.err
    assert "pool" in said.out
    head, row = table.read_bytes().decode().split("\n")[:2]
    assert head == ",".join(usage.COLUMNS)
    assert row == "pool,,sidecars,1,0,0,0,,2,0.02,0.01,"


@pytest.mark.parametrize(
    ("text", "seconds"), [("02:03.500", 123.5), ("1-00:00:01", 86401), ("01:00:00", 3600)]
)
def test_slurms_times(text, seconds):
    assert usage.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "minutes"), [("1-00:00:00", 1440), ("2:00", 2), ("infinite", None), ("1:00:00", 60)]
)
def test_partition_limits(text, minutes):
    assert offers.minutes(text) == minutes


def test_a_profiles_resources_are_read_in_both_ways_of_writing_them():
    listed = {"default-resources": ["slurm_account=a"], "set-resources": ["train:gpu_model=h"]}
    mapped = {
        "default-resources": {"slurm_account": "a"},
        "set-resources": {"train": {"gpu_model": "h"}},
    }
    assert demands.site(listed) == demands.site(mapped)
    assert demands.site(listed) == {"slurm_account": "a", "train:gpu_model": "h"}


def test_a_compute_node_says_what_it_does_not_see(tmp_path):
    (tmp_path / ".doctor-abc").write_text("abc")
    well = probe.probe(tmp_path, "abc", "auto", str(tmp_path), str(tmp_path))
    checked = ("folder", "environment", "isolation", "scratch", "cache")
    assert {name: well[name] for name in checked} == dict.fromkeys(checked, "")
    assert (tmp_path / ".doctor-abc-answer").read_text() == "abc"
    absent = str(tmp_path / "absent")
    ill = probe.probe(tmp_path, "other", "auto", absent, absent)
    assert ill["cache"] == f"there is no {absent}"
    assert absent in ill["scratch"]
    assert "does not have what was written there" in ill["folder"]


HERE = "Building DAG of jobs...\nProvided cores: 2\nJob stats:\n"
SLURM = "Provided remote nodes: 100\nJob stats:\n"
UNLOCKED = "Unlocked working directory.\n"


@pytest.mark.parametrize(
    ("texts", "there"),
    [
        ([], False),
        ([HERE], False),
        ([HERE, SLURM, UNLOCKED], True),
        ([SLURM, HERE], False),
        (["Job stats:\nSLURM run ID: 5d1c\n"], True),
    ],
)
def test_a_killed_run_comes_back_where_it_was(texts, there):
    assert runs.on_slurm(texts) is there
