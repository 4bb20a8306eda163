"""A folder in which the repository's Snakefile runs a study."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import warm
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SMOKE = REPOSITORY / "studies" / "smoke.yaml"
# What a clone of the repository has that runs a study.
RUNNING = (
    "Snakefile",
    "README.md",
    "valley",
    "rules",
    "workflow_scripts",
    "schemas",
    "profiles",
    "envs",
)


class Workspace:
    """A folder in which a study is run by the repository's Snakefile.

    Args:
        folder: working directory: results/ and Snakemake's own folder lie in it.
        repository: where the Snakefile lies.
        within: what a command is put behind, such as one that enters a namespace.
    """

    def __init__(self, folder: Path, repository: Path = REPOSITORY, within: tuple[str, ...] = ()):
        self.folder, self.repository, self.within = folder, repository, within
        self.study = folder / "study.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        self.write(self.smoke())

    @staticmethod
    def smoke() -> dict:
        """Return the smoke study; YAML's anchors shared one object, an edit must not."""
        return json.loads(json.dumps(yaml.safe_load(SMOKE.read_text(encoding="utf-8"))))

    def write(self, config: dict) -> None:
        self.study.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs Snakemake on the study."""
        return [*self.within, sys.executable, "-m", "snakemake", *self.options(*arguments)]

    def options(self, *arguments: str) -> list[str]:
        """Return Snakemake's command line, its program's name apart."""
        study = ["--directory", str(self.folder), "--configfile", str(self.study)]
        return ["--snakefile", str(self.repository / "Snakefile"), *study, *arguments]

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake; a dry-run in a process that has imported it (`warm.py`)."""
        if "--dry-run" in arguments and not self.within:
            status, output = warm.snakemake(self.options(*arguments), self.folder)
        else:
            command = self.command(*arguments)
            done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
            status, output = done.returncode, done.stdout + done.stderr
        if check:
            assert status == 0, output[-6000:]
        return output

    def asked(self, *arguments: str) -> tuple[int, str]:
        """Run a subcommand of `valley`; return its exit status and what it printed."""
        command = [sys.executable, str(self.repository / "valley"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def valley(self, *arguments: str, status: int = 0) -> str:
        """Run a subcommand of `valley` that must end with a status; return what it printed."""
        ended, output = self.asked(*arguments)
        assert ended == status, output
        return output

    def clone(self, folder: Path) -> None:
        """Go on with a copy of the repository, whose code can be edited."""
        for name in RUNNING:
            source, target = self.repository / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        self.repository = folder

    def plan(self, *arguments: str) -> dict[str, int]:
        """Dry-run, and return how many jobs each rule would have."""
        output = self.snakemake("--dry-run", *arguments)
        table = re.search(r"Job stats:\n.*?\n-.*?\n(.*?)\ntotal", output, re.DOTALL)
        rows = table.group(1).splitlines() if table else []
        return {name: int(count) for name, count in (row.split() for row in rows)}

    def results(self, pattern: str = "**/*") -> dict[str, bytes]:
        """Return the deterministic artefacts by name: no logs, timings or sidecars."""
        root = self.folder / "results" / "smoke"
        measured = re.compile(r"^(logs|timings)/|\.meta\.json$|\.times\.parquet$")
        return {
            name: path.read_bytes()
            for path in sorted(root.glob(pattern))
            if path.is_file() and not measured.search(name := str(path.relative_to(root)))
        }
