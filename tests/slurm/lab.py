"""Running Snakemake through the profile: small jobs for faults, a study for a person."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from daemons import Cluster
from workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILE = os.environ.get("VALLEY_SLURM_PROFILE", str(REPOSITORY / "profiles" / "slurm"))
# A test can't wait as long as a user.
FIRST_POLL_SECONDS = 2
HASTE = [
    f"--slurm-init-seconds-before-status-checks={FIRST_POLL_SECONDS}",
    *("--latency-wait=15", "--cores=2"),
]


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
        """End what still runs; the run through SLURM cancels its own jobs first."""
        for process in (self._run, self._local):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in (self._run, self._local):
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Lab:
    """A folder in which `small.smk` is run, without waiting for it.

    Args:
        cluster: where.
        folder: working directory.

    Attributes:
        environment: of runs that are started from now on.
    """

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.environment = dict(cluster.environment)
        self.began = {job["JobID"] for job in cluster.jobs()}
        self._runs: list[Run] = []

    def start(
        self,
        *targets: str,
        options: tuple[str, ...] = (),
        snakefile: str = "tests/slurm/small.smk",
        within: tuple[str, ...] = (),
        **config: object,
    ) -> "Run":
        """Start a run of targets, `within` what a command is put behind."""
        command = [
            *within,
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(REPOSITORY / snakefile),
        ]
        command += ["--workflow-profile", PROFILE, *HASTE, "--directory", str(self.folder)]
        command += [*options, *(["--config"] if config else [])]
        command += [f"{name}={value}" for name, value in config.items()]
        self._runs.append(Run(self, [*command, "--", *targets]))
        return self._runs[-1]

    def without_requeueing(self) -> tuple[str, str]:
        """Return options for a site whose users may not have jobs queued again."""
        content = yaml.safe_load(Path(PROFILE, "config.yaml").read_text())
        del content["slurm-requeue"]
        folder = self.folder / "no-requeue"
        folder.mkdir()
        (folder / "config.yaml").write_text(
            yaml.safe_dump({**content, "slurm-no-requeue": True}, sort_keys=False)
        )
        return "--workflow-profile", str(folder)

    def count_calls(self, tool: str, only: str) -> Path:
        """Let runs note the time of each call of a tool with a certain option; return that file."""
        noted, folder = self.folder / f"{tool}.calls", self.folder / "tools"
        folder.mkdir()
        wrapper = folder / tool
        wrapper.write_text(
            f'#!/bin/sh\ncase "$*" in *{only}*) date +%s.%N >> {noted};; esac\n'
            f'exec {shutil.which(tool)} "$@"\n'
        )
        wrapper.chmod(0o755)
        self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
        return noted

    def lacks(self, tool: str) -> None:
        """Take a tool away from runs: what else its folder has is linked."""
        real, folder = Path(shutil.which(tool)).parent, self.folder / "rest"
        folder.mkdir()
        for path in real.iterdir():
            if path.name != tool:
                (folder / path.name).symlink_to(path)
        parts = self.environment["PATH"].split(os.pathsep)
        # /bin is /usr/bin on most hosts.
        kept = [str(folder) if Path(part).resolve() == real.resolve() else part for part in parts]
        self.environment["PATH"] = os.pathsep.join(kept)

    def valley(self, *arguments: str, within: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run a subcommand of `valley`; return its exit status and what it printed."""
        done = subprocess.run(
            [*within, sys.executable, str(REPOSITORY / "valley"), *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def clear(self) -> None:
        """Leave neither processes nor jobs behind, however a test ended."""
        for run in self._runs:
            run.process.kill()
            run.process.wait()
        if left := self._left():
            self.cluster.command("scancel", *left, check=False)
            self.cluster.until(lambda: not self._left(), 60)

    def _left(self) -> list[str]:
        """Return this lab's jobs that wait or run; others' are none of its business."""
        there = self.cluster.command("squeue", "-h", "-o", "%i", check=False).split()
        return [job for job in there if job not in self.began]

    def jobs(self) -> list[dict[str, str]]:
        """Return this lab's jobs by the accounting, oldest first."""
        return [job for job in self.cluster.jobs() if job["JobID"] not in self.began]

    def job_running(self, seconds: float = 90) -> str:
        """Wait until one job runs, and return its number."""
        self.cluster.until(self.running, seconds)
        return self.running()[0]

    def running(self) -> list[str]:
        """Return the numbers of this lab's jobs that run."""
        printed = self.cluster.command("squeue", "-h", "-t", "RUNNING", "-o", "%i")
        return [job for job in printed.split() if job not in self.began]

    def comment(self, job: str) -> str:
        """Return a job's comment without its submission's mark: its rule and wildcards."""
        said = self.cluster.command("squeue", "-h", "-j", job, "-o", "%k", check=False).strip()
        return said.rpartition("#")[0]

    def state(self, job: str) -> str:
        """Return a job's state in the controller's words; empty when it has forgotten the job."""
        asked = ("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")
        return self.cluster.command(*asked, check=False).strip()

    def until_queued_again(self, *jobs: str, seconds: float = 90) -> None:
        """Wait until jobs that ran wait again; they then begin no sooner than they are hurried."""
        self.cluster.until(lambda: {self.state(job) for job in jobs} == {"PENDING"}, seconds)

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

    def until_hurried(self, condition, seconds: float = 90) -> None:
        """Wait until a condition holds, and hurry jobs that were queued again."""

        def holds() -> bool:
            self.hurry()
            return condition()

        self.cluster.until(holds, seconds, every=0.5)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


class Run:
    """A Snakemake that runs on its own."""

    def __init__(self, lab: Lab, command: list[str]):
        self.lab, self.log = lab, lab.folder / f"run-{time.monotonic_ns()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=lab.environment, stdout=out, stderr=out, cwd=lab.folder
            )

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit status; a run that hangs fails the test."""
        try:
            self.lab.until_hurried(lambda: self.process.poll() is not None, seconds)
        except TimeoutError:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.said()}") from None
        return self.process.returncode

    def until_it_says(self, words: str, seconds: float = 90) -> None:
        """Wait until the run has printed some words."""
        self.lab.cluster.until(lambda: words in self.said(), seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace")
