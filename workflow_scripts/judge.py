"""Judge programs: a benchmark's generations, and the traces of a training corpus."""

from pathlib import Path

import pyarrow as pa
from core.files import VERDICT, read_parquet, write_parquet
from judging import isolation as isolating
from judging.answers import extract_program
from judging.batch import Task, judge
from judging.verdicts import VERDICTS, Verdict

TIMES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int64()),
        ("cpu_s", pa.float64()),
        ("wall_s", pa.float64()),
        ("peak_mb", pa.float64()),
    ]
)
LABEL = pa.schema([("id", pa.string()), ("correct", pa.bool_()), ("verdict", pa.string())])


def judge_generations(
    problems: Path,
    generations: Path,
    verdicts: Path,
    times: Path | None = None,
    *,
    isolation: str = "auto",
    untrusted: str = "keep",
    **options,
) -> dict:
    """Judge every generation of a benchmark; return counts by verdict and the tier used.

    `verdicts` depends on the programs and problems only; what was measured goes to `times`. Answers
    to problems that are marked as not to be trusted are counted, and left out if `untrusted` is
    "leave_out": scores and fits then know nothing of these problems. `options` are those of
    `judging.batch.judge`.
    """
    by_id = _problems(problems)
    rows = read_parquet(generations, columns=["problem_id", "sample", "text"])
    rows.sort(key=lambda row: (row["problem_id"], row["sample"]))
    doubtful = {name for name, problem in by_id.items() if problem.get("trusted") is False}
    asked = len(rows)
    if untrusted == "leave_out":
        rows = [row for row in rows if row["problem_id"] not in doubtful]
    tasks = [
        Task(
            (row["problem_id"], row["sample"]),
            extract_program(row["text"]),
            by_id.get(row["problem_id"]),
        )
        for row in rows
    ]
    found = _judged(tasks, isolation=isolation, **options)
    keyed = [
        {"problem_id": row["problem_id"], "sample": row["sample"]} | vars(verdict)
        for row, verdict in zip(rows, found, strict=True)
    ]
    _write(verdicts, keyed, VERDICT)
    if times is not None:
        _write(times, keyed, TIMES)
    counted = {"untrusted_problems": len(doubtful), "answers_left_out": asked - len(rows)}
    return {**_summary(found, isolation), **counted}


def judge_pool(
    problems: Path,
    traces: list[Path],
    labels_out: Path,
    *,
    isolation: str = "auto",
    **options,
) -> dict:
    """Label each trace of a pool by what its program does; return counts by verdict.

    A trace whose program the judge could not judge is labelled null, not false. `options` are those
    of `judging.batch.judge`.
    """
    by_id = _problems(problems)
    wanted = ["id", "problem_id", "response"]
    rows = [row for path in traces for row in read_parquet(path, columns=wanted)]
    tasks = [
        Task(row["id"], extract_program(row["response"]), by_id.get(row["problem_id"]))
        for row in rows
    ]
    found = _judged(tasks, isolation=isolation, **options)
    labels = [
        {
            "id": row["id"],
            "correct": None if verdict.verdict == "judge_error" else verdict.verdict == "accepted",
            "verdict": verdict.verdict,
        }
        for row, verdict in zip(rows, found, strict=True)
    ]
    labels.sort(key=lambda label: label["id"])
    _write(labels_out, labels, LABEL)
    return _summary(found, isolation)


def _judged(tasks: list[Task], **options) -> list[Verdict]:
    """Judge with a progress bar, silent where nobody watches."""
    from tqdm import tqdm

    with tqdm(total=len(tasks), unit="program", disable=None) as bar:
        return judge(tasks, each=lambda _place, _verdict: bar.update(), **options)


def _problems(path: Path) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for number, row in enumerate(read_parquet(path), 1):
        if row["id"] in found:
            raise ValueError(f"{path}: row {number}: id: {row['id']!r} is there twice")
        found[row["id"]] = row
    return found


def _write(path: Path, rows: list[dict], schema: pa.Schema) -> None:
    names = schema.names
    write_parquet(path, [{name: row[name] for name in names} for row in rows], schema)


def _summary(found: list, isolation: str) -> dict:
    counts = {word: 0 for word in VERDICTS}
    for verdict in found:
        counts[verdict.verdict] += 1
    tier = isolating.tier(isolation)
    return {
        "programs": len(found),
        "verdicts": {word: number for word, number in counts.items() if number},
        "isolation": tier.name,
        "isolation_reason": tier.reason,
    }


if "snakemake" in globals():
    from core.job import bind, settings

    source, target = snakemake.input, Path(snakemake.output[0])
    known = Path(snakemake.params.store) / "programs"
    chosen = {"jobs": snakemake.threads, "cache": known, **settings(snakemake)}
    with bind(snakemake) as job:
        if snakemake.rule == "labels":
            job.measured |= judge_pool(source.problems, source.traces, target, **chosen)
        else:
            times = target.with_suffix(".times.parquet")
            job.measured |= judge_generations(
                source.problems, source.generations, target, times, **chosen
            )
