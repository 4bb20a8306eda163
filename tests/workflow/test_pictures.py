"""Pictures of the DAG: our own with states, and Snakemake's, which keep working."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from valley.planning import pictures
from workspace import REPOSITORY

graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="graphviz (dot) is not installed")


def dag(workspace, *arguments):
    """Run `valley dag`; return its exit status and what it printed."""
    return workspace.asked("dag", str(workspace.study), *arguments)


def texts(path):
    """Return the words of a picture, node by node."""
    svg = "{http://www.w3.org/2000/svg}"
    nodes = (g for g in ET.parse(path).iter(f"{svg}g") if g.get("class") == "node")
    return [" ".join(text.text for text in node.iter(f"{svg}text")) for node in nodes]


@graphviz
def test_the_rules_are_drawn_with_counts_and_states(copy, tmp_path):
    config = copy.smoke()
    config["axes"]["scaling"]["sizes"] = [0, 16, 24, 32]
    copy.write(config)
    out = tmp_path / "rules.svg"
    code, printed = dag(copy, "--out", str(out))
    assert code == 0, printed
    drawn = texts(out)
    assert "train 8 done 2 missing" in drawn
    assert "pool 1 done" in drawn
    assert "curve 1 stale" in drawn


@graphviz
def test_one_arm_is_drawn_with_all_that_it_needs_and_nothing_else(copy, tmp_path):
    out = tmp_path / "arm.svg"
    code, printed = dag(copy, "--arm", "tiny/distil/mid/easy.any/n16-s0", "--out", str(out))
    assert code == 0, printed
    drawn = texts(out)
    assert "train done" in drawn
    assert "train tiny/distil/base/all.any/n32-s0 done" in drawn, "the arm that it starts from"
    assert sum(name.startswith("train") for name in drawn) == 2
    assert not any(name.startswith("curve") for name in drawn)


def test_what_cannot_be_drawn_is_told(copy, monkeypatch):
    code, printed = dag(copy, "--arm", "tiny/bass")
    assert code == 2
    assert "did you mean 'tiny/base'" in printed
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pictures.NoGraphviz, match="apt install graphviz"):
        pictures.drawn("digraph {}")


@pytest.mark.long
def test_snakemakes_own_pictures_and_summaries_keep_working(copy):
    def own(*arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--directory", str(copy.folder), "--configfile", str(copy.study)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert own("--rulegraph").count("->") > 10
    assert own("--dag").startswith("digraph snakemake_dag")
    assert len(json.loads(own("--d3dag"))["nodes"]) > 50
    lines = own("--summary").splitlines()
    assert lines[0].startswith("output_file")
    assert any(line.startswith("results/smoke/report.html") for line in lines)
    own("--report", "made.html")
    assert (copy.folder / "made.html").stat().st_size > 100_000
