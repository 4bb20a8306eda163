"""What a run prints: one line a job in the arm's words, and a failure's cause in a few."""

import logging
import re
import textwrap
import time
from pathlib import Path

from valley.core import disk

# What Snakemake prints between jobs, beside the jobs' own lines.
CHATTER = re.compile(
    r"Select jobs to execute|Execute \d+ jobs|RuleException:\s+CalledProcessError|"
    r"Using shell|Provided cores|Rules claiming more threads|Conda environments|"
    r"Assuming unrestricted shared|Removing output files of failed job|Using workflow specific"
)
MARGIN = " " * 10
STOPPED = "stopped from outside"
AGAIN = "run the same command again to continue"
# Begins an executor's message on a job that never started: its log, if any, is of another attempt.
REFUSED = "SLURM refused to start it: "
# Jobs, by number, that failed and are tried again by themselves; an executor notes them.
RETRIED: set[int | str] = set()


def cause(log: str | Path, lines: int = 3) -> list[str]:
    """Return why a job failed, from its log: the last exception and where it was raised.

    A job that was stopped, by Ctrl-C or a scheduler, did not fail: it says what it has saved.

    Args:
        log: the job's log; without a traceback in it (a killed job) its last words are returned.
        lines: at most so many.
    """
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = None
    _, found, traceback = (text or "").rpartition("Traceback (most recent call last):")
    if not found and disk.no_space_left(log):
        return [f"{disk.describe_full(log)}, so its log says no more. {disk.ADVICE}"]
    if text is None:
        return ["it left no log: it may never have started"]
    said = [line for line in text.splitlines() if line.strip()]
    if not said:
        return ["it ended without an error message: was it killed, for memory or time?"]
    if not found:
        return ["no error in its log, so it was killed; its last lines:", *said[1 - lines :]]
    raised = re.split(r"\n(?=\S)", traceback, maxsplit=1)[-1].strip().splitlines()
    frames = re.findall(r'^  File "([^"]+)", line (\d+), in (.+)$', traceback, re.MULTILINE)
    if raised and re.match(r"KeyboardInterrupt\b|(\w+\.)*Stopped\b", raised[0]):
        saved = [line for line in said if line.startswith("stopped on request: ")]
        return [*saved[-1:], f"{STOPPED}; {AGAIN}"]
    kept = [line for line in raised if line.strip()][: lines - 1]
    own = [frame for frame in frames if re.search(r"/workflow_scripts/|/[.]snakemake/", frame[0])]
    for file, number, function in (own or frames)[-1:]:
        # Snakemake runs a copy of the script, with a name of its own before the script's.
        name = re.sub(r"^tmp[^.]{8}\.", "", Path(file).name)
        kept.append(f"{name}, line {number}, in {function}")
    return kept


class _Lines(logging.Formatter):
    """Snakemake's messages on one line each; those without an event of their own as they are."""

    def __init__(self, usual: logging.Formatter):
        super().__init__()
        self.usual, self.done, self.total, self.names = usual, 0, None, {}

    def format(self, record: logging.LogRecord) -> str:
        event = str(getattr(record, "event", "") or "").rpartition(".")[2].lower()
        said = getattr(self, f"_{event}", None)
        return said(record) if said else self.usual.format(record)

    def _workflow_started(self, record) -> str:
        if not hasattr(record, "configfiles"):  # below Snakemake 9.22, which does not print it
            return self.usual.format(record)
        files = ", ".join(str(path) for path in record.configfiles or [])
        return f"Snakemake {record.snakemake_version}, study {files}"

    def _run_info(self, record) -> str:
        found = re.search(r"^total\s+(\d+)", record.msg or "", re.MULTILINE)
        self.total = int(found.group(1)) if found else self.total
        return self.usual.format(record)

    def _job_info(self, record) -> str:
        name = record.rule_msg or record.rule_name
        self.names[record.jobid] = name
        width = len(str(self.total or ""))
        count = f"{self.done:>{width}}/{self.total}  " if self.total else ""
        return f"{_clock()}  {count}{name}"

    def _progress(self, record) -> str:
        self.done, self.total = record.done, record.total
        return f"{_clock()}  {self.done} of {self.total} jobs done"

    def _job_error(self, record) -> str:
        name = self.names.get(record.jobid) or record.rule_msg or record.rule_name
        stopped = any(STOPPED in cause(log)[-1] for log in record.log or [])
        block = [f"{_clock()}  {'STOPPED' if stopped else 'FAILED'}  {name}"]
        if record.rule_msg and record.rule_msg != name:  # an executor's message on its end
            block += textwrap.wrap(
                record.rule_msg, 88, initial_indent=MARGIN, subsequent_indent=MARGIN
            )
        if (record.rule_msg or "").startswith(REFUSED):
            return "\n".join(block)
        for log in record.log or []:
            why = "\n".join(cause(log))
            if record.jobid in RETRIED:
                why = why.replace(AGAIN, "retrying it now")
            block += textwrap.indent(why, MARGIN).splitlines()
            block.append(f"{MARGIN}log: {log}")
        for key, value in (record.aux or {}).items():
            block.append(f"{MARGIN}{key}: {value}")
        return "\n".join(block)

    def _group_error(self, record) -> str:
        """Say that a bundle of jobs failed; each job that did follows with its own cause."""
        jobs = len(record.job_error_info)
        logs = "".join(f"\n{MARGIN}log: {log}" for log in record.aux_logs or [])
        return f"{_clock()}  FAILED  a bundle of {jobs} jobs ran as one and did not finish{logs}"


def _failed_by_itself(record: logging.LogRecord) -> bool:
    """Tell whether a job raised an error: of a bundle, all jobs are reported as failed."""
    logs = [Path(log) for log in record.log or [] if Path(log).is_file()]
    texts = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
    return any("Traceback (most recent call last)" in text for text in texts)


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _worth_printing(formatter: _Lines):
    """Return a filter that drops chatter; the progress of every job is kept for its last."""

    def keep(record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", "") or "").rpartition(".")[2].lower()
        if event == "progress":
            formatter.done, formatter.total = record.done, record.total
            return record.done == record.total
        if event == "job_info" and not record.rule_msg:
            return False  # a target, such as all: it only asks for what others make
        if event == "job_error" and getattr(record, "indent", False):
            return _failed_by_itself(record)
        return event not in ("job_finished", "group_info") and not CHATTER.match(
            str(record.msg or "")
        )

    return keep


def install(logger: logging.Logger) -> None:
    """Give Snakemake's terminal handler this format; its log file stays as it is.

    Args:
        logger: Snakemake's. Where another handler was asked for, nothing changes.
    """
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler" and not isinstance(handler.formatter, _Lines):
            formatter = _Lines(handler.formatter)
            handler.setFormatter(formatter)
            handler.addFilter(_worth_printing(formatter))
