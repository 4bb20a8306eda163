"""A trace as a row of the pool."""

from typing import Any


def trace_row(
    problem: dict[str, Any], response: str, *, id: str, teacher: str, tokens: int
) -> dict[str, Any]:
    """Return a pool row; whether its program is correct is not known yet.

    Args:
        problem: row of the problem table.
        response: the whole answer, reasoning between think tags.
        id: of the row.
        teacher: who wrote it.
        tokens: of the response.
    """
    return {
        "id": id,
        "problem_id": problem["id"],
        "prompt": problem["statement"],
        "response": response,
        "difficulty": problem["difficulty"],
        "correct": None,
        "teacher": teacher,
        "tokens": tokens,
        "source": problem["source"],
    }
