"""The reference of study-file keys: complete, explained, and not drifted from the schema."""

import argparse

import yaml
from valley.commands import reference
from valley.core.config import SCHEMA

PAGE = SCHEMA.parents[1] / "docs" / "study-file.md"


def valley_keys(*arguments):
    parser = argparse.ArgumentParser()
    reference.add_parser(parser.add_subparsers())
    options = parser.parse_args(["keys", *arguments])
    return options.run(options)


def test_the_page_says_what_the_schema_says():
    told = PAGE.read_text(encoding="utf-8")
    assert told == reference.reference(), "./valley keys --write docs/study-file.md"


def test_every_key_of_the_shipped_studies_is_in_it():
    known = {key["key"].replace("[]", "") for key in reference.explained()}
    for study in (SCHEMA.parents[1] / "studies").glob("*.yaml"):
        for key in yaml.safe_load(study.read_text(encoding="utf-8")):
            assert key in known, f"{study.name}: {key}"


def test_every_key_is_explained():
    assert [key["key"] for key in reference.explained() if not key["description"]] == []


def test_a_key_is_explained_in_the_terminal_and_a_wrong_one_is_guessed(capsys):
    assert valley_keys("sampling.temperature") == 0
    assert "0 is greedy" in capsys.readouterr().out
    assert valley_keys("smpling") == 2
    assert "did you mean 'sampling" in capsys.readouterr().out
