"""The smoke study on a real SLURM, submitted by an ordinary user: as on one machine."""

import json
import re
import subprocess

import pytest
import yaml
from workspace import Workspace

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
        check=True,
    )
    return [dict(zip(fields.split(","), x.split("|"), strict=True)) for x in done.stdout.split()]


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
    """Two processes, one a node, that meet over the network (gloo, on cores)."""
    config = {
        **Workspace.smoke(),
        "training": {"processes": 2},
        "resources": {"train": {"nodes": 2, "cpus": 1, "mem_mb": 2000}},
    }
    (lab.folder / "study.yaml").write_text(yaml.safe_dump(config))
    target = "results/smoke/checkpoints/tiny/distil/base/all.any/n16-s0/checkpoint.json"
    run = lab.start(target, snakefile="Snakefile", options=("--configfile", "study.yaml"))
    assert run.wait(300) == 0, run.said()
    job = next(job for job in lab.jobs() if "rule_train" in job["Comment"])
    assert "node=2" in job["AllocTRES"]
    about = json.loads((lab.folder / target).with_suffix(".meta.json").read_text())
    assert about["measured"]["processes"] == 2
