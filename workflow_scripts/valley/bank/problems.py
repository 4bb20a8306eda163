"""The problem bank: rows in the project's problem contract, four splits that share no behaviour."""

import builtins
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from valley.bank.examples import choose
from valley.bank.forms import FORMS, STDIN, Form, called, docstring
from valley.bank.operations import show
from valley.bank.plans import FAMILIES, LEVELS, SHARES, Plan, common_probes, draw, fingerprint
from valley.bank.wording import telling, with_samples, without_samples
from valley.core.seeds import derive

SPLITS = tuple(SHARES)
FAMILY_WEIGHTS = {"integers": 0.6, "words": 0.2, "number": 0.2}
STEP_WEIGHTS = {1: 0.11, 2: 0.22, 3: 0.34, 4: 0.2, 5: 0.13}
_ID = re.compile(r"bank-([a-z]+)-(\d+)-(\d{6})-(integers|words|number)([1-5])(?:-r(\d+))?")


@dataclass(frozen=True)
class Problem:
    """A problem with its structure; the tests are those of a program in every form."""

    id: str
    plan: Plan
    how: str
    text: str
    tests: tuple[dict, ...]
    form: Form = STDIN

    @property
    def solution(self) -> str:
        """The reference program, or function."""
        return self.form.program(self.plan, self.plan.steps, self.plan.final)


def step_weights(numbers: list[int] | None) -> dict[int, float]:
    """Return the weights of some numbers of steps (1 to 5) among each other; None is all."""
    return {n: weight for n, weight in STEP_WEIGHTS.items() if numbers is None or n in numbers}


def generate(
    count: int,
    seed: int,
    split: str,
    families: Mapping[str, float] = FAMILY_WEIGHTS,
    steps: Mapping[int, float] = STEP_WEIGHTS,
    form: str = "stdin",
) -> list[dict]:
    """Return `count` problem rows of a split, in the columns of the problem contract.

    `families` and `steps` (number of steps before the print, 1 to 5) are relative weights. Row i
    depends on seed, split and i only, save that a repetition of an earlier row is drawn anew: so a
    larger count extends a smaller one. `form` (one of FORMS) changes the words and the tests' form,
    no plan. Raises ValueError for an unknown split, family, number or form.
    """
    _check("split", {split: 1}, SPLITS)
    _check("family", families, FAMILIES)
    _check("number of steps", steps, LEVELS)
    _check("form", {form: 1}, FORMS)
    rows, seen = [], set()
    for index in range(count):
        rng = random.Random(derive("bank", seed, split, index))
        family = rng.choices(list(families), list(families.values()))[0]
        length = rng.choices(list(steps), list(steps.values()))[0]
        name = f"bank-{split}-{seed}-{index:06d}-{family}{length}"
        for attempt in range(1000):
            problem = regenerate(f"{name}-r{attempt}" if attempt else name, form)
            if problem.text not in seen:
                break
        else:
            raise ValueError(f"{split}: no new {family} problem with {length} steps; ask for fewer")
        seen.add(problem.text)
        rows.append(_row(problem))
    return rows


def _check(what: str, weights: Mapping, allowed: object) -> None:
    for key in weights:
        if key not in allowed:
            raise ValueError(f"unknown {what} {key!r}; allowed: {', '.join(map(str, allowed))}")


@lru_cache(maxsize=20_000)
def regenerate(problem_id: str, form: str = "stdin") -> Problem:
    """Regenerate a problem with its structure from its id. Raises ValueError for a foreign id."""
    match = _ID.fullmatch(problem_id)
    if not match or match[1] not in SPLITS:
        raise ValueError(f"not the id of a problem of this bank: {problem_id!r}")
    split, _, _, family, length, _ = match.groups()
    rng = random.Random(derive("bank", problem_id))
    for _ in range(100):
        drawn = draw(rng, family, int(length), split)
        try:
            tests = choose(drawn, rng)
        except LookupError:
            continue
        how, text = telling(rng, drawn, FORMS[form])
        return Problem(problem_id, drawn, how, text, tuple(tests), FORMS[form])
    raise LookupError(f"no well-defined problem found for {problem_id!r}")


def _row(problem: Problem) -> dict:
    plan, tests, function = problem.plan, problem.tests, problem.form.function
    stub = docstring(plan, problem.text, tests) if function else ""
    return {
        "id": problem.id,
        "statement": stub or with_samples(problem.text, tests),
        "difficulty": LEVELS[len(plan.steps)],
        "starter_code": stub,
        "function_name": function,
        "tests": called(plan, tests) if function else [dict(test) for test in tests],
        "time_limit_s": 2.0,
        "memory_limit_mb": 256,
        "source": "bank",
        "date": "",
        "license": "MIT",
        "checker": None,
        "keep_lines": None,
        "case": None,
        "tolerance": None,
        "trusted": None,
        "mark": None,
    }


def solution(problem_id: str) -> str:
    """Return the reference program of a problem."""
    return regenerate(problem_id).solution


def overlap(rows_a: list[dict], rows_b: list[dict]) -> list[tuple[str, str, str]]:
    """Return (id, id, "behaviour" | "statement") for every two rows that are the same problem.

    Independent of how splits are drawn: the reference programs are run on the probes, and the
    statements are compared without their samples.
    """
    found = []
    for what, key in (("behaviour", _ran), ("statement", _text)):
        known: dict[str, list[str]] = {}
        for row in rows_a:
            known.setdefault(key(row), []).append(row["id"])
        for row in rows_b:
            found += [(mine, row["id"], what) for mine in known.get(key(row), ())]
    return sorted(found)


def _text(row: dict) -> str:
    return " ".join(without_samples(row["statement"]).casefold().split())


def _ran(row: dict) -> str:
    kind = regenerate(row["id"]).plan.kind
    code = compile(solution(row["id"]), row["id"], "exec")
    outputs = []
    for probe in common_probes(kind):
        printed: list[str] = []
        names = {
            "__builtins__": builtins,
            "input": lambda probe=probe: show(probe),
            "print": lambda *args, printed=printed: printed.append(" ".join(map(str, args))),
        }
        exec(code, names)
        outputs.append("\n".join(printed))
    return fingerprint(kind, outputs)
