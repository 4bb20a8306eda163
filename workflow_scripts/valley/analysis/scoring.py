"""The score of one arm on one benchmark: pass@k, rates, tokens and the mix of verdicts."""

from pathlib import Path

import numpy as np

from valley.analysis import load
from valley.analysis.passk import pass_at_k
from valley.analysis.plain import plain
from valley.analysis.resample import mean_interval


class TooManyJudgeErrors(ValueError):
    """Too many answers are left out for a pass@k of the benchmark."""


def score(
    problems: Path,
    generations: Path,
    verdicts: Path,
    *,
    ks: list[int],
    bootstrap: int,
    seed: int,
    cutoff: str | None = None,
    max_judge_errors: float = 1.0,
) -> dict:
    """Return the score of one arm, overall and by difficulty, each number with its n.

    Intervals (95 %) resample problems, so they speak about other problems of this kind and about
    this checkpoint: training noise is not in them. A k above the number of samples is null. With a
    cut-off day (YYYY-MM-DD) the problems until it, those after it and the undated ones are scored
    apart too. TooManyJudgeErrors if more than `max_judge_errors` of the answers have no verdict,
    those to marked problems aside: of these it is known that a test can be of no use.
    """
    ids, difficulty = load.problem_table(problems)
    arm = load.evaluation(ids, generations, verdicts, {})
    marked = load.marked_problems(problems)
    _few_judge_errors(arm, marked, verdicts, max_judge_errors)
    groups = {"overall": np.ones(len(ids), bool)}
    for level in sorted(set(difficulty)):
        groups[level] = np.array([item == level for item in difficulty])
    result = {name: _group(arm, mask, ks, bootstrap, seed) for name, mask in groups.items()}
    value = {
        "overall": result.pop("overall"),
        "by_difficulty": result,
        "verdicts": arm.verdicts,
        "notes": _notes(arm, marked),
    }
    if cutoff:
        days = load.problem_days(problems)
        value["cutoff"] = cutoff
        value["by_cutoff"] = {
            name: _group(arm, mask, ks, bootstrap, seed)
            for name, mask in _sides(days, cutoff).items()
            if mask.any()
        }
    return plain(value)


def _few_judge_errors(arm: load.Evaluation, marked: np.ndarray, path: Path, most: float) -> None:
    errors = int((arm.samples - arm.judged)[~marked].sum())
    answers = sum(arm.verdicts.values())
    if errors > most * answers:
        raise TooManyJudgeErrors(
            f"{path}: {errors} of {answers} answers of this arm are judge errors and would be "
            f"left out of pass@k, more than judge.max_judge_errors allows ({most:g}). Read that "
            "file's column `detail`: fix the checker or test that fails for every program, or "
            "mark its problem `trusted: false` and set judge.untrusted to leave_out"
        )


def _group(arm: load.Evaluation, mask: np.ndarray, ks: list[int], bootstrap: int, seed: int):
    numbers = {}
    for k in ks:
        values = pass_at_k(arm.accepted[mask], arm.judged[mask], k)
        numbers[f"pass@{k}"] = mean_interval(values, bootstrap, seed)
        numbers[f"pass@{k}"]["samples"] = int(arm.judged[mask].sum())
    for name, (accepted, judged) in arm.others.items():
        values = pass_at_k(accepted[mask], judged[mask], 1)
        key = f"pass@1 ({name} extraction)"
        numbers[key] = mean_interval(values, bootstrap, seed)
        numbers[key]["samples"] = int(judged[mask].sum())
    for metric in load.METRICS[1:]:
        bounded = metric != "tokens"
        numbers[metric] = mean_interval(arm.mean(metric)[mask], bootstrap, seed, bounded)
        numbers[metric]["samples"] = int(arm.samples[mask].sum())
    return numbers


def _sides(days: list[str], cutoff: str) -> dict[str, np.ndarray]:
    """Return which problems the student may have seen, which not, and which are unknown."""
    return {
        "until_cutoff": np.array([bool(day) and day <= cutoff for day in days]),
        "after_cutoff": np.array([day > cutoff for day in days]),
        "undated": np.array([not day for day in days]),
    }


def _notes(arm: load.Evaluation, marked: np.ndarray) -> list[str]:
    notes = ["Intervals resample problems; training noise is not in them."]
    if arm.samples.max(initial=0) <= 1:
        notes.append(
            "One sample a problem: pass@k is known for k = 1 only, and the noise of sampling "
            "cannot be told from the spread of problems (the interval holds both)."
        )
    for name in arm.others:
        notes.append(
            f"The {name} extraction finds other programs in some answers; its score stands beside."
        )
    missing = int((arm.judged == 0).sum())
    if missing:
        notes.append(f"{missing} problems have no judged sample and are left out of pass@k.")
    if marked.any():
        notes.append(
            f"{int(marked.sum())} problems are marked: their verdicts can't be trusted. The "
            "benchmark's column `mark` says why; judge.untrusted says whether they count."
        )
    errors = arm.verdicts.get("judge_error", 0)
    if errors:
        notes.append(f"{errors} judge errors are left out of pass@k.")
    for package, count in arm.without.items():
        notes.append(f"{count} programs lacked {package}; judge.packages can provide it.")
    return notes
