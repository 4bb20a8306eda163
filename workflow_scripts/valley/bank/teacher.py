"""The procedural teacher: writes a reasoning trace and a program, wrong ones on request.

A trace names the steps in the order of execution, each with the core of its code, works a sample,
sometimes has second thoughts, and gives the program. Nothing here says whether a trace is right:
that is for the judge.
"""

import random

from valley.bank.forms import Form, form_of
from valley.bank.mistakes import Mistake, wrong_versions
from valley.bank.operations import CRASHES, Step, apply, output, parse
from valley.bank.problems import Problem, regenerate
from valley.core.seeds import derive
from valley.core.text import tokens

LIMIT = 220
"""The longest trace, in words and punctuation marks, that keeps its optional parts."""

_OPENINGS = {
    "forward": (
        "Plan:",
        "Steps in order:",
        "Let me plan.",
        "Step by step:",
        "The input is {thing}. Plan:",
    ),
    "backward": (
        "It is told backwards. In order:",
        "The last thing told comes first. Plan:",
        "I start from the end of the text:",
        "Backwards, so I turn it around:",
    ),
    "notion": (
        "With the defined words put in:",
        "First what the new words mean. Plan:",
        "Plan, in plain words:",
    ),
}
_DOUBTS = ("Wait, no:", "Wait, that is wrong:", "Hmm, no:", "No, wait:")
_TRY = ("Try {input}:", "Sample {input}:", "Check with {input}:", "Take {input}:")
_MATCH = ("It matches.", "Good.", "That is the sample output.", "As expected.", "Right.")
_SHRUG = ("Close enough.", "Good.", "It should be fine.", "As expected.", "I trust the plan.")
_SURE = (
    "Wait, is the order right? Yes.",
    "Wait, did I miss a step? No.",
    "Hmm, are there {n} steps? Yes.",
    "Wait, the print comes last. Yes.",
)
_CLOSE = ("Now the program.", "So I write it.", "Done.", "")


def direct(problem_row: dict) -> str:
    """Return an answer without reasoning: the fenced, correct program (or function)."""
    return _fenced(_of(problem_row).solution)


def trace(problem_row: dict, seed: int, mistakes: float) -> str:
    """Return `<think>…</think>` and a fenced program (or function) for a row of the bank.

    `mistakes` is the probability, 0 to 1, that the teacher errs. Same row, seed and
    probability, same text. Raises ValueError if the row is not of this bank or the
    probability is out of range.
    """
    if not 0 <= mistakes <= 1:
        raise ValueError(f"mistakes must be a probability from 0 to 1, not {mistakes!r}")
    problem = _of(problem_row)
    rng = random.Random(derive("teacher", problem.id, seed))
    if rng.random() < mistakes:
        return _wrong(rng, problem)
    final = problem.solution
    thought = _think(rng, problem, problem.plan.steps, problem.plan.final, tokens(final))
    return _answer(thought, _fenced(final))


def _of(problem_row: dict) -> Problem:
    return regenerate(problem_row["id"], form_of(problem_row).name)


def _fenced(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _answer(thought: str, rest: str) -> str:
    return f"<think>\n{thought}\n</think>\n{rest}"


def _think(
    rng: random.Random, problem: Problem, steps: tuple[Step, ...], final: Step, spent: int
) -> str:
    """Write the thought; parts that are not needed go first where it gets long."""
    form = problem.form
    opening = rng.choice(_OPENINGS[problem.how]).replace("{thing}", form.thing(problem.plan))
    plain = _listed(rng, (*steps, final), form)
    doubted = _with_doubt(rng, problem, (*steps, final), plain) if rng.random() < 0.15 else plain
    sure = [rng.choice(_SURE).replace("{n}", str(len(steps)))] if rng.random() < 0.2 else []
    sure = [form.in_words(text) for text in sure]
    tests = [test for test in problem.tests if test["public"]]
    rng.shuffle(tests)
    worked = [_worked(rng, problem, steps, final, test) for test in tests]
    shown = rng.choices((0, 1, 2), (10, 75, 15))[0]
    close = [text for text in [rng.choice(_CLOSE)] if text]
    for lines in (
        [opening, *doubted, *sure, *worked[:shown], *close],
        [opening, *doubted, *worked[: min(shown, 1)]],
        [opening, *plain, *worked[:1]],
    ):
        if tokens("\n".join(lines)) + spent <= LIMIT - 12:
            return "\n".join(lines)
    return "\n".join([opening, *plain])


def _listed(rng: random.Random, steps: tuple[Step, ...], form: Form) -> list[str]:
    """List the steps; a brief teacher names them only, a thorough one quotes the code."""
    dot, brief = rng.choice(".)"), rng.random() < 0.6
    return [f"{i}{dot} {_noted(step, brief, form)}" for i, step in enumerate(steps, 1)]


def _noted(step: Step, brief: bool, form: Form) -> str:
    gist = form.in_words(step.gist)
    return gist if brief else f"{gist}: {form.core(step)}"


def _with_doubt(
    rng: random.Random, problem: Problem, steps: tuple[Step, ...], lines: list[str]
) -> list[str]:
    """Let the teacher start one step wrongly and correct it at once."""
    found = wrong_versions(problem.plan)
    local = [m for m in found if m.what in ("wrong step", "off by one", "slip")]
    local = [m for m in local if (*m.steps, m.final)[: m.at] == steps[: m.at]]
    if not local:
        return lines
    slip = rng.choice(local)
    wrong = (*slip.steps, slip.final)[slip.at]
    right = steps[slip.at]
    # A slip shows in the code only, so there the code is quoted even by a brief teacher.
    brief = (
        lines[slip.at].endswith(f" {problem.form.in_words(right.gist)}")
        and wrong.gist != right.gist
    )
    mark = lines[slip.at].split()[0]
    doubt = [f"{mark} {_noted(wrong, brief, problem.form)}", rng.choice(_DOUBTS)]
    return [*lines[: slip.at], *doubt, *lines[slip.at :]]


def _worked(
    rng: random.Random, problem: Problem, steps: tuple[Step, ...], final: Step, test: dict
) -> str:
    """Run a sample step by step. A teacher on a wrong plan is not stopped by what comes out."""
    plan, show = problem.plan, problem.form.show
    given = parse(plan.kind, test["input"])
    expected = show(_run(problem, plan.steps, plan.final, given)[-1])
    silent = final.core in ("a", "*a")  # the end shows what is there already
    start = rng.choice(_TRY).replace("{input}", show(given))
    shown = [show(value) for value in _run(problem, steps, final, given)]
    if len(shown) > len(steps) and shown[-1] == expected:
        end = rng.choice(_MATCH)
    else:
        end = rng.choice(_SHRUG)
        if rng.random() < 0.5:
            shown = [*shown[: len(steps)], expected]
    if silent and len(shown) > 1 and shown[-1] == shown[-2]:
        shown.pop()
    return f"{start} {' -> '.join(text or 'nothing' for text in shown)}. {end}"


def _run(problem: Problem, steps: tuple[Step, ...], final: Step, value: object) -> list[object]:
    """Return the value after each step, the result last, as far as the program runs."""
    seen = []
    try:
        for step in steps:
            value = apply(step, value)
            seen.append(value)
        seen.append(problem.form.result(final, value))
    except CRASHES:
        pass
    return seen


def _wrong(rng: random.Random, problem: Problem) -> str:
    right = problem.plan
    kind = rng.choices(("plan", "program", "text"), (50, 32, 18))[0]
    if kind == "text":
        careless = _careless_function if problem.form.function else _careless
        final, rest = careless(rng, problem.solution)
        return _answer(_think(rng, problem, right.steps, right.final, tokens(final)), rest)
    mistake = _pick(rng, problem)
    final = problem.form.program(right, mistake.steps, mistake.final)
    followed = mistake if kind == "plan" else right
    return _answer(
        _think(rng, problem, followed.steps, followed.final, tokens(final)), _fenced(final)
    )


def _pick(rng: random.Random, problem: Problem) -> Mistake:
    """Choose a mistake, nearly always one that shows on the tests."""
    options = wrong_versions(problem.plan)
    # Draw the sort of mistake first: wrong steps are so many that the rest would be rare.
    sorts = sorted({m.what for m in options})
    rng.shuffle(sorts)
    options = sorted(options, key=lambda m: (sorts.index(m.what), rng.random()))
    if rng.random() < 0.05:
        return options[0]
    for mistake in options:
        for test in problem.tests:
            value = parse(problem.plan.kind, test["input"])
            if output(mistake.steps, mistake.final, value) != test["expected"].strip():
                return mistake
    return options[0]


def _careless(rng: random.Random, right: str) -> tuple[str, str]:
    """Spoil a right program in writing it down; return it and what stands after the thought."""
    lines = right.split("\n")
    ways = ["quoted print", "no print", "bracket", "no program", "no fence"]
    if "*a" in lines[-1]:
        ways += ["raw list"] * 4
    if "int" in lines[0]:
        ways += ["no int"] * 2
    way = rng.choice(ways)
    if way == "raw list":
        lines[-1] = "print(a)"
    elif way == "no int":
        lines[0] = "a = input().split()" if "map" in lines[0] else "a = input()"
    elif way == "no print":
        lines[-1] = "a = " + lines[-1][6:-1].replace("*a", "a")
    elif way == "bracket":
        at = rng.choice([i for i, line in enumerate(lines) if line[-1] in ")]"])
        lines[at] = lines[at][:-1]
    elif way == "no program":
        return "", "The program follows the plan.\n"
    elif way == "no fence":
        return right, right + "\n"
    else:
        lines[-1] = 'print("' + lines[-1][6:-1].replace('"', "'") + '")'
    final = "\n".join(lines)
    return final, _fenced(final)


def _careless_function(rng: random.Random, right: str) -> tuple[str, str]:
    """Spoil a right function in writing it down; return it and what stands after the thought."""
    lines = right.split("\n")
    result = lines[-1].removeprefix("    return ")
    way = rng.choice(
        ("printed", "quoted", "no return", "bracket", "unindented", "no function", "no fence")
    )
    if way == "no function":
        return "", "The function follows the plan.\n"
    if way == "no fence":
        return right, right + "\n"
    if way == "printed":
        lines[-1] = f"    print({result})"
    elif way == "quoted":
        lines[-1] = "    return " + repr(result)
    elif way == "no return":
        lines[-1] = f"    a = {result}"
    elif way == "unindented":
        lines[-1] = lines[-1].lstrip()
    else:
        at = rng.choice([i for i, line in enumerate(lines) if line[-1] in ")]:"])
        lines[at] = lines[at][:-1]
    final = "\n".join(lines)
    return final, _fenced(final)
