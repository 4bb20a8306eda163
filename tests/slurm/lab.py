"""Running Snakemake through the profile: small jobs for faults, a study for a person."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster
from workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILE = os.environ.get("VALLEY_SLURM_PROFILE", str(REPOSITORY / "profiles" / "slurm"))
# A test can't wait as long as a user.
HASTE = ["--slurm-init-seconds-before-status-checks=2", "--latency-wait=15", "--cores=2"]


@dataclass(frozen=True)
class Person:
    """Who submits.

    Attributes:
        name: a user to become; None is who runs the tests.
        home: a folder of theirs that compute nodes see.
        python: an interpreter that they may run.
        environment: theirs.
    """

    name: str | None
    home: Path
    python: str
    environment: dict[str, str]

    def start(self, *arguments: str, cwd: Path, out: Path) -> subprocess.Popen:
        """Start their Python with arguments; what it prints goes to a file."""
        become = ["runuser", "-u", self.name, "--"] if self.name else []
        command = [*become, self.python, *arguments]
        with out.open("wb") as file:
            return subprocess.Popen(
                command, env=self.environment, cwd=cwd, stdout=file, stderr=subprocess.STDOUT
            )


ASKED = {
    "train": {"gpus": 1, "cpus": 1, "mem_mb": 1000},
    "generate": {"gpus": 1, "cpus": 1, "mem_mb": 1000},
}


class Study:
    """The smoke study on its way, through SLURM and, beside it, on this machine alone.

    Args:
        person: who submits.
        folder: of theirs.
        alone: where the other run is.
    """

    def __init__(self, person: Person, folder: Path, alone: Workspace):
        self.person, self.folder, self.alone = person, folder, alone
        folder.mkdir(exist_ok=True)
        alone.write({**Workspace.smoke(), "resources": ASKED})
        shutil.copyfile(alone.study, folder / "study.yaml")
        if person.name:
            subprocess.run(["chown", "-R", person.name, str(folder)], check=True)
        snakemake = ["-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        self._log, self._local_log = folder.parent / "study.log", alone.folder / "run.log"
        self._run = person.start(
            *(*snakemake, "--workflow-profile", PROFILE, *HASTE, "--directory", str(folder)),
            *("--configfile", str(folder / "study.yaml")),
            cwd=folder,
            out=self._log,
        )
        with self._local_log.open("wb") as out:
            self._local = subprocess.Popen(
                [
                    *("nice", sys.executable, *snakemake, "--directory", str(alone.folder)),
                    *("--configfile", str(alone.study), "--cores", "1"),
                ],
                cwd=alone.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def finished(self) -> Workspace:
        """Wait for the run through SLURM; return its folder."""
        assert self._run.wait() == 0, self.said()[-5000:]
        written = (self.folder / "study.yaml").read_bytes()
        workspace = Workspace(self.folder)
        workspace.study.write_bytes(written)  # not the plain smoke study
        return workspace

    def finished_alone(self) -> Workspace:
        """Wait for the other run; return its folder."""
        assert self._local.wait() == 0, self._local_log.read_text()[-5000:]
        return self.alone

    def said(self) -> str:
        """Return what Snakemake said of the run through SLURM."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        for process in (self._run, self._local):
            if process.poll() is None:
                process.kill()
                process.wait()


class Lab:
    """A folder in which `small.smk` is run, without waiting for it.

    Args:
        cluster: where.
        folder: working directory.
    """

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.began = {job["JobID"] for job in cluster.jobs()}
        self._runs: list[Run] = []

    def start(
        self,
        *targets: str,
        options: tuple[str, ...] = (),
        snakefile: str = "tests/slurm/small.smk",
        **config: object,
    ) -> "Run":
        """Start a run of targets."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / snakefile)]
        command += ["--workflow-profile", PROFILE, *HASTE, "--directory", str(self.folder)]
        command += [*options, *(["--config"] if config else [])]
        command += [f"{name}={value}" for name, value in config.items()]
        self._runs.append(Run(self, [*command, "--", *targets]))
        return self._runs[-1]

    def clear(self) -> None:
        """Leave neither processes nor jobs behind, however a test ended."""
        for run in self._runs:
            run.process.kill()
            run.process.wait()
        if left := self.cluster.command("squeue", "-h", "-o", "%i", check=False).split():
            self.cluster.command("scancel", *left, check=False)
            self.cluster.until(lambda: not self.cluster.command("squeue", "-h"), 60)

    def jobs(self) -> list[dict[str, str]]:
        """Return this lab's jobs by the accounting, oldest first."""
        return [job for job in self.cluster.jobs() if job["JobID"] not in self.began]

    def job_running(self, seconds: float = 90) -> str:
        """Wait until one job runs, and return its number."""
        found: list[str] = []

        def some() -> bool:
            printed = self.cluster.command("squeue", "-h", "-t", "RUNNING", "-o", "%i")
            found[:] = [job for job in printed.split() if job not in self.began]
            return bool(found)

        self.cluster.until(some, seconds)
        return found[0]

    def counted(self) -> int:
        """Return how far the saved state of the job that counts has come."""
        for path in self.folder.glob("store/resume/*/at"):
            return int(path.read_text())
        return 0

    def hurry(self) -> None:
        """Start jobs at once that were queued again: SLURM lets them wait for two minutes."""
        printed = self.cluster.command("squeue", "-h", "-t", "PD", "-o", "%i %r", check=False)
        for line in printed.splitlines():
            job, reason = line.split()[:2]
            if reason == "BeginTime":
                self.cluster.command(
                    "scontrol", "update", f"JobId={job}", "StartTime=now", check=False
                )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


class Run:
    """A Snakemake that runs on its own."""

    def __init__(self, lab: Lab, command: list[str]):
        self.lab, self.log = lab, lab.folder / f"run-{time.monotonic_ns()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=lab.cluster.environment, stdout=out, stderr=out, cwd=lab.folder
            )

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit status; a run that hangs fails the test."""
        try:
            self.lab.cluster.until(self._ended, seconds, every=0.5)
        except TimeoutError:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.said()}") from None
        return self.process.returncode

    def _ended(self) -> bool:
        self.lab.hurry()
        return self.process.poll() is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")
