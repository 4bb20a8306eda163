"""Reading what an arm did: per problem, how many samples were accepted, finished, tagged."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from valley.core.arms import FIELDS
from valley.core.text import has_think_tag, well_formed

METRICS = ("pass@1", "completion", "think_tag", "well_formed", "tokens")


@dataclass
class Evaluation:
    """One arm on one benchmark; every array has one entry a problem, in the benchmark's order.

    `accepted` of `judged` samples passed (a judge_error is the judge's, so it is left out of both);
    `completion`, `think_tag`, `well_formed` count among `samples` answers; `tokens` is their sum.
    `others` has accepted and judged of the extraction that does not count, by its name, where it
    found other programs.
    """

    setting: dict
    accepted: np.ndarray
    judged: np.ndarray
    samples: np.ndarray
    completion: np.ndarray
    think_tag: np.ndarray
    well_formed: np.ndarray
    tokens: np.ndarray
    verdicts: dict = field(default_factory=dict)
    others: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def mean(self, metric: str) -> np.ndarray:
        """Return each problem's mean of a metric over its samples; NaN where it has none."""
        if metric == "pass@1":
            top, bottom = self.accepted, self.judged
        elif metric in METRICS:
            top, bottom = getattr(self, metric), self.samples
        else:
            raise ValueError(f"no metric {metric!r}; there are {', '.join(METRICS)}")
        return np.where(bottom > 0, top / np.maximum(bottom, 1), np.nan)


def problem_table(problems: str | Path) -> tuple[list[str], list[str]]:
    """Return the benchmark's problem ids, sorted, and their difficulties."""
    table = pq.read_table(problems, columns=["id", "difficulty"]).to_pydict()
    order = sorted(range(len(table["id"])), key=lambda i: table["id"][i])
    return [table["id"][i] for i in order], [table["difficulty"][i] or "" for i in order]


def problem_days(problems: str | Path) -> list[str]:
    """Return the day of each problem (YYYY-MM-DD, "" if unknown), in `problem_table`'s order."""
    table = pq.read_table(problems, columns=["id", "date"]).to_pydict()
    days = dict(zip(table["id"], table["date"], strict=True))
    return [(days[name] or "")[:10] for name in sorted(days)]


def evaluation(
    ids: list[str], generations: str | Path, verdicts: str | Path, setting: dict
) -> Evaluation:
    """Read one arm's two tables onto the benchmark's problems; an unknown problem is an error."""
    place = {name: i for i, name in enumerate(ids)}
    zeros = {name: np.zeros(len(ids)) for name in ("accepted", "judged", "samples", *METRICS[1:])}
    columns = ["problem_id", "text", "finish_reason", "tokens"]
    table = pq.read_table(generations, columns=columns).to_pydict()
    for problem, text, reason, tokens in zip(*(table[name] for name in columns), strict=True):
        row = _row(place, problem, generations)
        zeros["samples"][row] += 1
        zeros["completion"][row] += reason == "stop"
        zeros["think_tag"][row] += has_think_tag(text)
        zeros["well_formed"][row] += well_formed(text)
        zeros["tokens"][row] += tokens or 0
    names = pq.read_schema(verdicts).names
    extractions = [name for name in ("published", "robust") if f"{name}_verdict" in names]
    columns = ["problem_id", "verdict", *(f"{name}_verdict" for name in extractions)]
    table = pq.read_table(verdicts, columns=columns).to_pydict()
    mix = Counter(table["verdict"])
    for problem, verdict in zip(table["problem_id"], table["verdict"], strict=True):
        row = _row(place, problem, verdicts)
        if verdict != "judge_error":
            zeros["judged"][row] += 1
            zeros["accepted"][row] += verdict == "accepted"
    others = {}
    for name in extractions:
        accepted, judged = np.zeros(len(ids)), np.zeros(len(ids))
        words = zip(table["verdict"], table[f"{name}_verdict"], strict=True)
        for problem, (counts, word) in zip(table["problem_id"], words, strict=True):
            row, word = _row(place, problem, verdicts), word or counts
            judged[row] += word != "judge_error"
            accepted[row] += word == "accepted"
        others[name] = (accepted, judged)
    return Evaluation(setting=setting, verdicts=dict(sorted(mix.items())), others=others, **zeros)


def evaluations(arms: list[dict], ids: list[str]) -> list[Evaluation]:
    """Read arms (dicts with a setting and the paths of two tables), each file once.

    An arm that is named twice (axes overlap) is one arm, not two replicates.
    """
    seen: dict[tuple, Evaluation] = {}
    out = []
    for arm in {tuple(item.get(name) for name in FIELDS): item for item in arms}.values():
        key = (str(arm["generations"]), str(arm["verdicts"]))
        if key not in seen:
            seen[key] = evaluation(ids, arm["generations"], arm["verdicts"], {})
        read = seen[key]
        setting = {name: arm.get(name) for name in FIELDS}
        out.append(Evaluation(**{**read.__dict__, "setting": setting}))
    return out


def _row(place: dict, problem: str, path: str | Path) -> int:
    if problem not in place:
        raise ValueError(f"{path}: problem {problem!r} is not in the benchmark")
    return place[problem]
