"""Answers are kept as they come: by chunks, when the answering fails, and when it is stopped."""

import pyarrow.parquet as pq
import pytest
from valley.core.resume import Stopped
from valley.lm.answer_cache import AnswerCache, Question, answer_row
from valley.lm.answering import save_answers

ASKED = [Question("say", f"p{number}", 0, number) for number in range(5)]


@pytest.fixture
def answers(tmp_path):
    return AnswerCache(tmp_path, {"seed": 0})


def row(number: int, said: str | None) -> dict | None:
    return said and answer_row(ASKED[number], said, "stop", len(said))


def texts(answers: AnswerCache) -> list[str]:
    """Return what a fresh reader of the book's folder finds, by problem."""
    fresh = AnswerCache(answers.folder.parent.parent, answers.about)
    known = fresh.known(question.key for question in ASKED)
    return [known[q.key]["text"] if q.key in known else "" for q in ASKED]


def segments(answers: AnswerCache) -> list[int]:
    return sorted(pq.read_metadata(path).num_rows for path in answers.folder.glob("*.parquet"))


def test_answers_are_saved_by_chunks(answers):
    saved = []
    batches = [[(0, "a")], [(2, "c"), (1, "b")], [(4, "e"), (3, "d")]]
    save_answers(
        batches,
        answers,
        row,
        left=5,
        total=5,
        chunk=2,
        saved=lambda: saved.append(segments(answers)),
    )
    assert texts(answers) == ["a", "b", "c", "d", "e"]
    assert saved == [[3], [2, 3], [2, 3]]


def test_what_had_come_is_kept_when_the_answering_fails(answers):
    def batches():
        yield [(0, "a")]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        save_answers(batches(), answers, row, left=5, total=5, chunk=100)
    assert texts(answers) == ["a", "", "", "", ""]


def test_a_stop_says_how_many_are_left(answers, capsys):
    with pytest.raises(Stopped):
        save_answers([[(0, "a"), (1, "b")]], answers, row, left=5, total=9, chunk=100)
    said = f"6 of 9 answers are in {answers.folder}; the same job continues with the other 3"
    assert said in capsys.readouterr().out
    assert texts(answers) == ["a", "b", "", "", ""]


def test_an_answer_that_nobody_gave_counts_and_is_not_kept(answers):
    first = [answer_row(ASKED[4], "", "length", 0)]
    save_answers([[(0, None), (1, "b")]], answers, row, left=2, total=2, chunk=1, rows=first)
    assert segments(answers) == [2]
    assert texts(answers) == ["", "b", "", "", ""]
