"""`deterministic: portable`: the instructions that a job computes with."""

import json
import subprocess
import sys

import pytest
import torch
from paths import finding
from valley.core.study import RESULT_NEUTRAL_KEYS, Study
from workspace import Workspace

SNAKEFILE = """
rule kernels:
    output: "kernels.json"
    log: "log"
    script: "job.py"
"""
JOB = """
import json
from valley.workflow.job import bind

with bind(snakemake):
    from valley.lm import devices
    with open(snakemake.output[0], "w") as out:
        json.dump(devices.kernels(), out)
"""


def kernels(folder, *config) -> dict:
    """Return what a job of a workflow of this configuration computes with."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--forceall", "--quiet"]
    done = subprocess.run(
        [*command, *(["--config", *config] if config else [])],
        cwd=folder,
        env=finding(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "kernels.json").read_text())


@pytest.mark.long
@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="no AVX2"
)
def test_a_portable_job_computes_with_avx2_and_others_with_what_there_is(tmp_path):
    assert kernels(tmp_path)["vectors"] == torch.backends.cpu.get_cpu_capability()
    assert kernels(tmp_path, "deterministic=portable")["vectors"] == "AVX2"


def test_it_is_no_reason_to_run_again():
    assert "deterministic" in RESULT_NEUTRAL_KEYS
    config = Workspace.smoke()
    portable = Study({**config, "deterministic": "portable"})
    assert portable.described == Study(config).described
