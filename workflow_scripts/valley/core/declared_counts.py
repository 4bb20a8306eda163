"""How many examples the pool has for each declared slice, before anything is cut from it."""

import functools
from collections.abc import Collection
from typing import Any

from valley.core import holdout, slices
from valley.core.config import study_error
from valley.core.declared import DERIVED, NUMBERS, TEXTS, chain_of, cut_of, is_mix, turns
from valley.core.study import Study

COLUMNS = ["id", "problem_id", "difficulty", "correct", "teacher", "tokens", "source"]


def check(study: Study, pool: str, pinned: Collection[str] = ()) -> None:
    """Check that the pool has what declared slices need, as far as its columns show.

    What only responses tell (language, steps) and what a transform leaves out is not counted: the
    slice's own job finds that out.

    Args:
        study: the study.
        pool: the pool's file.
        pinned: checkpoints that need no shard.

    Raises:
        StudyError: a value that no row has; a slice or a mix that is too small; one line each.
    """
    rows = _Rows(study, pool)
    mistakes = rows.unknown()
    if mistakes:
        raise study_error(mistakes)
    counts = {name: rows.examples(name) for name in study.slices if not is_mix(name, study.slices)}
    study.check_pool(counts, pinned)
    mixes = {
        (arm.slice, arm.size)
        for arm in study.arms
        if is_mix(arm.slice, study.slices) and study.checkpoint(arm) not in pinned
    }
    short = set(filter(None, (_unfilled(study, rows, *mix) for mix in mixes)))
    if short:
        raise study_error(sorted(short))


def _unfilled(study: Study, rows: "_Rows", mix: str, size: int) -> str | None:
    """Return what a mix lacks for a size; None if the columns show no lack."""
    parts = study.parts(mix)
    there = [rows.examples(name) for name, _ in parts]
    taken, kind = [0] * len(parts), slices.COUNTED[study.config["corpus"]["examples"]]
    for number, part in enumerate(turns([share for _, share in parts])):
        if number == size:
            return None
        if taken[part] == there[part]:
            name, share = parts[part]
            return (
                f"slice {mix} can't be filled: {size} {kind} want more than the {there[part]} of "
                f"{name} at a share of {share:g}, which suffice for {number}; ask for less, lower "
                "its share, or enlarge the corpus"
            )
        taken[part] += 1
    return None


class _Rows:
    """The pool's columns, as a table with a mask for each slice."""

    def __init__(self, study: Study, pool: str):
        import pyarrow.parquet as pq

        self.study = study
        self.table = pq.read_table(pool, columns=COLUMNS)
        self.problems = self.table["problem_id"].to_pylist()
        share = study.config["validation"]["share"]
        self.free = {name for name in set(self.problems) if not holdout.is_held_out(name, share)}

    @functools.cache  # noqa: B019  (lives as long as one check)
    def examples(self, name: str) -> int:
        """Return the most examples that a slice other than a mix can give."""
        from collections import Counter

        declared = self.study.slices
        chain = chain_of(name, declared) if name in declared else []
        cuts = [cut_of(declared[one]) for one in chain]
        base = cuts[-1].base if cuts else name
        each = Counter(
            problem
            for problem, wanted in zip(self.problems, self._mask(base, cuts), strict=True)
            if wanted and problem in self.free
        )
        most = [cut.answers_per_problem for cut in cuts if cut.answers_per_problem]
        if self.study.config["corpus"]["examples"] == "problems":
            most.append(1)
        return sum(min([number, *most]) for number in each.values())

    def _mask(self, base: str, cuts: list[Any]) -> list[bool]:
        import pyarrow.compute as pc

        difficulty, correctness, _ = slices.split(base)
        wanted: list[dict[str, Any]] = (
            [{"difficulty": difficulty}] if difficulty != slices.EVERY else []
        )
        wanted += [{"correct": correctness == "correct"}] if correctness != "any" else []
        mask = pc.is_valid(self.table["id"])
        for where in [*wanted, *(cut.where for cut in cuts)]:
            for column, value in where.items():
                if column not in DERIVED:
                    mask = pc.and_(mask, self._matching(column, value))
        rows: list[bool] = mask.to_pylist()
        return rows

    def _matching(self, column: str, wanted: object) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self.table[column]
        if isinstance(wanted, list) and column in NUMBERS:
            ends = zip((pc.greater_equal, pc.less_equal), wanted, strict=True)
            found = pc.is_valid(values)
            for compare, end in ends:
                if end is not None:
                    found = pc.and_(found, pc.fill_null(compare(values, end), False))
            return found
        listed = wanted if isinstance(wanted, list) else [wanted]
        return pc.is_in(values, pa.array(listed, values.type))

    def unknown(self) -> list[str]:
        """Return a line for each value that no row of the pool has."""
        import pyarrow.compute as pc

        lines, there = [], {}
        for name, declared in self.study.slices.items():
            for column in (one for one in TEXTS if one in declared and one not in DERIVED):
                if column not in there:
                    there[column] = set(pc.unique(self.table[column]).to_pylist())
                wanted = declared[column]
                for value in wanted if isinstance(wanted, list) else [wanted]:
                    if value not in there[column]:
                        known = sorted(map(str, there[column]))
                        more = f" and {len(known) - 20} more" if len(known) > 20 else ""
                        lines.append(
                            f"slices.{name}.{column}: no trace of the pool has {value!r}; there "
                            f"is: {', '.join(known[:20])}{more}"
                        )
        return lines
