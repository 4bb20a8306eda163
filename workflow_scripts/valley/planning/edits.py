"""The small language of `valley plan --with`: what would this edit of the study file cost?

An edit is `KEY = VALUE`, `KEY += VALUE` or `KEY -= VALUE`. KEY is a path of the study file, such as
`axes.scaling.sizes`, or any end of one that names a single key. VALUE is YAML. `+=` and `-=` put to
a list and take from it. An end that several axes have means those that have a curve.
"""

import json
import re
from collections.abc import Iterator

import yaml

from valley.core.config import nearest

FORM = re.compile(r"\s*([A-Za-z0-9_.-]+?)\s*(\+=|-=|=)\s*(.*)\s*", re.DOTALL)
HOW = "write KEY=VALUE, KEY+=VALUE or KEY-=VALUE, such as sampling.temperature=0.9 or sizes+=100000"


class EditError(ValueError):
    """An edit can't be made; the message says why and what would do."""


def edited(config: dict, completed: dict, edits: list[str]) -> dict:
    """Return a study file's content after some edits.

    Args:
        config: the study file's content.
        completed: the same with defaults filled in: keys that are left out can be edited too.
        edits: see the module.

    Raises:
        EditError: an edit does not read as one, its key is not there or could be several, or the
            value is in the list already (or is not, to be taken from it).
    """
    changed = json.loads(json.dumps(config))  # YAML's aliases share objects, an edit must not
    for edit in edits:
        form = FORM.fullmatch(edit)
        if not form:
            raise EditError(f"{edit!r} is not an edit; {HOW}")
        key, operator, text = form.groups()
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise EditError(f"{edit!r}: {text!r} is not YAML: {error}") from error
        for path in _meant(key, completed):
            _apply(changed, completed, path, operator, value)
    return changed


def _meant(key: str, completed: dict) -> list[tuple]:
    """Return the paths that a key means."""
    known = list(_paths(completed))
    wanted = tuple(key.split("."))
    if wanted in known:
        return [wanted]
    found = [path for path in known if path[-len(wanted) :] == wanted]
    if not found:
        if wanted[:-1] in known and isinstance(_get(completed, wanted[:-1]), dict):
            return [wanted]  # a new key of a mapping: the schema has the last word
        hint = nearest(key, sorted({".".join(path[-len(wanted) :]) for path in known}))
        raise EditError(f"the study file has no {key!r}{hint}; {HOW}")
    if len(found) > 1:
        axes = [path for path in found if path[0] == "axes"]
        curves = [path for path in axes if completed["axes"][path[1]].get("curve")]
        if len(axes) == len(found) and curves:
            return curves
        shortest = min(map(len, found))
        if [len(path) for path in found].count(shortest) == 1:
            return [path for path in found if len(path) == shortest]
        several = ", ".join(".".join(path) for path in found)
        raise EditError(f"{key!r} could be several keys; choose one of: {several}")
    return found


def _paths(value: object, above: tuple = ()) -> Iterator[tuple]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, str(key))
            yield from _paths(below, (*above, str(key)))


def _get(config: dict, path: tuple) -> object:
    for part in path:
        config = config[part]
    return config


def _apply(config: dict, completed: dict, path: tuple, operator: str, value: object) -> None:
    name, at = ".".join(path), config
    for part in path[:-1]:
        if not isinstance(at.get(part), dict):
            at[part] = {}
        at = at[part]
    if operator == "=":
        at[path[-1]] = value
        return
    old = at.get(path[-1], _get(completed, path) if path in set(_paths(completed)) else None)
    if not isinstance(old, list):
        raise EditError(f"{name}: {operator} is for lists, and it is {old!r}; write {name}=…")
    for item in value if isinstance(value, list) else [value]:
        if (item in old) == (operator == "+="):
            there = "already in" if operator == "+=" else "not in"
            raise EditError(f"{name}: {item!r} is {there} {old!r}")
        old = [*old, item] if operator == "+=" else [kept for kept in old if kept != item]
    at[path[-1]] = old
