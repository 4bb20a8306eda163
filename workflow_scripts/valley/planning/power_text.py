"""What `./valley power` says in a terminal."""

from valley.analysis.assumptions import DEFAULT
from valley.analysis.chances import NOT_TESTED, ONE_SEED
from valley.analysis.resample import wilson
from valley.planning.power_search import ENOUGH

UNITS = {"gpuh": "GPU-hours", "cpuh": "core-hours"}
COLUMNS = ("supported", "refuted", "undecided", ONE_SEED)


def text(found: dict) -> list[str]:
    """Return a report of `power.report` as lines."""
    unit = UNITS[found["cost"]["unit"]]
    problems = found["problems"]
    lines = [
        f"{found['study']} on {found['benchmark']}: {problems['count']} problems "
        f"({problems['source']}), {found['samples']} answers each; as declared "
        f"{_hours(found['cost']['hours'])} {unit} (estimated as ./valley plan does)",
        "",
        *_assumed(found),
        "",
        *_truths(found),
        "",
        *_chances(found),
        *_ranges(found),
        *_levers(found, unit),
        *_budget(found, unit),
        *_pilot(found, unit),
        "",
        *(f"Note: {note}" for note in found["notes"]),
    ]
    simulated = found["simulation"]
    return [
        *lines,
        f"Note: [brackets] are the simulation's own error (95 %, Wilson) with "
        f"{simulated['studies']} studies each, {simulated['draws']} draws an interval, seed "
        f"{simulated['seed']}; --studies narrows them.",
    ]


def _assumed(found: dict) -> list[str]:
    lines = ["Assumed (sds in log-odds)"]
    for item in found["assumptions"]:
        ends = item["values"]
        value = f"{ends[0]:g} to {ends[-1]:g}" if len(ends) > 1 else _number(ends[0])
        source = item["source"] + (" (docs/statistics.md)" if item["source"] == DEFAULT else "")
        if item["interval"]:
            source += ", 95 % [{:.2f}, {:.2f}]".format(*item["interval"])
        lines.append(f"  {item['name']:<15} {value:<14} {source}")
    return lines


def _truths(found: dict) -> list[str]:
    lines = ["Truths"]
    for truth in found["truths"]:
        said = []
        for claim, value in truth["values"].items():
            if isinstance(value, dict):
                value = ", ".join(
                    f"{gap:+g}"
                    + (f" from {start}" if start else "" if len(value) == 1 else " else")
                    for start, gap in value.items()
                )
            said.append(f"{claim} {value}")
        lines.append(f"  {truth['name']}: {'; '.join(said)}")
        curves: dict[str, list[str]] = {}
        for cell, level in truth["levels"].items():
            student, recipe, start, slice_, size = cell.split("/")
            if slice_ in ("", "all.any") and start == "base":
                name = student if not recipe else f"{student}, {recipe}"
                at = f"{int(size[1:]):,}" if recipe else "start"
                curves.setdefault(name, []).append(f"{at} {level:.3f}")
        for name, levels in curves.items():
            lines.append(f"    {name}: {', '.join(levels)}")
    starts = {name: student["source"] for name, student in found["students"].items()}
    lines.append(f"  starts: {'; '.join(f'{name} from {said}' for name, said in starts.items())}")
    return lines


def _chances(found: dict) -> list[str]:
    shown = [name for name in COLUMNS if name != ONE_SEED or _any(found, ONE_SEED)]
    lines = [f"{'claim':<10}{'truth':<15}" + "".join(f"{name:>22}" for name in shown)]
    for claim in found["claims"]:
        for number, (truth, chance) in enumerate(claim["chances"].items()):
            name = claim["name"] if not number else ""
            if chance["outcomes"][NOT_TESTED]["chance"] == 1:
                lines.append(f"{name:<10}{'any':<15}  {chance['why']}")
                break
            cells = "".join(f"{_share(chance['outcomes'][word]):>22}" for word in shown)
            lines.append(f"{name:<10}{truth:<15}{cells}")
    return lines


def _any(found: dict, outcome: str) -> bool:
    return any(
        chance["outcomes"][outcome]["chance"]
        for claim in found["claims"]
        for chance in claim["chances"].values()
    )


def _ranges(found: dict) -> list[str]:
    if not found["ranges"]:
        return []
    lines = ["", f"At the ends of what is assumed (truth: {found['truths'][0]['name']})"]
    for row in found["ranges"]:
        said = [
            f"{name}: supported {_share(chance['outcomes']['supported'])}, refuted "
            f"{_share(chance['outcomes']['refuted'])}"
            for name, chance in row["chances"].items()
            if chance["outcomes"][NOT_TESTED]["chance"] < 1
        ]
        lines += [f"  {row['assumption']} {_number(row['value'])}", *(f"    {one}" for one in said)]
    return lines


def _levers(found: dict, unit: str) -> list[str]:
    lines = ["", f"What more would buy (truth: {found['truths'][0]['name']})"]
    for claim in found["claims"]:
        own = claim["chances"][found["truths"][0]["name"]]
        if own["outcomes"][NOT_TESTED]["chance"] == 1:
            continue
        lines.append(
            f"{claim['name']}: decided {_decided(own)} as declared; its arms cost "
            f"{_hours(claim['cost'])} {unit}"
        )
        if not claim["levers"]:
            continue
        for move in claim["levers"]:
            per = move["gain_per_hour"]
            rate = (
                ""
                if per is None
                else f", {_points(100 * per * _scale(unit))} points per {_per(unit)}"
            )
            doubt = "" if move["beyond_error"] else " (within the simulation's error)"
            lines.append(
                f"  {move['lever']} x {move['factor']}: decided {_decided(move['chance'])}, "
                f"{_hours(move['extra'], sign=True)} {unit}{rate}{doubt}"
            )
            lines.append(f"    {_with(move['edits'])}")
        lines.append(f"  {_advice(claim)}")
    return lines


def _advice(claim: dict) -> str:
    """Return which lever gains most per hour, and which decides, within the simulation's error."""
    sure = [move for move in claim["levers"] if move["beyond_error"] and move["gain"] > 0]
    if not sure:
        return "No lever, doubled, moves the chance by more than the simulation's error."
    best = max(sure, key=lambda move: move["gain_per_hour"] or float("inf"))
    enough = [move for move in sure if move["decided"] >= ENOUGH]
    said = f"Most per hour: {best['lever']}."
    if not enough:
        return f"{said} None of these decides it in {100 * ENOUGH:.0f} % of studies."
    least = min(enough, key=lambda move: move["extra"])
    return (
        f"{said} Least that decides it in {100 * ENOUGH:.0f} %: {least['lever']} x "
        f"{least['factor']}."
    )


def _budget(found: dict, unit: str) -> list[str]:
    budget = found["budget"]
    if not budget:
        return []
    where = UNITS[budget["unit"]]
    lines = ["", f"Within {budget['hours']:,g} {where}: {budget['tried']} designs were simulated"]
    design = budget["design"]
    if design is None:
        return [*lines, "  None of them fits, or there is no claim to decide."]
    edits = _with(design["edits"]) or "as declared"
    lines.append(f"  best found: {edits} ({_hours(design['hours'])} {where})")
    for name, chance in design["chances"].items():
        if chance["outcomes"][NOT_TESTED]["chance"] < 1:
            lines.append(f"    {name}: decided {_decided(chance)}, with draws of its own")
    return lines


def _pilot(found: dict, unit: str) -> list[str]:
    pilot = found.get("pilot")
    if not pilot:
        return []
    sizes, seeds = (", ".join(map(str, pilot[key])) for key in ("sizes", "seeds"))
    lines = ["", f"A pilot: sizes {sizes}, seeds {seeds}: {_hours(pilot['hours'])} {unit}"]
    for name, row in pilot["tells"].items():
        low, high = row["spread"]
        said = f"  {name}: estimates between {low:.2f} and {high:.2f} if it is {row['assumed']:g}"
        if row["interval"]:
            said += ", its 95 % interval about [{:.2f}, {:.2f}]".format(*row["interval"])
        lines.append(said)
    if "run_sd" not in pilot["tells"]:
        lines.append("  run_sd: nothing; that needs two seeds of one size")
    for edit in pilot["edits"]:
        key, _, value = edit.partition("=")
        lines.append(f"  first put {key}: {value} in the study file, then")
    lines.append(f"  snakemake --configfile {found['file']} {' '.join(pilot['targets'])}")
    return [*lines, "  ./valley power then takes its assumptions from these arms."]


def _with(edits: list[str]) -> str:
    """Return edits as `valley plan` takes them."""
    return " ".join(f"--with '{edit}'" for edit in edits)


def _share(outcome: dict) -> str:
    low, high = outcome["interval"]
    return f"{100 * outcome['chance']:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _decided(chance: dict) -> str:
    """Return how often a claim is decided, and how often each way."""
    up, down = (chance["outcomes"][word]["chance"] for word in ("supported", "refuted"))
    both = {"chance": up + down, "interval": wilson(up + down, chance["studies"])}
    return f"{_share(both)} ({100 * up:.0f} supported, {100 * down:.0f} refuted)"


def _hours(value: float, sign: bool = False) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"+{text}" if sign and value > 0 else text


def _points(value: float) -> str:
    """Return a gain with two digits."""
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2g}"


def _scale(unit: str) -> float:
    return 100.0 if unit == UNITS["gpuh"] else 1.0


def _per(unit: str) -> str:
    return "100 GPU-hours" if unit == UNITS["gpuh"] else "core-hour"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
