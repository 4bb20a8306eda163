"""The examples of the pages on benchmarks and teachers can be used as they stand."""

import re
from pathlib import Path

import pytest
import yaml
from benchmarks import Published
from valley.core.files import read_parquet
from valley.core.prompts import compose
from valley.core.published import patterns
from valley.core.study import Study
from valley.judging.batch import Task, judge
from valley.workflow.job import Job
from workspace import Workspace

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def study(example: str) -> Study:
    """Put an example into the smoke study."""
    config = Workspace.smoke()
    given = yaml.safe_load(example)
    if "corpus" in given:
        config["corpus"] |= given["corpus"]
    else:
        config |= given
    return Study(config)


EXAMPLES = [
    (page, number, example)
    for page in ("bringing-benchmarks.md", "teachers.md")
    for number, example in enumerate(blocks(page, "yaml"))
]


@pytest.mark.parametrize(
    "example", [e[2] for e in EXAMPLES], ids=[f"{e[0]}-{e[1]}" for e in EXAMPLES]
)
def test_every_example_is_a_part_of_a_study(example):
    assert study(example)


def test_problems_of_ones_own(tmp_path):
    (tmp_path / "mine.jsonl").write_text(blocks("bringing-benchmarks.md", "json")[0])
    example = next(e for e in blocks("bringing-benchmarks.md", "yaml") if "mine.jsonl" in e)
    declared = study(example)
    source = declared.sources["mine"]
    Published(
        out=tmp_path / "out.parquet",
        files=patterns(source),
        path=str(tmp_path / source["path"]),
        hub=None,
        revision=None,
        expected=source["count"],
        first_day=source["from"],
        last_day=source["to"],
        platforms=source["platforms"],
        difficulties=source["difficulties"],
        bad_rows=source["bad_rows"],
    ).run(Job())
    double, total = read_parquet(tmp_path / "out.parquet")
    programs = ["print(2 * int(input()))", "def total(numbers): return sum(numbers)"]
    tasks = [Task(at, programs[at], row) for at, row in enumerate((double, total))]
    assert [verdict.verdict for verdict in judge(tasks)] == ["accepted", "accepted"]
    texts = declared.prompt("mine")
    assert "reads stdin" in compose(texts, double["statement"], double["starter_code"])
    assert compose(texts, total["statement"], total["starter_code"]).endswith("def total(numbers):")
