"""A student's chat settings: its template, system message and thinking mode."""

from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from valley.core.settings import later


class ChatError(ValueError):
    """A chat template can't be used; the message names the key, what is wrong, and the remedy."""


@dataclass(frozen=True)
class Chat:
    """A student's chat settings; the fields are the schema's keys.

    Attributes:
        chat_template: text of a Jinja template, or the path of a file that holds it; None is the
            tokenizer's own.
        system: message before the user's; "" suppresses the template's default one, None leaves
            it as it is.
        thinking: whether the model is to reason, for templates that ask; None is their default.
    """

    chat_template: str | None = later(None)
    system: str | None = later(None)
    thinking: bool | None = later(None)

    @property
    def given(self) -> bool:
        """Whether the study file says anything."""
        return any(value is not None for value in astuple(self))


def chat_of(name: str, student: dict[str, Any]) -> Chat:
    """Return a student's chat settings, its template as text.

    Args:
        name: of the student.
        student: its part of a completed study file.

    Raises:
        ChatError: there is no such file, or it holds no valid Jinja.
    """
    chat = Chat(student["chat_template"], student["system"], student["thinking"])
    if chat.chat_template is None:
        return chat
    where, text = f"students.{name}.chat_template", chat.chat_template
    if "{{" not in text and "{%" not in text:  # a path
        try:
            text = Path(chat.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ChatError(
                f"{where}: {chat.chat_template[:80]!r} can't be read as a file below {Path.cwd()} "
                f"({getattr(error, 'strerror', None) or error}); give the path of a Jinja file, or "
                "the template's text"
            ) from error
        where = f"{where}: {chat.chat_template}"
    if fault := syntax_fault(text):
        raise ChatError(f"{where}: {fault}; fix the template, or leave the key out")
    return replace(chat, chat_template=text)


def syntax_fault(template: str) -> str | None:
    """Return what is wrong with a template's Jinja, with its line; None if nothing is."""
    from jinja2 import Environment, TemplateSyntaxError
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser

    class Generation(Extension):
        """The tag that transformers adds to Jinja."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: "Parser") -> "Node | list[Node]":
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    known = Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    try:
        known.from_string(template)
    except TemplateSyntaxError as error:
        return f"line {error.lineno} is not valid Jinja: {error.message}"
    if "messages" not in template:
        return "the template never uses `messages`, the turns of a chat"
    return None
