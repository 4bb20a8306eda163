"""What teachers are asked, and what becomes of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from valley.asking.settings import AskSettings
from valley.core.files import digest, read_parquet
from valley.core.prompts import compose
from valley.core.seeds import derive
from valley.lm import answer_cache


@dataclass(frozen=True)
class Question(answer_cache.Question):
    """One answer that is wanted of a teacher, with the problem's row for the pool."""

    problem: dict


@dataclass(frozen=True)
class Reply:
    """An answer, or why there is none.

    Attributes:
        text: the whole answer, reasoning between think tags; None if there is none.
        finish_reason: "stop" or "length"; without an answer, what went wrong.
        tokens: of the answer.
        prompt_tokens: that the teacher read.
    """

    text: str | None
    finish_reason: str
    tokens: int = 0
    prompt_tokens: int = 0


# Engines yield lists of (number of the question, what was said), in whatever order they finish.
Answers = Iterator[list[tuple[int, Reply]]]
Stopping = Callable[[], bool]


def questions(problems: Path, options: AskSettings, prompt: list[str] | None) -> list[Question]:
    """Return what a teacher is asked, ordered by problem and sample.

    Args:
        problems: problem table of the corpus.
        options: how many answers a problem wants, and the seed of the draws.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
    """
    columns = ["id", "statement", "starter_code", "difficulty", "source"]
    return [
        Question(
            compose(prompt, row["statement"], row["starter_code"]),
            row["id"],
            number,
            derive("teacher", options.seed, row["id"], number),
            {name: row[name] for name in ("id", "statement", "difficulty", "source")},
        )
        for row in sorted(read_parquet(problems, columns=columns), key=lambda row: row["id"])
        for number in range(options.answers)
    ]


def with_think_tags(reasoning: str | None, content: str | None) -> str:
    """Join reasoning that came apart from the answer, or whose opening tag was in the prompt."""
    content = content or ""
    if reasoning and "<think>" not in content:
        return f"<think>\n{reasoning.strip()}\n</think>\n\n{content.lstrip()}"
    if "</think>" in content and "<think>" not in content:
        return f"<think>\n{content.lstrip()}"
    return content


# What a job's params say beside what determines a teacher's answer.
BESIDE = ("answers", "seed", "prompt", "unanswered", "store", "code")


def teacher_cache(
    store: str | Path, params: dict, content: dict[str, str]
) -> answer_cache.AnswerCache:
    """Return the cache of a teacher's answers, as a job with these params asks for them.

    Args:
        store: root of the store.
        params: of a job of the rules that ask.
        content: digests of the files of a teacher that is a folder here, by name; else none.
    """
    about = {name: value for name, value in params.items() if name not in BESIDE}
    same = {"content": digest(content)} if content else {}
    return answer_cache.AnswerCache(store, {"teacher": {**about, **same}, "seed": params["seed"]})
