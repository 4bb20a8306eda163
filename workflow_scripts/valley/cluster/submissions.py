"""One submission to SLURM: tried until it is taken or refused for good, and never taken twice.

A busy controller refuses for the moment, and its answer may be lost though it has taken the job.
Each submission therefore carries a mark of its own in its comment, and before another try SLURM is
asked whether it has a job with that mark.
"""

import re
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator

CONTROLLER_SECONDS = 1800  # for a controller that is restarting
# Between two tries; the last one again and again. SLURM gives up waiting for an answer after ten
# seconds: after the first pause a job whose answer was lost is there.
PAUSES = (15.0, 30.0, 60.0)
LATER = re.compile(
    r"Socket timed out|Resource temporarily unavailable|Unable to contact slurm controller|"
    r"temporarily unable to accept job|Zero Bytes were transmitted|Connection (?:refused|reset|"
    r"timed out)|controller in standby mode|Transport endpoint is not connected"
)
FULL = re.compile(r"MaxSubmitJob\w*")  # of an account or a QOS: until other jobs have ended
COMMENT = re.compile(r"(?<= --comment )('(?:[^']|'\"'\"')*'|\S+)")
# Set when a run is cancelled: then nothing more is submitted or waited for.
OVER = threading.Event()
_SAID: set[str] = set()


class Submission:
    """A process that runs `sbatch`, as `subprocess.Popen` is for who calls it.

    Args:
        call: the command, for a shell.
        named: arguments of `Popen`.

    Attributes:
        returncode: of the last try; None before the first.
    """

    def __init__(self, call: str, **named):
        self._mark = f"#{secrets.token_hex(4)}"
        (self._run,) = re.findall(r" --job-name (\S+)", call)
        self._call, self._named = COMMENT.sub(self._marked, call, count=1), named
        self.returncode: int | None = None

    def _marked(self, comment: re.Match) -> str:
        return shlex.quote(f"{shlex.split(comment[0])[0]}{self._mark}")

    def communicate(self, input: str | None = None) -> tuple[str, str]:
        """Submit the script, and again while SLURM says "later"; return what was printed.

        A limit on the number of jobs is waited for as long as it takes, all else for
        `CONTROLLER_SECONDS`.
        """
        out, err, begun = "", "sbatch: error: the run has ended", time.monotonic()
        self.returncode = 1
        for pause in _pauses():
            if OVER.is_set():
                break
            process = subprocess.Popen(self._call, **self._named)
            out, err = process.communicate(input)
            self.returncode = process.returncode
            full, later = FULL.search(err), LATER.search(err)
            if not self.returncode or not (full or later):
                break
            if not full and time.monotonic() - begun > CONTROLLER_SECONDS:
                break
            _say_once((full or later)[0], bool(full))
            if OVER.wait(pause):
                break
            if later and (number := self._taken(begun)):
                self.returncode = 0
                return f"{number}\n", ""
        return out, err

    def _taken(self, begun: float) -> str | None:
        """Return the number of the job that SLURM has all the same; None if it has none.

        A controller that does not answer is asked again: without its word no other try is safe.
        """
        for pause in _pauses():
            asked = subprocess.run(
                ["squeue", "--noheader", "--states=all", f"--name={self._run}", "--format=%i|%k"],
                capture_output=True,
                text=True,
            )
            if not asked.returncode:
                rows = (line.partition("|") for line in asked.stdout.splitlines())
                return next((job.strip() for job, _, said in rows if self._mark in said), None)
            late = time.monotonic() - begun > CONTROLLER_SECONDS
            if late or OVER.wait(pause):
                raise RuntimeError(
                    f"SLURM does not say whether it has taken the job: {asked.stderr.strip()}"
                )
        return None


def _pauses() -> Iterator[float]:
    yield from PAUSES
    while True:
        yield PAUSES[-1]


def _say_once(why: str, full: bool) -> None:
    """Say that submissions wait, once for each reason."""
    from snakemake.logging import logger

    if why not in _SAID:
        _SAID.add(why)
        what = "takes no more jobs until others have ended" if full else "takes no jobs now"
        logger.warning(f"SLURM {what} ({why}); waiting to submit.")
