"""Choosing a problem's tests: two short samples to show, and private ones that catch mistakes."""

import random

from valley.bank.mistakes import wrong_versions
from valley.bank.operations import NUMBER, WORDS, Unfit, output, show, values
from valley.bank.plans import LEXICON, Plan

PUBLIC, PRIVATE, CANDIDATES = 2, 6, 18


def _input(rng: random.Random, plan: Plan, size: int) -> list | int:
    if plan.kind == NUMBER:
        return rng.randint(10, 999)
    if plan.kind == WORDS:
        line = rng.choices(LEXICON, k=size)
    else:
        # Numbers at the edge of a parameter tell `>` from `>=`.
        edges = [step.k + d for step in plan.steps if step.k for d in (-1, 0, 1)]
        line = [rng.randint(0 if plan.natural else -9, 20) for _ in range(size)]
        if edges and rng.random() < 0.7:
            line[rng.randrange(size)] = rng.choice(edges)
    if size > 3 and rng.random() < 0.5:
        line[rng.randrange(size)] = line[rng.randrange(size)]
    return line


def choose(plan: Plan, rng: random.Random) -> list[dict]:
    """Return tests (input, expected, public), the samples first.

    Every input is one on which each step is well defined. Raises LookupError if too few are found.
    """
    found: dict[str, tuple[object, str]] = {}
    for attempt in range(400):
        # Samples stay short; if a plan needs more items to be defined, sizes grow.
        size = rng.randint(3, 5) + attempt // 60
        value = _input(rng, plan, size)
        try:
            expected = show(values(plan.steps, plan.final, value)[-1])
        except Unfit:
            continue
        found.setdefault(show(value), (value, expected))
        if len(found) == CANDIDATES:
            break
    if len(found) < PUBLIC + PRIVATE:
        raise LookupError("too few inputs on which the problem is well defined")
    alive = wrong_versions(plan)
    caught = {
        text: {i for i, m in enumerate(alive) if output(m.steps, m.final, value) != expected}
        for text, (value, expected) in found.items()
    }
    chosen: list[str] = []
    seen: set[int] = set()
    for index in range(PUBLIC + PRIVATE):
        # Two samples with one answer teach little.
        answers = {found[t][1] for t in chosen}
        rest = [t for t in found if t not in chosen]
        if index < PUBLIC:
            best = max(rest, key=lambda t: (found[t][1] not in answers, len(caught[t]) - len(t)))
        else:
            best = max(rest, key=lambda t: len(caught[t] - seen))
        chosen.append(best)
        seen |= caught[best]
    return [
        {"input": t + "\n", "expected": found[t][1] + "\n", "public": i < PUBLIC}
        for i, t in enumerate(chosen)
    ]
