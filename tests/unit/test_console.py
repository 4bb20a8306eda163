"""What a run prints: a failure's cause, found in its log."""

import io
import logging

from valley.workflow import console
from valley.workflow.console import cause, install

TRACEBACK = """working
Traceback (most recent call last):
  File "/somewhere/workflow_scripts/valley/core/job.py", line 163, in _logged
    yield
  File "/somewhere/.snakemake/scripts/tmpjdgt2iws.shards.py", line 34, in shard
    raise ValueError(
{raised}
"""


def write(tmp_path, text):
    path = tmp_path / "job.log"
    path.write_text(text)
    return path


def test_the_cause_is_the_exception_and_where_it_was_raised(tmp_path):
    log = write(tmp_path, TRACEBACK.format(raised="ValueError: slice easy.any is too small"))
    assert cause(log) == ["ValueError: slice easy.any is too small", "shards.py, line 34, in shard"]


def test_a_long_message_is_cut_to_three_lines_and_keeps_the_place(tmp_path):
    raised = "StudyError: 4 mistakes:\n - one\n - two\n - three\n - four"
    found = cause(write(tmp_path, TRACEBACK.format(raised=raised)))
    assert found == ["StudyError: 4 mistakes:", " - one", "shards.py, line 34, in shard"]


def test_of_chained_exceptions_the_last_counts(tmp_path):
    first = TRACEBACK.format(raised="KeyError: 'a'")
    between = "\nDuring handling of the above exception, another exception occurred:\n\n"
    log = write(tmp_path, first + between + TRACEBACK.format(raised="RuntimeError: no engine"))
    assert cause(log)[0] == "RuntimeError: no engine"


def test_a_killed_job_shows_its_last_words(tmp_path):
    found = cause(write(tmp_path, "update 1/10\nupdate 2/10\nupdate 3/10\n"))
    assert "killed" in found[0]
    assert found[1:] == ["update 2/10", "update 3/10"]


def test_a_stopped_job_has_not_failed(tmp_path):
    log = write(tmp_path, TRACEBACK.format(raised="KeyboardInterrupt"))
    assert cause(log) == ["stopped from outside; run the same command again to continue"]
    saved = "stopped on request: 3 of 9 updates are done and saved\n"
    log = write(tmp_path, saved + TRACEBACK.format(raised="valley.core.resume.Stopped: 75"))
    assert cause(log) == [
        saved.strip(),
        "stopped from outside; run the same command again to continue",
    ]
    error = {"event": "job_error", "jobid": 1, "rule_msg": "Train tiny", "log": [str(log)]}
    printed = said([{**error, "rule_name": "train", "aux": {}}])
    assert "  STOPPED  Train tiny\n" in printed and "FAILED" not in printed


def test_no_words_and_no_log_are_told_apart(tmp_path):
    assert "without an error message" in cause(write(tmp_path, "\n"))[0]
    assert "no log" in cause(tmp_path / "nothing.log")[0]


def said(records: list[dict]) -> str:
    """Return what is printed of Snakemake's records."""
    logger, out = logging.Logger("test"), io.StringIO()
    handler = logging.StreamHandler(out)
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    install(logger)
    for record in records:
        logger.handle(logging.makeLogRecord({"levelno": logging.INFO, **record}))
    return out.getvalue()


def test_jobs_that_run_bundled_say_which_of_them_failed(tmp_path):
    logs = {name: tmp_path / f"{name}.log" for name in ("good", "bad")}
    logs["good"].write_text("all is well\n")
    logs["bad"].write_text(TRACEBACK.format(raised="ValueError: no"))
    records = [{"event": "job_info", "jobid": n, "rule_msg": n, "rule_name": "fit"} for n in logs]
    bundle = {"event": "group_error", "aux_logs": ["slurm.log"], "job_error_info": [1, 2]}
    failed = [
        {"event": "job_error", "indent": True, "jobid": n, "log": [str(log)], "aux": {}}
        | {"rule_msg": None, "rule_name": "fit"}
        for n, log in logs.items()
    ]
    printed = said([*records, bundle, *failed])
    assert "FAILED  a bundle of 2 jobs ran as one and did not finish\n" in printed
    assert "log: slurm.log" in printed
    assert "FAILED  bad" in printed and "ValueError: no" in printed
    assert "FAILED  good" not in printed


def failed(log, message="Train tiny", jobid=1) -> dict:
    error = {"event": "job_error", "jobid": jobid, "rule_msg": message, "log": [str(log)]}
    return {**error, "rule_name": "train", "aux": {}}


def test_a_job_that_is_tried_again_does_not_ask_for_the_same_command(tmp_path, monkeypatch):
    log = write(tmp_path, TRACEBACK.format(raised="KeyboardInterrupt"))
    monkeypatch.setattr(console, "RETRIED", {1})
    assert "stopped from outside; retrying it now" in said([failed(log)])
    assert "run the same command again to continue" in said([failed(log, jobid=2)])


def test_a_refused_submission_says_why_and_nothing_of_a_log(tmp_path):
    begun = {"event": "job_info", "jobid": 1, "rule_msg": "Train tiny", "rule_name": "train"}
    refused = failed(tmp_path / "none.log", f"{console.REFUSED}Invalid qos specification")
    assert said([begun, refused]).splitlines()[2:] == [
        "          SLURM refused to start it: Invalid qos specification"
    ]


def test_chatter_is_dropped_and_progress_counted():
    info = {"event": "job_info", "jobid": 1, "rule_msg": "Train tiny", "rule_name": "train"}
    printed = said(
        [
            {"msg": "Select jobs to execute..."},
            {"event": "progress", "done": 3, "total": 12},
            info,
            {"event": "job_info", "jobid": 0, "rule_msg": None, "rule_name": "all"},
            {"event": "progress", "done": 12, "total": 12},
        ]
    )
    first, last = printed.splitlines()
    assert first.endswith("   3/12  Train tiny")
    assert last.endswith("12 of 12 jobs done")
