"""Make problems and traces, and from them the pool that shards are cut from."""

from pathlib import Path

from valley.core import prompts
from valley.core.files import (
    LABEL,
    POOL,
    PROBLEM,
    merged_rows,
    parquet_stream,
    read_json,
    read_parquet,
    stream_rows,
    write_json,
    write_parquet,
    write_text,
)
from valley.core.seeds import derive
from valley.core.text import tokens


def bank_problems(out: Path, *, number: int, seed: int, split: str) -> None:
    """Write problems of the bundled generator.

    Args:
        out: problem table to write.
        number: how many problems; more of them extend fewer.
        seed: of the generator.
        split: part of all problems; parts share no behaviour.
    """
    from valley.bank import problems

    write_parquet(out, problems.generate(number, seed, split), PROBLEM)


def trace_row(problem: dict, response: str, teacher: str) -> dict:
    """Return a pool row; whether its program is correct is not known yet."""
    return {
        "id": f"{problem['id']}/{teacher}",
        "problem_id": problem["id"],
        "prompt": problem["statement"],
        "response": response,
        "difficulty": problem["difficulty"],
        "correct": None,
        "teacher": teacher,
        "tokens": tokens(response),
        "source": problem["source"],
    }


def traces(problems: Path, out: Path, *, teacher: str, mistakes: float, seed: int) -> None:
    """Let the procedural teacher answer every problem once.

    Args:
        problems: problem table.
        out: pool rows to write, unlabelled.
        teacher: the teacher's name.
        mistakes: share of answers in which it goes wrong.
        seed: of its wording and its mistakes.
    """
    from valley.bank import teacher as procedural

    rows = [
        trace_row(
            problem,
            procedural.trace(problem, derive("trace", teacher, seed, problem["id"]), mistakes),
            teacher,
        )
        for problem in read_parquet(problems)
    ]
    write_parquet(out, rows, POOL)


def pairs(
    pairs_out: Path,
    text_out: Path,
    *,
    number: int,
    seed: int,
    prompt: list[str] | None = None,
) -> None:
    """Write what a student made from scratch learns before the study, from problems of its own.

    Args:
        pairs_out: direct answers, without reasoning: its training set.
        text_out: traces on other problems; only the tokenizer sees them, as a large model's
            tokenizer has seen text of all kinds.
        number: how many pairs.
        seed: of the problems.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
    """
    from valley.bank import problems, teacher

    def worded(row: dict) -> dict:
        return {**row, "statement": prompts.compose(prompt, row["statement"], row["starter_code"])}

    solved = problems.generate(number, seed, "base")
    write_parquet(
        pairs_out,
        [trace_row(worded(row), teacher.direct(row), "direct") for row in solved],
        POOL,
    )
    write_parquet(
        text_out,
        [
            trace_row(worded(row), teacher.trace(row, derive("text", seed, row["id"]), 0.3), "text")
            for row in solved[:2000]
        ],
        POOL,
    )


def source_problems(
    out: Path, counts: Path, *, sources: list[dict], questions: dict, bad_rows: str
) -> None:
    """Write the problems that corpora made elsewhere ask, each once.

    Args:
        out: problem table to write: questions told in the sources, as they are met, then those
            that stand in other data sets.
        counts: JSON to write: rows read, problems found, and bad rows.
        sources: corpora, as `valley.core.sources.resolved` gives them.
        questions: data sets that hold questions, by name.
        bad_rows: "stop" at the first bad row, or "skip" and count.
    """
    from valley.corpora import problems

    with parquet_stream(out, PROBLEM) as stream:
        found = problems.gather(stream, sources, questions, bad_rows)
    write_json(counts, found)


def source_traces(
    problems: Path,
    out: Path,
    counts: Path,
    *,
    source: dict,
    correctness: str,
    pass_rate: float,
    bad_rows: str,
) -> None:
    """Write the traces of a corpus made elsewhere as pool rows.

    Args:
        problems: the corpus' problems.
        out: pool rows to write, in the source's order.
        counts: JSON to write: rows read and left out, teachers, unknown verdicts, bad rows.
        source: the corpus, as `valley.core.sources.resolved` gives it.
        correctness: "judge" leaves it open; "judgement" and "pass_rate" are the source's word.
        pass_rate: smallest rate of a correct answer.
        bad_rows: "stop" at the first bad row, or "skip" and count.
    """
    from valley.corpora import traces as foreign

    with parquet_stream(out, POOL) as stream:
        found = foreign.convert(stream, problems, source, correctness, pass_rate, bad_rows)
    write_json(counts, found)


def given_labels(traces: list[Path], out: Path) -> None:
    """Label each trace as its source has it.

    Args:
        traces: one file a teacher.
        out: labels to write: id, correct, verdict (none: no program was run).
    """
    with parquet_stream(out, LABEL) as stream:
        for row in merged_rows(traces, ["id", "correct"]):
            stream.write({**row, "verdict": None})


def pool(
    problems: Path,
    traces: list[Path],
    labels: Path,
    benchmarks: list[Path],
    out: Path,
    summary: Path,
    counts: list[Path] = (),
    *,
    difficulties: dict[str, list[str]],
    ratings: dict[str, float | None] | None = None,
    cleaning: dict | None = None,
    words: int = 10,
    overlap: float = 0.5,
    prompt: list[str] | None = None,
    held_out: float = 0.0,
) -> dict:
    """Join traces with their labels, clean them, and count what was dropped.

    Args:
        problems: the corpus' problems.
        traces: one file a teacher.
        labels: id, correct; in the order of the traces.
        benchmarks: problems that no trace may answer.
        out: the pool, in the order of the traces.
        summary: counts, by step and by slice.
        counts: what was counted when sources were read.
        difficulties: the study's words, each with the corpus' labels that it stands for.
        ratings: largest Codeforces rating of each word, rising; None has no bound.
        cleaning: `languages` of programs (None for any), `max_tokens` of a trace in words and
            marks, and the similarity of `near_duplicates`; None drops what is malformed or repeated
            and nothing else.
        words: n of the n-grams by which statements are compared with the benchmarks'.
        overlap: share of n-grams in common from which on a problem is a benchmark's.
        prompt: texts that statements are put in (`valley.core.prompts`); None is the statement.
        held_out: share of the problems that no shard will hold; slices are counted without them.

    Returns:
        What was measured, for the sidecar.
    """
    from valley.corpora import pooling

    shared, closest = benchmark_problems(problems, benchmarks, words, overlap)
    faults = pooling.faults(traces, shared, cleaning)
    wanted = ["id", "starter_code"]
    starters = {row["id"]: row["starter_code"] for row in stream_rows(problems, wanted)}

    def worded(row: dict) -> str:
        return prompts.compose(prompt, row["prompt"], starters.get(row["problem_id"]))

    word = pooling.Difficulty(difficulties, ratings or {})
    with parquet_stream(out, POOL) as stream:
        found = pooling.write(stream, traces, labels, faults, word, worded, held_out)
    found["sources"] = {Path(path).stem: read_json(path) for path in counts}
    found["closest_to_benchmarks"] = closest
    write_json(summary, {name: value for name, value in found.items() if value not in ({}, [])})
    return pooling.measured(faults)


def benchmark_problems(
    problems: Path, benchmarks: list[Path], words: int, overlap: float
) -> tuple[set[str], list[dict]]:
    """Return the ids of problems that a benchmark has too, and the closest pairs by statement.

    Problems of the bank are compared with one another by statement and behaviour, all others by
    the n-grams of their statements.
    """
    from valley.bank.problems import overlap as bank_overlap
    from valley.corpora.decontaminate import contaminated

    def of_bank(path: Path) -> list[dict]:
        rows = stream_rows(path, ["id", "statement", "source"])
        return [row for row in rows if row["source"] == "bank"]

    asked = [row for path in benchmarks for row in of_bank(path)]
    same = {own for own, _, _ in bank_overlap(of_bank(problems), asked)} if asked else set()
    alike, closest = contaminated(problems, benchmarks, words=words, overlap=overlap)
    return same | alike, closest


def page(summary: Path, out: Path) -> None:
    """Write what became of the corpus as a page for people.

    Args:
        summary: counts, as `pool` writes them.
        out: HTML to write.
    """
    from valley.corpora.page import render

    write_text(out, render(read_json(summary)))


if "snakemake" in globals():
    from valley.workflow.job import bind, settings

    source, target, rule = snakemake.input, snakemake.output, snakemake.rule
    chosen = settings(snakemake)
    with bind(snakemake) as job:
        if rule == "source_problems":
            source_problems(target.problems, target.counts, **chosen)
        elif rule == "source_traces":
            source_traces(source.problems, target.traces, target.counts, **chosen)
        elif rule == "given_labels":
            given_labels(source.traces, target[0])
        elif rule in ("benchmark", "problems"):
            bank_problems(target[0], **chosen)
        elif rule == "traces":
            name = snakemake.wildcards.teacher
            traces(source.problems, target[0], teacher=name, **chosen)
        elif rule == "pool":
            job.measured |= pool(
                **dict(source.items()), out=target.pool, summary=target.summary, **chosen
            )
        elif rule == "corpus_page":
            page(source[0], target[0])
        elif rule == "pairs":
            pairs(target.pairs, target.text, **chosen)
