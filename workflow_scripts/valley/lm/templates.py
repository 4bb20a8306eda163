"""A student's chat template: what it puts around a prompt, what it opens, and other settings in it.

Settings of a study file are written into the template itself. So a saved checkpoint lays out its
prompts alike wherever it is loaded, and whatever knows its tokenizer knows them.
"""

import datetime
import json
import re

from valley.core.chats import Chat, ChatError

THINK = ("<think>", "</think>")
MARK, SAID = "\x02mark\x03", "\x02said\x03"  # stand for messages where a template is looked at
# Some templates print a date, by default today's: a prompt must not change overnight.
DATE = "26 Jul 2024"
FIXED = {
    "date_string": DATE,
    "strftime_now": lambda form: datetime.datetime(2024, 7, 26).strftime(form),
}
ASKED = ("enable_thinking", "thinking")  # by which templates ask whether to think

_OPENED = re.compile(r"<think>\s*\Z|(?:<think>\s*)?</think>\s*\Z")
_NO_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")


def rendered(tokenizer, *turns: tuple[str, str], prompt: bool = False) -> str:
    """Return the text of some turns (role, content), with a generation prompt on request."""
    messages = [{"role": role, "content": content} for role, content in turns]
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=prompt, tokenize=False, **FIXED
    )


def around(tokenizer) -> tuple[str, str]:
    """Return what the template puts before and after a user's message that is to be answered.

    Raises:
        ValueError: there is no template, or it loses the message.
    """
    if not tokenizer.chat_template:
        raise ValueError(
            "the student's tokenizer has no chat template; choose an instruct model, or give the "
            "student a chat_template in the study file"
        )
    before, mark, after = rendered(tokenizer, ("user", MARK), prompt=True).partition(MARK)
    if not mark:
        raise ValueError("the student's chat template leaves out the user's message")
    return before, after


def end_of_turn(tokenizer) -> int:
    """Return the id of the token by which the chat template ends an assistant's turn.

    It is what the student must learn to stop with, and need not be the tokenizer's `eos_token`: a
    base model's ends a document, its template's a turn.
    """
    text = rendered(tokenizer, ("user", MARK), ("assistant", MARK))
    after = text.rpartition(MARK)[2].strip()
    ids = tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
    if ids and (ids[0] in tokenizer.all_special_ids or ids[0] in tokenizer.added_tokens_decoder):
        return ids[0]
    return tokenizer.eos_token_id


def opening(tokenizer) -> str:
    """Return how the generation prompt begins the answer: "", `<think>`, or a closed pair of tags.

    Blank space after a tag is a part of it.

    Raises:
        ValueError: it opens something else, in which no trace begins.
    """
    after = around(tokenizer)[1]
    if match := _OPENED.search(after):
        return match[0]
    if other := _beyond_header(tokenizer, after):
        raise ValueError(
            f"the student's chat template opens {other!r} before the answer; known are {THINK[0]} "
            f"and the closed pair {THINK[0]}{THINK[1]}, as traces have them; give the student "
            "another chat_template"
        )
    return ""


def _beyond_header(tokenizer, after: str) -> str:
    """Return what a generation prompt holds beside the header of every assistant's turn."""
    from jinja2 import TemplateError

    try:
        text = rendered(tokenizer, ("user", MARK), ("assistant", SAID), ("user", MARK))
    except TemplateError:  # it takes no such chat
        return ""
    header = text.partition(MARK)[2].partition(SAID)[0]
    return after.removeprefix(header).strip() if after.startswith(header) else ""


def continued(response: str, opened: str) -> str:
    """Return what of a response is left to be written after what the template gave of it.

    Args:
        response: a trace. With `<think>` given, one without reasoning is an empty thought first.
        opened: see `opening`.
    """
    if not opened:
        return response
    if THINK[1] in opened:  # a trace that thinks nevertheless does so after the closed pair
        return _NO_THOUGHT.sub("", response, count=1) if _NO_THOUGHT.match(response) else response
    text = response.lstrip()
    if not text.startswith(THINK[0]):
        if THINK[1] in text and THINK[0] not in text:  # it has left the tag out
            return response
        return f"\n{THINK[1]}\n\n{text}"
    rest, space = text.removeprefix(THINK[0]), opened.removeprefix(THINK[0])
    while space and not rest.startswith(space):
        space = space[:-1]
    return rest.removeprefix(space)


def settle(tokenizer, chat: Chat, where: str) -> None:
    """Write a student's chat settings into its tokenizer's template.

    Args:
        tokenizer: changed.
        chat: what is said.
        where: the student's key in the study file.

    Raises:
        ChatError: the template can't do it, or opens something unknown.
    """
    from jinja2 import TemplateError

    if not chat.given:
        return
    try:
        if chat.chat_template is not None:
            tokenizer.chat_template = chat.chat_template
        elif tokenizer.chat_template:
            tokenizer.chat_template = tokenizer.get_chat_template()  # of several by name, the first
        around(tokenizer)
        if chat.thinking is not None:
            tokenizer.chat_template = _thinking(tokenizer.chat_template, chat.thinking, where)
        if chat.system == "":
            tokenizer.chat_template = _without_system(tokenizer, where)
        elif chat.system is not None:
            tokenizer.chat_template = _with_system(tokenizer, chat.system, where)
        opening(tokenizer)
    except ChatError:
        raise
    except (ValueError, TemplateError) as error:
        raise ChatError(f"{where}: {error}") from error


def _thinking(template: str, wanted: bool, where: str) -> str:
    names = [name for name in ASKED if re.search(rf"{{[{{%][^}}]*\b{name}\b", template)]
    if not names:
        raise ChatError(
            f"{where}.thinking: the chat template does not ask for {' or '.join(ASKED)}; leave the "
            "key out, or give a chat_template that does"
        )
    said = "".join(f"{{% set {name} = {str(wanted).lower()} +%}}" for name in names)
    return said + template


def _with_system(tokenizer, text: str, where: str) -> str:
    from jinja2 import TemplateError

    try:
        shown = rendered(tokenizer, ("system", text), ("user", MARK), prompt=True)
    except TemplateError as error:
        shown, why = "", f"refuses a system message ({error})"
    else:
        why = "leaves a system message out"
    if text.strip() not in shown:
        raise ChatError(
            f"{where}.system: the chat template {why}; leave the key out and put the words into "
            "`prompt`, or give another chat_template"
        )
    turn = f"[{{'role': 'system', 'content': {_literal(text)}}}]"
    return (
        "{% if messages[0]['role'] != 'system' +%}"
        f"{{% set messages = {turn} + messages +%}}"
        "{% endif +%}" + tokenizer.chat_template
    )


def _without_system(tokenizer, where: str) -> str:
    """Return a template that leaves out what it would put before a first turn of the user."""
    template = tokenizer.chat_template
    text = rendered(tokenizer, ("user", MARK), ("assistant", SAID), ("user", MARK), prompt=True)
    between = text.partition(SAID)[2].partition(MARK)[0]
    end = tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer))
    header = between.removeprefix(end).lstrip()
    before = text.partition(MARK)[0].removeprefix(tokenizer.bos_token or "")
    if not before.endswith(header):
        raise ChatError(
            f"{where}.system: what the chat template puts before the user's message can't be told "
            f"from the message's own header ({before!r}); give a chat_template without it"
        )
    default = before.removesuffix(header)
    if not default.strip():
        return template
    inner = template.removesuffix("\n")  # as Jinja reads it
    return (
        f"{{% set whole +%}}{inner}{{%+ endset +%}}"
        f"{{{{ whole.replace({_literal(default)}, '', 1) }}}}"
    )


def _literal(text: str) -> str:
    """Return a text as Jinja writes it."""
    return json.dumps(text, ensure_ascii=False)
