"""SmolLM2-135M-Instruct, really pre-trained, and a study of it that is run once."""

from pathlib import Path

import pytest
from workspace import REPOSITORY, Workspace

ANSWERS, UPDATES = 20, 3
RECIPE = {
    "learning_rate": 2e-4,
    "batch_examples": 2,
    "epochs": 1,
    "max_length": 1024,
    "row_tokens": 1024,
    "weights": "bf16",
    "precision": "bf16",
}


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The model's folder, as `./valley model` writes it."""
    folder = tmp_path_factory.mktemp("models") / "smollm2"
    Workspace(tmp_path_factory.mktemp("writing")).valley("model", str(folder))
    return folder


@pytest.fixture(scope="session")
def ladder(tmp_path_factory) -> Workspace:
    """A folder with all that studies/pretrained.yaml names, written by `./valley material`."""
    workspace = Workspace(tmp_path_factory.mktemp("ladder"))
    study = REPOSITORY / "studies" / "pretrained.yaml"
    workspace.study.write_text(study.read_text(encoding="utf-8"), encoding="utf-8")
    said = workspace.valley("material", str(workspace.study))
    assert said.count("written, from the package") == 2
    return workspace


@pytest.fixture(scope="session")
def study(model, tmp_path_factory) -> Workspace:
    """Three updates on six traces, twenty answers of either checkpoint, judged and scored."""
    workspace = Workspace(tmp_path_factory.mktemp("real"))
    config = workspace.smoke()
    config |= {
        "study": "real",
        "corpus": {
            "bank": {"problems": 24, "seed": 31},
            "teachers": {"procedural": {"mistakes": 0.0, "seed": 32}},
            "difficulties": {"easy": ["easy"], "hard": ["medium", "hard"]},
        },
        "benchmarks": {"bank": {"bank": {"problems": ANSWERS // 2, "seed": 33}}},
        "students": {"smollm2": {"hub": {"id": str(model)}}},
        "resources": {"train": {"gpus": 0}, "generate": {"gpus": 0}},
        "recipes": {"distil": RECIPE},
        "sampling": {"samples": 2, "max_tokens": 64, "temperature": 0.6, "batch_size": 20},
        "axes": {
            "scaling": {
                "question": "Does a pre-trained student go through?",
                "recipes": ["distil"],
                "sizes": [0, 2 * UPDATES],
                "curve": True,
            }
        },
    }
    del config["starts"]
    workspace.write(config)
    workspace.snakemake("--cores", "2")
    return workspace
