"""Published benchmarks: where their problems are, and how many there are."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """A benchmark's home.

    Attributes:
        hub: id of its data set on the Hugging Face hub.
        files: names or globs of its problems' files there.
        count: how many problems those files hold; None where that is not known.
    """

    hub: str | None
    files: tuple[str, ...]
    count: int | None


_MBPP = "google-research-datasets/mbpp"


def _splits(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}-*.parquet" for name in names)


# MBPP's splits stand in the order of its one file, mbpp.jsonl: by number.
PUBLISHED = {
    "livecodebench": Published("livecodebench/code_generation_lite", (), None),
    "humaneval": Published("openai/openai_humaneval", ("openai_humaneval/test-*.parquet",), 164),
    "humanevalplus": Published("evalplus/humanevalplus", ("data/test-*.parquet",), 164),
    "mbpp": Published(_MBPP, _splits("full", "prompt", "test", "validation", "train"), 974),
    "mbpp_test": Published(_MBPP, _splits("full", "test"), 500),
    "mbpp_sanitized": Published(
        _MBPP, _splits("sanitized", "prompt", "test", "validation", "train"), 427
    ),
    "mbppplus": Published("evalplus/mbppplus", ("data/test-*.parquet",), 378),
    "code_contests": Published("deepmind/code_contests", ("data/test-*.parquet",), 165),
    "taco": Published("BAAI/TACO", ("test/*.arrow",), 1000),
    "apps": Published("codeparrot/apps", ("test.jsonl",), 5000),
    "problems": Published(None, (), None),
}

# LiveCodeBench's releases are cumulative: each adds a file. Counts as its authors give them.
RELEASES = {"v1": 400, "v2": 511, "v3": 612, "v4": 713, "v5": 880, "v6": 1055}


def origin(format: str, release: str | None = None) -> Published:
    """Return a benchmark's home; LiveCodeBench's is one release's."""
    if format != "livecodebench":
        return PUBLISHED[format]
    number = list(RELEASES).index(str(release)) + 1
    files = tuple(f"test{n if n > 1 else ''}.jsonl" for n in range(1, number + 1))
    return Published(PUBLISHED[format].hub, files, RELEASES[str(release)])


def mistakes(where: str, source: dict[str, Any]) -> list[str]:
    """Return what is wrong with a source in the study file, beyond what its schema says."""
    found = []
    known = PUBLISHED[source["format"]]
    if source["path"] is not None and (source["hub"] or source["revision"]):
        found.append(f"{where}: give either a path, or a hub id and revision")
    elif source["path"] is None:
        if source["hub"] is None and known.hub is None:
            found.append(f"{where}: say where the problems are: a path, or a hub id and revision")
        elif source["revision"] is None:
            found.append(
                f"{where}.revision: a data set of the hub changes; name its commit (or give the "
                "path of local files)"
            )
    lcb = source["format"] == "livecodebench"
    if lcb and source["release"] is None:
        found.append(f"{where}.release: say which release; choose from: {', '.join(RELEASES)}")
    if source["release"] is not None and not lcb:
        found.append(f"{where}.release: {source['format']} has no releases")
    if source["from"] and source["to"] and source["from"] > source["to"]:
        found.append(f"{where}: from {source['from']} is later than to {source['to']}")
    return found


def patterns(source: dict[str, Any]) -> list[str]:
    """Return names or globs of a source's files."""
    if source["files"]:
        return list(source["files"])
    return list(origin(source["format"], source["release"]).files) or ["*.jsonl"]
