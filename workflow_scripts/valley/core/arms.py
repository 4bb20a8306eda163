"""Arms, the cells of a study, and the fields that identify them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

BASE = "base"  # the start that is the undistilled student
GROUP = ("student", "recipe", "start", "slice")  # what the arms of one curve have in common
FIELDS = (*GROUP, "size", "seed")
PATH = re.compile(rf"{'([^/]+)/' * len(GROUP)}n(\d+)-s(\d+)")


@dataclass(frozen=True, order=True)
class Arm:
    """One cell of the study.

    Attributes:
        student, recipe, start, slice: names from the study file.
        size: examples trained on; 0 is the start itself.
        seed: the replicate.
    """

    student: str
    recipe: str
    start: str
    slice: str
    size: int
    seed: int

    @classmethod
    def named(cls, wildcards: Mapping[str, str]) -> "Arm":
        """Return the arm that a job's wildcards name."""
        group = {field: wildcards[field] for field in GROUP}
        return cls(**group, size=int(wildcards["size"]), seed=int(wildcards["seed"]))

    @classmethod
    def parsed(cls, path: str) -> "Arm | None":
        """Return the arm whose `path` this is; None for any other path."""
        found = PATH.fullmatch(path)
        return found and cls.named(dict(zip(FIELDS, found.groups(), strict=True)))

    @property
    def path(self) -> str:
        """The arm as part of a path."""
        return f"{self.student}/{self.recipe}/{self.start}/{self.slice}/n{self.size}-s{self.seed}"

    @property
    def shard(self) -> str:
        """The arm's data shard as part of a path: students and recipes share shards."""
        return f"{self.slice}/n{self.size}-s{self.seed}"

    def __str__(self) -> str:
        return self.path
