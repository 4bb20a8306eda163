"""Real trainings, answers and verdicts, long enough to be disturbed."""

import shutil
import subprocess
import sys
from pathlib import Path

from workspace import REPOSITORY, Workspace

ARM = "tiny/distil/base/all.any/n64-s0"
CHECKPOINT = f"results/smoke/checkpoints/{ARM}"
TRAINED = f"{CHECKPOINT}/checkpoint.json"
ANSWERS = "results/smoke/generations/tiny/base/bank.parquet"
LABELS = "results/smoke/corpus/labels.parquet"
LOG = f"results/smoke/logs/train/{ARM}.log"
ASKED = {"cpus": 1, "mem_mb": 1500, "runtime": 10}


def study() -> dict:
    """Return the smoke study with one long training, many short answers and many programs."""
    config = Workspace.smoke()
    config["corpus"]["bank"]["problems"] = 1800
    config["benchmarks"]["bank"]["bank"]["problems"] = 200
    config["recipes"]["distil"] = {**config["recipes"]["distil"], "epochs": 240}
    config["sampling"] |= {"samples": 5, "batch_size": 4, "group": 4, "chunk": 8}
    config["training"] = {"save_every": 0.02}
    config["resources"] = {"train": {**ASKED, "gpus": 1}, "generate": ASKED, "labels": ASKED}
    scaling = {"question": "?", "recipes": ["distil"], "sizes": [0, 64], "seeds": [0]}
    return {**config, "starts": {}, "axes": {"scaling": scaling}}


class Work:
    """These, made on this machine in the background.

    Args:
        folder: for it.
    """

    def __init__(self, folder: Path):
        self.space = Workspace(folder)
        self.space.write(study())
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--directory", str(folder), "--configfile", str(self.space.study)]
        self._log = folder / "run.log"
        with self._log.open("wb") as out:
            self._run = subprocess.Popen(
                ["nice", *command, "--cores", "1", "--", TRAINED, ANSWERS, LABELS],
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def before(self, folder: Path, *made: str) -> Workspace:
        """Return a copy of what there was before some files or folders were made, with no store."""
        assert self._run.wait() == 0, self._log.read_text()[-5000:]
        copy = Workspace(folder)
        copy.write(study())
        shutil.copytree(self.space.folder / "results" / "smoke", folder / "results" / "smoke")
        for path in (folder / name for name in made):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                for part in path.parent.glob(f"{path.stem}.*"):  # its sidecars too
                    part.unlink()
        return copy

    def stop(self) -> None:
        if self._run.poll() is None:
            self._run.kill()
            self._run.wait()
