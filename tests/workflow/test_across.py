"""Several students together, through Snakemake: from verdicts and manifests to the figure."""

import csv
import json

import generated_study
import pytest
from valley.core.files import write_json
from valley.lm.flops import Shape
from workspace import Workspace

FIT = "scaling/distil/base/all.any/bank"


@pytest.mark.long
def test_three_students_over_compute(tmp_path):
    declared = generated_study.config([0, 16, 32, 64, 256], [0, 1], 20, samples=2)
    made = declared["students"].pop("tiny")["scratch"]
    declared["students"] = {
        name: {"scratch": {**made, "hidden": hidden}}
        for name, hidden in {"tiny": 16, "small": 32, "wide": 64}.items()
    }
    del declared["axes"]["difficulty"]
    declared["axes"]["scaling"] |= {"sizes": [0, 16, 64, 256], "x": "flops"}
    workspace = Workspace(tmp_path)
    layout = generated_study.write(tmp_path, declared)
    for name, student in declared["students"].items():
        folder = f"{layout.root}/students/{name}"
        write_json(f"{folder}/checkpoint.json", {"files": {}})
        hidden = student["scratch"]["hidden"]
        write_json(f"{folder}/model/config.json", Shape.scratch(600, hidden, 2, 2).config())
    root = layout.root.removeprefix(f"{tmp_path}/")
    drawn = f"{root}/figures/across/{FIT}.svg"
    jobs = ("--allowed-rules", "across", "across_figure", "--cores", "1")
    workspace.snakemake("--quiet", *jobs, "--", drawn)
    fit = json.loads((tmp_path / f"{root}/across/{FIT}.json").read_text())
    assert {line["name"]: len(line["points"]) for line in fit["lines"]} == {
        "tiny": 4, "small": 4, "wide": 4,
    }  # fmt: skip
    assert fit["joint"]["distinct"] == {"parameters": 3, "sizes": 3}
    assert fit["joint"]["families"]["additive"]["parameters"]["beta"]["interval"]
    with open((tmp_path / drawn).with_suffix(".csv"), encoding="utf-8") as table:
        cells = [row for row in csv.DictReader(table) if row["what"] == "cell"]
    assert {row["flops"] for row in cells if row["student"] == "tiny"} >= {"0.0"}
    # The curves of each student are over examples, and are not asked for by this figure.
    assert not list((tmp_path / root).glob("curves/**/*.json"))
    assert "Nothing to be done" in workspace.snakemake(*jobs, "--", drawn)
