"""The teacher: well-formed traces, right when told to be, wrong in plausible ways otherwise."""

import contextlib
import io
import re
import statistics

import pytest
from valley.bank import problems, teacher
from valley.bank.forms import STDIN
from valley.bank.mistakes import wrong_versions
from valley.core.text import tokens

SHAPE = re.compile(r"<think>\n(.+?)\n</think>\n```python\n(.+?)\n```\n", re.DOTALL)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return problems.generate(240, 5, "train")


def passes(program: str, row: dict) -> bool:
    """Run a program in this process on a row's tests; the judge's verdict in small."""
    for test in row["tests"]:
        printed, lines = io.StringIO(), iter(test["input"].splitlines())
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(program, "answer", "exec"), {"input": lambda lines=lines: next(lines)})
        except Exception:
            return False
        if printed.getvalue().split() != test["expected"].split():
            return False
    return True


def program_of(text: str) -> str | None:
    match = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    return match[1] if match else None


def test_direct_answers_are_bare_and_right(rows):
    for row in rows:
        text = teacher.direct(row)
        assert text.startswith("```python\n") and "<think>" not in text
        assert passes(program_of(text), row)


def test_careful_traces_are_right_and_well_formed(rows):
    for row in rows:
        match = SHAPE.fullmatch(teacher.trace(row, 1, 0.0))
        assert match, row["id"]
        assert passes(match[2], row), row["id"]


def test_careless_traces_are_mostly_wrong_and_still_think(rows):
    texts = [teacher.trace(row, 1, 1.0) for row in rows]
    for text in texts:
        assert text.startswith("<think>\n") and text.count("</think>") == 1
    programs = [program_of(text) for text in texts]
    right = sum(p is not None and passes(p, row) for p, row in zip(programs, rows, strict=True))
    assert right < 0.15 * len(rows)
    # Plausible: nearly all answers have a program, and nearly all of these parse.
    assert sum(p is not None for p in programs) > 0.88 * len(rows)


def test_the_share_of_mistakes_follows_the_probability(rows):
    right = [passes(program_of(teacher.trace(row, 2, 0.4)) or "1/0", row) for row in rows]
    assert 0.5 < statistics.mean(right) < 0.75


def test_traces_vary_with_the_seed_and_repeat_with_it(rows):
    for row in rows[:20]:
        assert teacher.trace(row, 3, 0.5) == teacher.trace(row, 3, 0.5)
        assert len({teacher.trace(row, seed, 0.0) for seed in range(8)}) >= 4
    everything = "".join(teacher.trace(row, 4, 0.0) for row in rows)
    assert "Wait" in everything and "Sample" in everything and "told backwards" in everything


def test_lengths_keep_to_the_budget(rows):
    sizes = {level: [] for level in ("easy", "medium", "hard")}
    for row in rows:
        sizes[row["difficulty"]].append(tokens(teacher.trace(row, 5, 0.2)))
    assert max(max(part) for part in sizes.values()) <= 260
    assert statistics.median(sizes["easy"]) <= 130
    assert statistics.median(sizes["easy"]) < statistics.median(sizes["hard"]) <= 210


def test_private_tests_catch_nearly_all_wrong_versions(rows):
    caught = total = 0
    for row in rows[:80]:
        structure = problems.regenerate(row["id"]).plan
        for version in wrong_versions(structure):
            text = STDIN.program(structure, version.steps, version.final)
            total += 1
            caught += not passes(text, row)
    assert caught > 0.85 * total


def test_wrong_arguments_are_named(rows):
    with pytest.raises(ValueError, match=r"not 1\.5"):
        teacher.trace(rows[0], 1, 1.5)
    with pytest.raises(ValueError, match="not the id"):
        teacher.trace({"id": "lcb-1"}, 1, 0.0)
