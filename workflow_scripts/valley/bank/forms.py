"""The forms of the bank's problems: a program that reads and prints, or a function that returns.

Both say the same plan with the same operations. A form decides the words, the code around the
steps, and how values are written down.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from valley.bank.operations import NUMBER, NUMBERS, READ, WORDS, Step, apply, parse, show, values
from valley.bank.plans import Plan

NAME = "solve"
TYPES = {NUMBERS: "list[int]", WORDS: "list[str]", NUMBER: "int"}
TEXTS = ("longest", "first word", "glue", "dashes", "parity")  # finals that give a text

_RETURNS = (
    ("print", "return"),
    (" on one line", " as a list"),
    (", separated by blanks", ", as a list"),
    ("the line", "the list"),
)


@dataclass(frozen=True)
class Form:
    """How a plan becomes a problem.

    Attributes:
        name: the study file's word for it.
        function: name of the function that answers must define; None where they are programs.
        openings: ways to begin a statement; {thing} is the input.
        things: what the input is called, by kind; integers that are not negative come apart.
        in_words: puts a phrase of the catalogue, which prints, into this form's words.
        core: the characteristic code of a step or of the end.
        program: code from the plan that was asked for, the steps taken and the end.
        result: what the end makes of a value.
        show: a value as it stands in a trace.
    """

    name: str
    function: str | None
    openings: tuple[str, ...]
    things: dict[str, str]
    in_words: Callable[[str], str]
    core: Callable[[Step], str]
    program: Callable[[Plan, tuple[Step, ...], Step], str]
    result: Callable[[Step, object], object]
    show: Callable[[object], str]

    def thing(self, plan: Plan) -> str:
        """Name a plan's input, such as "a line of integers"."""
        return self.things["natural" if plan.natural else plan.kind]


def _reading(plan: Plan, steps: tuple[Step, ...], final: Step) -> str:
    return "\n".join([READ[plan.kind], *(step.code for step in steps), final.code])


def _returning(plan: Plan, steps: tuple[Step, ...], final: Step) -> str:
    lines = [*(step.code for step in steps), f"return {_core(final)}"]
    return "\n".join([signature(plan), *(f"    {line}" for line in lines)])


def _core(step: Step) -> str:
    return step.core.removeprefix("*") if step.op.form == "print" else step.core


def _returned(final: Step, value: object) -> object:
    return value if final.core == "*a" else apply(final, value)


def _in_words(phrase: str) -> str:
    for printed, returned in _RETURNS:
        phrase = phrase.replace(printed, returned)
    return phrase


def signature(plan: Plan) -> str:
    """Return the first line of the function that a plan asks for."""
    gives = "str" if plan.final.op.name in TEXTS else "int"
    if plan.final.op.name == "list":
        gives = TYPES[plan.kinds[-1]]
    return f"def {NAME}(a: {TYPES[plan.kind]}) -> {gives}:"


STDIN = Form(
    name="stdin",
    function=None,
    openings=(
        "You are given {thing}.",
        "Read {thing}.",
        "The input is {thing}.",
        "Nora gives you {thing}.",
    ),
    things={
        NUMBER: "a positive integer",
        WORDS: "a line of words",
        NUMBERS: "a line of integers",
        "natural": "a line of non-negative integers",
    },
    in_words=str,
    core=lambda step: step.core,
    program=_reading,
    result=apply,
    show=show,
)
FUNCTION = Form(
    name="function",
    function=NAME,
    openings=(
        "You are given {thing}.",
        "Take {thing}.",
        "The argument is {thing}.",
        "Nora gives you {thing}.",
    ),
    things={
        NUMBER: "a positive integer",
        WORDS: "a list of words",
        NUMBERS: "a list of integers",
        "natural": "a list of non-negative integers",
    },
    in_words=_in_words,
    core=_core,
    program=_returning,
    result=_returned,
    show=repr,
)
FORMS = {form.name: form for form in (STDIN, FUNCTION)}


def form_of(row: dict) -> Form:
    """Return the form of a problem's row."""
    return FUNCTION if row.get("function_name") else STDIN


def called(plan: Plan, tests: list[dict]) -> list[dict]:
    """Return a program's tests as those of the function: an argument in JSON, and its value."""
    found = []
    for test in tests:
        value = parse(plan.kind, test["input"])
        wanted = _returned(plan.final, _before_end(plan, value))
        made = {"input": json.dumps(value), "expected": json.dumps(wanted)}
        found.append({**test, **made})
    return found


def docstring(plan: Plan, text: str, tests: list[dict]) -> str:
    """Return a statement: the function's first line and what it does, the public tests as calls."""
    lines = [signature(plan), f'    """{text}']
    for test in tests:
        if test["public"]:
            value = parse(plan.kind, test["input"])
            wanted = _returned(plan.final, _before_end(plan, value))
            lines += ["", f"    >>> {NAME}({value!r})", f"    {wanted!r}"]
    return "\n".join([*lines, '    """', ""])


def _before_end(plan: Plan, value: object) -> object:
    return [value, *values(plan.steps, plan.final, value)][-2]
