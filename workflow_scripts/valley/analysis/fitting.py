"""Curves, contrasts, rates and claims, fitted on arms' verdicts and generations."""

from pathlib import Path

from valley.analysis import contrasts, load
from valley.analysis import noise as training
from valley.analysis.correlate import correlations
from valley.analysis.curve_report import curve_report
from valley.analysis.judgement import judge_claims
from valley.analysis.plain import plain
from valley.analysis.sample import levels
from valley.core.arms import GROUP
from valley.core.files import read_json


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
) -> dict:
    """Fit one axis with a grid of sizes (one student, recipe, start and slice).

    `arms` may hold several replicates a size, and the start as size 0. `margin` is in pass@1;
    `forecast` is a larger size to predict (default: the next on the grid); `candidates` are sizes
    that could be run next, with `costs` (GPU-hours by size, as text) where known.
    """
    ids, _ = load.problem_table(problems)
    data = levels(load.evaluations(arms, ids), "pass@1", bootstrap, seed)
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
    one = max(arms, key=lambda arm: int(arm["size"]))
    fixed = {name: one.get(name) for name in GROUP}
    return plain({"title": title, **fixed, **report})


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
) -> dict:
    """Return the paired differences a - b in pass@1, at each setting that has both and pooled.

    `field` is 'slice', 'recipe' or 'start'. `noise_arms` (with replicates, such as the scaling
    axis) help to estimate the training noise: it is pooled over them and these arms, and taken from
    them alone where these arms have one replicate each.
    """
    ids, _ = load.problem_table(problems)
    found = contrasts.pairs(load.evaluations(arms, ids), field, a, b)
    value = {"title": title, "field": field, "a": a, "b": b, "margin": margin}
    if not found:
        value.update(settings=[], pooled=None, problems=len(ids), training_noise=None)
    else:
        groups = contrasts.own_groups(found)
        if noise_arms:
            lent = load.evaluations(noise_arms, ids)
            used = contrasts.arm_keys(found, field, (a, b))
            groups = groups + training.groups_of(lent, without=used)
        value.update(contrasts.analyse(found, margin, bootstrap, seed, groups))
        value["starts"] = _by_start(found, margin, bootstrap, seed, groups)
    return plain(value)


def _by_start(found, margin: float, bootstrap: int, seed: int, groups: list) -> dict:
    """Return the pooled difference within each start, for claims that speak of stages."""
    out = {}
    for start in sorted({pair.setting.get("start") or "" for pair in found}):
        part = [pair for pair in found if (pair.setting.get("start") or "") == start]
        out[start] = contrasts.analyse(part, margin, bootstrap, seed, groups)["pooled"]
    return out


def rates(
    arms: list[dict],
    problems: Path,
    *,
    bootstrap: int,
    seed: int,
    title: str = "",
) -> dict:
    """Return levels of every rate by size and the rank correlations of F4.

    Arms that agree in student, recipe, start and slice form a group; correlations are within one.
    """
    ids, _ = load.problem_table(problems)
    read = load.evaluations(arms, ids)
    groups: dict[tuple, list] = {}
    for arm in read:
        key = tuple(arm.setting[name] or "" for name in GROUP)
        groups.setdefault(key, []).append(arm)
    out = []
    for key in sorted(groups):
        data = {
            metric: levels(groups[key], metric, bootstrap, seed, bounded=metric != "tokens")
            for metric in load.METRICS
        }
        rows = {
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
        out.append(
            {
                **dict(zip(GROUP, key, strict=True)),
                "levels": rows,
                "correlations": correlations(data),
                "training_noise": training.public(data["pass@1"].noise),
            }
        )
    return plain({"title": title, "problems": len(ids), "groups": out})


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
    """Return each declared claim judged: its status, rule, estimate, interval and sentence."""
    found = judge_claims(
        [read_json(path) for path in curves],
        [read_json(path) for path in contrast_files],
        read_json(rates_file) if rates_file else None,
        claims,
    )
    return plain({"claims": found})
