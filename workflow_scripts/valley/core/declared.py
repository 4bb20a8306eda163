"""Slices that a study file declares, beside those written difficulty.correctness.

A slice chooses rows of the pool, or of another slice (`of`), and may rewrite them (`transform`); or
it mixes other slices by share (`mix`). Names have no dot, so that they are never taken for a
difficulty.correctness.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from valley.core import slices
from valley.core.config import nearest

WHOLE = "all.any"
TEXTS = ("id", "problem_id", "difficulty", "teacher", "source", "language")
NUMBERS = ("tokens", "steps")
COLUMNS = (*TEXTS, *NUMBERS, "correct")
DERIVED = ("language", "steps")  # of the response: they are no columns of the pool's file
PARAGRAPHS = "\n\n"
# Each transform with the option that it takes: none, a share, words, a way, a format, a file.
TRANSFORMS = {
    "shuffle-steps": None,
    "delete-steps": "share",
    "insert-steps": "share",
    "corrupt-numbers": "share",
    "remove-reflection": "words",
    "remove-reasoning": None,
    "wrong-program": "way",
    "truncate": "share",
    "think-tags": "format",
    "script": "path",
}
DEFAULTS = {"corrupt-numbers": 1.0, "remove-reflection": None, "wrong-program": "other-problem"}
WAYS = ("other-problem", "same-problem")
# Think tags in other formats, by name: what opens and what closes the reasoning.
TAGS = {
    "none": ("", ""),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<thought>", "</thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "brackets": ("[THINK]", "[/THINK]"),
    "heading": ("## Reasoning\n", "\n## Answer\n"),
}


@dataclass(frozen=True)
class Cut:
    """How a declared slice other than a mix is made.

    Attributes:
        base: the rows that it begins with, by difficulty.correctness.
        where: what columns must hold: a value, a list of values, or [low, high] of a number.
        answers_per_problem: at most so many answers a problem; None is all.
        transform: how rows are rewritten, name and option; None leaves them alone.
        separator: text between two steps of a reasoning.
        seed: random seed of the transform.
    """

    base: str = WHOLE
    where: dict[str, Any] = field(default_factory=dict)
    answers_per_problem: int | None = None
    transform: list[Any] | None = None
    separator: str = PARAGRAPHS
    seed: int = 0


def transform_of(declared: dict[str, Any]) -> list[Any] | None:
    """Return a slice's transform as [name, option], defaults filled in."""
    transform = declared.get("transform")
    if transform is None:
        return None
    name, option = (
        (transform, None) if isinstance(transform, str) else next(iter(transform.items()))
    )
    if name == "think-tags":
        return [name, list(TAGS[option]) if isinstance(option, str) else option]
    return [name, DEFAULTS.get(name) if option is None else option]


def function_of(declared: dict[str, Any]) -> str:
    """Return the function of `valley.slicing.transforms` that rewrites a declared slice's rows."""
    transform = transform_of(declared)
    if transform is None or transform[0] == "script":
        return "unchanged"
    return str(transform[0]).replace("-", "_")


def turns(shares: list[float]) -> Iterator[int]:
    """Yield for ever which part of a mix the next example comes from: that which lacks most.

    After any number of examples, each part has its share of them to within one.
    """
    taken = [0] * len(shares)
    for number in count(1):
        lacking = [round(share * number - taken[at], 9) for at, share in enumerate(shares)]
        part = lacking.index(max(lacking))
        taken[part] += 1
        yield part


def cut_of(declared: dict[str, Any]) -> Cut:
    """Return how a declared slice other than a mix is made."""
    of = declared.get("of", WHOLE)
    return Cut(
        base=of if "." in of else WHOLE,
        where={name: declared[name] for name in COLUMNS if name in declared},
        answers_per_problem=declared.get("answers_per_problem"),
        transform=transform_of(declared),
        separator=declared["separator"],
        seed=declared["seed"],
    )


def parts_of(name: str, declared: dict[str, dict[str, Any]]) -> list[tuple[str, float]]:
    """Return a mix's slices that are no mixes themselves, each with its share, in their order.

    A slice that is no mix is all of itself.
    """
    if not is_mix(name, declared):
        return [(name, 1.0)]
    shares: dict[str, float] = {}
    for part, share in declared[name]["mix"].items():
        for one, of_part in parts_of(part, declared):
            shares[one] = shares.get(one, 0.0) + share * of_part
    return list(shares.items())


def is_mix(name: str, declared: dict[str, dict[str, Any]]) -> bool:
    """Tell whether a name is that of a mix."""
    return "mix" in declared.get(name, {})


def chain_of(name: str, declared: dict[str, dict[str, Any]]) -> list[str]:
    """Return the declared slices that a slice is made of, itself first: what `of` leads to."""
    chain = [name]
    while (of := declared[chain[-1]].get("of", WHOLE)) in declared:
        chain.append(of)
    return chain


def used(names: Iterable[str], declared: dict[str, dict[str, Any]]) -> list[str]:
    """Return the declared slices that some slices are made of, themselves included, in order."""
    found, todo = set(), [name for name in names if name in declared]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            inner = [declared[name].get("of"), *declared[name].get("mix", {})]
            todo += [one for one in inner if one in declared]
    return [name for name in declared if name in found]


def in_words(declared: dict[str, Any]) -> str:
    """Return what a slice is as the study file has it, defaults left out."""
    usual = {"separator": PARAGRAPHS, "seed": 0}
    kept = {
        name: value
        for name, value in declared.items()
        if name != "label" and usual.get(name, ...) != value
    }
    return json.dumps(kept, ensure_ascii=False)[1:-1].replace('"', "")


def matches(wanted: object, value: object, column: str) -> bool:
    """Tell whether a column's value passes a slice's filter."""
    if isinstance(wanted, list) and column in NUMBERS:
        low, high = wanted
        return (
            value is not None and (low is None or low <= value) and (high is None or value <= high)
        )
    return value in (wanted if isinstance(wanted, list) else [wanted])


def mistakes(config: dict[str, Any]) -> list[str]:
    """Return the mistakes in a completed study file's slices, each with what is allowed."""
    declared, words = config["slices"], list(config["corpus"]["difficulties"])
    found: list[str] = []
    for name, one in declared.items():
        found += _name(name, words)
        found += _filters(f"slices.{name}", one, config)
        found += _transform(f"slices.{name}", one)
        found += _sources(name, declared, words)
    return found or list(_circles(declared))


def _name(name: str, words: list[str]) -> Iterator[str]:
    where = f"slices.{name}"
    if name in (slices.EVERY, *words):
        yield (
            f"{where}: {name!r} is a difficulty, whose slices are {name}.any, {name}.correct, …; "
            "choose another name"
        )
    if "-vs-" in name:
        yield f"{where}: -vs- stands between the sides of a contrast; choose another name"


def _filters(where: str, one: dict[str, Any], config: dict[str, Any]) -> Iterator[str]:
    corpus = config["corpus"]
    known = {"difficulty": list(corpus["difficulties"])}
    if not corpus.get("sources"):  # else columns of files tell
        known |= {"teacher": list(corpus.get("teachers", {}))}
    for column, words in known.items():
        wanted = one.get(column, [])
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if value not in words:
                yield (
                    f"{where}.{column}: there is no {column} {value!r}{nearest(value, words)}; "
                    f"choose from: {', '.join(words)}"
                )
    for column in NUMBERS:
        wanted = one.get(column)
        if isinstance(wanted, list):
            if len(wanted) != 2:
                yield (
                    f"{where}.{column}: {wanted} is not a range; write [low, high], null for no end"
                )
            elif None not in wanted and wanted[0] > wanted[1]:
                yield f"{where}.{column}: {wanted} is empty; the low end comes first"
    if "mix" in one:
        others = [key for key in (*COLUMNS, "of", "transform", "answers_per_problem") if key in one]
        for key in others:
            yield (
                f"{where}.{key}: a mix has no other key than mix; give {key} to the slices that "
                "it mixes"
            )
    if "mix" not in one and not {*COLUMNS, "of", "transform", "answers_per_problem"} & {*one}:
        yield (
            f"{where}: says nothing; give a column ({', '.join(COLUMNS)}), answers_per_problem, "
            "of, transform or mix"
        )


def _transform(where: str, one: dict[str, Any]) -> Iterator[str]:
    transform = one.get("transform")
    if transform is None:
        return
    where = f"{where}.transform"
    names = [transform] if isinstance(transform, str) else list(transform)
    if len(names) != 1:
        yield f"{where}: has {', '.join(names)}; give 1, and chain others by `of`"
        return
    (name,) = names
    option = None if isinstance(transform, str) else transform[name]
    if name not in TRANSFORMS:
        yield (
            f"{where}: there is no transform {name!r}{nearest(name, list(TRANSFORMS))}; "
            f"choose from: {', '.join(TRANSFORMS)}"
        )
        return
    kind = TRANSFORMS[name]
    if option is None:
        if kind is not None and name not in DEFAULTS:
            yield f"{where}: {name} needs {_WANTED[kind]}; write {{{name}: {_EXAMPLES[kind]}}}"
    elif kind is None or not _FITS[kind](option):
        wanted = _WANTED[kind] if kind else "no option"
        yield f"{where}.{name}: {option!r} is not allowed; {name} takes {wanted}"


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _is_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(w, str) and w for w in value)


def _is_format(value: object) -> bool:
    texts = isinstance(value, list) and len(value) == 2 and all(isinstance(t, str) for t in value)
    return texts or (isinstance(value, str) and value in TAGS)


_FITS: dict[str, Callable[[Any], bool]] = {
    "share": _is_share,
    "words": _is_words,
    "way": lambda value: value in WAYS,
    "format": _is_format,
    "path": lambda value: isinstance(value, str) and value.endswith(".py"),
}
_WANTED = {
    "share": "a share above 0 and up to 1",
    "words": "a list of words",
    "way": f"one of {', '.join(WAYS)}",
    "format": f"one of {', '.join(TAGS)}, or a list of two texts, what opens and what closes",
    "path": "the path of a Python file, ending in .py",
}
_EXAMPLES = {"share": "0.5", "format": "brackets", "path": "my_transform.py"}


def _sources(name: str, declared: dict[str, dict[str, Any]], words: list[str]) -> Iterator[str]:
    """Yield what is wrong with the slices that a slice is made of."""
    one, where = declared[name], f"slices.{name}"
    known = [*slices.names(words), *(other for other in declared if other != name)]
    keys = {f"{where}.of": one["of"]} if "of" in one else {}
    keys |= {f"{where}.mix.{part}": part for part in one.get("mix", {})}
    for key, part in keys.items():
        if part in slices.paired_names(words):
            yield (
                f"{key}: {part} is drawn for each replicate and stored in no file; use "
                f"{part.replace('paired-', '')}"
            )
        elif part == name:
            yield f"{key}: {name} → {name} is a cycle; a slice must lead back to the pool"
        elif part not in known:
            yield (
                f"{key}: there is no slice {part!r}{nearest(part, known)}; "
                f"choose from: {', '.join(known)}"
            )
    if one.get("of") in declared and is_mix(one["of"], declared):
        yield (
            f"{where}.of: {one['of']} is a mix, whose rows depend on size and replicate; give its "
            "slices the transform or filter, and mix those"
        )
    shares = one.get("mix", {}).values()
    if shares and abs(sum(shares) - 1) > 1e-9:
        said = " + ".join(f"{share:g}" for share in shares)
        yield f"{where}.mix: {said} is {sum(shares):g}; shares must sum to 1"


def _circles(declared: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the first circle of `of` and `mix`, of those that go through several slices."""

    def walk(path: list[str]) -> list[str] | None:
        one = declared.get(path[-1], {})
        for part in [*([one["of"]] if "of" in one else []), *one.get("mix", {})]:
            if part in path:
                return [*path[path.index(part) :], part]
            if found := walk([*path, part]):
                return found
        return None

    for name in declared:
        if circle := walk([name]):
            key = "of" if declared[circle[0]].get("of") == circle[1] else "mix"
            yield (
                f"slices.{circle[0]}.{key}: {' → '.join(circle)} is a cycle; a slice must lead "
                "back to the pool"
            )
            return
