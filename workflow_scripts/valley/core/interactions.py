"""Interactions, contrasts of contrasts: whether one difference is larger than another."""

from typing import Any

SIDES = ("first", "second")


def declared(config: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every interaction of a completed study file by its name, each with its axis."""
    return {
        name: (axis, interaction)
        for axis, settings in config["axes"].items()
        for name, interaction in settings["interactions"].items()
    }


def cells(interaction: dict[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """Return what the arms of each of the four sides have, with the sign by which they count."""
    signs = {("first", "a"): 1, ("first", "b"): -1, ("second", "a"): -1, ("second", "b"): 1}
    return [
        ({**interaction[side]["where"], interaction["field"]: interaction[side][key]}, sign)
        for (side, key), sign in signs.items()
    ]


def of_arm(setting: dict[str, Any], interaction: dict[str, Any]) -> int | None:
    """Return the sign by which an arm counts in an interaction; None where it is on no side."""
    return next((s for of, s in cells(interaction) if of.items() <= setting.items()), None)


def text(side: dict[str, Any]) -> str:
    """Return one of the two contrasts in words: "easy.correct minus easy.incorrect"."""
    where = ", ".join(f"{field} {value}" for field, value in side["where"].items())
    return f"{side['a']} minus {side['b']}" + (f" ({where})" if where else "")
