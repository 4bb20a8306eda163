"""Answers are kept as they come: by chunks, when the answering fails, and when it is stopped."""

import pyarrow.parquet as pq
import pytest
from valley.core.resume import Stopped
from valley.lm.answering import keep
from valley.lm.book import Book, Question, answered

ASKED = [Question("say", f"p{number}", 0, number) for number in range(5)]


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path, {"seed": 0})


def row(number: int, said: str | None) -> dict | None:
    return said and answered(ASKED[number], said, "stop", len(said))


def texts(book: Book) -> list[str]:
    """Return what a fresh reader of the book's folder finds, by problem."""
    fresh = Book(book.folder.parent.parent, book.about)
    known = fresh.known(question.key for question in ASKED)
    return [known[q.key]["text"] if q.key in known else "" for q in ASKED]


def segments(book: Book) -> list[int]:
    return sorted(pq.read_metadata(path).num_rows for path in book.folder.glob("*.parquet"))


def test_answers_are_saved_by_chunks(book):
    saved = []
    batches = [[(0, "a")], [(2, "c"), (1, "b")], [(4, "e"), (3, "d")]]
    keep(batches, book, row, left=5, total=5, chunk=2, saved=lambda: saved.append(segments(book)))
    assert texts(book) == ["a", "b", "c", "d", "e"]
    assert saved == [[3], [2, 3], [2, 3]]


def test_what_had_come_is_kept_when_the_answering_fails(book):
    def batches():
        yield [(0, "a")]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        keep(batches(), book, row, left=5, total=5, chunk=100)
    assert texts(book) == ["a", "", "", "", ""]


def test_a_stop_says_how_many_are_left(book, capsys):
    with pytest.raises(Stopped):
        keep([[(0, "a"), (1, "b")]], book, row, left=5, total=9, chunk=100)
    said = f"6 of 9 answers are in {book.folder}; the same job goes on with the other 3"
    assert said in capsys.readouterr().out
    assert texts(book) == ["a", "b", "", "", ""]


def test_an_answer_that_nobody_gave_counts_and_is_not_kept(book):
    first = [answered(ASKED[4], "", "length", 0)]
    keep([[(0, None), (1, "b")]], book, row, left=2, total=2, chunk=1, rows=first)
    assert segments(book) == [2]
    assert texts(book) == ["", "b", "", "", ""]
