"""The smoke study on a real SLURM, submitted by an ordinary user: as on one machine."""

import csv
import json
import re
import subprocess

import pytest
import yaml
from lab import PROFILE, REPOSITORY
from valley.core.files import write_json
from workspace import Workspace

STAGES = ("train", "generate", "judge", "score")
SHORT = ("corpus", "verdicts", "analysis")  # groups of short jobs


@pytest.fixture(scope="session")
def study(under_way):
    """The folder of the finished study, and what Snakemake said."""
    return under_way.finished(), under_way.said()


@pytest.fixture(scope="session")
def accounted(study, person):
    """What the accounting says of the study's jobs: comment, state and granted resources."""
    run = re.search(r"SLURM run ID: (\S+)", study[1])[1]
    fields = "Comment,State,AllocTRES,User"
    done = subprocess.run(
        ["sacct", "-a", "-X", "-n", "-P", f"--name={run}", "-o", fields],
        env=person.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"this site has no accounting: {done.stderr}")
    jobs = [
        dict(zip(fields.split(","), line.split("|"), strict=True)) for line in done.stdout.split()
    ]
    if not all(job["Comment"] for job in jobs):
        pytest.skip("this site's accounting keeps no comments (AccountingStoreFlags=job_comment)")
    return jobs


def test_the_study_gives_the_same_bytes_as_on_one_machine(study, under_way):
    assert study[0].results() == under_way.finished_alone().results()


def test_every_job_went_through_slurm_under_who_submitted(study, accounted, person):
    total = int(re.search(r"\ntotal\s+(\d+)", study[1])[1])
    assert f"{total} of {total} jobs done" in study[1]
    assert {job["State"] for job in accounted} == {"COMPLETED"}
    if person.name:
        assert {job["User"] for job in accounted} == {person.name}


def test_gpus_are_asked_for_and_granted(accounted):
    granted = {"train": set(), "generate": set(), "student": set()}
    for job in accounted:
        rule = job["Comment"].removeprefix("rule_").split("_")[0]
        granted.get(rule, set()).add("gres/gpu=1" in job["AllocTRES"])
    assert granted == {"train": {True}, "generate": {True}, "student": {False}}


def test_short_jobs_share_submissions(study, accounted):
    counts = dict(re.findall(r"^(\w+) +(\d+)$", study[1].split("Job stats:")[1], re.MULTILINE))
    single = sum(int(counts[rule]) for rule in ("train", "generate", "student"))
    short = int(counts["total"]) - single - int(counts["all"])
    submitted = [job for job in accounted if job["Comment"].split("_")[1] in SHORT]
    assert len(accounted) == single + len(submitted)
    assert short >= 10 * len(submitted), (short, len(submitted))


def test_a_finished_study_has_nothing_to_do(study):
    assert study[0].plan() == {}


def test_sidecars_say_where_it_ran(study):
    about = json.loads(
        next(study[0].folder.glob("results/smoke/checkpoints/**/*.meta.json")).read_text()
    )
    assert about["rule"] == "train"
    assert about["measured"]["host"]


def test_a_training_spans_two_nodes_from_the_same_rule(lab):
    """Two processes, one a node, that meet over the network (gloo, on cores).

    It is told a scratch, and asks for more time than was estimated since another arm took long.
    """
    config = {
        **Workspace.smoke(),
        "training": {"processes": 2},
        "resources": {"train": {"nodes": 2, "cpus": 1, "mem_mb": 2000}},
    }
    (lab.folder / "study.yaml").write_text(yaml.safe_dump(config))
    arms = lab.folder / "results/smoke/checkpoints/tiny/distil/base/all.any"
    took = {"rule": "train", "restored": False, "measured": {"wall_seconds": 3600.0}}
    took |= {"params": {}, "inputs": {}, "outputs": {}}
    write_json(arms / "n32-s0" / "checkpoint.meta.json", took)
    scratch = lab.folder / "scratch"
    scratch.mkdir()
    target = arms.relative_to(lab.folder) / "n16-s0" / "checkpoint.json"
    options = ("--default-resources", "mem_mb=2000", "runtime=10", f"tmpdir='{scratch}'")
    options += ("--configfile", "study.yaml")
    run = lab.start(str(target), snakefile="Snakefile", options=options)
    assert run.wait(300) == 0, run.said()
    job = next(job for job in lab.jobs() if "rule_train" in job["Comment"])
    assert "node=2" in job["AllocTRES"]
    limit = lab.cluster.command("sacct", "-X", "-n", "-P", "-j", job["JobID"], "-o", "TimelimitRaw")
    took = json.loads((lab.folder / target).with_suffix(".meta.json").read_text())["measured"]
    assert took["processes"] == 2
    assert took["scratch"] == str(scratch)
    assert took["slurm_job"] == job["JobID"]
    assert int(limit) >= 60


def asked(person, folder, *arguments: str) -> tuple[int, str]:
    """Run a subcommand of `valley` as the person; return its exit status and what it printed."""
    out = person.home / "valley.log"
    command = (str(REPOSITORY / "valley"), *arguments)
    status = person.start(*command, cwd=folder, out=out).wait()
    return status, out.read_text()


def test_the_doctor_finds_the_site_ready(person):
    """It looks, and submits one small job."""
    folder = person.home / "looked-at"
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(Workspace.smoke()))
    if person.name:
        subprocess.run(["chown", "-R", person.name, str(folder)], check=True)
    status, said = asked(person, folder, "doctor", "study.yaml", "--profile", PROFILE)
    assert status == 0, said
    assert "ok   shared folder: " in said


def test_hours_are_told_for_every_arm_of_every_stage(study, accounted, person):
    """Also of jobs that shared a submission; and later, when the accounting has forgotten them."""
    status, said = asked(person, study[0].folder, "cost", "study.yaml", "--arms", "--csv", "c.csv")
    assert status == 0, said
    rows = list(csv.DictReader((study[0].folder / "c.csv").open()))
    assert {row["source"] for row in rows} == {"accounting"}
    arms = {stage: {row["arm"] for row in rows if row["stage"] == stage} for stage in STAGES}
    assert len(arms["train"]) == 8
    assert arms["judge"] == arms["score"] == arms["generate"] > arms["train"]
    held, used = (sum(float(row[f"cpu_hours_{x}"]) for row in rows) for x in ("held", "used"))
    assert 0 < used <= held
    trained = [row for row in rows if row["stage"] == "train"]
    assert all(float(row["gpu_hours_used"]) < float(row["gpu_hours_held"]) for row in trained)
    kept = json.loads((study[0].folder / "results/smoke/timings/accounting.json").read_text())
    assert len(kept) == len(accounted)
