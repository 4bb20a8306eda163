"""The files of a report on finished results: a study's own, or made for this page.

A fit that the workflow has made, from the same arms and not before them, is taken as it is. Any
other is made anew with the workflow's own functions, from the arms that are finished, in a folder
that goes when the page is written. Nothing of the study is touched.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from valley.analysis import across, fitting, plot_across, plot_losses, plots, scoring
from valley.core import interactions
from valley.core.arms import FIELDS
from valley.core.files import write_json
from valley.core.layout import Layout
from valley.core.sidecars import provenance
from valley.core.spending import of_curve
from valley.judging.answers import Extraction
from valley.pages import answers, tables
from valley.reporting.finished import done, state_of
from valley.reporting.waiting import postponed

KINDS = (
    "scores",
    "verdicts",
    "summary",
    "slices",
    "claims",
    "curves",
    "contrasts",
    "rates",
    "figures",
)


class Gathered:
    """What a page is made from.

    Args:
        layout: the study.
        scratch: folder for what has to be made for the page.
        problems: example problems per benchmark; by default what fits.

    Attributes:
        files: paths by kind, as `valley.pages.paper.page_of` wants them.
        state: see `valley.reporting.finished.state_of`; `left_out` says what could not be fitted.
    """

    def __init__(self, layout: Layout, scratch: Path, problems: int | None = None):
        self.layout, self.scratch, self.problems = layout, scratch, problems
        self.study, self.state = layout.study, state_of(layout)
        self.statistics = layout.study.config["statistics"]
        self.files: dict[str, list[Path]] = {name: [] for name in KINDS}
        self.files |= {"tables": [], "answers": [], "checkpoints": []}
        self._take("summary", "corpus/summary.json")
        for name in self.study.slices_used:
            self._take("slices", f"slices/{name}.json")
        for arm in self.study.arms:
            at = self.study.checkpoint(arm).replace(self.study.root, layout.root, 1)
            self._take("checkpoints", at.removeprefix(f"{layout.root}/"))
        scored = []
        for benchmark in self.study.benchmarks:
            if Path(f"{layout.root}/benchmarks/{benchmark}.parquet").is_file():
                scored += self._scores(benchmark)
                self._fits(benchmark)
        self._table(scored)
        self._training()

    def _take(self, kind: str, name: str) -> None:
        path = Path(f"{self.layout.root}/{name}")
        if path.is_file():
            self.files[kind].append(path)

    def _made(self, name: str, inputs: list, make: Callable[[Path], None]) -> Path | None:
        """Return the study's own file if it is up to date, else one made for the page."""
        own = Path(f"{self.layout.root}/{name}")
        if _current(own, inputs):
            return own
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            make(path)
        except ValueError as error:
            self.state["left_out"].append(f"{name}: {error}")
            return None
        return path

    def _points(self, points: list[dict], benchmark: str) -> list[dict]:
        kept = [point for point in points if done(self.layout, point["place"], benchmark)]
        return self.layout.with_results(kept, benchmark)

    def _scores(self, benchmark: str) -> list[dict]:
        problems = f"{self.layout.root}/benchmarks/{benchmark}.parquet"
        chosen = {name: self.statistics[name] for name in ("ks", "bootstrap", "seed")}
        arms = [
            {**vars(arm), "place": self.study.checkpoint_name(arm)}
            for arm in self.study.evaluated()
        ]
        arms, out = self._points(arms, benchmark), []
        for arm in arms:
            inputs = [problems, arm["generations"], arm["verdicts"]]
            cutoff = self.study.config["students"][arm["student"]]["cutoff"]
            path = self._made(
                f"scores/{arm['place']}/{benchmark}.json",
                inputs,
                lambda path, inputs=inputs, cutoff=cutoff: write_json(
                    path, scoring.score(*inputs, cutoff=cutoff, **chosen)
                ),
            )
            setting = {name: arm[name] for name in FIELDS}
            out.append({**setting, "benchmark": benchmark, "path": path})
        if arms:
            inputs = [problems, *_results(arms)]
            many = len(self.study.benchmarks)
            path = self._made(
                f"tables/answers/{benchmark}.json",
                inputs if self.problems is None else [],
                lambda path: answers.collect(
                    arms,
                    problems,
                    path,
                    benchmark=benchmark,
                    benchmarks=many,
                    number=self.problems,
                    finding=Extraction.in_study(self.study, benchmark),
                ),
            )
            self.files["answers"].append(path)
        return out

    def _fits(self, benchmark: str) -> None:
        layout, statistics = self.layout, self.statistics
        problems = f"{layout.root}/benchmarks/{benchmark}.parquet"
        common = {name: statistics[name] for name in ("bootstrap", "seed")}
        curves, contrasts = [], []
        for name in layout.curves:
            axis, student, recipe, start, slice_, on = name.split("/")
            if on != benchmark:
                continue
            wanted = {"student": student, "recipe": recipe, "start": start, "slice": slice_}
            points = layout.curve_points(axis, wanted)
            title = layout.curve_title(axis, wanted, benchmark)
            declared = self.study.config["axes"][axis]
            x = of_curve(declared["x"])
            arms = layout.with_spending(self._points(points, benchmark), x)
            lent = self._points(layout.lending_points(points), benchmark)
            if len({arm["size"] for arm in arms}) < 2:
                self.state["left_out"].append(f"curves/{name}: fewer than two sizes are finished")
                continue
            chosen = {key: declared[key] for key in ("target", "forecast", "candidates")} | {"x": x}
            spent = sorted({arm["spent"] for arm in arms if "spent" in arm})
            curves.append(
                self._made(
                    f"curves/{name}.json",
                    [problems, *_results([*arms, *lent]), *spent],
                    lambda path, arms=arms, lent=lent, chosen=chosen, title=title: write_json(
                        path,
                        fitting.curve(
                            arms,
                            problems,
                            title=title,
                            margin=statistics["margin"],
                            noise_arms=lent,
                            training_noise=statistics["training_noise"],
                            **common,
                            **chosen,
                        ),
                    ),
                )
            )
        for name in layout.across:
            if name.rpartition("/")[2] == benchmark:
                self._across(name, benchmark)
        for name in layout.contrasts:
            axis, sides, on = name.split("/")
            if on == benchmark:
                contrasts.append(self._contrast(name, axis, *sides.split("-vs-"), benchmark))
        for name in layout.interactions:
            axis, called, on = name.split("/")
            if on == benchmark:
                contrasts.append(self._interaction(name, axis, called, benchmark))
        self._judge(benchmark, [p for p in curves if p], [p for p in contrasts if p])

    def _across(self, name: str, benchmark: str) -> None:
        layout, (axis, recipe, start, slice_, _) = self.layout, name.split("/")
        points = layout.across_points(axis, {"recipe": recipe, "start": start, "slice": slice_})
        arms = self._points(points, benchmark)
        lent = self._points(layout.lending_points(points), benchmark)
        problems = f"{layout.root}/benchmarks/{benchmark}.parquet"
        said = {arm[key] for arm in arms for key in ("spent", "manifest") if key in arm}
        keys = ("bootstrap", "seed", "training_noise")
        fitted = self._made(
            f"across/{name}.json",
            [problems, *_results([*arms, *lent]), *sorted(said)],
            lambda path: write_json(
                path,
                across.across(
                    arms,
                    problems,
                    title=f"{recipe}, {slice_} from {start}, on {benchmark}",
                    x=self.study.config["axes"][axis]["x"],
                    parameters=self.study.config["estimates"]["parameters"],
                    noise_arms=lent,
                    **{key: self.statistics[key] for key in keys},
                ),
            ),
        )
        if fitted:
            self._drawn(f"across/{name}", [fitted], lambda *to: plot_across.across(fitted, *to))

    def _contrast(self, name: str, axis: str, a: str, b: str, benchmark: str) -> Path | None:
        field = self.layout.contrast_of(axis, a, b)["field"]
        arms = self._points(self.study.points(axis), benchmark)
        if {a, b} - {arm[field] for arm in arms}:
            self.state["left_out"].append(f"contrasts/{name}: one side has no finished arm")
            return None
        about = {"field": field, "a": a, "b": b, "title": f"{a} against {b} ({axis})"}
        return self._compared(f"contrasts/{name}", arms, benchmark, fitting.contrast, about)

    def _interaction(self, name: str, axis: str, called: str, benchmark: str) -> Path | None:
        _, declared = interactions.declared(self.study.config)[called]
        arms = self._points(self.study.points(axis), benchmark)
        sides = [of for of, _ in interactions.cells(declared)]
        if not all(any(of.items() <= arm.items() for arm in arms) for of in sides):
            self.state["left_out"].append(f"interactions/{name}: one side has no finished arm")
            return None
        about = {"name": called, "declared": declared, "title": f"{called} ({axis})"}
        return self._compared(f"interactions/{name}", arms, benchmark, fitting.interaction, about)

    def _compared(
        self, name: str, arms: list[dict], benchmark: str, fit: Callable, about: dict
    ) -> Path | None:
        problems = f"{self.layout.root}/benchmarks/{benchmark}.parquet"
        noise = self._points(self.layout.noise_points(), benchmark)
        names = ("margin", "bootstrap", "seed", "training_noise")
        common = {key: self.statistics[key] for key in names}
        return self._made(
            f"{name}.json",
            [problems, *_results([*arms, *noise])],
            lambda path: write_json(path, fit(arms, problems, noise_arms=noise, **about, **common)),
        )

    def _judge(self, benchmark: str, curves: list[Path], contrasts: list[Path]) -> None:
        arms = self._points(self.layout.rate_points(), benchmark)
        problems = f"{self.layout.root}/benchmarks/{benchmark}.parquet"
        names = ("bootstrap", "seed", "training_noise")
        common = {name: self.statistics[name] for name in names}
        rates = None
        if arms:
            rates = self._made(
                f"rates/{benchmark}.json",
                [problems, *_results(arms)],
                lambda path: write_json(
                    path, fitting.rates(arms, problems, title=benchmark, **common)
                ),
            )
        self.files["curves"] += curves
        self.files["contrasts"] += contrasts
        self.files["rates"] += [rates] if rates else []
        if curves or contrasts or rates:
            inputs = [*curves, *contrasts, *([rates] if rates else [])]
            path = self._made(
                f"claims/{benchmark}.json",
                inputs,
                lambda path: write_json(path, self._claims(curves, contrasts, rates, benchmark)),
            )
            self.files["claims"] += [path] if path else []
        for path in curves:
            name = _below(path, "curves")
            self._figure("scaling", f"scaling/{name}", [path])
            self._figure("forecast", f"forecast/{name}", [path])
        if rates:
            self._figure("rates", f"rates/{benchmark}", [rates])
            self._figure("correlation", f"correlation/{benchmark}", [rates])
        if contrasts:
            self._figure("contrasts", f"contrasts/{benchmark}", contrasts)

    def _claims(self, curves: list, contrasts: list, rates: Path | None, benchmark: str) -> dict:
        declared = self.study.config["claims"]
        judged = fitting.claims(curves, contrasts, rates, claims=declared)["claims"]
        return {"claims": postponed(judged, self.layout, benchmark)}

    def _figure(self, kind: str, name: str, fits: list[Path]) -> None:
        self._drawn(name, fits, lambda *to: plots.figure(kind, fits, *to))

    def _drawn(self, name: str, fits: list[Path], draw: Callable) -> None:
        path = self._made(
            f"figures/{name}.svg",
            fits,
            lambda path: draw(path, path.with_suffix(".pdf"), path.with_suffix(".csv")),
        )
        if path:
            self.files["figures"].append(path)
            self.files["tables"].append(path.with_suffix(".csv"))

    def _training(self) -> None:
        """Take the study's own learning curves, and draw the losses beside its checkpoints."""
        own = sorted(Path(self.layout.root).glob("figures/learning/**/*.svg"))
        self.files["figures"] += own
        self.files["tables"] += [path.with_suffix(".csv") for path in own]
        for name in sorted({name.rpartition("/")[0] for name in self.layout.curves}):
            axis, student, recipe, start, slice_ = name.split("/")
            wanted = {"student": student, "recipe": recipe, "start": start, "slice": slice_}
            arms = []
            for point in self.layout.curve_points(axis, wanted):
                at = Path(f"{self.layout.root}/checkpoints/{point['place']}/losses.jsonl")
                if point["size"] and at.is_file() and at.stat().st_size:
                    arms.append({"size": point["size"], "seed": point["seed"], "losses": at})
            if arms:
                path = self.scratch / f"figures/losses/{name}.svg"
                title = f"{student}, {slice_} from {start}"
                beside = path.with_suffix(".pdf"), path.with_suffix(".csv")
                plot_losses.losses(title, arms, path, *beside)
                self.files["figures"].append(path)
                self.files["tables"].append(path.with_suffix(".csv"))

    def _table(self, scored: list[dict]) -> None:
        scores = self._made(
            "tables/scores.csv",
            [arm["path"] for arm in scored],
            lambda path: tables.table(scored, path, path.with_name("verdicts.csv")),
        )
        self.files["scores"].append(scores)
        self.files["verdicts"].append(scores.with_name("verdicts.csv"))


def _results(arms: list[dict]) -> list[str]:
    return sorted({arm[kind] for arm in arms for kind in ("verdicts", "generations")})


def _below(path: Path, folder: str) -> str:
    parts = path.with_suffix("").parts
    return "/".join(parts[len(parts) - parts[::-1].index(folder) :])


def _current(path: Path, inputs: list) -> bool:
    """Tell whether the workflow made a file from just these inputs, and none has changed since."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if not inputs or not path.is_file():
            return False
        said = provenance(path).get("inputs", {})
        own = {Path(name).name for name in said} == {Path(name).name for name in inputs}
        when = path.stat().st_mtime_ns
        late = any(Path(name).stat().st_mtime_ns > when for name in inputs)
        return own and len(said) == len({str(name) for name in inputs}) and not late
    return False
