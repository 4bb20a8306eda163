"""`make check-gpu`: its lines in small on the CPU with few packages; it refuses without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "gpu" / "check_gpu.py"
# What the workflow's environment has and a bare GPU machine may lack.
LACKING = ("snakemake", "datasets", "vllm", "pytest", "tensorboard", "pandas", "scipy", "openai")
BLOCKER = f"""
import sys

class Lacking:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LACKING}:
            return None
        return self._finder.find_spec(name, path, target)

sys.meta_path[:] = [Lacking(finder) for finder in sys.meta_path]
"""

LYING = """
import sys
import check_gpu, comparing

once, lines = comparing.once, check_gpu.lines

def lying(setup, kind, **how):
    loss, gradient = once(setup, kind, **how)
    return loss * (1.001 if how.get("row_tokens") == 1 else 1), gradient

comparing.once = lying
check_gpu.lines = lambda *all: (line for line in lines(*all) if "unpacked" in line[0])
sys.argv = ["check_gpu", "--device", "cpu"]
sys.exit(check_gpu.main())
"""


def check_gpu(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the script where packages are lacking, in its own process and in those that it starts."""
    (folder / "sitecustomize.py").write_text(BLOCKER)
    found = [folder, *(ROOT / part for part in ("workflow_scripts", "tests", "tests/unit"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, found))}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.long
def test_all_lines_pass_in_small_without_what_only_the_workflow_needs(tmp_path):
    done = check_gpu(tmp_path, "--device", "cpu", "--gpus", "2")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(("| passed", "| FAILED"))]
    assert len(lines) == 21
    assert all(line.startswith("| passed") for line in lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so_at_once(tmp_path):
    done = check_gpu(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "needs 1 CUDA GPU" in done.stderr


@pytest.mark.long
def test_a_line_that_fails_fails_the_whole(tmp_path, monkeypatch):
    """A loss that depends on packing is noticed."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SCRIPT.parent), *sys.path]))
    done = subprocess.run([sys.executable, "-c", LYING], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("| FAILED") == 2
