# Ways of sampling: which benchmarks one job answers together, and by what settings.

from valley.core.sampling import together

ENGINE = STUDY.config["sampling"]["engine"]
# Benchmarks drawn in one way are answered by one start of vLLM: "" is the study's own way, others
# are named by the first benchmark that has them.
WAYS = together(STUDY.config)
WAY_OF = {name: f"-{way}" if way else "" for way, names in WAYS.items() for name in names}


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
    """Return what tells that a checkpoint's answers are in its book, where one job sees to all."""
    if ENGINE != "vllm":
        return []
    way = WAY_OF[wildcards.benchmark]
    return ancient(f"{ROOT}/generations/{wildcards.place}/answers{way}.json")
