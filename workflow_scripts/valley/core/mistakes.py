"""Mistakes in a study file that its schema can't find: a function for each part of it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from valley.core import (
    claims,
    declared,
    interactions,
    parts,
    prompts,
    published,
    recipes,
    slices,
    snapshots,
    sources,
    spending,
)
from valley.core.arms import BASE, GROUP
from valley.core.config import nearest
from valley.core.interactions import SIDES


def mistakes_in(config: dict[str, Any]) -> list[str]:
    """Return the mistakes in a completed study file: where, what is wrong, how to fix it."""
    return [
        *sources.mistakes(config["corpus"]),
        *_corpus(config),
        *declared.mistakes(config),
        *recipes.mistakes(config),
        *snapshots.mistakes(config),
        *_benchmarks(config),
        *_prompts(config),
        *_students(config),
        *_starts(config),
        *_axes(config),
        *_statistics(config),
        *_claims(config),
        *_resources(config),
        *_gpus(config),
    ]


def _resources(config: dict[str, Any]) -> Iterator[str]:
    """Yield what is asked for a rule that has no use for it, or does not run."""
    resources = config["resources"]
    if "answer" in resources and parts.sampling_rule(config) != "answer":
        yield (
            f"resources.answer: with engine {config['sampling']['engine']} and `jobs: 1` the rule "
            "that samples is generate; put this under resources.generate"
        )
    for rule in ("student", "judge", "labels"):
        if resources.get(rule, {}).get("gpus"):
            yield f"resources.{rule}.gpus: {rule} runs on CPU cores; leave it out"
    for rule in sorted(resources.keys() - {"longest", "train"}):
        if resources[rule].get("nodes", 1) > 1:
            yield f"resources.{rule}.nodes: only train spans several nodes; leave it out"


def _gpus(config: dict[str, Any]) -> Iterator[str]:
    """Yield what holds GPUs that the engine which answers has no use for."""
    one = (
        "engine transformers uses one GPU, but {} are requested; set it to 1, or choose engine: "
        "vllm"
    )
    sampling, rule = config["sampling"], parts.sampling_rule(config)
    each, gpus = sampling["tensor_parallel"], config["resources"].get(rule, {}).get("gpus") or 0
    if each > 1 and sampling["engine"] == "transformers":
        yield f"sampling.tensor_parallel: {one.format(each)}"
    elif gpus % each:
        yield (
            f"resources.{rule}.gpus: {gpus} GPUs can't be divided among engines of {each} "
            f"(sampling.tensor_parallel); give a multiple of {each}"
        )
    for name, teacher in config["corpus"].get("teachers", {}).items():
        model = teacher.get("model") or {}
        if model.get("gpus", 0) > 1 and model["engine"] == "transformers":
            yield f"corpus.teachers.{name}.model.gpus: {one.format(model['gpus'])}"


def _values(config: dict[str, Any], field: str) -> list[str]:
    """Return what a field of an arm may say in this study."""
    if field == "slice":
        words = list(config["corpus"]["difficulties"])
        return [*config["slices"], *slices.names(words), *slices.paired_names(words)]
    return [BASE, *config["starts"]] if field == "start" else list(config[f"{field}s"])


def _unknown(where: str, name: str, known: list[str], kind: str) -> Iterator[str]:
    if name not in known:
        yield (
            f"{where}: there is no {kind} {name!r}{nearest(name, known)}; "
            f"choose from: {', '.join(known)}"
        )


def _named(where: str, name: str, known: list[str], field: str) -> Iterator[str]:
    """Yield what is wrong with the name of a field of an arm."""
    if field == "slice" and "." not in name and name not in known:
        yield (
            f"{where}: {name!r} is not a valid name; expected: difficulty.correctness, with "
            f"correctness {', '.join(slices.WORDS)}, or one of `slices`{nearest(name, known)}; "
            f"choose from: {', '.join(known)}"
        )
    else:
        yield from _unknown(where, name, known, field)


def _corpus(config: dict[str, Any]) -> Iterator[str]:
    corpus = config["corpus"]
    if slices.EVERY in corpus["difficulties"]:
        yield "corpus.difficulties.all: 'all' means every difficulty; rename it"
    for name, teacher in corpus.get("teachers", {}).items():
        if "mistakes" in teacher and "bank" not in corpus:
            yield (
                f"corpus.teachers.{name}: the procedural teacher answers the bank's problems "
                "only; ask one with endpoint or model"
            )


def _benchmarks(config: dict[str, Any]) -> Iterator[str]:
    for name, benchmark in config["benchmarks"].items():
        if "source" in benchmark:
            yield from published.mistakes(f"benchmarks.{name}.source", benchmark["source"])


def _prompts(config: dict[str, Any]) -> Iterator[str]:
    worded = {
        "prompt": config,
        **{f"benchmarks.{name}.prompt": item for name, item in config["benchmarks"].items()},
        **{
            f"corpus.teachers.{name}.prompt": teacher
            for name, teacher in config["corpus"].get("teachers", {}).items()
        },
    }
    for where, holder in worded.items():
        try:
            prompts.texts(holder.get("prompt"))
        except ValueError as error:
            yield f"{where}: {error}"


def _students(config: dict[str, Any]) -> Iterator[str]:
    for name, student in config["students"].items():
        scratch, claimed = student.get("scratch"), student["published"]
        if claimed:
            where = f"students.{name}.published"
            known = list(config["benchmarks"])
            yield from _unknown(f"{where}.benchmark", claimed["benchmark"], known, "benchmark")
        if scratch:
            where = f"students.{name}.scratch"
            known = _values(config, "recipe")
            yield from _unknown(f"{where}.recipe", scratch["recipe"], known, "recipe")
            if scratch["hidden"] % (2 * scratch["heads"]):
                yield (
                    f"{where}.hidden: {scratch['hidden']} is not a multiple of twice the "
                    f"{scratch['heads']} heads"
                )
    for name in config["estimates"]["parameters"]:
        known = _values(config, "student")
        yield from _unknown(f"estimates.parameters.{name}", name, known, "student")


def _starts(config: dict[str, Any]) -> Iterator[str]:
    starts = config["starts"]
    if BASE in starts:
        yield "starts.base: 'base' is the undistilled student; choose another name"
    for name, start in starts.items():
        for field in ("recipe", "slice", "start"):
            where = f"starts.{name}.{field}"
            yield from _named(where, start[field], _values(config, field), field)
    for name in starts:
        seen, at = [name], starts[name]["start"]
        while at in starts and at not in seen:
            seen.append(at)
            at = starts[at]["start"]
        if at == name:
            yield (
                f"starts.{name}.start: {' → '.join([*seen, name])} is a cycle; "
                "a start must lead back to base"
            )
            return


def _axes(config: dict[str, Any]) -> Iterator[str]:
    for name, axis in config["axes"].items():
        where = f"axes.{name}"
        for field in GROUP:
            known = _values(config, field)
            for at, value in enumerate(axis.get(f"{field}s", [])):
                yield from _named(f"{where}.{field}s[{at}]", value, known, field)
        yield from _spending(config, axis, f"{where}.x")
        for at, contrast in enumerate(axis["contrasts"]):
            field = contrast["field"]
            options = axis.get(f"{field}s", list(config["students"]))
            for side in "ab":
                of_side = f"{where}.contrasts[{at}].{side}"
                yield from _unknown(of_side, contrast[side], options, field)
            if contrast["a"] == contrast["b"]:
                yield f"{where}.contrasts[{at}]: a and b are both {contrast['a']!r}"
        for called, interaction in axis["interactions"].items():
            yield from _interaction(config, axis, f"{where}.interactions.{called}", interaction)
    axes_of = Counter(name for axis in config["axes"].values() for name in axis["interactions"])
    for name, number in axes_of.items():
        if number > 1:
            yield (
                f"axes: {number} axes have an interaction {name!r}; claims refer to it by name, "
                "so rename all but one"
            )


def _spending(config: dict[str, Any], axis: dict[str, Any], where: str) -> Iterator[str]:
    """Yield why curves can't be drawn over what an axis asks for."""
    x = axis["x"]
    if x == spending.EXAMPLES:
        return
    if not axis["curve"]:
        yield f"{where}: {x} is the x axis of curves, and this axis has none; set curve: true"
    students = axis.get("students", list(config["students"]))
    if x == spending.PARAMETERS and len(students) < 2:
        yield (
            f"{where}: {x} is drawn over students, and this axis has one ({students[0]}); name two "
            "or more students, or use examples, problems, tokens, updates or flops"
        )
    for name in axis["recipes"]:
        fixed = config["recipes"].get(name, {}).get("steps")
        shown = x in spending.MANIFEST and snapshots.snapshots_of(config, name)
        if x in (*spending.MANIFEST, spending.FLOPS) and fixed and not shown:
            yield (
                f"{where}: recipe {name} makes the same number of updates at every size (steps), "
                f"so there is no curve over {x}; use examples or problems"
            )


def _interaction(
    config: dict[str, Any], axis: dict[str, Any], where: str, interaction: dict[str, Any]
) -> Iterator[str]:
    """Yield what is wrong with a contrast of contrasts."""
    field, sides = interaction["field"], {side: interaction[side] for side in SIDES}
    for side, contrast in sides.items():
        for key, name in [("a", contrast["a"]), ("b", contrast["b"])]:
            known = axis.get(f"{field}s", list(config["students"]))
            yield from _unknown(f"{where}.{side}.{key}", name, known, field)
        if contrast["a"] == contrast["b"]:
            yield f"{where}.{side}: a and b are both {contrast['a']!r}"
        for key, value in contrast["where"].items():
            at, known = f"{where}.{side}.where.{key}", axis.get(f"{key}s", list(config["students"]))
            if key == field:
                yield f"{at}: a and b set it already; leave it out"
            elif value not in known:
                yield (
                    f"{at}: this axis has no {key} {value!r}{nearest(value, known)}; "
                    f"choose from: {', '.join(map(str, known))}"
                )
    first, second = (sides[side]["where"].keys() for side in SIDES)
    if first != second:
        yield (
            f"{where}: first.where and second.where must have the same keys, each with its own "
            "value"
        )
    elif sides["first"] == sides["second"]:
        yield f"{where}: first and second are the same contrast"


def _statistics(config: dict[str, Any]) -> Iterator[str]:
    ks = config["statistics"]["ks"]
    own = {
        f"benchmarks.{name}.sampling.samples": item["sampling"]["samples"]
        for name, item in config["benchmarks"].items()
        if "samples" in item["sampling"]
    }
    if len(own) < len(config["benchmarks"]):
        own["sampling.samples"] = config["sampling"]["samples"]
    if 1 not in ks:
        yield (
            f"statistics.ks: curves, contrasts and claims need pass@1, and there is no 1 in {ks}; "
            "add it"
        )
    largest = max(ks)
    for where, samples in own.items():
        if largest > samples:
            yield (
                f"statistics.ks: pass@{largest} needs {largest} samples a problem, but "
                f"{where} is {samples}"
            )


def _claims(config: dict[str, Any]) -> Iterator[str]:
    yield from claims.mistakes(config["claims"])
    for name, settings in claims.settings(config["claims"]).items():
        declared, differs_in = config["claims"].get(name, {}), settings.get("field")
        for side in ("a", "b"):
            if differs_in and side in declared:
                known = _values(config, differs_in)
                yield from _unknown(f"claims.{name}.{side}", declared[side], known, differs_in)
        if settings.get("kind") == "interaction" and "of" in settings:
            known = list(interactions.declared(config))
            if settings["of"] not in known:
                yield (
                    f"claims.{name}.of: no axis has an interaction {settings['of']!r}"
                    f"{nearest(settings['of'], known)}; "
                    + (f"choose from: {', '.join(known)}" if known else "declare it in an axis")
                )
        for field, value in declared.get("where", {}).items():
            where = f"claims.{name}.where.{field}"
            yield from _unknown(where, value, _values(config, field), field)
