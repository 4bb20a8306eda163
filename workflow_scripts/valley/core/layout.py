"""Where a study's results lie, and which arms each of its fits reads."""

from collections.abc import Callable, Mapping
from typing import Any

from valley.core import interactions, snapshots, spending
from valley.core.arms import GROUP
from valley.core.study import Study

LEARNING = "{axis}/{student}/{recipe}/{start}/{slice}"
CURVE = f"{LEARNING}/{{benchmark}}"
CONTRAST = "{axis}/{a}-vs-{b}/{benchmark}"
INTERACTION = "{axis}/{name}/{benchmark}"
ACROSS = "{axis}/{recipe}/{start}/{slice}/{benchmark}"


class Layout:
    """The files of a study.

    Args:
        study: the study.
        root: folder of its results; by default where the study itself puts them.

    Attributes:
        curves, contrasts: names of the fits below curves/ and contrasts/, benchmark last.
        interactions: likewise, below interactions/.
        learning: names of the curves that have trained arms, without a benchmark.
        across: names of the fits below across/, of several students, benchmark last.
    """

    def __init__(self, study: Study, root: str | None = None):
        self.study, self.root = study, str(root or study.root)
        axes = study.config["axes"].items()
        self._curves: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for axis, settings in axes:
            points = study.points(axis) if settings["curve"] else []
            for point in snapshots.on_the_curve(study.config, settings, points):
                of_curve = (axis, *(point[name] for name in GROUP))
                self._curves.setdefault(of_curve, []).append(point)
        self.curves = sorted(
            "/".join([*of_curve, benchmark])
            for of_curve in self._curves
            for benchmark in study.benchmarks
        )
        self.learning = sorted(
            "/".join(of_curve)
            for of_curve, points in self._curves.items()
            if any(point["size"] for point in points)
        )
        self.contrasts = [
            CONTRAST.format(axis=axis, benchmark=benchmark, **contrast)
            for axis, settings in axes
            for contrast in settings["contrasts"]
            for benchmark in study.benchmarks
        ]
        self.interactions = [
            INTERACTION.format(axis=axis, name=name, benchmark=benchmark)
            for name, (axis, _) in interactions.declared(study.config).items()
            for benchmark in study.benchmarks
        ]

        self.across = sorted(
            {
                ACROSS.format(axis=axis, benchmark=benchmark, **point)
                for axis, settings in axes
                if settings["x"] in spending.ACROSS
                for point in study.points(axis)
                for benchmark in study.benchmarks
            }
        )

    def result(self, kind: str, checkpoint: str, benchmark: str, suffix: str) -> str:
        """Return the path of one kind of result of a checkpoint."""
        return f"{self.root}/{kind}/{checkpoint}/{benchmark}.{suffix}"

    def evaluated(self, kind: str, suffix: str) -> list[str]:
        """Return one kind of file of all scored arms and benchmarks."""
        return [
            self.result(kind, self.study.checkpoint_name(arm), benchmark, suffix)
            for arm in self.study.evaluated()
            for benchmark in self.study.benchmarks
        ]

    def with_results(self, points: list[dict[str, Any]], benchmark: str) -> list[dict[str, Any]]:
        """Return an axis' points, each with the paths of its verdicts and generations."""
        return [
            {
                **point,
                "verdicts": self.result("verdicts", point["place"], benchmark, "parquet"),
                "generations": self.result("generations", point["place"], benchmark, "parquet"),
            }
            for point in points
        ]

    def with_spending(self, points: list[dict[str, Any]], x: str) -> list[dict[str, Any]]:
        """Return points, each trained one with the file that says what it spent (`spent`)."""
        found = [(point, spending.where(point, self.root, x)) for point in points]
        return [{**point, "spent": path} if path else point for point, path in found]

    def files(self, points: list[dict[str, Any]], benchmark: str) -> list[str]:
        """Return every file that the points' fits read, each once."""
        arms = self.with_results(points, benchmark)
        return sorted({arm[kind] for arm in arms for kind in ("verdicts", "generations")})

    def curve_points(self, axis: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the points of one curve: an axis' arms that differ in size and replicate only."""
        return self._curves[axis, *(wanted[name] for name in GROUP)]

    def curve_title(self, axis: str, wanted: Mapping[str, str], benchmark: str) -> str:
        """Return a curve's title: its student, and what distinguishes it on its axis."""
        others = [
            group for at, *group in self._curves if at == axis and group[0] == wanted["student"]
        ]
        differing = [
            wanted[name]
            for name, values in zip(GROUP, zip(*others, strict=True), strict=True)
            if len({*values}) > 1
        ]
        return f"{', '.join([wanted['student'], *differing])} on {benchmark}"

    def across_points(self, axis: str, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the points of one fit across students, each with what says its compute.

        `spent` is the manifest of a trained arm's checkpoint, `manifest` that of its student,
        `lora` whether only adapters were trained.
        """
        same = GROUP[1:]
        return [
            {
                **point,
                "manifest": f"{self.root}/students/{point['student']}/checkpoint.json",
                "lora": bool(self.study.config["recipes"][point["recipe"]]["lora"]),
            }
            for point in self.with_spending(self.study.points(axis), spending.TOKENS)
            if all(point[name] == wanted[name] for name in same)
        ]

    def noise_points(self) -> list[dict[str, Any]]:
        """Return the points whose replicates measure the training noise."""
        return self._points(lambda axis: axis["curve"] and len(axis["seeds"]) > 1)

    def lending_points(self, curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the points that lend their training noise to a curve; none if it has its own."""
        if len({point["seed"] for point in curve if point["size"]}) > 1:
            return []
        return self._points(lambda axis: len(axis["seeds"]) > 1)

    def rate_points(self) -> list[dict[str, Any]]:
        """Return the points of every axis that has a curve."""
        return self._points(lambda axis: axis["curve"])

    def contrast_of(self, axis: str, a: str, b: str) -> dict[str, Any]:
        """Return a declared contrast."""
        declared = self.study.config["axes"][axis]["contrasts"]
        found: dict[str, Any] = next(c for c in declared if (c["a"], c["b"]) == (a, b))
        return found

    def _points(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [
            point
            for axis, settings in self.study.config["axes"].items()
            if wanted(settings)
            for point in self.study.points(axis)
        ]
