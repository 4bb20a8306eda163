"""The table of answers, row by row; what the prompt opened; the time that hostile answers take."""

import time

import pytest
from answers_table import ADD, TABLE, F, T
from valley.judging.answers import extract_program, published_program
from valley.judging.reasoning import REASONING, Marks, after_reasoning, opened_by, table


@pytest.mark.parametrize(
    ("answer", "asked", "program"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_program_is_the_one_that_a_reader_would_name(answer, asked, program):
    assert extract_program(answer, asked) == program


def test_the_table_is_long_and_names_each_case_once():
    assert len(TABLE) >= 150
    assert len({name for name, *_ in TABLE}) == len(TABLE)


DRAFT = f"So:\n{F}\nWait, is that"  # a draft in reasoning that was cut


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|User|>Add.<|Assistant|><think>\n", "<think>\n"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),  # reasoning is turned off
        ("[INST]Add.[/INST][THINK]", "[THINK]"),
        ("<seed:bos>assistant\n<seed:think>", "<seed:think>"),
        ("Answer in <think>\nand then", ""),
        ("### Response\n```python\n", "```python\n"),
        ("Starter:\n```python\ndef add(a, b):\n```\n", ""),  # this one closes
        ("Your code should pass these tests.\n[BEGIN]\n", "[BEGIN]\n"),
        ("Write your analysis", ""),
        ("", ""),
    ],
)
def test_what_a_prompt_opens_is_found_at_its_end(prompt, opened):
    assert opened_by(prompt) == opened


@pytest.mark.parametrize("mark", [m for marks in REASONING.values() for m in marks.open])
def test_a_draft_in_reasoning_that_was_cut_is_not_judged(mark):
    assert extract_program(mark + DRAFT, "add") is None


@pytest.mark.parametrize("marks", REASONING.values(), ids=REASONING)
def test_every_mark_in_the_table_ends_what_it_begins(marks):
    for begin in marks.open:
        for end in marks.close:
            assert after_reasoning(f"{begin}{DRAFT}{end}Answer") == "Answer"


def test_a_study_adds_marks_of_its_own_to_those_that_are_known():
    own = table({"mine": {"open": "<<plan", "close": ["plan>>", "/plan"]}})
    assert own["mine"] == Marks(("<<plan",), ("plan>>", "/plan"))
    assert extract_program("<<plan\n" + DRAFT, "add", own) is None
    assert extract_program(f"<<plan\n{DRAFT}\nplan>>\n{F}", "add", own) == ADD
    assert extract_program("<think>\n" + DRAFT, "add", own) is None
    with pytest.raises(ValueError, match=r"judge.reasoning.mine.close: '' is no mark"):
        table({"mine": {"open": "<plan>", "close": ""}})


def test_livecodebench_takes_the_last_fence():
    usage = f"{F}\n{T}python\nprint(add(1, 2))\n{T}"
    assert published_program(usage, "livecodebench", ADD) == "print(add(1, 2))"
    assert published_program(usage, "humaneval", ADD) == ADD
    assert published_program(F, "livecodebench", ADD) is ADD  # one program, judged once
    assert published_program(ADD, "livecodebench", ADD) is None  # no fence, no program
    assert published_program(f"<think>\n{F}cut", "livecodebench", None) == ADD.rstrip("\n")


MB = 1 << 18  # a quarter, for the time that the tests take; what is quadratic shows
HOSTILE = {
    "back-ticks": "`" * MB,
    "back-ticks, then a letter": "`" * MB + "x`",
    "fences": "```\n" * (MB // 4),
    "fences on a line": "```a" * (MB // 4),
    "labelled fences": "```python\n" * (MB // 10),
    "fences with words": "```python\nx\n``` and so\n" * (MB // 24),
    "tildes": "~" * MB,
    "openings": "<think>" * (MB // 7),
    "closings": "</think>" * (MB // 8),
    "pairs": "<think></think>" * (MB // 15),
    "pairs on lines": "<think>\n</think>\n" * (MB // 17),
    "openings in a fence": "```python\n" + "<think>\n" * (MB // 8),
    "other marks": "<code>" * (MB // 6),
    "pairs of other marks": "<answer>x</answer>" * (MB // 18),
    "open brackets": "(\n" * (MB // 2),
    "open brackets after words": "foo bar (\n" * (MB // 10),
    "quotes": "a '''\n" * (MB // 6),
    "unfinished quotes": "x = '\\" * (MB // 6),
    "quotes in a fence": "```python\n" + "'''\n```\n" * (MB // 8),
    "decorators": "@a\n" * (MB // 3),
    "nested lists": "[" * MB,
    "signs": "x = " + "-" * MB + "1",
    "sums": "x = 1" + "+1" * (MB // 2),
    "deep blocks": "".join(" " * n + "if 1:\n" for n in range(1400)),
    "short lines of code": "x=1\n" * (MB // 4),
    "code and prose": "x = 1\nno code here\n" * (MB // 19),
    "blank lines": "\n" * MB,
    "blanks": " " * MB,
    "lines that begin like code": "for x in y:\n" * (MB // 12),
    "names": "a, " * (MB // 3) + "= 1",
    "attributes": "a." * (MB // 2),
    "objects": '{"code":' * (MB // 8) + "}",
    "empty lines after a sign": "x = \\\n" * (MB // 6),
    "entities": "&lt;" * (MB // 4),
    "null bytes": "\0" * MB,
    "surrogates": "\ud800" * MB,
}


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_is_bounded(name):
    begun = time.process_time()
    extract_program(HOSTILE[name], "")
    assert time.process_time() - begun < 6  # where it is quadratic, a minute or far more
