"""Two studies side by side: what was declared otherwise, and what came out otherwise.

Arms are the same when they agree in recipe, start, slice, size and replicate, whatever their
results folder; what stands behind a recipe's or a slice's name may differ, and the list of
differences says so. They are compared on the problems that both studies asked, word for word.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from valley.analysis import contrasts, load, plot_compare, plots
from valley.analysis.curve_report import points
from valley.analysis.load import Evaluation
from valley.analysis.plain import plain
from valley.analysis.sample import levels
from valley.core.arms import FIELDS, GROUP
from valley.core.files import digest, read_parquet, write_json
from valley.core.layout import Layout
from valley.core.study import Study
from valley.pages import content, page
from valley.reporting import agreeing
from valley.reporting.finished import done

ABSENT = "(not there)"


def differences(a: dict, b: dict) -> list[tuple[str, object, object]]:
    """Return every key in which two study files differ, with both values."""
    first, second = dict(_flat(a)), dict(_flat(b))
    return [
        (key, first.get(key, ABSENT), second.get(key, ABSENT))
        for key in sorted(first.keys() | second.keys())
        if first.get(key, ABSENT) != second.get(key, ABSENT)
    ]


def _flat(value: object, where: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(below, f"{where}.{key}" if where else str(key))
    else:
        yield where, value


class Compared:
    """Two studies on one benchmark.

    Args:
        a, b: the studies.
        names: what they are called in words and figures.
        benchmark: a benchmark of both.

    Attributes:
        curved: recipe, start and slice of what either study declares as a curve.
        ids: problems that both asked, word for word, and tested alike.
        unlike: how many problems have one name but are not the same.
        arms: finished arms of each study on these problems, students of one name (or the only
            ones) being the same; on each study's own problems where none is in both.
        layouts: the studies.
    """

    def __init__(self, a: Layout, b: Layout, names: tuple[str, str], benchmark: str):
        self.names, self.benchmark, self.layouts = names, benchmark, (a, b)
        self.curved = {key for layout in (a, b) for key in _curved(layout.study)}
        problems = [_problems(layout, benchmark) for layout in (a, b)]
        both = problems[0].keys() & problems[1].keys()
        self.ids = sorted(name for name in both if problems[0][name] == problems[1][name])
        self.unlike = len(both) - len(self.ids)
        only = len(a.study.students) == len(b.study.students) == 1
        self.arms = [
            self._evaluations(layout, name, sorted(known), "the student" if only else None)
            for layout, name, known in zip((a, b), names, problems, strict=True)
        ]

    def _evaluations(self, layout, name: str, known: list[str], student) -> list[Evaluation]:
        index_of = {problem: at for at, problem in enumerate(known)}
        chosen = np.array([index_of[problem] for problem in self.ids or known], int)
        wanted = [
            {**vars(arm), "place": layout.study.checkpoint_name(arm)}
            for arm in layout.study.evaluated()
        ]
        kept = [arm for arm in wanted if done(layout, arm["place"], self.benchmark)]
        out = []
        for arm in load.evaluations(layout.with_results(kept, self.benchmark), known):
            arrays = {
                key: value[chosen]
                for key, value in vars(arm).items()
                if isinstance(value, np.ndarray)
            }
            setting = {**arm.setting, "student": student or arm.setting["student"], "study": name}
            out.append(Evaluation(setting=setting, verdicts=arm.verdicts, **arrays))
        return out

    def sides(self) -> tuple[list[dict], list[dict], list[dict]]:
        """Return the settings of finished arms in both studies, and in only one of each."""
        keys = [{_key(arm): arm.setting for arm in arms} for arms in self.arms]
        both = [keys[0][key] for key in keys[0] if key in keys[1]]
        first = [keys[0][key] for key in keys[0] if key not in keys[1]]
        return both, first, [keys[1][key] for key in keys[1] if key not in keys[0]]

    def claims(self) -> list[dict]:
        """Return whether both studies agree on each claim, see `agreeing.agreement`."""
        paired = bool(self.ids)
        return agreeing.agreement(self.layouts, self.arms, self.names, self.benchmark, paired)

    def contrast(self, margin: float, draws: int, seed: int) -> dict | None:
        """Return the paired differences between both studies' distilled arms, and pooled."""
        return self._contrast([*self.arms[0], *self.arms[1]], True, margin, draws, seed)

    def starts(self, margin: float, draws: int, seed: int) -> dict | None:
        """Return the difference between both studies' undistilled students."""
        return self._contrast([*self.arms[0], *self.arms[1]], False, margin, draws, seed)

    def _contrast(self, arms, distilled: bool, margin, draws, seed) -> dict | None:
        used = [arm for arm in arms if bool(arm.setting["size"]) == distilled]
        found = contrasts.pairs(used, "study", *self.names)
        if not found:
            return None
        value = contrasts.analyse(found, margin, draws, seed)
        named = {"field": "study", "a": self.names[0], "b": self.names[1]}
        return plain({**named, "title": self.benchmark, **value})

    def curves(self, draws: int, seed: int) -> dict[str, dict[str, list[dict]]]:
        """Return the points of each curve that both have with two sizes or more."""
        groups: list[dict[tuple, list[Evaluation]]] = []
        for arms in self.arms:
            of: dict[tuple, list[Evaluation]] = {}
            for arm in arms:
                if arm.setting["size"]:
                    of.setdefault(tuple(arm.setting[name] for name in GROUP), []).append(arm)
            for key, members in of.items():
                if key[2] == "base":  # the axis' start is the undistilled student
                    members += [
                        arm
                        for arm in arms
                        if not arm.setting["size"] and arm.setting["student"] == key[0]
                    ]
            groups.append(of)
        out = {}
        for key in sorted(groups[0].keys() & groups[1].keys()):
            members = [of[key] for of in groups]
            sizes = [{arm.setting["size"] for arm in side} - {0} for side in members]
            if key[1:] in self.curved and min(map(len, sizes)) >= 2:
                title = f"{key[3]}, {key[1]}, from {key[2]}, on {self.benchmark}"
                read = [levels(side, "pass@1", draws, seed) for side in members]
                out[title] = dict(zip(self.names, map(points, read), strict=True))
        return out


def _curved(study: Study) -> set[tuple]:
    """Return recipe, start and slice of the axes that have a curve."""
    curves = [arms for name, arms in study.axes.items() if study.config["axes"][name]["curve"]]
    return {(arm.recipe, arm.start, arm.slice) for arms in curves for arm in arms}


def _key(arm: Evaluation) -> tuple:
    return tuple(arm.setting[name] for name in FIELDS)


def _problems(layout: Layout, benchmark: str) -> dict[str, str]:
    path = Path(f"{layout.root}/benchmarks/{benchmark}.parquet")
    if not path.is_file():
        return {}
    rows = read_parquet(path, ["id", "statement", "tests"])
    return {row["id"]: digest({**row, "id": None}) for row in rows}


def called(a: Layout, b: Layout) -> tuple[str, str]:
    """Return the studies' labels: their names, if these differ."""
    first, second = a.study.config["study"], b.study.config["study"]
    return (first, second) if first != second else (f"A: {first}", f"B: {second}")


def compared(a: Layout, b: Layout) -> list[tuple[Compared, list[dict]]]:
    """Return both studies on each shared benchmark, with whether they agree on each claim.

    Raises:
        ValueError: no benchmark has a problem that both asked, nor claims that can be compared.
    """
    names = called(a, b)
    shared = [name for name in a.study.benchmarks if name in b.study.benchmarks]
    each = [Compared(a, b, names, benchmark) for benchmark in shared]
    found = [(item, item.claims()) for item in each]
    if not any(item.ids or any(claim["parts"] for claim in judged) for item, judged in found):
        raise ValueError("the two studies have no problem in common, so nothing can be compared")
    return found


def as_json(a: Layout, b: Layout) -> dict:
    """Return the comparison without its page: claims and paired differences by benchmark."""
    settings = a.study.config["statistics"]
    draws, seed, margin = settings["bootstrap"], settings["seed"], settings["margin"]
    return {
        "studies": called(a, b),
        "margin": margin,
        "benchmarks": {
            item.benchmark: {
                "problems": len(item.ids),
                "unlike": item.unlike,
                "claims": claims,
                "contrast": item.contrast(margin, draws, seed) if item.ids else None,
                "starts": item.starts(margin, draws, seed) if item.ids else None,
            }
            for item, claims in compared(a, b)
        },
        "differences": [
            {"key": key, "values": [first, second]}
            for key, first, second in differences(a.study.config, b.study.config)
        ],
    }


def page_of(a: Layout, b: Layout, scratch: Path) -> str:
    """Return the page that compares two studies.

    Args:
        a, b: the studies; intervals and margin are by the first one's settings.
        scratch: folder for the figures until they are in the page.

    Raises:
        ValueError: no benchmark has a problem that both asked.
    """
    names = called(a, b)
    settings = a.study.config["statistics"]
    draws, seed, margin = settings["bootstrap"], settings["seed"], settings["margin"]
    found_in = compared(a, b)
    figures, parts = [], []
    for item, _ in found_in:
        if not item.ids:
            continue
        for number, (title, curves) in enumerate(item.curves(draws, seed).items()):
            at = scratch / f"figures/curves/{item.benchmark}-{number}.svg"
            plot_compare.overlay(title, curves, at, at.with_suffix(".pdf"), at.with_suffix(".csv"))
            figures.append(at)
        found = item.contrast(margin, draws, seed)
        if found:
            write_json(scratch / f"{item.benchmark}.json", found)
            at = scratch / f"figures/differences/{item.benchmark}.svg"
            fits = [scratch / f"{item.benchmark}.json"]
            plots.forest(fits, at, at.with_suffix(".pdf"), at.with_suffix(".csv"))
            figures.append(at)
        both, first, second = item.sides()
        parts.append(
            {
                "benchmark": item.benchmark,
                "problems": len(item.ids),
                "unlike": item.unlike,
                "contrast": found,
                "starts": item.starts(margin, draws, seed),
                "both": len(both),
                "only": [
                    (name, [content.label(setting) for setting in settings])
                    for name, settings in zip(names, (first, second), strict=True)
                ],
            }
        )
    return page.render(
        "compare.html.j2",
        names=names,
        figures=content.figures(figures),
        parts=parts,
        claims=[(item.benchmark, len(item.ids), judged) for item, judged in found_in],
        margin=margin,
        draws=draws,
        differences=differences(a.study.config, b.study.config),
        unshared=[
            (name, sorted(set(one.study.benchmarks) - set(other.study.benchmarks)))
            for name, one, other in ((names[0], a, b), (names[1], b, a))
        ],
        roots=(a.root, b.root),
        label=content.label,
    )
