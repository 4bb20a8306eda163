"""Checkpoints that a training leaves on its way: `save_at` of a recipe.

Each is a recipe of its own, `distil-at-25` of `distil`, which ends after that share of the
updates. The whole training leaves the state at that update, and the snapshot's job goes on from it:
it has only to save. Without that state it trains, to the same bytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from valley.core import spending

MIDDLE = "-at-"


def name_of(recipe: str, share: float) -> str:
    """Return the name of a recipe's snapshot."""
    return f"{recipe}{MIDDLE}{round(100 * share)}"


def snapshots_of(config: dict[str, Any], recipe: str) -> dict[str, float]:
    """Return a recipe's snapshots, each with its share of the updates."""
    made = config["recipes"].get(recipe, {})
    return {name_of(recipe, share): share for share in made.get("save_at", ())}


def whole_of(config: dict[str, Any], recipe: str) -> str | None:
    """Return the recipe that a snapshot is taken from; None for any other recipe."""
    whole, middle, _ = recipe.rpartition(MIDDLE)
    return whole if middle and recipe in snapshots_of(config, whole) else None


def as_whole(config: dict[str, Any], wildcards: Mapping[str, str]) -> dict[str, str]:
    """Return a job's wildcards, a snapshot's recipe replaced by the whole one."""
    whole = whole_of(config, wildcards["recipe"]) if "recipe" in wildcards else None
    return {**wildcards, "recipe": whole} if whole else dict(wildcards)


def expand(config: dict[str, Any]) -> None:
    """Add the snapshots to a study file's recipes, and to the axes drawn over what was spent.

    Args:
        config: with defaults filled in; changed. A recipe that has a snapshot's name stays.
    """
    for recipe in list(config["recipes"]):
        for name, share in snapshots_of(config, recipe).items():
            own = {**config["recipes"][recipe], "save_at": [], "until": share}
            config["recipes"].setdefault(name, own)
    for axis in config["axes"].values():
        if axis["x"] in spending.MANIFEST:
            added = [name for recipe in axis["recipes"] for name in snapshots_of(config, recipe)]
            axis["recipes"] += [name for name in added if name not in axis["recipes"]]


def on_the_curve(
    config: dict[str, Any], axis: dict[str, Any], points: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return an axis' points, its snapshots on the curve of their recipe.

    That is so where the curve is drawn over what trainings spent. There a snapshot's size is its
    share of the size. Elsewhere it is an arm of a recipe of its own.

    Args:
        config: a completed study file.
        axis: settings of the axis.
        points: arms, each with its checkpoint's name.
    """
    if axis["x"] not in spending.MANIFEST:
        return points
    shares = {
        name: (recipe, share)
        for recipe in axis["recipes"]
        for name, share in snapshots_of(config, recipe).items()
    }
    placed = []
    for point in points:
        recipe, share = shares.get(point["recipe"], (point["recipe"], 1))
        placed.append({**point, "recipe": recipe, "size": round(share * point["size"])})
    # The start is the same whichever recipe follows.
    return [point for at, point in enumerate(placed) if point not in placed[:at]]


def mistakes(config: dict[str, Any]) -> Iterator[str]:
    """Yield the mistakes in `save_at`, each with how to fix it."""
    for name, recipe in config["recipes"].items():
        where = f"recipes.{name}.save_at"
        if recipe["save_at"] and recipe["until"]:
            yield f"recipes.{name}: give either save_at or until, one of the two"
        for share in recipe["save_at"]:
            if abs(100 * share - round(100 * share)) > 1e-9:
                yield f"{where}: {share} has more than two decimal places; round it to two"
        for snapshot, share in snapshots_of(config, name).items():
            if config["recipes"][snapshot]["until"] != share:
                yield f"{where}: {share} is named {snapshot}, and so is a recipe; rename the recipe"
    for axis, settings in config["axes"].items():
        if settings["x"] not in spending.MANIFEST:
            continue
        sizes = [size for size in settings["sizes"] if size]
        for name in settings["recipes"]:
            if len(sizes) > 1 and snapshots_of(config, name):
                yield (
                    f"axes.{axis}.sizes: {', '.join(map(str, sizes))} are {len(sizes)} sizes, but "
                    f"snapshots of {name} (save_at) make a curve over {settings['x']} of one long "
                    "training; keep one size beside 0, or set x: examples"
                )


def notes(config: dict[str, Any]) -> Iterator[str]:
    """Yield a note for people on each recipe whose schedule makes its snapshots hard to compare."""
    for name, recipe in config["recipes"].items():
        if recipe["save_at"] and recipe["schedule"] != "constant":
            yield (
                f"recipes.{name}.save_at: the schedule is {recipe['schedule']}, so the learning "
                "rate is still high where snapshots are taken. A training of that length would "
                "have lowered it, and may score higher; with schedule: constant they are alike"
            )
