"""Inputs that a job only waits for: they hide nothing that is stale, and are no reason to run."""

import re
import subprocess
import sys

import pytest
import yaml
from paths import finding

SNAKEFILE = """
import snakemake.workflow

from valley.workflow.order_only import OrderOnlyDAG

snakemake.workflow.DAG = OrderOnlyDAG


rule result:
    input: "made", gate=ancient("gate")
    output: "result"
    params: config["result"]
    shell: "cp made result"


rule made:
    output: "made"
    params: config["made"]
    shell: "echo > made"


rule gate:
    input: "source"
    output: "gate"
    params: config["gate"]
    shell: "cp source gate"


rule source:
    output: "source"
    params: config["source"]
    shell: "echo > source"
"""
NOW = {"result": 1, "made": 1, "gate": 1, "source": 1}


def snakemake(folder, settings, *arguments) -> set[str]:
    """Run Snakemake; return the rules that ran, or would."""
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "config.yaml"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, env=finding()
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    table = re.search(r"Job stats:\n.*?\n-.*?\n(.*?)\ntotal", said, re.DOTALL)
    return {row.split()[0] for row in table.group(1).splitlines()} if table else set()


@pytest.fixture
def finished(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    assert snakemake(tmp_path, NOW) == {"source", "gate", "made", "result"}
    return tmp_path


def test_what_is_stale_below_a_gate_that_is_made_again_is_seen(finished):
    assert snakemake(finished, {**NOW, "gate": 2, "result": 2}, "-n") == {"gate", "result"}
    assert snakemake(finished, {**NOW, "gate": 2}, "-n") == {"gate"}
    assert snakemake(finished, {**NOW, "gate": 2}) == {"gate"}
    assert snakemake(finished, {**NOW, "gate": 2}, "-n") == set(), "a newer gate ages nothing"


def test_a_gate_that_is_gone_is_made_for_what_runs_and_is_no_reason_to_run(finished):
    (finished / "gate").unlink()
    assert snakemake(finished, NOW, "-n") == set()
    assert snakemake(finished, {**NOW, "source": 2}, "-n") == {"source", "gate"}
    assert snakemake(finished, {**NOW, "made": 2}, "-n") == {"made", "gate", "result"}
    assert snakemake(finished, {**NOW, "result": 2}) == {"gate", "result"}
