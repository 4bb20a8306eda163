"""Answers are kept as they come, whoever gives them."""

from collections.abc import Callable, Iterable, Sequence

from tqdm import tqdm

from valley.core.resume import Stopped
from valley.lm.answer_cache import AnswerCache


def save_answers(
    batches: Iterable[Sequence[tuple[int, object]]],
    cache: AnswerCache,
    row_of: Callable[[int, object], dict | None],
    *,
    left: int,
    total: int,
    chunk: int,
    rows: Iterable[dict] = (),
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Add answers to a cache, a chunk at a time; what has come is kept if the answering fails.

    Args:
        batches: answers that finish together, each with the number of its question.
        cache: where answers are kept.
        row_of: from a number and an answer, the cache's row; None where nobody answered.
        left: how many answers are to come.
        total: how many the job wants, those included that the cache has; for the message.
        chunk: answers that are saved together, at least (a batch may be larger).
        rows: kept with the first chunk.
        saved: called after each chunk, also after one without rows.

    Raises:
        Stopped: the batches ended before all answers had come.
    """
    rows = list(rows)
    with tqdm(total=left, unit="answer", disable=None) as bar:
        try:
            for finished in batches:
                made = (row_of(number, said) for number, said in finished)
                rows += [row for row in made if row is not None]
                left -= len(finished)
                bar.update(len(finished))
                if len(rows) >= chunk:
                    cache.write(rows)
                    rows = []
                    saved()
        finally:
            cache.write(rows)  # also when the engine fails: what was answered is answered
            saved()
    if left:
        raise Stopped(
            f"{total - left} of {total} answers are in {cache.folder}; the same job continues "
            f"with the other {left}"
        )
