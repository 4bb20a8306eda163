"""The problems that sources ask: in their own rows, or in other data sets."""

from collections import Counter

from valley.core.bad_rows import BadRow, BadRowLog
from valley.core.files import ParquetStream
from valley.core.sources import Questions, Source
from valley.corpora.columns import source_rows, text, word
from valley.corpora.join import plain_problem, problem_id, read_questions, reference_of

ROLES = {"problem", "prompt", "dataset", "split", "index", "difficulty", "origin"}


def gather(
    stream: ParquetStream, sources: list[Source], questions: dict[str, Questions], bad_rows: str
) -> dict[str, object]:
    """Write each problem once, and return counts.

    Memory: an id (about 100 bytes) a problem.
    """
    bad_row_log, counts = BadRowLog(bad_rows, "corpus.bad_rows"), Counter()
    wanted: dict[str, dict[str, set[int]]] = {}
    written: set[str] = set()
    for source in sources:
        for location, values in source_rows(source, ROLES, bad_row_log, counts):
            try:
                reference = reference_of(values)
                if reference is not None:
                    dataset, split, index = reference
                    _known(questions, dataset, split, source.name)
                    wanted.setdefault(dataset, {}).setdefault(split, set()).add(index)
                    continue
                identity = problem_id(values, source.name)
                if identity in written:
                    continue
                origin = word(values, "origin") or source.name
                row = plain_problem(
                    identity, text(values, "prompt"), word(values, "difficulty"), origin
                )
            except BadRow as error:
                bad_row_log(f"{source.name}: {location}: {error}")
                continue
            written.add(identity)
            stream.write(row)
        counts.pop("rows", None)
    for row in read_questions(wanted, questions, bad_row_log):
        counts["joined"] += 1
        counts["with_tests"] += bool(row["tests"])
        stream.write(row)
    return {
        "problems": stream.rows,
        "told_in_sources": len(written),
        "joined": counts["joined"],
        "with_tests": counts["with_tests"],
        "bad_rows": bad_row_log.count,
        "first_bad_rows": bad_row_log.first,
    }


def _known(questions: dict[str, Questions], dataset: str, split: str, source: str) -> None:
    """Check that the study file declares the data set of a question."""
    if dataset not in questions:
        raise BadRow(
            f"its question stands in {dataset}, which corpus.questions does not have; add it, or "
            f"say corpus.sources.{source}.only: {{dataset: [{', '.join(questions) or '…'}]}}"
        )
    if split not in questions[dataset].files:
        raise BadRow(
            f"its question stands in split {split} of {dataset}, but corpus.questions.{dataset}."
            f"files has only {', '.join(questions[dataset].files)}"
        )
