"""Which answers of a cache are whose: a checkpoint's answers shared by several jobs.

Every answer that is wanted has one owner among the parts. Where answers do not depend on one
another it follows from a hash of the request: an added sample or problem moves no other. The
transformers engine composes answers in groups, and rounding may depend on a group; so it is whole
groups, as one job alone would compose them, that are dealt out. That needs one view of what is
missing: the first part to begin writes it beside the cache, and all others go by it, also when they
go on later or when the number of parts has changed.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from valley.core import tempfiles
from valley.core.files import digest, read_json
from valley.core.parts import Part
from valley.core.seeds import derive
from valley.lm.answer_cache import AnswerCache, Key, Question
from valley.lm.requests import room


@dataclass(frozen=True)
class Groups:
    """How the transformers engine composes answers (`valley.lm.sampler`).

    Attributes:
        checkpoint: manifest of the model.
        size: answers of a group.
        max_tokens: longest answer.
    """

    checkpoint: Path
    size: int
    max_tokens: int

    def composed(self, questions: list[Question]) -> list[list[Question]]:
        """Return the groups of questions; in none is what has no room in the context window."""
        from valley.lm import chat, preflight, students

        tokenizer = students.tokenizer_of(read_json(self.checkpoint), self.checkpoint)
        window = getattr(preflight.config_of(self.checkpoint), "max_position_embeddings", None)
        prompts = {
            text: tuple(chat.prompt_ids(tokenizer, text))
            for text in {question.prompt for question in questions}
        }
        fitting = [one for one in questions if room(prompts[one.prompt], window, self.max_tokens)]
        ordered = sorted(fitting, key=lambda one: len(prompts[one.prompt]))
        return [ordered[at : at + self.size] for at in range(0, len(ordered), self.size)]


def share(
    cache: AnswerCache, questions: list[Question], part: Part, groups: Groups | None
) -> list[list[Question]]:
    """Return what a part has to sample of some answers, in the batches that belong together.

    Args:
        cache: what it has is left out.
        questions: the answers wanted, no two with one key, in an order that all parts have.
        part: whose.
        groups: how answers are composed in groups; None where each is by itself.
    """
    known = cache.known(question.key for question in questions)
    missing = [question for question in questions if question.key not in known]
    if part.of == 1:
        return [missing] if missing else []
    numbers = dealt(cache, questions, groups) if groups and missing else {}
    batches: dict[int | None, list[Question]] = defaultdict(list)
    for question in missing:
        # What was there when groups were dealt, and was lost since, is in none.
        group = numbers.get(question.key)
        owner = derive("part", *question.key) if group is None else group
        if owner % part.of == part.number - 1:
            batches[group].append(question)
    return [batches[group] for group in sorted(batches, key=lambda group: (group is None, group))]


def dealt(cache: AnswerCache, questions: list[Question], groups: Groups) -> dict[Key, int]:
    """Return the number of each answer's group, as it was when the first of the parts began.

    Args:
        cache: where that is kept, too.
        questions: the answers wanted.
        groups: how the missing ones are composed.
    """
    about = digest([groups.size, [list(one.key) for one in questions]])
    path = cache.folder / "groups" / f"{about}.json"
    if not path.is_file():
        known = cache.known(question.key for question in questions)
        missing = [question for question in questions if question.key not in known]
        number = {one.key: at for at, group in enumerate(groups.composed(missing)) for one in group}
        _write_once(path, json.dumps([number.get(question.key) for question in questions]))
    found = zip(questions, read_json(path), strict=True)
    return {question.key: group for question, group in found if group is not None}


def _write_once(path: Path, text: str) -> None:
    """Write a file unless it is there: of several jobs that begin at once, one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = tempfiles.file(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        tempfiles.appear(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
