"""The recorder sees all that jobs execute, and a judged program nothing of the recorder."""

import subprocess
import sys
import textwrap

import pytest
from numbered import LOOSE, Numbering
from workspace import REPOSITORY

STAGE = """
import os
import subprocess
import sys
import threading

import helpers


def work():
    helpers.Tool().use()
    helpers.TABLE["double"](2)
    helpers.decorated()
    thread = threading.Thread(target=helpers.in_thread)
    thread.start()
    thread.join()
    if not (child := os.fork()):
        helpers.in_fork()
        os._exit(0)
    os.waitpid(child, 0)
    subprocess.run([sys.executable, "-c", "import helpers; helpers.in_child()"], check=True)
    if not (child := os.fork()):
        helpers.before_program()
        program = compile(helpers.PROGRAM, "solution.py", "exec")
        exec(program, {"found": found, "helpers": helpers})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not status


def found():
    raise AssertionError


if "snakemake" in globals():
    work()
"""
HELPERS = '''
PROGRAM = """
import gc, sys, threading
thread = threading.Thread(target=helpers.after_program)
thread.start(), thread.join()
assert sys.getprofile() is None
if hasattr(sys, "monitoring"):
    assert sys.monitoring.get_tool(sys.monitoring.PROFILER_ID) is None
assert not [item for item in gc.get_objects() if type(item).__name__ == "_Recorder" and vars(item)]
"""


class Tool:
    def use(self):
        return [inner() for inner in (lambda: 1,)]


TABLE = {
    "double": lambda x: 2 * x,
}


def mark(function):
    return function


@mark
def decorated():
    pass


def in_thread():
    pass


def in_fork():
    pass


def in_child():
    pass


def at_import():
    return 3


THREE = at_import()


def before_program():
    pass


def after_program():
    pass


if THREE:
    def conditional():
        pass
'''
# What Snakemake puts before a script: three lines.
PREAMBLE = "####\nclass snakemake: rule = 'made'\n####\n"


@pytest.fixture
def job(tmp_path):
    """Return a function: run the stage as Snakemake does, recorded or not; return what was seen."""
    root, trace = tmp_path / "project", tmp_path / "trace"
    scripts = tmp_path / ".snakemake" / "scripts"
    for folder in (root, trace, scripts):
        folder.mkdir(parents=True)
    (root / "stage.py").write_text(STAGE)
    (root / "helpers.py").write_text(HELPERS)
    (scripts / "tmpabc.stage.py").write_text(PREAMBLE + STAGE)
    numbering = Numbering(root)
    numbering.write(trace)

    def run(on: bool) -> dict:
        environment = {"PYTHONPATH": f"{REPOSITORY / 'tests' / 'recorder'}:{root}"}
        environment |= {"VALLEY_TRACE": str(trace)} if on else {}
        command = [sys.executable, str(scripts / "tmpabc.stage.py")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return numbering.executed(trace)

    return run


def test_all_processes_and_threads_of_a_job_are_recorded_up_to_a_programs_first_line(job):
    helpers = {"Tool", "TABLE", "decorated", "in_thread", "in_fork", "in_child", "before_program"}
    wanted = {("stage", "work"), *(("helpers", name) for name in helpers)}
    assert job(on=True) == {"made": wanted}


def test_without_a_folder_nothing_is_recorded(job):
    assert job(on=False) == {}


def test_places_name_the_top_level_statement_of_a_line(tmp_path):
    (tmp_path / "one.py").write_text(
        textwrap.dedent(
            """
            import sys
            A: int = 1
            @sys.intern
            def f(): ...
            if A:
                def g(): ...
            """
        )
    )
    assert Numbering(tmp_path).names == [
        ("one", LOOSE),
        ("one", "A"),
        ("one", "f"),
        ("one", LOOSE),
    ]
