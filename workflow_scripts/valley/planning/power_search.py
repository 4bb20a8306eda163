"""Which levers move a claim's chance, what they cost, and the best design found for a budget."""

import numpy as np

from valley.analysis.chances import Chance
from valley.analysis.resample import Z
from valley.planning.levers import SAMPLES, SEEDS, SIZES, Cost, Lever, cost, levers, pulled
from valley.planning.power import Power, decided, error

ENOUGH = 0.8  # a claim that is decided so often needs nothing more
TRIES = 8  # designs that a search for a budget simulates


def moves_of(power: Power, name: str, base: Chance, whole: Cost, unit: str) -> list[dict]:
    """Return what more of each lever does for a claim: the chance after, and what it costs.

    Each is doubled; the one that then buys most per hour is doubled again, if the claim is still
    not decided often enough. None is tried where it is decided often enough as it is.

    Args:
        power: the study.
        name: the claim.
        base: its chance as declared.
        whole: the cost of the study as declared.
        unit: of costs, "gpuh" or "cpuh".
    """
    if decided(base) >= ENOUGH:
        return []
    plan = power.of_claim(name)

    def move(lever: Lever, factor: int) -> dict:
        more, edits = pulled(plan, {lever: factor})
        after = power.chances(more, power.truths[0])[name]
        extra = cost(more.study).of(unit) - whole.of(unit)
        gain = decided(after) - decided(base)
        return {
            "lever": str(lever),
            "kind": lever.kind,
            "axes": list(lever.axes),
            "factor": factor,
            "edits": edits,
            "chance": after.plain(),
            "decided": decided(after),
            "extra": extra,
            "gain": gain,
            "beyond_error": bool(abs(gain) > Z * np.hypot(error(base), error(after))),
            "gain_per_hour": gain / extra if extra > 0 else None,
        }

    out = sorted(
        (move(lever, 2) for lever in levers(plan)),
        key=lambda one: -(one["gain_per_hour"] or 0.0),
    )
    best = next((one for one in out if one["kind"] != SIZES and one["beyond_error"]), None)
    if best and best["gain"] > 0 and best["decided"] < ENOUGH:
        out.insert(out.index(best) + 1, move(Lever(best["kind"], tuple(best["axes"])), 4))
    return out


def search(
    power: Power, base: dict[str, Chance], moves: dict[str, list[dict]], budget: tuple[float, str]
) -> dict:
    """Return the best design found within a budget, by the mean chance that claims are decided.

    From the study as declared: too dear, and answers and seeds are halved, whichever loses least;
    then levers are doubled, those that gave most per hour first, as long as they fit and each does
    better than the design before. The best is simulated once more with other draws, since the best
    of several simulations looks better than it is.

    Args:
        power: the study.
        base: the chances of the study as declared.
        moves: of each claim, as `report` has them.
        budget: hours and their unit.
    """
    hours, unit = budget
    tested = [name for name, chance in base.items() if chance.tested]

    def price(factors: dict[Lever, float]) -> float:
        return cost(pulled(power.plan, factors)[0].study).of(unit)

    def value(factors: dict[Lever, float], first: int = 0) -> tuple[float, dict]:
        found = power.chances(pulled(power.plan, factors)[0], power.truths[0], first)
        return float(np.mean([decided(found[name]) for name in tested])), found

    def answer(factors: dict | None, tried: int) -> dict:
        out = {"hours": hours, "unit": unit, "tried": tried, "design": None}
        if factors is None:
            return out
        mean, found = value(factors, first=power.options.studies)
        design = {
            "edits": pulled(power.plan, factors)[1],
            "hours": price(factors),
            "decided": mean,
            "chances": {name: chance.plain() for name, chance in found.items()},
        }
        return {**out, "design": design}

    if not tested:
        return answer(None, 0)
    best: dict[Lever, float] = {}
    tried, score = 0, float(np.mean([decided(base[name]) for name in tested]))
    all_levers = {lever: 1.0 for name in tested for lever in levers(power.of_claim(name))}
    down = [lever for lever in all_levers if lever.kind in (SEEDS, SAMPLES)]
    while price(best) > hours:
        less = [{**best, lever: best.get(lever, 1.0) / 2} for lever in down]
        less = [factors for factors in less if price(factors) < price(best) * 0.999]
        if not less or tried >= TRIES:
            return answer(None, tried)
        fitting = [factors for factors in less if price(factors) <= hours]
        ranked = [(value(factors)[0], factors) for factors in fitting or less]
        tried += len(ranked)
        score, best = max(ranked, key=lambda pair: pair[0])
    wanted = sorted(
        (
            (move["gain_per_hour"] or 0.0, Lever(move["kind"], tuple(move["axes"])))
            for name in tested
            if decided(base[name]) < ENOUGH
            for move in moves[name]
        ),
        key=lambda pair: -pair[0],
    )
    queue = list(dict.fromkeys(lever for gain, lever in wanted if gain > 0))
    while queue and tried < TRIES:
        lever = queue.pop(0)
        more = {**best, lever: best.get(lever, 1.0) * 2}
        same = pulled(power.plan, more)[1] == pulled(power.plan, best)[1]  # sizes: denser once
        if same or price(more) > hours:
            continue
        tried += 1
        found = value(more)[0]
        if found > score:
            score, best = found, more
            queue.append(lever)
    return answer(best, tried)
