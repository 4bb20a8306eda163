"""Answers from elsewhere: the study's own form (Parquet, Arrow, JSONL), or LiveCodeBench's."""

from collections import defaultdict
from pathlib import Path

from valley.core.rows import read_rows

ENDS = ("stop", "length")
SHOWN = 5  # faults and names that a message lists


def read(path: Path, finish_reason: str | None = None) -> list[dict]:
    """Read answers as rows of schema GENERATION.

    The study's own form has problem_id, text, and where known sample, finish_reason, tokens, seed.
    LiveCodeBench's has question_id with output_list (answers) or code_list (programs only).

    Args:
        path: the file.
        finish_reason: how answers ended where the file doesn't say: "stop" or "length".

    Raises:
        ValueError: naming the row and what is wrong with it.
    """
    rows, samples_of = [], defaultdict(int)
    for number, row in read_rows(path, _refuse):
        location = f"{path}: row {number}"
        problem = row.get("problem_id", row.get("question_id"))
        if problem is None:
            raise ValueError(f"{location}: problem_id is missing, and so is question_id")
        for text in _texts(row, location):
            end = row.get("finish_reason") or finish_reason
            if end not in ENDS:
                raise ValueError(
                    f"{location}: finish_reason is {row.get('finish_reason')!r}; it must be stop "
                    "(the answer is complete) or length (cut off). Where the file doesn't say, "
                    "give --finish-reason stop to take its answers as whole"
                )
            sample = row.get("sample")
            if sample is None:
                sample = samples_of[str(problem)]
            samples_of[str(problem)] += 1
            rows.append(
                {
                    "problem_id": str(problem),
                    "sample": sample,
                    "text": text,
                    "finish_reason": end,
                    "tokens": row.get("tokens"),
                    "seed": row.get("seed"),
                }
            )
    return rows


def fitted(rows: list[dict], problems: list[str], samples: int) -> tuple[list[dict], int]:
    """Return the rows that a benchmark needs, ordered, and how many others were left out.

    Args:
        rows: of schema GENERATION.
        problems: ids of the benchmark's problems.
        samples: answers wanted for each.

    Raises:
        ValueError: answers are missing, or two answer the same.
    """
    wanted = {(problem, number) for problem in problems for number in range(samples)}
    found = {}
    for row in rows:
        key = row["problem_id"], row["sample"]
        if key in found:
            raise ValueError(f"problem {key[0]} has two answers of sample {key[1]}")
        found[key] = row
    missing = sorted(wanted - found.keys())
    if missing:
        named = ", ".join(f"{problem} sample {number}" for problem, number in missing[:SHOWN])
        raise ValueError(
            f"{len(missing)} of {len(wanted)} answers are missing, among them {named}; the study "
            f"asks for {samples} to each of {len(problems)} problems"
        )
    return [found[key] for key in sorted(wanted)], len(found) - len(wanted)


def _refuse(complaint: str) -> None:
    raise ValueError(complaint)


def _texts(row: dict, location: str) -> list[str]:
    if isinstance(row.get("text"), str):
        return [row["text"]]
    for name, form in (("output_list", "{}"), ("code_list", "```python\n{}\n```")):
        if row.get(name) is not None:
            if not all(isinstance(text, str) for text in row[name]):
                raise ValueError(f"{location}: {name} holds something other than text")
            return [form.replace("{}", text) for text in row[name]]
    raise ValueError(f"{location}: text is missing, and so are output_list and code_list")
