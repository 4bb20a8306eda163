"""The results of `./valley power` for a study, as plain values."""

from valley.analysis import assumptions
from valley.analysis.chances import DRAWS
from valley.analysis.truths import levels_of
from valley.core import claims
from valley.planning.levers import cost, levers
from valley.planning.power import Power
from valley.planning.power_search import TRIES, moves_of, search


def report(power: Power, budget: tuple[float, str] | None = None) -> dict:
    """Return all results for a study, as plain values.

    Args:
        power: the study.
        budget: hours and their unit, "gpuh" or "cpuh"; None: none is given.

    Raises:
        ValueError: the budget is not of what this study runs on, or costs are not known.
    """
    if budget:
        _check(power, budget)
    base = {truth.name: power.chances(power.plan, truth) for truth in power.truths}
    whole, unit = cost(power.plan.study), power.unit
    first = base[power.truths[0].name]
    known = claims.settings(power.config["claims"])
    moves = {
        name: moves_of(power, name, first[name], whole, unit)
        for name in power.plan.names
        if first[name].tested
    }
    return {
        "study": power.config["study"],
        "benchmark": power.plan.benchmark,
        "problems": {"count": power.problems, "source": power.problems_from},
        "samples": power.plan.study.sampling(power.plan.benchmark)["samples"],
        "simulation": {"studies": power.options.studies, "draws": DRAWS, "seed": power.seed},
        "assumptions": [
            {**vars(item), "values": list(item.values), "interval": item.interval}
            for item in power.assumed.values()
        ],
        "students": {name: vars(student) for name, student in power.students.items()},
        "truths": [
            {
                "name": truth.name,
                "values": truth.values,
                "levels": {
                    cell: found["pass@1"]
                    for cell, found in levels_of(power.plan, truth, power.students).items()
                },
            }
            for truth in power.truths
        ],
        "cost": {"unit": unit, "hours": whole.of(unit), "unknown": whole.unknown},
        "claims": [
            {
                "name": name,
                "text": known[name]["text"],
                "cost": cost(power.plan.study, power.of_claim(name).own_checkpoints).of(unit),
                "chances": {truth: found[name].plain() for truth, found in base.items()},
                "levers": moves.get(name, []),
            }
            for name in power.plan.names
        ],
        "ranges": _ranges(power),
        "budget": budget and search(power, first, moves, budget),
        "notes": notes(power),
    }


def _check(power: Power, budget: tuple[float, str]) -> None:
    unknown = cost(power.plan.study).unknown
    if unknown:
        raise ValueError(f"--budget: no design can be priced: {unknown}")
    if budget[1] != power.unit:
        runs = "GPUs" if power.unit == "gpuh" else "cores"
        raise ValueError(
            f"--budget: this study trains and answers on {runs}; give {power.unit}, such as "
            f"--budget {budget[0]:g}{power.unit}"
        )


def _ranges(power: Power) -> list[dict]:
    """Return the chances at both ends of each assumption that is a range."""
    out = []
    for item in power.assumed.values():
        for value in (item.values[0], item.values[-1]) if len(item.values) > 1 else ():
            found = power.chances(power.plan, power.truths[0], **{item.name: value})
            out.append(
                {
                    "assumption": item.name,
                    "value": value,
                    "chances": {name: chance.plain() for name, chance in found.items()},
                }
            )
    return out


def notes(power: Power) -> list[str]:
    """Return what the chances rest on that cannot be known, or is only assumed."""
    out = ["These are chances under the truths and assumptions above, no promise."]
    noise = power.assumed["run_sd"]
    alone = [
        axis
        for axis in power.plan.axes
        if len(power.config["axes"][axis]["seeds"]) == 1
        and any(size for size in power.config["axes"][axis]["sizes"])
    ]
    lent = power.config["statistics"]["training_noise"] is not None or any(
        len(axis["seeds"]) > 1 for axis in power.config["axes"].values()
    )
    if alone:
        axes = ", ".join(alone)
        said = f"One seed an arm on {axes}: noise between runs can't be told from an effect there"
        rule = "; claims that rest on it are at most undecided" if not lent else ""
        out.append(f"{said}{rule}.")
    if noise.source == assumptions.DEFAULT:
        out.append(
            f"How much two runs of one arm differ (run_sd) was not measured here: {noise.middle:g} "
            "is assumed. Only replicates can measure it: see --pilot, or "
            "--assume run_sd=0.05..0.4 for how much depends on it."
        )
    if "bank" not in power.config["benchmarks"][power.plan.benchmark]:
        out.append(
            f"{power.plan.benchmark} is a published benchmark: its {power.problems} problems can't "
            "be multiplied; more answers, seeds or sizes, or another benchmark beside it, can."
        )
    unknown = cost(power.plan.study).unknown
    return [*out, f"No costs: {unknown}."] if unknown else out


def to_come(power: Power, budget: bool, pilot: bool) -> int:
    """Return about how many studies will be simulated."""
    pulls = sum(len(levers(part)) for part in map(power.of_claim, power.plan.names) if part.axes)
    ends = 2 * sum(len(item.values) > 1 for item in power.assumed.values())
    return power.options.studies * (2 + ends + pulls + (TRIES + 1) * budget + pilot)
