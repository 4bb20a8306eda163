"""Reading a study file: validated against the schema, defaults filled in, errors for people."""

import copy
import datetime
import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from valley.core import snapshots
from valley.core.parts import sampling_rule

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "study.schema.yaml"
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping of keys to values",
    "boolean": "true or false",
    "null": "null",
}


CREDENTIAL = re.compile(r"(?i)(^|_)(key|token|password|secret|credentials?)s?$")


class StudyError(ValueError):
    """The study file says something that can't be done; the message lists every mistake."""


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Validate a study's configuration and return it with defaults filled in.

    Raises:
        StudyError: with one line per mistake: key, value, what is allowed.
    """
    schema = _schema()
    filled: dict[str, Any] = _with_days_as_text(config)
    validator = Draft202012Validator(schema, format_checker=_FORMATS)
    mistakes = list(_mistakes(validator, filled))
    if mistakes:
        raise study_error(mistakes)
    _fill(filled, schema, schema)
    snapshots.expand(filled)
    return filled


def renamed(config: dict[str, Any]) -> Iterator[str]:
    """Move the value of each old key to its new key; yield a note on each.

    Args:
        config: a completed study file; changed.
    """
    if (tensorboard := config["training"].pop("tensorboard", None)) is not None:
        trackers = config["tracking"]["to"]
        if tensorboard and "tensorboard" not in trackers:
            trackers.append("tensorboard")
        yield (
            "training.tensorboard: it is called tracking.to now; this version reads `true` as "
            "`tracking: {to: [tensorboard]}`, the next one does not know the key. Rename it"
        )
    resources = config["resources"]
    if sampling_rule(config) == "answer" and "generate" in resources and "answer" not in resources:
        resources["answer"] = resources.pop("generate")
        yield (
            "resources.generate: with engine vllm, or several `jobs`, the rule that samples is "
            "called answer, here as in profiles; this version reads it as resources.answer, the "
            "next one as a request for the copying of answers. Rename it to resources.answer"
        )


_FORMATS = FormatChecker(formats=["date"])


def _with_days_as_text(value: Any) -> Any:
    """Return a copy in which values that YAML parses as dates are the file's text again."""
    if isinstance(value, dict):
        return {key: _with_days_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_days_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else copy.deepcopy(value)


@cache
def _schema() -> dict[str, Any]:
    """Return the schema (do not modify it); libyaml's parser is six times as fast."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schema: dict[str, Any] = yaml.load(SCHEMA.read_text(encoding="utf-8"), loader)
    return schema


def study_error(mistakes: Iterable[str]) -> StudyError:
    """Return one error for all mistakes found."""
    mistakes = list(mistakes)
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    return StudyError(f"{count} in the study file:\n" + "\n".join(f"  - {m}" for m in mistakes))


def nearest(word: str, known: list[str]) -> str:
    """Return " (did you mean …?)" when a known word is close, else nothing."""
    close = difflib.get_close_matches(str(word), map(str, known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _mistakes(validator: Draft202012Validator, config: dict[str, Any]) -> Iterator[str]:
    for error in sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        yield from _explain(error)


def _explain(error: ValidationError) -> Iterator[str]:
    where, value, rule = _path(error), error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = sorted(error.schema.get("properties", {}))
            for key in sorted(set(value) - set(known), key=str):
                name = f"{where}.{key}" if error.path else str(key)
                hint = nearest(key, known)
                if CREDENTIAL.search(str(key)):
                    hint = (
                        "; a study file never holds a credential: put it into an environment "
                        "variable"
                    )
                yield f"{name}: unknown key{hint}; allowed here: {', '.join(known)}"
        case "required":
            for key in [key for key in rule if key not in value]:
                yield f"{where}: the key {key!r} is missing; {_describe(error, key)}"
                return
        case "type":
            wanted = " or ".join(
                TYPES[kind] for kind in ([rule] if isinstance(rule, str) else rule)
            )
            yield (
                f"{where}: {_show(value)} is {_kind(value)}, but {wanted} is expected{_fix(value)}"
            )
        case "enum":
            hint, allowed = nearest(value, rule), ", ".join(map(str, rule))
            yield f"{where}: {_show(value)} is not allowed{hint}; choose from: {allowed}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            sign = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}.get(
                error.validator, "<"
            )
            yield f"{where}: {_show(value)} is out of range; it must be {sign} {rule}"
        case "pattern" if error.schema.get("writeOnly"):  # perhaps a key: not shown
            yield f"{where}: this value is not allowed; {_describe_own(error)}"
        case "pattern":
            wanted = (
                "difficulty.correctness, with correctness any, correct, incorrect, paired-correct "
                "or paired-incorrect; or one of `slices`"
                if "correct" in rule
                else "letters, digits, - and _, beginning with a letter or digit"
            )
            yield f"{where}: {_show(value)} is not a valid name; expected: {wanted}"
        case "uniqueItems":
            twice = sorted({str(item) for item in value if value.count(item) > 1})
            yield f"{where}: listed twice: {', '.join(twice)}; each may occur once"
        case "minItems" | "minProperties":
            yield f"{where}: is empty; at least {rule} entry is required"
        case "oneOf":
            kinds = [kind["required"][0] for kind in rule]
            kinds_present = [key for key in value if key in kinds]
            if kinds_present:
                yield f"{where}: has {', '.join(kinds_present)}; give only one of them"
            else:
                yield f"{where}: say what it is; choose from: {', '.join(kinds)}"
        case "format":
            yield f"{where}: {_show(value)} is not a date; write it as 2025-01-31"
        case _:
            yield f"{where}: {error.message}"


def _path(error: ValidationError) -> str:
    text = ""
    for part in error.absolute_path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text or "the study file"


def _describe(error: ValidationError, key: str) -> str:
    described = error.schema.get("properties", {}).get(key, {}).get("description", "")
    return described.rstrip(".") or "it has no default"


def _describe_own(error: ValidationError) -> str:
    return " ".join(error.schema["description"].split()).rstrip(".")


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true/false"
    kinds = {int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return "empty" if value is None else kinds.get(type(value), type(value).__name__)


def _fix(value: object) -> str:
    """Return advice for YAML's commonest surprise: 1e-3 is text, 1.0e-3 a number."""
    if isinstance(value, str):
        try:
            return f" (write {float(value)!r})"
        except ValueError:
            pass
    return ""


def _fill(value: object, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Fill in defaults, in place; mappings of named things are followed into each."""
    schema = resolved(schema, root)
    if isinstance(value, list):
        for item in value:
            _fill(item, schema.get("items", {}), root)
    if not isinstance(value, dict):
        return
    for key, below in schema.get("properties", {}).items():
        below = resolved(below, root)
        if key not in value and "default" in below:
            value[key] = copy.deepcopy(below["default"])
        if key in value:
            _fill(value[key], below, root)
    rest = schema.get("additionalProperties")
    if isinstance(rest, dict):
        for key in value:
            if key not in schema.get("properties", {}):
                _fill(value[key], rest, root)


def defaults(name: str) -> list[object]:
    """Return the defaults of all keys of a name, anywhere in the study file."""
    found = []

    def look(schema: object) -> None:
        if isinstance(schema, list):
            for item in schema:
                look(item)
        if not isinstance(schema, dict):
            return
        for key, below in schema.get("properties", {}).items():
            if key == name and "default" in resolved(below, _schema()):
                found.append(resolved(below, _schema())["default"])
        for below in schema.values():
            look(below)

    look(_schema())
    return found


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its `$ref` followed; keys beside the reference win."""
    if "$ref" not in schema:
        return schema
    target = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{key: item for key, item in schema.items() if key != "$ref"}}
