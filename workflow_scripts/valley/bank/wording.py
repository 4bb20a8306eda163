"""Telling a plan as a statement: forwards, backwards, or with words defined on the spot."""

import random

from valley.bank.forms import STDIN, Form
from valley.bank.operations import NUMBER, NUMBERS, WORDS, Step
from valley.bank.plans import Plan

TELLINGS = ("forward", "backward", "notion")
_ADJECTIVES = ("tidy", "lucky", "shiny", "neat")
_VERBS = ("polish", "twist", "brew", "tune")

_RESULT = {
    "list": {NUMBERS: "integers on one line", WORDS: "words on one line"},
    "longest": "one word",
    "first word": "one word",
    "glue": "one line of letters",
    "dashes": "one line of text",
    "parity": "even or odd",
}


def _output_phrase(plan: Plan) -> str:
    phrase = _RESULT.get(plan.final.op.name, "one integer")
    return phrase[plan.kinds[-1]] if isinstance(phrase, dict) else phrase


def _fill(text: str, kind: str, k: int) -> str:
    words = kind == WORDS
    names = {
        "{k}": str(k),
        "{n}": "words" if words else "numbers",
        "{one}": "word" if words else "number",
        "{up}": "alphabetical" if words else "increasing",
        "{down}": "reverse alphabetical" if words else "decreasing",
    }
    for key, name in names.items():
        text = text.replace(key, name)
    return text


def _say(rng: random.Random, step: Step, kind: str, form: Form) -> str:
    return form.in_words(_fill(rng.choice(step.op.phrases), kind, step.k))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _define(rng: random.Random, step: Step, kind: str, index: int, form: Form) -> tuple[str, str]:
    """Return a definition and the phrase that uses it."""
    one = "word" if kind == WORDS else "number"
    if step.op.trait:
        name = _ADJECTIVES[(index + rng.randrange(2) * 2) % 4]
        trait = _fill(step.op.trait, kind, step.k)
        define = rng.choice((f"Call a {one} {name} if {trait}.", f"A {one} is {name} if {trait}."))
        return define, f"keep only the {name} {one}s"
    name = _VERBS[(index + rng.randrange(2) * 2) % 4]
    thing = "number" if kind == NUMBER else form.in_words("the line").removeprefix("the ")
    said = _say(rng, step, kind, form)
    define = rng.choice(
        (f"To {name} a {thing} means: {said}.", f"We {name} a {thing} like this: {said}.")
    )
    return define, f"{name} the {thing}"


def _forward(rng: random.Random, parts: list[str]) -> str:
    *steps, last = parts
    style = rng.randrange(3)
    if style == 0:
        text = [_sentence(steps[0]), *(_sentence(f"then {s}") for s in steps[1:]), _sentence(last)]
        return " ".join(text)
    if style == 1:
        return "First " + ", then ".join(steps) + ". " + _sentence(f"finally {last}")
    return " ".join(_sentence(s) for s in steps) + " " + _sentence(f"now {last}")


def _backward(rng: random.Random, parts: list[str]) -> str:
    last, *steps = parts[::-1]
    # One long sentence can be read only if its parts are simple.
    simple = not any("," in part or " if " in part for part in parts)
    style = rng.randrange(0 if simple else 1, 3)
    if style == 0:
        return _sentence(last + "".join(f" after you {s}," for s in steps).rstrip(","))
    if style == 1:
        return " ".join([_sentence(last), *(_sentence(f"before that, {s}") for s in steps)])
    middle = [_sentence(f"just before that, {s}") for s in steps[:-1]]
    text = [_sentence(f"at the end {last}"), *middle, _sentence(f"at the very start {steps[-1]}")]
    return " ".join(text)


def telling(rng: random.Random, plan: Plan, form: Form = STDIN) -> tuple[str, str]:
    """Return the style of the statement (one of TELLINGS) and its text without samples.

    The same chance tells the same of a plan in each form.
    """
    style = rng.choices(TELLINGS, (5, 3, 2))[0]
    opening = rng.choice(form.openings).replace("{thing}", form.thing(plan))
    kinds = plan.kinds
    parts = [_say(rng, s, kind, form) for s, kind in zip(plan.steps, kinds, strict=False)]
    last = _say(rng, plan.final, kinds[-1], form)
    defined = []
    if style == "notion":
        named = rng.sample(range(len(parts)), 2 if len(parts) >= 4 and rng.random() < 0.4 else 1)
        for index, i in enumerate(sorted(named)):
            define, parts[i] = _define(rng, plan.steps[i], kinds[i], index, form)
            defined.append(define)
    tell = _backward if style == "backward" else _forward
    body = tell(rng, [*parts, last])
    text = " ".join([opening, *defined, body])
    if form.function:  # its first line says what it gives
        return style, text
    # The opening has named the input already; tokens are what the small student pays with.
    return style, f"{text}\n\nOutput: {_output_phrase(plan)}."


def with_samples(text: str, tests: list[dict]) -> str:
    """Append the public tests to a telling."""
    lines = [text, ""]
    for test in tests:
        if test["public"]:
            lines += [
                f"Sample input: {test['input'].strip()}",
                f"Sample output: {test['expected'].strip()}",
            ]
    return "\n".join(lines)


def without_samples(statement: str) -> str:
    """Return a statement of either form without its public tests."""
    return statement.split("\n\nSample input:")[0].split("\n\n    >>> ")[0]
