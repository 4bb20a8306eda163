# Ways of sampling: which benchmarks are answered together, by what settings, and in which jobs.

from valley.core.parts import PATTERN, answer_jobs, sampling_rule
from valley.core.sampling import together

SAMPLING_ENVIRONMENT = "vllm" if STUDY.config["sampling"]["engine"] == "vllm" else "models"
SAMPLES = sampling_rule(STUDY.config)
# Benchmarks drawn in one way are answered by one start of vLLM: "" is the study's own way, others
# are named by the first benchmark that has them.
WAYS = together(STUDY.config)
JOBS_OF = {name: answer_jobs(STUDY.config, name) for name in STUDY.benchmarks}


def sampling_of(key):
    """Return a param: a key of `sampling`, as the rule's benchmark has it."""
    if list(WAYS) == [""]:
        return setting("sampling", key)
    return of_wildcards(lambda wildcards: STUDY.sampling(wildcards.benchmark)[key])


def sampling_of_way(key):
    """Return a param: a key of `sampling`, as the benchmarks have it that are answered together."""
    if list(WAYS) == [""]:
        return setting("sampling", key)
    return of_wildcards(lambda wildcards: STUDY.sampling(of_way(wildcards)[0])[key])


def of_way(wildcards):
    """Return the benchmarks that are answered together."""
    return WAYS[wildcards.way.removeprefix("-")]


def answered(wildcards):
    """Return the files that mark a checkpoint's answers as cached, where other jobs sample."""
    if SAMPLES != "answer":
        return []
    folder = f"{ROOT}/generations/{wildcards.checkpoint}"
    return [
        ancient(f"{folder}/answers{job['way']}{job['part']}.json")
        for job in JOBS_OF[wildcards.benchmark]
    ]
