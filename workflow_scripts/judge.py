"""Judge programs: a benchmark's generations, and the traces of a training corpus."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from valley.core.files import (
    LABEL,
    VERDICT,
    merged_rows,
    parquet_batches,
    parquet_stream,
    read_parquet,
    write_parquet,
)
from valley.judging import isolation as isolating
from valley.judging.answers import extract_program
from valley.judging.batch import Task, judge
from valley.judging.programs import Programs
from valley.judging.verdicts import ACCEPTED, JUDGE_ERROR, NO_CODE, VERDICTS, Verdict

TIMES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int64()),
        ("cpu_s", pa.float64()),
        ("wall_s", pa.float64()),
        ("peak_mb", pa.float64()),
    ]
)

PORTION = 64 << 20  # bytes of problems that are held at once


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
    `valley.judging.batch.judge`. Memory holds the answers, and a portion of the problems.
    """
    rows = read_parquet(generations, columns=["problem_id", "sample", "text"])
    rows.sort(key=lambda row: (row["problem_id"], row["sample"]))
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row["problem_id"], []).append(place)
    found: dict[int, Verdict] = {}
    doubtful, left_out = 0, 0

    def settle(portion: dict[str, dict | None]) -> None:
        tasks = [
            Task(place, extract_program(rows[place]["text"]), problem)
            for name, problem in portion.items()
            for place in places.pop(name, ())
        ]
        judged = _judged(tasks, isolation=isolation, **options) if tasks else []
        found.update({task.key: verdict for task, verdict in zip(tasks, judged, strict=True)})

    for portion in _portions(problems):
        untold = [name for name, problem in portion.items() if problem.get("trusted") is False]
        doubtful += len(untold)
        if untrusted == "leave_out":
            left_out += sum(len(places.pop(name, ())) for name in untold)
        settle(portion)
    settle(dict.fromkeys([*places]))  # answers to problems that are not known
    keyed = [
        {name: rows[place][name] for name in ("problem_id", "sample")} | vars(verdict)
        for place, verdict in sorted(found.items())
    ]
    _write(verdicts, keyed, VERDICT)
    if times is not None:
        _write(times, keyed, TIMES)
    counted = {"untrusted_problems": doubtful, "answers_left_out": left_out}
    return {**_summary([verdict.verdict for verdict in found.values()], isolation), **counted}


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
    of `valley.judging.batch.judge`. Programs lie on disk meanwhile and are judged a portion of the
    problems at a time: memory holds that portion and a byte a trace.
    """
    found = bytearray()
    with Programs() as programs:
        for row in merged_rows(traces, ["id", "problem_id", "response"]):
            program = extract_program(row["response"])
            found.append(VERDICTS.index(JUDGE_ERROR if program else NO_CODE))
            if program:
                programs.add(len(found) - 1, row["problem_id"], program)
        for portion in _portions(problems):
            waiting = programs.of(portion)
            tasks = [Task(place, program, portion[name]) for place, name, program in waiting]
            judged = _judged(tasks, isolation=isolation, **options)
            for task, verdict in zip(tasks, judged, strict=True):
                found[task.key] = VERDICTS.index(verdict.verdict)
    with parquet_stream(labels_out, LABEL) as stream:
        for row, code in zip(merged_rows(traces, ["id"]), found, strict=True):
            word = VERDICTS[code]
            correct = None if word == JUDGE_ERROR else word == ACCEPTED
            stream.write({"id": row["id"], "correct": correct, "verdict": word})
    return _summary([VERDICTS[code] for code in found], isolation)


def _portions(problems: Path) -> Iterator[dict[str, dict]]:
    """Yield problems by id, about PORTION bytes of them at a time."""
    seen: set[str] = set()
    portion: dict[str, dict] = {}
    held = 0
    for batch in parquet_batches(problems, rows=16):
        for row in batch.to_pylist():
            if row["id"] in seen:
                raise ValueError(f"{problems}: id: {row['id']!r} is there twice; give each its own")
            seen.add(row["id"])
            portion[row["id"]] = row
        held += batch.nbytes
        if held >= PORTION:
            yield portion
            portion, held = {}, 0
    if portion:
        yield portion


def _judged(tasks: list[Task], **options) -> list[Verdict]:
    """Judge with a progress bar, silent where nobody watches."""
    from tqdm import tqdm

    with tqdm(total=len(tasks), unit="program", disable=None) as bar:
        return judge(tasks, each=lambda _place, _verdict: bar.update(), **options)


def _write(path: Path, rows: list[dict], schema: pa.Schema) -> None:
    names = schema.names
    write_parquet(path, [{name: row[name] for name in names} for row in rows], schema)


def _summary(words: list[str], isolation: str) -> dict:
    counts = Counter(words)
    tier = isolating.tier(isolation)
    return {
        "programs": len(words),
        "verdicts": {word: counts[word] for word in VERDICTS if counts[word]},
        "isolation": tier.name,
        "isolation_reason": tier.reason,
    }


if "snakemake" in globals():
    from valley.workflow.job import bind, settings

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
