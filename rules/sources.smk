# How the rules of benchmarks look up where problems come from.

from core.hub import SourceError, find
from core.published import home, patterns


def source_of(key):
    """Return an input function that looks up a key of a benchmark's source."""
    return lambda wildcards: STUDY.sources[wildcards.benchmark][key]


def source_files(wildcards):
    """Return the local files of a benchmark's source; none where it comes from the hub."""
    source = STUDY.sources[wildcards.benchmark]
    if source["path"] is None:
        return []
    try:
        return [str(path) for path in find(patterns(source), path=source["path"])]
    except SourceError as error:
        raise WorkflowError(f"benchmarks.{wildcards.benchmark}.source: {error}")


def source_home(wildcards):
    """Return the home of a benchmark's source, as published."""
    source = STUDY.sources[wildcards.benchmark]
    return home(source["format"], source["release"])
