"""The bench of full-size students: what it measures, in small, and how it scales and writes."""

from dataclasses import replace
from pathlib import Path

import bench_students
import pytest
from bench_students import MARKS, SHAPES, Case, between, cases, examples_of, fitting, row, scaled
from valley.lm import memory, packing

GPU = 80e9


def test_shapes_have_the_parameters_of_the_published_models():
    assert SHAPES["Qwen2.5-0.5B"].parameters == pytest.approx(494.0e6, rel=1e-3)
    assert {case.student for case in cases()} <= SHAPES.keys()


def test_every_lever_is_on_and_off_and_every_length_there():
    listed = cases()
    assert len(set(listed)) == len(listed)
    for name in ("kernel", "checkpointing", "compiled", "head"):
        assert len({getattr(case, name) for case in listed}) > 1, name
    for tokens in (4096, 16384, 32768):
        of = {(case.student, case.lora) for case in listed if case.tokens == tokens}
        assert of >= {
            ("Qwen2.5-0.5B", False),
            ("Qwen2.5-1.5B", False),
            ("Qwen2.5-7B", True),
            ("Qwen2.5-7B", False),
        }


def test_examples_fill_rows_to_the_last_token():
    made = examples_of(bench_students.TINY, 1024, 4096)
    (passes,) = packing.micro_batches(made, 1024, 1024, 1)
    widths = [[sum(len(e.ids) for e in one) for one in rows] for rows in passes]
    assert widths == [[1024]] * 4


def test_as_many_blocks_as_fit_and_not_one_more():
    case, whole = Case("Qwen2.5-7B", False, tokens=32768), SHAPES["Qwen2.5-7B"]
    found = fitting(whole, GPU, case)
    assert 2 < found.layers < whole.layers
    needs = [
        memory.training_need(replace(found, layers=n), **bench_students.asked_of(case)).total
        for n in (found.layers, found.layers + 1)
    ]
    assert needs[0] <= GPU * (1 - memory.RESERVE) < needs[1]
    assert fitting(SHAPES["Qwen2.5-1.5B"], GPU, Case("Qwen2.5-1.5B", False)).layers == 28


def test_the_time_of_a_whole_model_is_told_from_two_depths():
    ends, each = 0.7, 0.25
    at = {layers: ends + layers * each for layers in (6, 12, 28)}
    assert scaled(at[12], at[6], (12, 6), 28) == pytest.approx(at[28])


@pytest.mark.parametrize("lora", [False, True])
def test_a_line_of_the_table_is_measured(lora):
    case = Case("Qwen2.5-0.5B", lora, tokens=256, kernel="sdpa")
    cells = [cell.strip() for cell in row(case, "cpu", GPU, update=512).strip("|").split("|")]
    assert cells[1] == ("LoRA" if lora else "full")
    assert cells[7] == "4 of 4"
    assert float(cells[8].replace(",", "")) > 0


def test_what_does_not_fit_is_measured_in_part_and_scaled():
    case = Case("Qwen2.5-0.5B", False, tokens=256, kernel="sdpa")
    three = replace(bench_students.TINY, layers=3)
    need = memory.training_need(three, **bench_students.asked_of(case))
    line = row(case, "cpu", need.total / (1 - memory.RESERVE) * 1.001, update=512)
    assert "| 3 of 4 |" in line


def test_the_table_takes_the_place_between_the_marks_of_the_page():
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    written = between(page, "| a table |")
    begin, end = (written.index(mark) for mark in MARKS)
    assert written[begin + len(MARKS[0]) : end] == "\n| a table |\n"
    assert written[:begin] == page[: page.index(MARKS[0])]
    assert written[end:] == page[page.index(MARKS[1]) :]
    with pytest.raises(ValueError, match="lacks the marks"):
        between("no marks", "")
