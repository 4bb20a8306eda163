"""Running Snakemake through the profile: small jobs for faults, a study for a person."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster

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

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
        """Run their Python with arguments."""
        become = ["runuser", "-u", self.name, "--"] if self.name else []
        return subprocess.run(
            [*become, self.python, *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
        )


class Lab:
    """A folder in which `small.smk` is run, without waiting for it.

    Args:
        cluster: where.
        folder: working directory.
    """

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.began = {job["JobID"] for job in cluster.jobs()}

    def start(self, *targets: str, options: tuple[str, ...] = (), **config: object) -> "Run":
        """Start a run of targets."""
        command = [sys.executable, "-m", "snakemake"]
        command += ["--snakefile", str(Path(__file__).with_name("small.smk"))]
        command += ["--workflow-profile", PROFILE, *HASTE, "--directory", str(self.folder)]
        command += [*options, *(["--config"] if config else [])]
        command += [f"{name}={value}" for name, value in config.items()]
        return Run(self, [*command, "--", *targets])

    def jobs(self) -> list[dict[str, str]]:
        """Return this lab's jobs by the accounting, oldest first."""
        return [job for job in self.cluster.jobs() if job["JobID"] not in self.began]

    def job_running(self, seconds: float = 30) -> str:
        """Wait until one job runs, and return its number."""
        found: list[str] = []

        def some() -> bool:
            printed = self.cluster.command("squeue", "-h", "-t", "RUNNING", "-o", "%i")
            found[:] = [job for job in printed.split() if job not in self.began]
            return bool(found)

        self.cluster.until(some, seconds)
        return found[0]

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
