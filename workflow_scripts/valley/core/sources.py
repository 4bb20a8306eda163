"""Corpora made elsewhere, as a study file declares them: known forms, defaults, mistakes."""

from dataclasses import dataclass, field, fields
from typing import Any

from valley.core.config import nearest

# What a column can be to us.
ROLES = {
    "id": "the answer's own id; without it, its file and row",
    "problem": "the question's own id; without it, a digest of its text",
    "prompt": "the question's text",
    "reasoning": "the reasoning, where it stands in a column of its own",
    "response": "the answer",
    "difficulty": "its difficulty, or a rating",
    "judgement": "whether the answer is correct, in a word",
    "pass_rate": "share of the tests that the answer passes",
    "teacher": "who answered",
    "origin": "where the question comes from",
    "dataset": "data set that holds the question",
    "split": "split of that data set",
    "index": "row of that split",
}
PLACE = ("dataset", "split", "index")

_OPEN_CODE = {
    "difficulty": "difficulty",
    "origin": "source",
    "dataset": "dataset",
    "split": "split",
    "index": "index",
}
FORMS: dict[str, dict[str, Any]] = {
    "opencodereasoning-2": {
        "hub": "nvidia/OpenCodeReasoning-2",
        "files": ["train/python/*.parquet"],
        "teacher": "DeepSeek-R1",
        "columns": {
            "id": "id",
            "problem": "question_id",
            "prompt": "question",
            "response": "r1_generation",
            "judgement": "judgement",
            "pass_rate": "pass_rate",
            **_OPEN_CODE,
        },
        "only": {},
    },
    "opencodereasoning": {
        "hub": "nvidia/OpenCodeReasoning",
        "files": ["split_0/*.parquet", "split_1/*.parquet"],
        "teacher": "DeepSeek-R1",
        # Its `id` is the question's.
        "columns": {"problem": "id", "prompt": "input", "response": "output", **_OPEN_CODE},
        "only": {},
    },
    "openthoughts3": {
        "hub": "open-thoughts/OpenThoughts3-1.2M",
        "files": ["data/*.parquet"],
        "teacher": "QwQ-32B",
        "columns": {
            "prompt": "conversations.0.value",
            "response": "conversations.1.value",
            "difficulty": "difficulty",
            "origin": "source",
        },
        "only": {"domain": ["code"]},
    },
    "columns": {"hub": None, "files": None, "teacher": None, "columns": {}, "only": {}},
}
# Data sets that hold the questions of others, and the files of each split.
QUESTIONS: dict[str, dict[str, Any]] = {
    "taco": {
        "hub": "BAAI/TACO",
        "files": {"train": ["train/*.arrow"], "test": ["test/*.arrow"]},
    },
    "apps": {
        "hub": "codeparrot/apps",
        "files": {"train": ["train.jsonl"], "test": ["test.jsonl"]},
    },
    "code_contests": {
        "hub": "deepmind/code_contests",
        "files": {
            "train": ["data/train-*.parquet"],
            "valid": ["data/valid-*.parquet"],
            "test": ["data/test-*.parquet"],
        },
    },
    "open-r1/codeforces": {
        "hub": "open-r1/codeforces",
        "files": {"train": ["data/train-*.parquet"], "test": ["data/test-*.parquet"]},
    },
}


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the files of a data set lie.

    Attributes:
        hub: its id on the hub; None where it is here.
        revision: its commit there.
        path: file or folder of it here.
    """

    hub: str | None = None
    revision: str | None = None
    path: str | None = None

    @property
    def location(self) -> dict[str, str | None]:
        """Its location alone, as `valley.core.hub.find` takes it."""
        return {one.name: getattr(self, one.name) for one in fields(Location)}


@dataclass(frozen=True, kw_only=True)
class Source(Location):
    """A corpus, all that a job needs of it; the fields are the schema's keys, and its defaults.

    What its form says is filled in, so the form itself is not here. Nor is `answers`, which decides
    who reads it at all.

    Attributes:
        name: the study's word for it.
        files: names or globs of its files, in order.
        columns: which column is what to us (`ROLES`), by the user's names for columns.
        only: columns, each with the values of the rows that are wanted, by the user's names.
        teacher: who answered, where no column tells.
        rows: at most so many are read; None reads all.
        longest_line: bytes of a JSONL line; a longer one is a bad row.
    """

    name: str
    files: list[str]
    columns: dict[str, str] = field(default_factory=dict)
    only: dict[str, list[Any]]
    teacher: str
    rows: int | None = None
    longest_line: int = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Questions(Location):
    """A data set that holds the questions of others; the fields are the schema's keys.

    Attributes:
        files: names or globs of the files of each split, by the data set's names for splits.
    """

    files: dict[str, list[str]]


@dataclass(frozen=True)
class Cleaning:
    """Which traces of sources are dropped; the fields are the schema's keys, and its defaults.

    Attributes:
        languages: of programs to keep, in lower case; None keeps any.
        max_tokens: longest trace, in words and marks; None has no bound.
        near_duplicates: Jaccard similarity (0 to 1) of two answers' word 5-grams from which on the
            later one is dropped; None compares none.
    """

    languages: list[str] | None = field(default_factory=lambda: ["python"])
    max_tokens: int | None = 32768
    near_duplicates: float | None = 0.8


def form_of(source: dict[str, Any]) -> str:
    """Return the form of a source: named, known by its id on the hub, or of its own columns."""
    if source["form"]:
        return str(source["form"])
    known = {form["hub"]: name for name, form in FORMS.items() if form["hub"]}
    return known.get(source["hub"], "columns")


def resolved(name: str, source: dict[str, Any]) -> Source:
    """Return a source of a completed study file with its form's defaults filled in."""
    form = FORMS[form_of(source)]
    columns = {**form["columns"], **source["columns"]}
    return Source(
        name=name,
        hub=None if source["path"] else source["hub"] or form["hub"],
        revision=source["revision"],
        path=source["path"],
        files=source["files"] or form["files"] or ["**/*.parquet", "**/*.jsonl"],
        columns={role: column for role, column in columns.items() if column is not None},
        only=form["only"] if source["only"] is None else source["only"],
        teacher=source["teacher"] or form["teacher"] or name,
        rows=source["rows"],
        longest_line=source["longest_line"],
    )


def resolved_questions(questions: dict[str, Any]) -> dict[str, Questions]:
    """Return the data sets that hold questions, each with its known files filled in."""
    filled = {}
    for name, settings in questions.items():
        known = QUESTIONS.get(name, {"hub": None, "files": {}})
        filled[name] = Questions(
            hub=None if settings["path"] else settings["hub"] or known["hub"],
            revision=settings["revision"],
            path=settings["path"],
            files=settings["files"] or known["files"],
        )
    return filled


def mistakes(corpus: dict[str, Any]) -> list[str]:
    """Return what is wrong with a study's corpus, in words for people."""
    found = []
    if ("bank" in corpus) == ("sources" in corpus):
        found.append("corpus: give either bank (with teachers) or sources, not both")
    if "bank" in corpus and not corpus.get("teachers"):
        found.append("corpus.teachers: is missing; the bank's problems need someone to answer them")
    for name, source in corpus.get("sources", {}).items():
        found += _source_mistakes(f"corpus.sources.{name}", name, source, corpus)
    for name, settings in corpus["questions"].items():
        where = f"corpus.questions.{name}"
        full = resolved_questions({name: settings})[name]
        found += _location_mistakes(where, full)
        if not full.files:
            found.append(
                f"{where}.files: is missing; name the files of each split, such as "
                f"{{train: [train.jsonl]}} (known without: {', '.join(QUESTIONS)})"
            )
    if corpus["correctness"] != "judge" and "sources" not in corpus:
        found.append(
            f"corpus.correctness: {corpus['correctness']!r} is read from sources, and there are "
            "none; use judge"
        )
    bounds = [bound for bound in corpus["ratings"].values() if bound is not None]
    if bounds != sorted(bounds) or None in list(corpus["ratings"].values())[:-1]:
        found.append("corpus.ratings: bounds must rise; only the last may be null (no bound)")
    for word in corpus["ratings"]:
        if word not in corpus["difficulties"]:
            known = list(corpus["difficulties"])
            found.append(
                f"corpus.ratings.{word}: there is no difficulty {word!r}{nearest(word, known)}; "
                f"corpus.difficulties has: {', '.join(known)}"
            )
    return found


def _location_mistakes(where: str, full: Location) -> list[str]:
    if full.path is None and full.hub is None:
        return [f"{where}: say where it is: hub (and revision), or path"]
    if full.path is None and not full.revision:
        return [
            f"{where}.revision: is missing; pin the commit of {full.hub}, so that later runs "
            "read the same data"
        ]
    return []


def _source_mistakes(
    where: str, name: str, source: dict[str, Any], corpus: dict[str, Any]
) -> list[str]:
    if name in corpus.get("teachers", {}):
        return [f"{where}: a teacher has the same name, and both would write one file; rename one"]
    full = resolved(name, source)
    found, columns = _location_mistakes(where, full), full.columns
    for role in source["columns"]:
        if role not in ROLES:
            found.append(
                f"{where}.columns.{role}: unknown{nearest(role, list(ROLES))}; columns can be: "
                f"{', '.join(ROLES)}"
            )
    joined = all(part in columns for part in PLACE)
    if source["answers"] and "response" not in columns:
        found.append(f"{where}.columns: response is missing; name the column that holds it")
    if "prompt" not in columns and not joined:
        found.append(
            f"{where}.columns: prompt is missing; name the column that holds it (or "
            "dataset, split and index, if another data set holds the questions)"
        )
    wanted = corpus["correctness"]
    if source["answers"] and wanted != "judge" and wanted not in columns:
        found.append(
            f"corpus.correctness: is {wanted}, but {where} has no such column; map one, or set it "
            "to judge"
        )
    return found
