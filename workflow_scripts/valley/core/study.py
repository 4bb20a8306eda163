"""The study: its arms and axes, expanded from the study file and checked for sense."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from valley.core import declared, prompts, sampling, slices, snapshots
from valley.core.arms import BASE, Arm
from valley.core.config import StudyError, complete, renamed, study_error
from valley.core.mistakes import mistakes_in
from valley.core.recipes import EASY_FIRST
from valley.core.sources import Questions, Source, resolved, resolved_questions

RESULT_NEUTRAL_KEYS = (
    "deterministic",
    "estimates",
    "frozen",
    "on_new_versions",
    "results",
    "resources",
    "resume",
    "retention",
    "tracking",
    "training",
)


class Study:
    """A validated study.

    Args:
        config: the study file's content.

    Attributes:
        notes: for people: what is taken for another key, what is hard to compare.

    Raises:
        StudyError: every mistake found, each with its key, the value and what is allowed.
    """

    def __init__(self, config: dict[str, Any]):
        self.config = complete(config)
        self.notes = [*renamed(self.config), *snapshots.notes(self.config)]
        mistakes = mistakes_in(self.config)
        if mistakes:
            raise study_error(mistakes)
        for recipe in self.config["recipes"].values():
            if recipe["order"] == EASY_FIRST:
                recipe["order"] = list(self.config["corpus"]["difficulties"])
        self._points: dict[str, list[dict[str, Any]]] = {}
        self.axes = {
            name: sorted({self.resolve(arm) for arm in _product(axis, self.students)})
            for name, axis in self.config["axes"].items()
        }
        idle = [p for p in self.config["frozen"] if not any(self._matching(p))]
        if idle:
            example = self.checkpoint_name(max(self.evaluated()))
            raise study_error(
                f"frozen: no arm matches {pattern!r}; arms are written like {example}, and * is "
                "any text"
                for pattern in idle
            )

    @property
    def described(self) -> dict[str, Any]:
        """The study file without what has no bearing on any result."""
        return {key: value for key, value in self.config.items() if key not in RESULT_NEUTRAL_KEYS}

    @classmethod
    def read(cls, path: str | Path) -> "Study":
        """Return the study of a study file.

        Raises:
            StudyError: it can't be read, or every mistake found in it.
        """
        try:
            config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"the study file can't be read: {error}") from error
        except yaml.YAMLError as error:
            raise StudyError(f"the study file is not YAML: {error}") from error
        return cls(config)

    @property
    def root(self) -> str:
        """Folder of the study's results."""
        return f"{self.config['results']}/{self.config['study']}"

    @property
    def store(self) -> str:
        """Folder of the store that all studies below the results root share."""
        return f"{self.config['results']}/store"

    @property
    def students(self) -> list[str]:
        return list(self.config["students"])

    @property
    def benchmarks(self) -> list[str]:
        return list(self.config["benchmarks"])

    def sampling(self, benchmark: str) -> dict[str, Any]:
        """Return how a benchmark's answers are drawn."""
        return sampling.of_benchmark(self.config, benchmark)

    @property
    def distinct(self) -> list[str]:
        """Benchmarks without those that put another's problems again, drawn in their own way."""
        found: dict[str, dict[str, Any]] = {}
        for name, benchmark in self.config["benchmarks"].items():
            problems = {key: benchmark.get(key) for key in ("bank", "source")}
            if not benchmark["sampling"] or problems not in found.values():
                found[name] = problems
        return list(found)

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """Where the problems of benchmarks come from that are not the bundled generator's."""
        found = self.config["benchmarks"].items()
        return {name: benchmark["source"] for name, benchmark in found if "source" in benchmark}

    @property
    def slices(self) -> dict[str, dict[str, Any]]:
        """Slices that the study file declares, beside those written difficulty.correctness."""
        declared: dict[str, dict[str, Any]] = self.config["slices"]
        return declared

    @property
    def slices_used(self) -> list[str]:
        """Declared slices that arms are trained on, and those that these are made of."""
        return declared.used({arm.slice for arm in self.arms}, self.slices)

    def parts(self, name: str) -> list[tuple[str, float]]:
        """Return the slices of a mix, none a mix itself, each with its share; else the slice."""
        return declared.parts_of(name, self.slices)

    def prompt(self, benchmark: str | None = None) -> list[str] | None:
        """Return the texts that problems are put in: in training, or on a benchmark."""
        own = self.config["benchmarks"][benchmark] if benchmark else {}
        return prompts.texts(own.get("prompt", self.config["prompt"]))

    @property
    def procedural(self) -> list[str]:
        """The bundled generator's teachers: those that are not asked."""
        found = self.config["corpus"].get("teachers", {}).items()
        return [name for name, teacher in found if "mistakes" in teacher]

    def teachers_of_kind(self, *kinds: str) -> list[str]:
        """Return the teachers that are asked: of kind "endpoint", or "model" (run here)."""
        found = self.config["corpus"].get("teachers", {}).items()
        return [name for name, teacher in found if any(kind in teacher for kind in kinds)]

    def teacher_prompt(self, teacher: str) -> list[str] | None:
        """Return the texts that a teacher's questions are put in."""
        own = self.config["corpus"]["teachers"][teacher]
        return prompts.texts(own.get("prompt", self.config["prompt"]))

    @property
    def teachers(self) -> list[str]:
        """Whose traces make the pool, a file each: the bank's teachers, or sources with answers."""
        return [*self.config["corpus"].get("teachers", {}), *self.corpora]

    @property
    def corpora(self) -> dict[str, Source]:
        """Corpora made elsewhere whose answers are used, their forms' defaults filled in."""
        return {
            name: source
            for name, source in self.all_corpora.items()
            if self.config["corpus"]["sources"][name]["answers"]
        }

    @property
    def all_corpora(self) -> dict[str, Source]:
        """Corpora made elsewhere, those that give questions only included."""
        sources = self.config["corpus"].get("sources", {})
        return {name: resolved(name, source) for name, source in sources.items()}

    @property
    def questions(self) -> dict[str, Questions]:
        """Data sets that hold the questions of those corpora, their known files filled in."""
        return resolved_questions(self.config["corpus"]["questions"])

    @cached_property
    def arms(self) -> list[Arm]:
        """All trained arms that axes, other arms' starts or snapshots need, each once."""
        wanted: set[Arm] = set()
        todo = [arm for arms in self.axes.values() for arm in arms if arm.size]
        while todo:
            arm = todo.pop()
            if arm not in wanted:
                wanted.add(arm)
                before = self.start_of(arm), self.whole_of(arm)
                todo += [other for other in before if other is not None]
        return sorted(wanted)

    @property
    def frozen(self) -> list[Arm]:
        """All arms, undistilled students included, whose checkpoints are never made again."""
        return sorted({arm for p in self.config["frozen"] for arm in self._matching(p)})

    def _matching(self, pattern: str) -> Iterator[Arm]:
        known = {*self.arms, *self.evaluated()}
        return (arm for arm in known if fnmatchcase(self.checkpoint_name(arm), pattern))

    def evaluated(self) -> list[Arm]:
        """All arms whose answers are scored: the axes' arms, undistilled students included."""
        return sorted({arm for arms in self.axes.values() for arm in arms})

    def start_of(self, arm: Arm) -> Arm | None:
        """Return the arm whose checkpoint an arm starts from; None is the student itself."""
        if arm.start == BASE:
            return None
        start = self.config["starts"][arm.start]
        return Arm(
            arm.student,
            start["recipe"],
            start["start"],
            start["slice"],
            start["size"],
            arm.seed if start["seed"] is None else start["seed"],
        )

    def whole_of(self, arm: Arm) -> Arm | None:
        """Return the arm whose training leaves a snapshot's state; None for other arms."""
        whole = snapshots.whole_of(self.config, arm.recipe)
        return replace(arm, recipe=whole) if whole else None

    def resolve(self, arm: Arm) -> Arm:
        """Return the arm that stands for an arm: one of size 0 is its start, never a copy.

        The undistilled student is written as `Arm(student, "", "base", "", 0, 0)`.
        """
        if arm.size:
            return arm
        start = self.start_of(arm)
        return replace(arm, recipe="", start=BASE, slice="", seed=0) if start is None else start

    def checkpoint_name(self, arm: Arm) -> str:
        """Return the name of an arm's checkpoint: the folder of its results below `scores/` etc."""
        return arm.path if arm.size else f"{arm.student}/{BASE}"

    def checkpoint(self, arm: Arm) -> str:
        """Return the path of an arm's checkpoint manifest."""
        if arm.size:
            return f"{self.root}/checkpoints/{arm.path}/checkpoint.json"
        return f"{self.root}/students/{arm.student}/checkpoint.json"

    def points(self, axis: str) -> list[dict[str, Any]]:
        """Return an axis' arms as the study asks for them; `place` is the checkpoint's name.

        An arm of size 0 keeps its axis' recipe, start and slice; replicates share its checkpoint.
        """
        if axis in self._points:
            return self._points[axis]
        seen, points = set(), []
        for arm in _product(self.config["axes"][axis], self.students):
            resolved = self.resolve(arm)
            point = {
                **vars(arm),
                "seed": arm.seed if resolved.size else None,
                "place": self.checkpoint_name(resolved),
            }
            identity = tuple(point.values())
            if identity not in seen:
                seen.add(identity)
                points.append(point)
        self._points[axis] = points
        return points

    def check_pool(self, counts: dict[str, int], pinned: Collection[str] = ()) -> None:
        """Check that every shard's slice is large enough.

        Args:
            counts: examples in each slice of the pool; a slice that the pool was made without is
                not checked.
            pinned: checkpoints that need no shard.

        Raises:
            StudyError: naming each slice, how many rows it holds and how many were asked for.
        """
        kind = slices.COUNTED[self.config["corpus"]["examples"]]
        short: dict[str, set[int]] = {}
        for arm in self.arms:
            enough = arm.size <= counts.get(arm.slice, arm.size)
            if not enough and self.checkpoint(arm) not in pinned:
                short.setdefault(arm.slice, set()).add(arm.size)
        if short:
            raise study_error(
                [
                    f"slice {name} holds {counts[name]} {kind}, but arms ask for "
                    f"{', '.join(map(str, sorted(sizes)))}; ask for less, or enlarge the corpus"
                    for name, sizes in sorted(short.items())
                ]
            )


def _product(axis: dict[str, Any], students: list[str]) -> list[Arm]:
    return [
        Arm(*cell)
        for cell in product(
            axis.get("students", students),
            axis["recipes"],
            axis["starts"],
            axis["slices"],
            axis["sizes"],
            axis["seeds"],
        )
    ]


__all__ = ["Study", "StudyError"]
