"""A source's answers as pool rows."""

from collections import Counter
from pathlib import Path

from valley.core.bad_rows import BadRow, BadRowLog
from valley.core.files import ParquetStream
from valley.core.sources import Source
from valley.core.text import tokens
from valley.corpora.columns import correct, source_rows, text, word
from valley.corpora.join import Statements, problem_id, reference_of


def convert(
    stream: ParquetStream,
    problems: Path,
    source: Source,
    correctness: str,
    pass_rate: float,
    bad_rows: str,
) -> dict[str, object]:
    """Write a source's rows as pool rows, one by one, and return counts."""
    bad_row_log, counts, teachers = BadRowLog(bad_rows, "corpus.bad_rows"), Counter(), Counter()
    rows = source_rows(source, set(source.columns), bad_row_log, counts)
    with Statements(problems) as statements:
        for location, values in rows:
            try:
                row = _row(location, values, source, statements)
            except BadRow as error:
                bad_row_log(f"{source.name}: {location}: {error}")
                continue
            if correctness != "judge":
                row["correct"] = correct(values, correctness, pass_rate, counts)
            teachers[row["teacher"]] += 1
            counts["without_difficulty"] += row["difficulty"] is None
            stream.write(row)
    return {
        "rows": counts.pop("rows", 0),
        "traces": stream.rows,
        "teachers": dict(sorted(teachers.items())),
        "bad_rows": bad_row_log.count,
        "first_bad_rows": bad_row_log.first,
        **counts,
    }


def _row(location: str, values: dict, source: Source, statements: Statements) -> dict:
    identity = problem_id(values, source.name)
    known = statements.get(identity)
    if known is None:
        raise BadRow(f"problem {identity} is not among the corpus' problems")
    response = text(values, "response").strip()
    if "reasoning" in source.columns:
        response = f"<think>\n{text(values, 'reasoning').strip()}\n</think>\n\n{response}"
    # A data set that holds questions knows their difficulty; a row may hold a copy of it.
    difficulty = known[1] if reference_of(values) is not None else ""
    return {
        "id": f"{source.name}/{word(values, 'id') or location}",
        "problem_id": identity,
        "prompt": known[0],
        "response": response,
        "difficulty": word({"label": difficulty}, "label") or word(values, "difficulty"),
        "correct": None,
        "teacher": word(values, "teacher") or source.teacher,
        "tokens": tokens(response),
        "source": word(values, "origin") or source.name,
    }
