"""The sandbox as a machine: it starts, breaks, is killed, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import finding
from tiers import tiers
from valley.judging import batch, isolation
from valley.judging.batch import Task, judge
from valley.judging.sandbox import Refused, Sandbox, SandboxError
from valley.judging.verdicts import Limits

LIMITS = Limits(cpu_s=5, memory_mb=128, output_bytes=1 << 16, wall_s=20)
PROBLEM = {
    "id": "p",
    "function_name": None,
    "tests": [{"input": "", "expected": "1"}],
    "time_limit_s": 5.0,
    "memory_limit_mb": 128,
}


def in_session(session: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat[3]) == session and stat[0] != "Z":
                found.append(entry.name)
    return found


def until(true, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


CALLER = """
import sys
from valley.judging.sandbox import Sandbox
from valley.judging.verdicts import Limits
with Sandbox(sys.argv[1]) as box:
    with box.program(sys.argv[2].encode(), Limits(60, 128, 1 << 16, 60)) as program:
        print(box._process.pid, flush=True)
        program.run(b"")
"""


@pytest.mark.parametrize("tier", isolation.TIERS)
@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(60)"])
def test_when_the_caller_is_killed_all_ends(tier, program):
    if tier not in tiers():
        pytest.skip(f"this machine has no {tier}")
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, tier, program],
        stdout=subprocess.PIPE,
        text=True,
        env=finding(),
    )
    session = int(caller.stdout.readline())
    running = 4 if tier == "namespaces" else 3
    assert until(lambda: len(in_session(session)) == running)
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert until(lambda: not in_session(session)), in_session(session)


@pytest.mark.parametrize("tier", isolation.TIERS)
def test_when_a_zygote_is_killed_its_program_is_judged_again(tier, monkeypatch):
    if tier not in tiers():
        pytest.skip(f"this machine has no {tier}")
    killed = []
    original = Sandbox.receive

    def receive(box, seconds):
        if not killed and box._process is not None and seconds < 60:
            killed.append(box._process.pid)
            os.killpg(box._process.pid, signal.SIGKILL)
        return original(box, seconds)

    monkeypatch.setattr(Sandbox, "receive", receive)
    tasks = [Task(n, f"print({n})", PROBLEM) for n in range(3)]
    found = judge(tasks, isolation=tier)
    assert killed
    words = ["wrong_answer", "accepted", "wrong_answer"]
    assert [verdict.verdict for verdict in found] == words


def test_a_sandbox_that_keeps_failing_is_our_error_not_the_programs(monkeypatch):
    def broken(*_):
        raise SandboxError("out of order")

    isolation.tier()
    monkeypatch.setattr(batch, "judge_program", broken)
    found = judge([Task(0, "print(1)", PROBLEM)])[0]
    assert (found.verdict, found.detail) == ("judge_error", "sandbox: out of order")


def test_a_failure_in_a_worker_is_not_swallowed(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    isolation.tier()
    monkeypatch.setattr(batch, "judge_program", broken)
    with pytest.raises(ZeroDivisionError):
        judge([Task(0, "print(1)", PROBLEM)])


def test_an_interrupted_batch_ends_at_once():
    script = (
        "from valley.judging.batch import Task, judge\n"
        "from valley.judging import isolation\nisolation.tier()\nprint('go', flush=True)\n"
        f"problem = {PROBLEM | {'time_limit_s': 60.0}!r}\n"
        "judge([Task(n, 'while True: pass\\n# %d' % n, problem) for n in range(4)], jobs=2)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=finding(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "go\n"
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    process.stdout.close()


def test_the_caller_leaks_no_descriptors():
    with Sandbox(tiers()[0]) as box:
        counts = []
        for _ in range(3):
            for number in range(20):
                with box.program(b"open('/tmp/x', 'w')\nprint(1)", LIMITS) as program:
                    program.run(b"")
                    program.run(b"")
                with box.program(b"(" if number % 2 else b"1/0", LIMITS) as program:
                    if not isinstance(program, Refused):
                        program.run(b"")
            counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[0] == counts[1] == counts[2]


def test_compiling_is_limited_too():
    costly = "x = " + "[" * 80 + "1" + "]" * 80
    limits = Limits(cpu_s=1, memory_mb=1, output_bytes=1 << 16, wall_s=5)
    many = b"\n".join(
        b"def f%d():\n    return (%d, 'x' * 5, [1, 2, 3])" % (n, n) for n in range(9999)
    )
    with Sandbox(tiers()[0]) as box:
        for source in (costly.encode(), many, b"(" * 10**6, b"0" * 10**6, b"\xff", b"\0"):
            with box.program(source, limits) as program:
                if not isinstance(program, Refused):
                    program.run(b"")
        assert box.probe()


def test_nothing_is_inherited(monkeypatch, tmp_path):
    monkeypatch.setenv("A_SECRET", "1")
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    source = (
        "import os\nfound = []\nfor d in range(3, 3000):\n"
        "    try: os.fstat(d); found.append(d)\n    except OSError: pass\n"
        "print(found, sorted(os.environ))"
    )
    for tier in tiers():
        with Sandbox(tier) as box, box.program(source.encode(), LIMITS) as program:
            assert program.run(b"").stdout == b"[] ['LANG', 'PYTHONHASHSEED', 'PYTHONUTF8']\n"
    os.close(kept)


def test_a_program_sees_little():
    if "namespaces" not in tiers():
        pytest.skip("this machine has no namespaces")
    source = (
        "import os\nprint(os.getpid(), os.getppid(), os.getcwd(), os.listdir('/tmp'))\n"
        "print([p for p in ('/proc', '/sys', '/home', '/var', '/etc/passwd', '/bin', '/run')\n"
        "       if os.path.exists(p) and p not in os.__file__])\n"
        "print(sorted(os.listdir('/dev')), os.uname().nodename != '')\n"
    )
    with Sandbox("namespaces") as box, box.program(source.encode(), LIMITS) as program:
        first, second, third = program.run(b"").stdout.decode().splitlines()
    assert first == "2 1 /tmp []"
    assert second == "[]"
    assert third.startswith("['null', 'random', 'urandom', 'zero']")


def test_the_input_as_a_file_is_each_tests_own_and_cannot_be_changed():
    if "namespaces" not in tiers():
        pytest.skip("this machine has no namespaces")
    source = (
        "import os\ndone = []\np = '/dev/stdin'\n"
        "tries = [lambda: open(p, 'a'), lambda: os.chmod(p, 0o666), lambda: os.utime(p, (1, 1)),\n"
        "         lambda: os.truncate(p, 0), lambda: os.unlink(p), lambda: open('/dev/x', 'w'),\n"
        "         lambda: os.rename(p, '/dev/y'), lambda: os.chmod('/dev', 0o777),\n"
        "         lambda: open('/proc/self/fd/100'), lambda: os.write(100, b'x'),\n"
        "         lambda: os.write(101, b'x'), lambda: os.write(102, b'x')]\n"
        "for number, one in enumerate(tries):\n"
        "    try: one(); done.append(number)\n"
        "    except OSError: pass\n"
        "text = open(p).read()\n"
        "print(done, len(text), text[:3], sorted(os.listdir('/dev')), os.listdir('/tmp'))\n"
    )
    shown = "['null', 'random', 'stdin', 'urandom', 'zero'] []\n"
    with Sandbox("namespaces") as box, box.program(source.encode(), LIMITS) as program:
        assert program.run(b"").stdout.decode() == f"[] 0  {shown}"
        # Longer than a program may write, and then shorter than the last one.
        assert program.run(b"x" * (3 << 20)).stdout.decode() == f"[] {3 << 20} xxx {shown}"
        assert program.run(b"abcd").stdout.decode() == f"[] 4 abc {shown}"


def test_siblings_share_nothing():
    """Two programs at once, in two sandboxes: neither sees the other's processes or files."""
    if "namespaces" not in tiers():
        pytest.skip("this machine has no namespaces")
    leave = b"open('/tmp/mine', 'w').write('x')\nimport time\ntime.sleep(1)\nprint('left')"
    look = b"import os\nprint(os.listdir('/tmp'), os.getpid())"
    from threading import Thread

    out = []
    with (
        Sandbox("namespaces") as one,
        Sandbox("namespaces") as two,
        one.program(leave, LIMITS) as first,
        two.program(look, LIMITS) as second,
    ):
        thread = Thread(target=lambda: out.append(first.run(b"").stdout))
        thread.start()
        time.sleep(0.4)
        assert second.run(b"").stdout == b"[] 2\n"
        thread.join()
    assert out == [b"left\n"]


def test_no_more_workers_than_cores(monkeypatch):
    started = []
    original = Sandbox.start

    def start(box):
        if box._process is None:
            started.append(box)
        original(box)

    isolation.tier()
    monkeypatch.setattr(Sandbox, "start", start)
    tasks = [Task(n, f"print({n})", PROBLEM) for n in range(30)]
    judge(tasks, jobs=1000)
    assert 1 <= len(started) <= batch.cores()


WITHOUT_FILTER = {
    "outlive": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(99)\nprint(1)",
        "accepted",
    ),
    "fork bomb": ("import os\nwhile True: os.fork()", "runtime_error"),
    "fork bomb that goes on": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "time_limit",
    ),
    "reach this machine": (
        "import socket\ntry: socket.create_connection(('127.0.0.1', {port}), 1)\n"
        "except OSError: print(1)",
        "accepted",
    ),
    "see processes": (
        "import os\nfound = 0\nfor p in range(1, 33000):\n    if p != os.getpid():\n"
        "        try: os.kill(p, 0); found += 1\n        except ProcessLookupError: pass\n"
        "print(found)",  # the keeper
        "accepted",
    ),
    "kill the keeper": (
        "import os, signal\nfor s in (9, 15, 2, 10): os.kill(1, s)\nprint(1)",
        "accepted",
    ),
    "trace the keeper": (
        "import ctypes\nprint(-ctypes.CDLL(None).ptrace(16, 1, 0, 0))",
        "accepted",
    ),
    "mount": (
        "import ctypes\nprint(-ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None))",
        "accepted",
    ),
    "run the interpreter": (
        "import subprocess, sys\n"
        "try: subprocess.run([sys.executable, '-c', '1'], check=True)\n"
        "except (OSError, subprocess.SubprocessError): print(1)",
        "accepted",
    ),
}


def test_namespaces_hold_even_without_the_filter_of_calls(monkeypatch):
    """Two layers: with the second one taken away, nothing gets out either."""
    import socket

    if "namespaces" not in tiers():
        pytest.skip("this machine has no namespaces")
    monkeypatch.setattr("valley.judging.sandbox.seccomp.build", lambda _: (b"", b""))
    sessions = []
    original = Sandbox.start

    def start(box):
        original(box)
        sessions.append(box._process.pid)

    monkeypatch.setattr(Sandbox, "start", start)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        problem = {**PROBLEM, "time_limit_s": 0.5, "tests": PROBLEM["tests"] * 2}
        tasks = [
            Task(name, program.replace("{port}", port), problem)
            for name, (program, _) in WITHOUT_FILTER.items()
        ]
        found = judge(tasks, isolation="namespaces", wall_extra_s=1.0)
    assert [
        (name, verdict.verdict) for name, verdict in zip(WITHOUT_FILTER, found, strict=True)
    ] == [(name, word) for name, (_, word) in WITHOUT_FILTER.items()], found
    assert sessions and not any(in_session(session) for session in sessions)
