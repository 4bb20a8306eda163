"""Curves, contrasts, rates and claims, fitted on arms' verdicts and generations."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from valley.analysis import contrasts, interactions, load, spending
from valley.analysis import noise as training
from valley.analysis.correlate import correlations
from valley.analysis.curve_report import curve_report
from valley.analysis.judge_students import with_students
from valley.analysis.judgement import judge_claims
from valley.analysis.plain import plain
from valley.analysis.sample import Levels, levels
from valley.core.arms import GROUP
from valley.core.files import read_json
from valley.core.interactions import text
from valley.core.spending import EXAMPLES

LEAST_JUDGED = 0.8  # share of an arm's problems that must have a judged answer


def usable(arms: list[dict], ids: list[str]) -> tuple[list[load.Evaluation], list[str]]:
    """Return the arms with enough judged answers for a fit, and notes on the others.

    Raises:
        ValueError: none is.
    """
    kept, notes = [], []
    for arm in load.evaluations(arms, ids):
        name = "/".join(str(arm.setting.get(field)) for field in (*GROUP, "size", "seed"))
        judged = int((arm.judged > 0).sum())
        if judged < LEAST_JUDGED * len(ids):
            notes.append(
                f"{name} is left out: only {judged} of {len(ids)} problems have a judged answer."
            )
            continue
        kept.append(arm)
        if judged < len(ids):
            notes.append(
                f"{name}: {len(ids) - judged} of {len(ids)} problems have no judged answer."
            )
    if arms and not kept:
        raise ValueError(
            "no arm has a judged answer to enough problems: "
            + " ".join(notes)
            + " Read the column "
            "`detail` of their verdicts, and fix the checker or test that fails"
        )
    return kept, notes


def curve(
    arms: list[dict],
    problems: Path,
    *,
    title: str,
    margin: float,
    bootstrap: int,
    seed: int,
    target: float | None = None,
    forecast: int | None = None,
    candidates: list[int] | None = None,
    costs: dict[str, float] | None = None,
    noise_arms: list[dict] | None = None,
    training_noise: float | None = None,
    x: str = EXAMPLES,
) -> dict:
    """Fit one axis with a grid of sizes (one student, recipe, start and slice).

    `arms` may hold several replicates a size, and the start as size 0. `margin` is in pass@1;
    `forecast` is a larger size to predict (default: the next on the grid); `candidates` are sizes
    that could be run next, with `costs` (GPU-hours by size, as text) where known. Where these arms
    have no replicates, training noise is that of `noise_arms`, else `training_noise` (log-odds; 0
    leaves it out), else an assumption. `x` is what the curve is drawn over, and what `forecast` and
    `candidates` are in; other than examples, each trained arm says in which file it stands
    (`spent`).
    """
    ids, _ = load.problem_table(problems)
    kept, lost = usable(arms, ids)
    noise = training.elsewhere(_lent(noise_arms, ids), training_noise)
    data = levels(kept, "pass@1", bootstrap, seed, noise)
    sizes = data.sizes
    if x != EXAMPLES:
        data = spending.over(data, spending.of_sizes(arms, x), x)
    report = curve_report(
        data,
        margin=margin,
        seed=seed,
        target=target,
        forecast=forecast,
        candidates=candidates,
        costs=costs,
        samples=data.samples,
    )
    report["notes"] += lost
    if x != EXAMPLES:
        report["x"] = x
        for point, size in zip(report["points"], sizes, strict=True):
            point["examples"] = int(size)
    one = max(arms, key=lambda arm: int(arm["size"]))
    fixed = {name: one.get(name) for name in GROUP}
    return plain({"title": title, **fixed, **report})


def _lent(noise_arms: list[dict] | None, ids: list[str]) -> list:
    """Return the replicates behind arms that may lend their training noise."""
    return training.groups_of(usable(noise_arms, ids)[0]) if noise_arms else []


def contrast(
    arms: list[dict],
    problems: Path,
    *,
    field: str,
    a: str,
    b: str,
    margin: float,
    bootstrap: int,
    seed: int,
    title: str = "",
    noise_arms: list[dict] | None = None,
    training_noise: float | None = None,
) -> dict:
    """Return the paired differences a - b in pass@1, at each setting that has both and pooled.

    `field` is 'slice', 'recipe' or 'start'. `noise_arms` (with replicates, such as the scaling
    axis) help to estimate the training noise: it is pooled over them and these arms, and taken from
    them alone where these arms have one replicate each. With no replicate anywhere it is
    `training_noise` (log-odds; 0 leaves it out), else an assumption.
    """
    ids, _ = load.problem_table(problems)
    kept, lost = usable(arms, ids)
    lent = usable(noise_arms, ids)[0] if noise_arms else []
    value = {"title": title, "notes": lost}
    return plain(
        value
        | contrast_of(
            kept, lent, field=field, a=a, b=b, margin=margin, bootstrap=bootstrap, seed=seed,
            problems=len(ids), training_noise=training_noise,
        )
    )  # fmt: skip


def contrast_of(
    arms: list[load.Evaluation],
    lent: list[load.Evaluation],
    *,
    field: str,
    a: str,
    b: str,
    margin: float,
    bootstrap: int,
    seed: int,
    problems: int,
    training_noise: float | None = None,
) -> dict:
    """Return a contrast of arms that have been read (see `contrast`), `lent` those with replicates.

    `problems` is how many the benchmark has.
    """
    found = contrasts.pairs(arms, field, a, b)
    lenders = training.groups_of(lent, without=contrasts.arm_keys(found, field, (a, b)))
    how = {"margin": margin, "bootstrap": bootstrap, "seed": seed, "problems": problems}
    compared = _compared(found, lenders, **how, training_noise=training_noise)
    return {"field": field, "a": a, "b": b, **compared}


def interaction(
    arms: list[dict],
    problems: Path,
    *,
    name: str,
    declared: dict,
    margin: float,
    bootstrap: int,
    seed: int,
    title: str = "",
    noise_arms: list[dict] | None = None,
    training_noise: float | None = None,
) -> dict:
    """Return the differences between two contrasts' paired differences in pass@1.

    At each setting that has all four arms, and pooled. `declared` is the interaction as the study
    file has it; all else is as for `contrast`, and so is what is returned.
    """
    ids, _ = load.problem_table(problems)
    kept, lost = usable(arms, ids)
    lent = usable(noise_arms, ids)[0] if noise_arms else []
    found = interaction_of(
        kept, lent, name=name, declared=declared, margin=margin, bootstrap=bootstrap, seed=seed,
        problems=len(ids), training_noise=training_noise,
    )  # fmt: skip
    return plain({"title": title, "notes": lost, **found})


def interaction_of(
    arms: list[load.Evaluation],
    lent: list[load.Evaluation],
    *,
    name: str,
    declared: dict,
    margin: float,
    bootstrap: int,
    seed: int,
    problems: int,
    training_noise: float | None = None,
) -> dict:
    """Return an interaction of arms that have been read (see `interaction`)."""
    found = interactions.quads(arms, declared)
    lenders = training.groups_of(lent, without=interactions.arm_keys(found, declared))
    how = {"margin": margin, "bootstrap": bootstrap, "seed": seed, "problems": problems}
    return {
        "interaction": name,
        "field": declared["field"],
        "a": text(declared["first"]),
        "b": text(declared["second"]),
        **_compared(found, lenders, **how, training_noise=training_noise),
    }


def _compared(
    found: list[contrasts.Pair],
    lenders: list[training.Replicates],
    *,
    margin: float,
    bootstrap: int,
    seed: int,
    problems: int,
    training_noise: float | None,
) -> dict:
    """Return what pairs say: at each setting, pooled, by start and by student."""
    value: dict = {"margin": margin}
    if not found:
        empty = {"settings": [], "pooled": None, "training_noise": None}
        return {**value, **empty, "problems": problems}
    groups = contrasts.own_groups(found) + lenders
    how = {"groups": groups, "noise": training.elsewhere([], training_noise)}
    value.update(contrasts.analyse(found, margin, bootstrap, seed, **how))
    value["starts"] = _by("start", found, margin, bootstrap, seed, how)
    students = _split(found, "student")
    value["alike"] = contrasts.disagreement(students, bootstrap, seed, **how)
    value["students"] = {
        student: {
            "pooled": contrasts.analyse(part, margin, bootstrap, seed, **how)["pooled"],
            "starts": _by("start", part, margin, bootstrap, seed, how),
        }
        for student, part in (students if len(students) > 1 else {}).items()
    }
    return value


def _split(found: list, field: str) -> dict[str, list]:
    """Return the pairs by a field of their settings."""
    out: dict[str, list] = {}
    for pair in sorted(found, key=lambda item: item.setting.get(field) or ""):
        out.setdefault(pair.setting.get(field) or "", []).append(pair)
    return out


def _by(field: str, found: list, margin: float, bootstrap: int, seed: int, how: dict) -> dict:
    """Return the pooled difference within each start, for claims about stages."""
    return {
        name: contrasts.analyse(part, margin, bootstrap, seed, **how)["pooled"]
        for name, part in _split(found, field).items()
    }


def rates(
    arms: list[dict],
    problems: Path,
    *,
    bootstrap: int,
    seed: int,
    title: str = "",
    training_noise: float | None = None,
) -> dict:
    """Return levels of every rate by size and the rank correlations of F4.

    Arms that agree in student, recipe, start and slice form a group; correlations are within one.
    """
    ids, _ = load.problem_table(problems)
    read, lost = usable(arms, ids)
    out = [
        {
            **fixed,
            "levels": _rows(data),
            "correlations": correlations(data),
            "training_noise": training.public(data["pass@1"].noise),
        }
        for fixed, data in rate_levels(read, load.METRICS, bootstrap, seed, training_noise)
    ]
    return plain({"title": title, "problems": len(ids), "groups": out, "notes": lost})


def rate_levels(
    read: list[load.Evaluation],
    metrics: Sequence[str],
    bootstrap: int,
    seed: int,
    training_noise: float | None,
) -> Iterator[tuple[dict, dict[str, Levels]]]:
    """Yield what the arms of each group have in common, and their levels by metric."""
    groups: dict[tuple, list] = {}
    for arm in read:
        key = tuple(arm.setting[name] or "" for name in GROUP)
        groups.setdefault(key, []).append(arm)
    noise = training.elsewhere(training.groups_of(read), training_noise)
    for key in sorted(groups):
        yield (
            dict(zip(GROUP, key, strict=True)),
            {
                metric: levels(groups[key], metric, bootstrap, seed, noise, metric != "tokens")
                for metric in metrics
            },
        )


def _rows(data: dict[str, Levels]) -> dict[str, list[dict]]:
    return {
        metric: [
            {"size": int(size), "estimate": value, "interval": interval}
            for size, value, interval in zip(
                item.sizes,
                item.estimate,
                item.intervals,
                strict=True,
            )
        ]
        for metric, item in data.items()
    }


def learning(arms: list[dict], *, title: str = "") -> dict:
    """Return the losses on held-out problems of one curve's arms.

    Args:
        arms: size, seed and the path of each arm's losses.
        title: of the figure.
    """
    out = [
        {"size": arm["size"], "seed": arm["seed"], "looks": read_json(arm["losses"])}
        for arm in sorted(arms, key=lambda arm: (arm["size"], arm["seed"]))
    ]
    return plain({"title": title, "arms": out})


def claims(
    curves: list[Path],
    contrast_files: list[Path],
    rates_file: Path | None,
    *,
    claims: dict,
) -> dict:
    """Return each declared claim judged: its status, rule, estimate, interval and sentence.

    Of several students a claim says what each of them says by itself, and all together.
    """
    fits = (
        [read_json(path) for path in curves],
        [read_json(path) for path in contrast_files],
        read_json(rates_file) if rates_file else None,
        claims,
    )
    return plain({"claims": with_students(judge_claims(*fits), *fits)})
