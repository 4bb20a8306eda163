"""Reading what an arm did: per problem, how many samples were accepted, finished, tagged."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from valley.core.arms import FIELDS
from valley.core.files import parquet_batches
from valley.core.text import has_think_tag, well_formed
from valley.judging.packages import missing_package

PORTION = 512  # answers read at once
METRICS = ("pass@1", "completion", "think_tag", "well_formed", "tokens")


@dataclass
class Evaluation:
    """One arm on one benchmark; every array has one entry a problem, in the benchmark's order.

    `accepted` of `judged` samples passed (a judge_error is the judge's, so it is left out of both);
    `completion`, `think_tag`, `well_formed` count among `samples` answers; `tokens` is their sum.
    `others` has accepted and judged of the extraction that does not count, by its name, where it
    found other programs. `without` counts the programs that lacked a package, by its name.
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
    without: dict[str, int] = field(default_factory=dict)

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
    table = _read(problems, "id", "difficulty").sort_values("id")
    return table["id"].tolist(), table["difficulty"].fillna("").tolist()


def problem_days(problems: str | Path) -> list[str]:
    """Return the day of each problem (YYYY-MM-DD, "" if unknown), in `problem_table`'s order."""
    return _read(problems, "id", "date").sort_values("id")["date"].fillna("").str[:10].tolist()


def marked_problems(problems: str | Path) -> np.ndarray:
    """Return which problems are marked as not to be trusted, in `problem_table`'s order."""
    table = _read(problems, "id", "trusted").sort_values("id")
    return np.array([value is not None and not value for value in table["trusted"]], bool)


def evaluation(
    ids: list[str], generations: str | Path, verdicts: str | Path, setting: dict
) -> Evaluation:
    """Read one arm's two tables onto the benchmark's problems; an unknown problem is an error."""
    import pandas as pd

    columns = ["problem_id", "text", "finish_reason", "tokens"]
    portions = parquet_batches(generations, columns, PORTION)  # the texts may be many gigabytes
    parts = [_counted(batch.to_pandas()) for batch in portions]
    counted = pd.concat(parts or [pd.DataFrame(columns=["problem_id", "samples", *METRICS[1:]])])
    names = pq.read_schema(verdicts).names
    extractions = [name for name in ("published", "robust") if f"{name}_verdict" in names]
    details = ["detail"] if "detail" in names else []
    others = [f"{name}_verdict" for name in extractions]
    judged = _read(verdicts, "problem_id", "verdict", *details, *others)
    arrays = {
        **_by_problem(counted, ids, generations),
        **_by_problem(_passed(judged, judged["verdict"]), ids, verdicts),
    }
    others = {}
    for name in extractions:  # empty where it is the verdict that counts
        words = judged[f"{name}_verdict"].fillna(judged["verdict"])
        found = _by_problem(_passed(judged, words), ids, verdicts)
        others[name] = (found["accepted"], found["judged"])
    mix = judged["verdict"].value_counts().sort_index().to_dict()
    without = judged["detail"].map(missing_package, "ignore").value_counts() if details else {}
    lacking = {str(name): int(count) for name, count in sorted(dict(without).items())}
    return Evaluation(setting=setting, verdicts=mix, others=others, without=lacking, **arrays)


def scored(ids: list[str], verdicts: str | Path, setting: dict) -> Evaluation:
    """Read what an arm's verdicts say, without its answers: pass@1 only, samples as judged."""
    judged = _read(verdicts, "problem_id", "verdict")
    found = _by_problem(_passed(judged, judged["verdict"]), ids, verdicts)
    blank = np.full(len(ids), np.nan)
    samples = found["judged"]
    return Evaluation(setting, found["accepted"], samples, samples, blank, blank, blank, blank)


def _passed(judged, words):
    """Return which answers were judged and which accepted, beside their problems."""
    return judged[["problem_id"]].assign(
        judged=words != "judge_error", accepted=words == "accepted"
    )


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


def _counted(answers):
    """Return what counts of some answers, a row each."""
    return answers[["problem_id", "tokens"]].assign(
        samples=1,
        completion=answers["finish_reason"] == "stop",
        think_tag=answers["text"].map(has_think_tag),
        well_formed=answers["text"].map(well_formed),
    )


def _read(path: str | Path, *columns: str):
    import pandas as pd

    return pd.read_parquet(path, columns=list(columns))


def _by_problem(rows, ids: list[str], path: str | Path) -> dict[str, np.ndarray]:
    """Return the sums of a table's columns over each problem's rows, 0 where it has none."""
    unknown = rows.loc[~rows["problem_id"].isin(ids), "problem_id"]
    if len(unknown):
        raise ValueError(f"{path}: problem {unknown.iloc[0]!r} is not in the benchmark")
    sums = rows.groupby("problem_id").sum().reindex(ids, fill_value=0)
    return {name: sums[name].to_numpy(float) for name in sums}
