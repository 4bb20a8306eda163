"""Make problems and traces, and from them the pool that shards are cut from."""

import re
from collections import Counter
from pathlib import Path

from core import prompts, slices
from core.files import POOL, PROBLEM, read_parquet, write_json, write_parquet
from core.seeds import derive


def bank_problems(out: Path, *, number: int, seed: int, split: str) -> None:
    """Write problems of the bundled generator.

    Args:
        out: problem table to write.
        number: how many problems; more of them extend fewer.
        seed: of the generator.
        split: part of all problems; parts share no behaviour.
    """
    from bank import problems

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
        "tokens": len(re.findall(r"\w+|[^\w\s]", response)),
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
    from bank import teacher as procedural

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
        prompt: texts that statements are put in (`core.prompts`); None is the bare statement.
    """
    from bank import problems, teacher

    def worded(row: dict) -> dict:
        return {**row, "statement": prompts.compose(prompt, row["statement"], row["starter_code"])}

    solved = problems.generate(number, seed, "base")
    write_parquet(
        pairs_out,
        [
            trace_row(worded(row), teacher.direct(row, derive("direct", seed, row["id"])), "direct")
            for row in solved
        ],
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


def pool(
    problems: Path,
    traces: list[Path],
    labels: Path,
    benchmarks: list[Path],
    out: Path,
    summary: Path,
    *,
    difficulties: dict[str, list[str]],
    prompt: list[str] | None = None,
) -> None:
    """Join traces with their labels, clean them, and count what was dropped.

    Dropped are malformed reasoning, repeated prompt-and-answer texts, and problems that a benchmark
    has too, by statement or (for the bank) by behaviour.

    Args:
        problems: the corpus' problems.
        traces: one file a teacher.
        labels: id, correct.
        benchmarks: problems that no trace may answer.
        out: the pool, sorted by id.
        summary: counts, by step and by slice.
        difficulties: the study's words, each with the corpus' labels that it stands for.
        prompt: texts that statements are put in (`core.prompts`); None is the bare statement.
    """
    word = {label: name for name, labels_ in difficulties.items() for label in labels_}
    correct = {row["id"]: row["correct"] for row in read_parquet(labels)}
    starters = {
        row["id"]: row["starter_code"]
        for row in read_parquet(problems, columns=["id", "starter_code"])
    }
    contaminated = benchmark_problems(read_parquet(problems), benchmarks)
    dropped, seen, kept = Counter(), set(), []
    for row in sorted(
        (row for path in traces for row in read_parquet(path)), key=lambda r: r["id"]
    ):
        text = (row["prompt"], row["response"])
        if row["problem_id"] in contaminated:
            dropped["contaminated"] += 1
        elif not re.match(r"<think>(?:(?!</?think>).)*</think>(?!.*</?think>)", text[1], re.DOTALL):
            dropped["malformed"] += 1
        elif text in seen:
            dropped["duplicate"] += 1
        else:
            seen.add(text)
            kept.append(
                {
                    **row,
                    "prompt": prompts.compose(
                        prompt, row["prompt"], starters.get(row["problem_id"])
                    ),
                    "difficulty": word.get(row["difficulty"]),
                    "correct": correct.get(row["id"]),
                }
            )
    write_parquet(out, kept, POOL)
    counts = {
        name: sum(slices.holds(name, row) for row in kept) for name in slices.names([*difficulties])
    }
    steps = ("contaminated", "malformed", "duplicate")
    write_json(
        summary,
        {
            "traces": len(kept) + sum(dropped.values()),
            "dropped": {step: dropped[step] for step in steps},
            "kept": len(kept),
            "problems": len({row["problem_id"] for row in kept}),
            "without_difficulty": sum(row["difficulty"] is None for row in kept),
            "without_label": sum(row["correct"] is None for row in kept),
            "slices": counts,
            "tokens": sum(row["tokens"] for row in kept),
        },
    )


def benchmark_problems(problems: list[dict], benchmarks: list[Path]) -> set[str]:
    """Return the ids of problems that a benchmark has too."""
    from bank.problems import overlap

    # Problems of other origin are no problems of the bank, whose behaviour its ids tell.
    wanted = ["id", "statement", "source"]
    rows = [row for path in benchmarks for row in read_parquet(path, columns=wanted)]
    asked = [row for row in rows if row["source"] == "bank"]
    return {own for own, _, _ in overlap(problems, asked)}


if "snakemake" in globals():
    from core.job import bind, settings

    source, target, rule = snakemake.input, snakemake.output, snakemake.rule
    with bind(snakemake):
        if rule in ("benchmark", "problems"):
            bank_problems(target[0], **settings(snakemake))
        elif rule == "traces":
            name = snakemake.wildcards.teacher
            traces(source.problems, target[0], teacher=name, **settings(snakemake))
        elif rule == "pool":
            pool(
                **dict(source.items()),
                out=target.pool,
                summary=target.summary,
                **settings(snakemake),
            )
        elif rule == "pairs":
            pairs(target.pairs, target.text, **settings(snakemake))
