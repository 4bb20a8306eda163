"""What every rule's jobs ask for on a site: by the study's estimates, its file and a profile.

Without Snakemake's DAG: what a whole study would ask for, whether its results are there or not.
"""

from collections.abc import Iterator
from dataclasses import replace

from valley.cluster import offers, requests
from valley.core.parts import (
    answer_jobs,
    asking_parts,
    judging_parts,
    judging_rules,
    sampling_rule,
)
from valley.core.study import Study

DAY_MINUTES, TEACHER_MB = 1440, 16000  # of ask_model


def rules_of(study: Study) -> list[str]:
    """Return the rules whose requests differ, and one that stands for all short ones."""
    corpus = study.config["corpus"]
    judging, labelling = judging_rules(study.config)
    found = ["train", sampling_rule(study.config), "generate", "student", judging, "judge"]
    found += [labelling, "labels"] if corpus["correctness"] == "judge" else []
    found += [rule for rule in ("ask_model_part", "ask_model") if wildcards_of(study, rule)]
    return [*dict.fromkeys(found), "score"]


def largest(
    study: Study, rule: str, asked: dict[str, str], offered: dict[str, offers.Partition]
) -> list[offers.Demand]:
    """Return what a rule's jobs ask for: of each quantity a job that asks for most.

    Args:
        study: what is to run.
        rule: whose jobs.
        asked: from `site`: what the profile says.
        offered: what SLURM has.
    """
    jobs = {wanted for _, wanted in each(study, rule, asked, offered)}
    sizes = ("gpus", "nodes", "cpus", "mem_mb", "runtime")
    chosen = (
        max(jobs, key=lambda job: (getattr(job.request, size), job.request.runtime))
        for size in sizes
    )
    return list(dict.fromkeys(chosen))


def each(
    study: Study, rule: str, asked: dict[str, str], offered: dict[str, offers.Partition]
) -> Iterator[tuple[dict, offers.Demand]]:
    """Yield the wildcards of all jobs of a rule, each with what it asks for; see `largest`."""
    partition = asked.get(f"{rule}:slurm_partition") or asked.get("slurm_partition")
    partition = partition and partition.strip("'\"")
    where = offers.partition_of(offered, partition)
    room = where and offers.room(where)
    model = asked.get(f"{rule}:gpu_model") or asked.get("gpu_model")
    for wildcards in wildcards_of(study, rule):
        made = request_of(study, rule, wildcards, asked, room)
        made = replace(made, **overridden(rule, made, asked))
        yield wildcards, offers.Demand(made, partition, model)


def request_of(
    study: Study, rule: str, wildcards: dict, asked: dict[str, str], room: requests.Room | None
) -> requests.Request:
    """Return what one job asks for, before the profile's `set-resources`."""
    if rule in ("ask_model", "ask_model_part"):
        gpus = teacher_gpus(study.config, wildcards["teacher"], cuts=rule == "ask_model")
        longest = study.config["resources"]["longest"] or DAY_MINUTES
        return requests.Request(gpus, 1, 1, TEACHER_MB, min(longest, DAY_MINUTES))
    if rule == "score":
        memory, minutes = (int(asked.get(name) or 0) for name in ("mem_mb", "runtime"))
        return requests.Request(0, 1, 1, memory, minutes)
    return requests.request(study.config, rule, wildcards, room=room)


def teacher_gpus(config: dict, teacher: str, cuts: bool = True) -> int:
    """Return the GPUs of a job that asks a teacher which is run here.

    Where parts ask, the job that writes the traces needs none: what parts leave unanswered stops
    them, unless the study file skips it; then it asks that once more.

    Args:
        config: a completed study file.
        teacher: its name there.
        cuts: it is the job that writes the traces.
    """
    described = config["corpus"]["teachers"][teacher]
    only_cuts = cuts and asking_parts(config, teacher) and described["unanswered"] == "stop"
    return 0 if only_cuts else described["model"]["gpus"]


def overridden(rule: str, made: requests.Request, asked: dict[str, str]) -> dict[str, int]:
    """Return what a profile's `set-resources` says of a rule in place of its own request."""
    names = {"gpu": "gpus", "nodes": "nodes", "mem_mb": "mem_mb", "runtime": "runtime"}
    return {
        field: int(asked[f"{rule}:{name}"])
        for name, field in names.items()
        if str(asked.get(f"{rule}:{name}", "")).isdigit()
    }


def site(profile: dict) -> dict[str, str]:
    """Return a profile's resources: defaults by name, those of a rule as "rule:name"."""
    found = {}
    for key in ("default-resources", "set-resources"):
        given = profile.get(key) or {}
        if isinstance(given, dict):
            pairs = [
                (f"{rule}:{name}", value) if key == "set-resources" else (rule, value)
                for rule, values in given.items()
                for name, value in (values.items() if isinstance(values, dict) else [("", values)])
            ]
        else:
            pairs = [str(item).split("=", 1) for item in given]
        found.update({name.rstrip(":"): str(value) for name, value in pairs})
    return found


def listed(given: list | dict | None) -> dict[str, str]:
    """Return a profile's `name=value` entries, which may also be a mapping."""
    pairs = (
        given.items() if isinstance(given, dict) else (str(i).split("=", 1) for i in given or ())
    )
    return {name: str(value) for name, value in pairs}


def wildcards_of(study: Study, rule: str) -> list[dict]:
    """Return the wildcards of all jobs of a rule."""
    if rule == "train":
        return [vars(arm) for arm in study.arms]
    if rule == "student":
        return [{"student": name} for name in study.students]
    if rule in ("labels", "score"):
        return [{}]
    if rule == "ask_model":
        return [{"teacher": name} for name in study.teachers_of_kind("model")]
    if rule == "ask_model_part":
        return [
            {"teacher": name, "part": str(part)}
            for name in study.teachers_of_kind("model")
            for part in asking_parts(study.config, name)
        ]
    if rule == "answer":
        shared = answer_jobs(study.config)
        return [
            {"checkpoint": study.checkpoint_name(arm), **job}
            for arm in study.evaluated()
            for job in shared
        ]
    parts = [{"part": str(part)} for part in judging_parts(study.config)]
    if rule == "labels_part":
        return parts
    return [
        {"checkpoint": study.checkpoint_name(arm), "benchmark": benchmark, **part}
        for arm in study.evaluated()
        for benchmark in study.benchmarks
        for part in (parts if rule == "judge_part" else [{}])
    ]
