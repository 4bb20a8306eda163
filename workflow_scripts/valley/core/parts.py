"""Parts of one piece of work, each done by a job of its own.

A checkpoint's answers are sampled in parts, a teacher's are asked for, and programs are judged.
"""

import re
from dataclasses import dataclass
from typing import Any

from valley.core.sampling import together
from valley.core.seeds import derive

ANSWERS = "answers"
# Of the end of a part's name, as files have it, where there are several parts, and in any case; no
# benchmark's name has a dot.
SEVERAL = r"[.][1-9][0-9]*-of-[1-9][0-9]*"
PATTERN = f"(?:{SEVERAL})?"
JUDGING = ("judge", "labels", "judge_part", "labels_part")  # rules whose jobs run programs
# Rules whose jobs fill the store only; other jobs wait for them and make the files that are wanted.
PARTIAL = ("answer", "judge_part", "labels_part", "ask_endpoint_part", "ask_model_part")


@dataclass(frozen=True)
class Part:
    """One of the jobs that share a piece of work.

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


def owns(part: Part, *request: str | int) -> bool:
    """Tell whether a piece of the work is a part's: it follows from the request's hash alone.

    So an added request moves no other to another part.

    Args:
        part: one of the jobs.
        request: what tells the piece from all others.
    """
    return derive("part", *request) % part.of == part.number - 1


def sampling_rule(config: dict[str, Any]) -> str:
    """Return the rule whose jobs sample, by a completed study file.

    `generate` answers one benchmark. `answer` answers a checkpoint's benchmarks that are drawn in
    one way, or its part of them: with vLLM, which takes long to start, and wherever several jobs
    share the answers.
    """
    sampling = config["sampling"]
    return "answer" if sampling["engine"] == "vllm" or sampling["jobs"] > 1 else "generate"


def judging_parts(config: dict[str, Any]) -> list[Part]:
    """Return the parts that programs are judged in; none where one job judges them all.

    Args:
        config: a completed study file.
    """
    jobs = config["judge"]["jobs"]
    return parts(jobs) if jobs > 1 else []


def asking_parts(config: dict[str, Any], teacher: str) -> list[Part]:
    """Return the parts that a teacher's questions are asked in; none where one job asks them all.

    Args:
        config: a completed study file.
        teacher: its name there.
    """
    jobs = config["corpus"]["teachers"][teacher]["jobs"]
    return parts(jobs) if jobs > 1 else []


def judging_rules(config: dict[str, Any]) -> tuple[str, str]:
    """Return the rules whose jobs judge a benchmark's programs and those of traces.

    Args:
        config: a completed study file.
    """
    return ("judge_part", "labels_part") if judging_parts(config) else ("judge", "labels")


def undivided(described: dict[str, Any]) -> dict[str, Any]:
    """Return a study's description without how many jobs judge and ask: that moves no result.

    Args:
        described: a completed study file, or part of it (`Study.described`).
    """

    def without(settings: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in settings.items() if key != "jobs"}

    corpus = dict(described["corpus"])
    if "teachers" in corpus:
        corpus["teachers"] = {name: without(one) for name, one in corpus["teachers"].items()}
    return {**described, "corpus": corpus, "judge": without(described["judge"])}


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
