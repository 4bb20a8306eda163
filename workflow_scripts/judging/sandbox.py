"""The caller's side of a zygote: hand a program in, run it on inputs, get back what it did."""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from judging import bootstrap
from judging.verdicts import Limits

_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # no more seals, no shrinking, no growing, no writing
_ADD_SEALS = 1033
_START_SECONDS = 60
_GRACE_SECONDS = 30
_STDERR_KEPT = 4096


class SandboxError(RuntimeError):
    """The sandbox itself failed; this says nothing about the program."""


@dataclass(frozen=True)
class Run:
    """What one run of a program did. `result` is what its function returned, as JSON text."""

    status: int
    killed: str | None
    cpu_s: float
    wall_s: float
    peak_mb: float
    stdout: bytes
    stderr: bytes
    result: bytes
    too_much: bool


@dataclass(frozen=True)
class Refused:
    """The interpreter could not compile the program."""

    reason: str


class Sandbox:
    """One zygote. Not for use by two threads at once; one a core is the intended number."""

    def __init__(self, tier: str, interpreter: str | None = None) -> None:
        self.tier = tier
        self._interpreter = interpreter or os.path.realpath(sys.executable)
        self._line: socket.socket | None = None
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the zygote, unless it runs."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = str(Path(__file__).resolve().parents[1])
        try:
            self._process = subprocess.Popen(
                [self._interpreter, *bootstrap.command(folder, str(theirs.fileno()), self.tier)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LANG": "C.UTF-8"},
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._line = ours
        answer = self._receive(_START_SECONDS)
        if "error" in answer:
            self.stop()
            raise SandboxError(answer["error"])

    def stop(self) -> None:
        """End the zygote, and with it everything that it has started."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def probe(self) -> bool:
        """Whether a harmless program runs here."""
        limits = Limits(cpu_s=10, memory_mb=256, output_bytes=1 << 16, wall_s=60)
        with self.program(b"print('here')", limits) as program:
            if isinstance(program, Refused):
                return False
            run = program.run(b"")
            if run.status and run.stderr:
                raise SandboxError(run.stderr.decode(errors="replace").strip()[-300:])
            return run.stdout == b"here\n"

    @contextmanager
    def program(
        self, source: bytes, limits: Limits, function: str | None = None
    ) -> Iterator["Program | Refused"]:
        """Give a program to a keeper of its own, which compiles it."""
        self.start()
        descriptor = sealed_file(source)
        try:
            task = {
                "cpu": limits.cpu_s,
                "wall": limits.wall_s,
                "memory": limits.memory_mb,
                "output": limits.output_bytes,
                "function": function,
            }
            self._send(task, [descriptor])
        finally:
            os.close(descriptor)
        answer = self._receive(_GRACE_SECONDS + limits.cpu_s)
        if "refused" in answer:
            yield Refused(answer["refused"])
            return
        if "died" in answer:
            # Killed by its limits, or by a parser that crashed: no code of the program has run.
            yield Refused("the interpreter did not survive compiling it")
            return
        if "compiled" not in answer:
            raise SandboxError(answer.get("error", f"unexpected answer {answer}"))
        program = Program(self, limits, function is not None)
        try:
            yield program
        finally:
            if self._line is not None:
                with contextlib.suppress(SandboxError):
                    self._send({"end": True}, [])

    def run_once(self, limits: Limits, with_result: bool, stdin: bytes) -> Run:
        """Run the keeper's program on one input."""
        files = [sealed_file(stdin), os.memfd_create("stdout"), os.memfd_create("stderr")]
        if with_result:
            files.append(os.memfd_create("result"))
        try:
            self._send({"test": True}, files)
            report = self._receive(_GRACE_SECONDS + limits.wall_s)
            if "died" in report or "error" in report:
                self.stop()
                raise SandboxError(f"the keeper ended: {report}")
            if not report["locked"]:
                raise SandboxError(_read(files[2], 500, 0).decode(errors="replace").strip())
            sizes = [os.fstat(descriptor).st_size for descriptor in files[1:]]
            too_much = max(sizes) > limits.output_bytes
            return Run(
                status=report["status"],
                killed=report["killed"],
                cpu_s=report["cpu"],
                wall_s=report["wall"],
                peak_mb=report["peak"],
                stdout=b"" if too_much else _read(files[1], sizes[0], 0),
                stderr=_read(files[2], _STDERR_KEPT, max(0, sizes[1] - _STDERR_KEPT)),
                result=_read(files[3], sizes[2], 0) if with_result and not too_much else b"",
                too_much=too_much,
            )
        finally:
            for descriptor in files:
                os.close(descriptor)

    def _send(self, message: dict, files: list[int]) -> None:
        try:
            socket.send_fds(self._line, [json.dumps(message).encode()], files)
        except OSError as error:
            self.stop()
            raise SandboxError(f"the zygote is gone: {error}") from error

    def _receive(self, seconds: float) -> dict:
        self._line.settimeout(seconds)
        try:
            data = self._line.recv(1 << 16)
        except TimeoutError:
            data = b""
            problem = f"no word from the zygote in {seconds:.0f} s"
        except OSError as error:
            data = b""
            problem = f"the zygote is gone: {error}"
        else:
            problem = "the zygote ended without a word"
            self._line.settimeout(None)
        if not data:
            if self._process is not None:
                self._process.kill()
            self.stop()
            raise SandboxError(problem)
        return json.loads(data)


@dataclass(frozen=True)
class Program:
    """A compiled program, to be run on any number of inputs, each time from the start."""

    sandbox: Sandbox
    limits: Limits
    with_result: bool

    def run(self, stdin: bytes) -> Run:
        """Run it once."""
        return self.sandbox.run_once(self.limits, self.with_result, stdin)


def sealed_file(content: bytes) -> int:
    """Return a descriptor of a file in memory that nobody can change any more."""
    descriptor = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, _ADD_SEALS, _SEALS)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read(descriptor: int, size: int, offset: int) -> bytes:
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)
