"""Teachers that are run here, by the engine that lets students answer too."""

from pathlib import Path

import pytest
from lm_material import TEXTS
from teachers import ask
from valley.asking.local import Local
from valley.asking.questions import questions
from valley.asking.settings import AskSettings, Model
from valley.bank import problems as bank
from valley.core.files import PROBLEM, write_parquet
from valley.lm import students
from valley.lm.answer_cache import AnswerCache


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny model in a folder, as the hub has them."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = students.train_tokenizer(TEXTS, 400)
    network = students.create(tokenizer, hidden=32, layers=2, heads=2, positions=2048, seed=0)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


ASKED = AskSettings(answers=2, seed=1, temperature=1.0, top_p=1.0, max_tokens=12)


def local(model: Path) -> Local:
    how = Model(str(model), engine="transformers", precision="fp32", batch_size=4)
    return Local(how, ASKED)


def test_a_model_answers_each_question_as_often_as_asked(tmp_path, model):
    write_parquet(tmp_path / "problems.parquet", bank.generate(3, 5, "train"), PROBLEM)
    asked = questions(tmp_path / "problems.parquet", ASKED, None)
    cache = AnswerCache(tmp_path / "book", {})
    measured, reasons = ask(asked, cache, lambda: local(model), chunk=2)
    assert measured["asked"] == 6 and not reasons
    known = cache.known(question.key for question in asked)
    assert len({row["text"] for row in known.values()}) == 6
    assert all(row["finish_reason"] in ("stop", "length") for row in known.values())
    again = AnswerCache(tmp_path / "again", {})
    ask(asked[::-1], again, lambda: local(model), chunk=2)
    assert again.known(known) == known


def test_a_prompt_that_fills_the_window_is_refused(tmp_path, model):
    rows = bank.generate(2, 5, "train")
    rows[0]["statement"] *= 100
    write_parquet(tmp_path / "problems.parquet", rows, PROBLEM)
    asked = questions(tmp_path / "problems.parquet", AskSettings(seed=1), None)
    _, reasons = ask(asked, AnswerCache(tmp_path / "book", {}), lambda: local(model), chunk=2)
    assert reasons == {"refused: the prompt fills the window": 1}
