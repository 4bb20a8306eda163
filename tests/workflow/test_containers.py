"""`--sdm apptainer`: rules that run models work in the image that a variable names, others do not.

Apptainer is stood in for by a script that notes what it is handed and runs the command outside, in
this environment: what is looked at is what Snakemake makes of the rules.
"""

import os
import sys
from pathlib import Path

import pytest
from workspace import Workspace

STAND_IN = """\
#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
echo "$@" >> "{noted}"
until [ "$1" = sh ] || [ "$1" = bash ]; do shift; done
exec "$@"
"""
STUDENT = "results/smoke/students/tiny/checkpoint.json"


@pytest.mark.long
def test_a_models_rule_runs_in_the_image_and_the_corpus_outside(tmp_path, monkeypatch):
    tools, noted = tmp_path / "tools", tmp_path / "noted"
    tools.mkdir()
    (tools / "apptainer").write_text(STAND_IN.format(noted=noted))
    (tools / "apptainer").chmod(0o755)
    image = tmp_path / "valley-gpu.sif"
    image.touch()
    path = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("VALLEY_CONTAINER", str(image))
    workspace = Workspace(tmp_path / "work")
    workspace.snakemake(
        *("--cores", "2", "--sdm", "apptainer", "--apptainer-args=--nv", "--", STUDENT)
    )
    assert (workspace.folder / STUDENT).is_file()
    (inside,) = noted.read_text().splitlines()
    assert f"--nv {image}" in " ".join(inside.split()) or str(image) in inside
    assert "train.py" in inside, "and not the script that makes the pairs it is trained on"
    monkeypatch.setenv("VALLEY_CONTAINER", str(tmp_path / "other.sif"))
    said = workspace.snakemake("--dry-run", "--sdm", "apptainer", check=False)
    assert f"VALLEY_CONTAINER is {tmp_path}/other.sif, and there is no such file" in said
    monkeypatch.delenv("VALLEY_CONTAINER")
    said = workspace.snakemake("--dry-run", "--sdm", "apptainer", check=False)
    assert "--sdm apptainer: VALLEY_CONTAINER names no image" in said
    assert workspace.plan("--", STUDENT) == {}, "where it is made is no reason to make it again"
