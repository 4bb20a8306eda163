"""How long a study's traces and questions are for a student: counted in a sample of its pool."""

import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from valley.core.files import open_parquet
from valley.core.study import Study
from valley.lm import headers
from valley.planning.estimates import Lengths

ROWS, GROUPS, SEED = 200, 8, 0


def of_study(study: Study) -> Callable[[str], Lengths | None]:
    """Return a function that counts a student's lengths, once each; None where it can't yet.

    It needs the pool, and the student's tokenizer: in its folder, in the hub's cache, or with a
    checkpoint of it that has been made.
    """
    root = Path(study.root)

    @cache
    def rows() -> list[tuple[str, str]]:
        pool = root / "corpus" / "pool.parquet"
        return sampled(pool) if pool.is_file() else []

    @cache
    def lengths(student: str) -> Lengths | None:
        hub = study.config["students"][student].get("hub")
        made = root / "students" / student / "model"
        folder = headers.folder_of(hub["id"], hub["revision"]) if hub else made
        if folder is None or not rows():
            return None
        prompts = headers.token_counts(folder, [prompt for prompt, _ in rows()])
        if prompts is None:
            return None
        responses = headers.token_counts(folder, [response for _, response in rows()])
        traces = tuple(map(sum, zip(prompts, responses, strict=True)))
        return Lengths(traces, tuple(prompts))

    return lengths


def sampled(pool: Path) -> list[tuple[str, str]]:
    """Return the prompts and responses of some rows of a pool, always the same ones.

    At most ROWS rows of at most GROUPS row groups, so that a pool of any size is looked at in
    seconds; a group is drawn as often as it has rows.

    Args:
        pool: its Parquet file.
    """
    rng = random.Random(SEED)
    with open_parquet(pool) as file:
        held = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        if not sum(held):
            return []
        groups = list(range(len(held)))
        if len(held) > GROUPS:
            groups = rng.choices(groups, held, k=GROUPS)
        wanted = Counter(rng.choices(groups, [held[at] for at in groups], k=min(ROWS, sum(held))))
        found = []
        for at, number in sorted(wanted.items()):
            rows = file.read_row_group(at, columns=["prompt", "response"]).to_pylist()
            found += rng.sample(rows, min(number, len(rows)))
    return [(row["prompt"], row["response"]) for row in found]
