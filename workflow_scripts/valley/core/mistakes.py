"""What a study file says that its schema can't tell to be wrong: a function for each part of it."""

from collections.abc import Iterator

from valley.core import claims, declared, prompts, published, recipes, slices, sources
from valley.core.arms import BASE, GROUP
from valley.core.config import nearest


def mistakes_in(config: dict) -> list[str]:
    """Return the mistakes in a completed study file: where, what is wrong, how to mend it."""
    return [
        *sources.mistakes(config["corpus"]),
        *_corpus(config),
        *declared.mistakes(config),
        *recipes.mistakes(config),
        *_benchmarks(config),
        *_prompts(config),
        *_students(config),
        *_starts(config),
        *_axes(config),
        *_statistics(config),
        *_claims(config),
        *_gpus(config),
    ]


def _gpus(config: dict) -> Iterator[str]:
    """Yield what holds more GPUs than transformers uses when it answers: one."""
    asked = {"resources.generate.gpus": (config["sampling"], config["resources"].get("generate"))}
    for name, teacher in config["corpus"].get("teachers", {}).items():
        model = teacher.get("model")
        asked[f"corpus.teachers.{name}.model.gpus"] = (model, model)
    for where, (answering, request) in asked.items():
        gpus = (request or {}).get("gpus") or 0
        if gpus > 1 and answering["engine"] == "transformers":
            yield (
                f"{where}: engine transformers uses one GPU, but {gpus} are asked for; "
                "set it to 1, or choose engine: vllm"
            )


def _values(config: dict, field: str) -> list[str]:
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
            f"{where}: {name!r} is not a valid name; wanted: difficulty.correctness, with "
            f"correctness {', '.join(slices.WORDS)}, or one of `slices`{nearest(name, known)}; "
            f"choose from: {', '.join(known)}"
        )
    else:
        yield from _unknown(where, name, known, field)


def _corpus(config: dict) -> Iterator[str]:
    corpus = config["corpus"]
    if slices.EVERY in corpus["difficulties"]:
        yield "corpus.difficulties.all: 'all' means every difficulty; rename it"
    for name, teacher in corpus.get("teachers", {}).items():
        if "mistakes" in teacher and "bank" not in corpus:
            yield (
                f"corpus.teachers.{name}: the procedural teacher answers the bank's problems "
                "only; ask one with endpoint or model"
            )


def _benchmarks(config: dict) -> Iterator[str]:
    for name, benchmark in config["benchmarks"].items():
        if "source" in benchmark:
            yield from published.mistakes(f"benchmarks.{name}.source", benchmark["source"])


def _prompts(config: dict) -> Iterator[str]:
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


def _students(config: dict) -> Iterator[str]:
    for name, student in config["students"].items():
        scratch, claimed = student.get("scratch"), student["published"]
        if claimed:
            where = f"students.{name}.published"
            known = list(config["benchmarks"])
            yield from _unknown(f"{where}.benchmark", claimed["benchmark"], known, "benchmark")
            if 1 not in config["statistics"]["ks"]:
                yield f"{where}: pass@1 is wanted, but statistics.ks has no 1; add it"
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


def _starts(config: dict) -> Iterator[str]:
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
                f"starts.{name}.start: {' → '.join([*seen, name])} is a circle; "
                "a start must lead back to base"
            )
            return


def _axes(config: dict) -> Iterator[str]:
    for name, axis in config["axes"].items():
        where = f"axes.{name}"
        for field in GROUP:
            known = _values(config, field)
            for at, value in enumerate(axis.get(f"{field}s", [])):
                yield from _named(f"{where}.{field}s[{at}]", value, known, field)
        for at, contrast in enumerate(axis["contrasts"]):
            field = contrast["field"]
            options = axis.get(f"{field}s", list(config["students"]))
            for side in "ab":
                of_side = f"{where}.contrasts[{at}].{side}"
                yield from _unknown(of_side, contrast[side], options, field)
            if contrast["a"] == contrast["b"]:
                yield f"{where}.contrasts[{at}]: a and b are both {contrast['a']!r}"


def _statistics(config: dict) -> Iterator[str]:
    largest, samples = max(config["statistics"]["ks"]), config["sampling"]["samples"]
    if largest > samples:
        yield (
            f"statistics.ks: pass@{largest} needs {largest} samples a problem, but "
            f"sampling.samples is {samples}"
        )


def _claims(config: dict) -> Iterator[str]:
    yield from claims.mistakes(config["claims"])
    for name, settings in claims.settings(config["claims"]).items():
        declared, differs_in = config["claims"].get(name, {}), settings.get("field")
        for side in ("a", "b"):
            if differs_in and side in declared:
                known = _values(config, differs_in)
                yield from _unknown(f"claims.{name}.{side}", declared[side], known, differs_in)
        for field, value in declared.get("where", {}).items():
            where = f"claims.{name}.where.{field}"
            yield from _unknown(where, value, _values(config, field), field)
