"""Parts of a checkpoint's answers, each sampled by a job of its own."""

import re
from dataclasses import dataclass
from typing import Any

from valley.core.sampling import together

ANSWERS = "answers"
# Of the end of a part's name, as files have it; no benchmark's name has a dot.
PATTERN = r"(?:[.][1-9][0-9]*-of-[1-9][0-9]*)?"


@dataclass(frozen=True)
class Part:
    """One of the jobs that share a checkpoint's answers, of those that are drawn in one way.

    Attributes:
        number: from 1.
        of: how many there are.
    """

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        """Return the end of the part's name, as files have it: nothing of one job alone."""
        return "" if self.of == 1 else f".{self.number}-of-{self.of}"

    @classmethod
    def named(cls, end: str) -> "Part":
        """Return the part by the end of its name.

        Raises:
            ValueError: there is no such part.
        """
        if not end:
            return cls()
        found = re.fullmatch(r"[.]([1-9][0-9]*)-of-([1-9][0-9]*)", end)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError(f"there is no part {end!r} of a checkpoint's answers")
        return cls(int(found[1]), int(found[2]))


WHOLE = Part()


def parts(jobs: int) -> list[Part]:
    """Return the parts of so many jobs."""
    return [Part(number, jobs) for number in range(1, jobs + 1)]


def sampling_rule(config: dict[str, Any]) -> str:
    """Return the rule whose jobs sample, by a completed study file.

    `generate` answers one benchmark. `answer` answers a checkpoint's benchmarks that are drawn in
    one way, or its part of them: with vLLM, which takes long to start, and wherever several jobs
    share the answers.
    """
    sampling = config["sampling"]
    return "answer" if sampling["engine"] == "vllm" or sampling["jobs"] > 1 else "generate"


def answer_jobs(config: dict[str, Any], benchmark: str | None = None) -> list[dict[str, str]]:
    """Return the wildcards `way` and `part` of the jobs of `answer` that one checkpoint has.

    Args:
        config: a completed study file.
        benchmark: only those that answer it.
    """
    ways = [way for way, names in together(config).items() if benchmark in (None, *names)]
    return [
        {"way": f"-{way}" if way else "", "part": str(part)}
        for way in ways
        for part in parts(config["sampling"]["jobs"])
    ]


def wildcards_of(name: str) -> dict[str, str]:
    """Return the wildcards `way` and `part` of a file that a job of `answer` writes.

    Args:
        name: such as "answers-long.3-of-8", without what follows.
    """
    way, dot, part = name.removeprefix(ANSWERS).partition(".")
    return {"way": way, "part": dot + part}
