"""Drawing a problem's structure, and telling which split its behaviour belongs to."""

import hashlib
import random
from dataclasses import dataclass
from functools import cache

from valley.bank.catalogue import FINALS, STEPS
from valley.bank.operations import (
    NUMBER,
    NUMBERS,
    WORDS,
    Step,
    Unfit,
    fits,
    kind_after,
    show,
    values,
)

# Shares of behaviour space, in hundredths. Train is largest: it feeds the largest sizes.
SHARES = {"train": 50, "base": 20, "eval": 20, "tune": 10}
FAMILIES = {"integers": NUMBERS, "words": WORDS, "number": NUMBER}
LEVELS = {1: "easy", 2: "easy", 3: "medium", 4: "hard", 5: "hard"}

LEXICON = (
    "apple", "apricot", "banana", "bird", "cat", "dog", "egg", "fish", "green", "hat", "ice",
    "idea", "jam", "kite", "lemon", "moon", "night", "open", "orange", "pen", "queen", "red",
    "river", "stone", "summer", "sun", "tea", "tree", "under", "up", "van", "water", "yes", "zoo",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A problem's structure: kind of input (`natural`: no negative numbers), steps, print."""

    kind: str
    natural: bool
    steps: tuple[Step, ...]
    final: Step

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of `a` before each step and before the print."""
        kinds = [self.kind]
        for step in self.steps:
            kinds.append(kind_after(step.op, kinds[-1]))
        return tuple(kinds)


@cache
def probes(kind: str, natural: bool) -> tuple:
    """Return the fixed inputs that distinguish behaviours.

    They are long and rich: a filter rarely leaves nothing, so most plans are defined on all.
    """
    rng = random.Random(f"probes {kind} {natural}")
    if kind == NUMBER:
        return tuple(rng.sample(range(101, 1000), 16))
    found = []
    while len(found) < 12:
        size = rng.randint(9, 12)
        if kind == WORDS:
            line = rng.choices(LEXICON, k=size)
            rich = len(set(line)) < size and sum(x[0] in "aeiou" for x in line) >= 3
        else:
            line = rng.choices(range(0 if natural else -9, 25), k=size)
            rich = (
                len(set(line)) < size
                and all(sum(x % k == 0 for x in line if x) >= 2 for k in (2, 3, 4, 5))
                and sum(x % 2 for x in line) >= 2
                and sum(0 < x < 5 for x in line) >= 2
            )
        if rich:
            found.append(line)
    return tuple(found)


def common_probes(kind: str) -> tuple:
    """Return the probes on which behaviours of one kind of input are compared."""
    return probes(kind, kind == NUMBERS)


def _outputs(plan: Plan, inputs: tuple) -> list[str]:
    return [show(values(plan.steps, plan.final, value)[-1]) for value in inputs]


def fingerprint(kind: str, outputs: list[str]) -> str:
    """Return the behaviour hash: of the outputs on the probes without negative numbers."""
    return hashlib.sha256("\n".join([kind, *outputs]).encode()).hexdigest()


def behaviour(plan: Plan) -> str:
    """Return the plan's behaviour hash; equal functions have equal hashes. Unfit if undefined.

    Plans on integers are compared with those on non-negative integers where both are defined.
    """
    return fingerprint(plan.kind, _outputs(plan, common_probes(plan.kind)))


def split_of(behaviour_hash: str) -> str:
    """Return the one split that a behaviour belongs to."""
    percentile = int(behaviour_hash[:8], 16) % 100
    for split, share in SHARES.items():
        if percentile < share:
            return split
        percentile -= share
    raise AssertionError("shares do not add up to 100")


def _weights(kind: str, last: tuple[Step, ...]) -> tuple[list, list]:
    used = {step.op.name for step in last}
    ops = [op for op in STEPS if fits(op, kind) and op.name not in used]
    # Changes of kind are rare by count and make the telling varied: give them a push.
    return ops, [2 if kind_after(op, kind) != kind else 1 for op in ops]


def draw(rng: random.Random, family: str, length: int, split: str) -> Plan:
    """Draw a plan of the family with so many steps whose behaviour lives in the split.

    Raises LookupError if none is found in many tries.
    """
    for _ in range(3000):
        plan = _sketch(rng, FAMILIES[family], length)
        if plan is None:
            continue
        try:
            if split_of(behaviour(plan)) != split:
                continue
        except Unfit:
            continue
        plan = _widest(plan)
        if _every_step_counts(plan):
            return plan
    raise LookupError(f"no {family} problem with {length} steps found for split {split!r}")


def _sketch(rng: random.Random, kind: str, length: int) -> Plan | None:
    start, steps = kind, ()
    for _ in range(length):
        ops, weights = _weights(kind, steps)
        op = rng.choices(ops, weights)[0]
        steps += (Step(op, rng.choice(op.ks) if op.ks else 0),)
        kind = kind_after(op, kind)
    final = Step(rng.choice([op for op in FINALS if fits(op, kind)]))
    return Plan(start, start == NUMBERS, steps, final)


def _widest(plan: Plan) -> Plan:
    wide = Plan(plan.kind, False, plan.steps, plan.final)
    try:
        _outputs(wide, probes(plan.kind, False))
    except Unfit:
        return plan
    return wide


def _every_step_counts(plan: Plan) -> bool:
    """Refuse constant problems, and those that stay the same when a step is left out."""
    inputs = probes(plan.kind, plan.natural)
    full = _outputs(plan, inputs)
    if max(map(full.count, full)) > 0.7 * len(full):
        return False
    for i, kind in enumerate(plan.kinds[:-1]):
        if plan.kinds[i + 1] != kind:
            continue
        less = Plan(plan.kind, plan.natural, plan.steps[:i] + plan.steps[i + 1 :], plan.final)
        try:
            short = _outputs(less, inputs)
        except Unfit:
            continue
        if sum(a != b for a, b in zip(full, short, strict=True)) < 3:
            return False
    return True
