"""`./valley keys`: every key of a study file, as the schema explains it."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from valley.core.config import SCHEMA, TYPES, nearest, resolved

HEADER = """# Every key of a study file

Made from `schemas/study.schema.yaml` by `./valley keys --write docs/study-file.md`; a test fails
when they differ. `<name>` stands for a name of your choice. A key without a default must be given,
unless one beside it stands in for it.

| key | what it is | type | default |
| --- | --- | --- | --- |
"""


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "keys",
        help="every key of a study file, explained",
        description=__doc__.partition(": ")[2],
    )
    parser.add_argument("key", nargs="?", help="a key or the beginning of one, such as sampling")
    parser.add_argument("--write", metavar="FILE", help="write the whole reference as Markdown")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Print or write the reference; return the exit status."""
    if options.write:
        Path(options.write).write_text(reference(), encoding="utf-8")
        return 0
    wanted = [key for key in explained() if key["key"].startswith(options.key or "")]
    for key in wanted:
        print(f"{key['key']}  ({key['type']}{default(key, ', default {}')})")
        print(f"    {key['description']}")
    if not wanted:
        known = [key["key"] for key in explained()]
        print(f"no key begins with {options.key!r}{nearest(options.key, known)}")
    return 0 if wanted else 2


def reference() -> str:
    """Return the reference of all keys as Markdown."""
    return HEADER + "".join(
        f"| `{key['key']}` | {key['description']} | {key['type']} | {default(key, '`{}`')} |\n"
        for key in explained()
    )


def default(key: dict, form: str) -> str:
    """Return a key's default in words; empty when there is none or it is a mapping of more keys."""
    if "default" not in key or key["default"] == {}:
        return ""
    text = yaml.safe_dump(key["default"], default_flow_style=True).removesuffix("...\n").strip()
    return form.format(text)


def explained() -> list[dict]:
    """Return every key of the schema, in its order: key, description, type, default if any."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return list(_below("", schema, schema))


def _below(path: str, schema: dict, root: dict) -> Iterator[dict]:
    for name, key in schema.get("properties", {}).items():
        yield from _key(f"{path}{name}", resolved(key, root), root)
    rest = schema.get("additionalProperties")
    if isinstance(rest, dict) and (rest := resolved(rest, root)).get("type") == "object":
        yield from _below(f"{path}<name>.", rest, root)


def _key(path: str, schema: dict, root: dict) -> Iterator[dict]:
    description = re.sub(r"\s+", " ", schema.get("description", "")).replace("|", "\\|")
    found = {"key": path, "description": description, "type": _type(schema, root)}
    if "default" in schema:
        found["default"] = schema["default"]
    yield found
    yield from _below(f"{path}.", schema, root)
    for branch in [schema.get("items"), *schema.get("oneOf", []), *schema.get("anyOf", [])]:
        if branch:
            branch = resolved(branch, root)
            inside = f"{path}[]." if branch is schema.get("items") else f"{path}."
            yield from _below(inside, branch, root)


def _type(schema: dict, root: dict) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", [])
    words = [TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    text = " or ".join(words)
    for limit, sign in (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    ):
        if limit in schema:
            text += f" {sign} {schema[limit]}"
    items = schema.get("items")
    if items and (inner := _type(resolved(items, root), root)):
        text += f" (each {inner})"
    return text
