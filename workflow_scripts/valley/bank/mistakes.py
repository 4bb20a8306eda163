"""Plausible wrong versions of a plan: what tests must catch, and what a careless teacher writes."""

from dataclasses import dataclass, replace

from valley.bank.catalogue import BY_NAME
from valley.bank.operations import Step, kind_after
from valley.bank.plans import Plan

# What is easily mixed up, both ways.
_LOOKALIKES = (
    ("even", "odd"), ("sort", "sort down"), ("take", "take last"), ("drop", "drop last"),
    ("above", "below"), ("add", "subtract"), ("rotate", "rotate back"), ("cap", "lift"),
    ("prefix sums", "running max"), ("differences", "pair sums"), ("upper", "title"),
    ("first letter", "last letter"), ("long", "short"), ("max", "min"), ("sum", "max"),
    ("count", "distinct"), ("count", "letters"), ("glue", "dashes"), ("longest", "first word"),
    ("total", "biggest"), ("plus", "multiply"), ("digit sum", "top digit"), ("second", "max"),
    ("multiples", "remainder"), ("halve", "collatz"), ("sort", "by length"), ("flip", "reverse"),
    ("mirror", "reverse"), ("spread", "last"), ("digit sums", "remainder"), ("list", "glue"),
)  # fmt: skip

# Slips of the pen: a fragment of code and what it easily becomes.
_SLIPS = (
    ("> {k}", ">= {k}"), ("< {k}", "<= {k}"), ("x > 0", "x >= 0"), ("% 2 == 1", "% 2 == 0"),
    ("[::2]", "[1::2]"), ("i + 1", "i"), ("a, 1)", "a)"), ("y - x", "x - y"), ("[-2]", "[1]"),
    ("x[1:]", "x[:-1]"), ("x * x", "x * 2"), ("a * a", "a * 2"), ("abs(x)", "-x"),
    ("x * 2", "x + x[::-1]"), ("key=len", ""), ("not in", "in"), ("even", "odd"),
    ("a + a[::-1]", "a[::-1] + a"), ("max(a) - min(a)", "max(a)"), ("a // 2", "a / 2"),
    ("a[1:-1]", "a[1:]"), ("dict.fromkeys(a)", "sorted(set(a))"),
)  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """A wrong version; `at` is the number of the step concerned (the print's is the last)."""

    what: str
    at: int
    steps: tuple[Step, ...]
    final: Step


def _others(step: Step) -> list[tuple[str, Step]]:
    found = []
    for pair in _LOOKALIKES:
        for mine, other in (pair, pair[::-1]):
            op = BY_NAME[other]
            if mine == step.op.name:
                k = step.k if step.k or not op.ks else op.ks[0]
                found.append(("wrong step", Step(op, k if op.ks else 0)))
    for right, wrong in _SLIPS:
        if right in step.op.core:
            op = replace(step.op, core=step.op.core.replace(right, wrong))
            found.append(("slip", Step(op, step.k)))
    if step.k:
        found += [("off by one", Step(step.op, k)) for k in (step.k - 1, step.k + 1)]
    return found


def wrong_versions(plan: Plan) -> list[Mistake]:
    """Return the wrong versions of a plan, in a fixed order; some may happen to be right."""
    found = []
    everything = (*plan.steps, plan.final)
    kinds = plan.kinds
    for i, step in enumerate(everything):
        for what, other in _others(step):
            if i < len(plan.steps) and kind_after(other.op, kinds[i]) != kinds[i + 1]:
                continue
            new = (*everything[:i], other, *everything[i + 1 :])
            found.append(Mistake(what, i, new[:-1], new[-1]))
    for i in range(len(plan.steps)):
        if kinds[i] == kinds[i + 1]:
            less = plan.steps[:i] + plan.steps[i + 1 :]
            found.append(Mistake("step forgotten", i, less, plan.final))
        if i and kinds[i - 1] == kinds[i] == kinds[i + 1]:
            swapped = (*plan.steps[: i - 1], plan.steps[i], plan.steps[i - 1], *plan.steps[i + 1 :])
            found.append(Mistake("wrong order", i, swapped, plan.final))
    return found
