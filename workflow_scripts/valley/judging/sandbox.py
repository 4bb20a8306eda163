"""The caller's side of a zygote: hand a program in, run it on inputs, get back what it did."""

import contextlib
import fcntl
import marshal
import opcode
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from valley.judging import bootstrap, seccomp
from valley.judging.packages import Packages
from valley.judging.verdicts import Limits

_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # no more seals, no shrinking, no growing, no writing
_ADD_SEALS = 1033
_START_SECONDS = 60
_GRACE_SECONDS = 30
_STDERR_KEPT = 4096
MOST_SHARING = 15  # tests in one process: their files must fit under its limit of open files
_NAMING = ("STORE_NAME", "STORE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "IMPORT_NAME")
_OPCODES = {name: opcode.opmap[name] for name in _NAMING}


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

    def __init__(
        self,
        tier: str,
        for_functions: bool = False,
        interpreter: str | None = None,
        packages: Packages | None = None,
        preload: tuple[str, ...] = (),
    ) -> None:
        self.tier = tier
        self._packages = packages
        self._preload = preload
        self.for_functions = for_functions
        self._interpreter = interpreter or os.path.realpath(sys.executable)
        self._line: socket.socket | None = None
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the zygote, unless it runs."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = str(Path(__file__).resolve().parents[2])
        try:
            with bootstrap.inherited():
                self._process = subprocess.Popen(
                    [self._interpreter, *bootstrap.command(folder, theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                    env=_environment(self._packages),
                    start_new_session=True,
                )
        finally:
            theirs.close()
        self._line = ours
        first = {
            "tier": self.tier,
            "functions": self.for_functions,
            "filters": seccomp.build(self.tier == "namespaces"),
            "packages": "",
            "modules": (),
            "preload": self._preload,
        }
        if self._packages is not None:
            first["packages"] = str(self._packages.folder)
            first["modules"] = self._packages.modules
        self.send(first, [])
        word, rest = self.receive(_START_SECONDS)
        if word != "ready":
            self.stop()
            raise SandboxError(rest or word)

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

    def kill(self) -> None:
        """End it at once; whoever waits for its answer gets a SandboxError."""
        if self._process is not None:
            self._process.kill()

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
        self, source: bytes, limits: Limits, function: str | None = None, role: str = "call"
    ) -> Iterator["Program | Refused"]:
        """Give a program to a keeper of its own, which compiles it.

        In the roles "called" and "test" it is one end of a published test's channel.
        """
        self.start()
        program = Program(self, source, limits, function, role)
        refused = program.start()
        if refused is not None:
            yield refused
            return
        try:
            yield program
        finally:
            program.end()

    def without_paths(self, text: bytes) -> bytes:
        """Return what a program wrote, without the path of this machine's package folder."""
        if self._packages is None:
            return text
        return text.replace(os.fsencode(self._packages.folder), b"/packages")

    def send(self, message: dict, files: list[int]) -> None:
        """Say something to the zygote or the keeper, and hand over open files."""
        if self._line is None:
            raise SandboxError("the zygote is gone")
        try:
            socket.send_fds(self._line, [marshal.dumps(message)], files)
        except OSError as error:
            self.stop()
            raise SandboxError(f"the zygote is gone: {error}") from error

    def receive(self, seconds: float) -> tuple[str, str]:
        """Hear what the zygote or the keeper says; if it is silent it is ended."""
        if self._line is None:
            raise SandboxError("the zygote is gone")
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
        word, _, rest = data.decode("utf-8", "replace").partition(" ")
        return word, rest


class Program:
    """A compiled program, to be run on any number of inputs, each time from the start."""

    def __init__(
        self, box: Sandbox, source: bytes, limits: Limits, function: str | None, role: str
    ) -> None:
        self._box = box
        self._source = source
        self._limits = limits
        self._function = function
        self._role = role
        self._kept = False
        self.shareable = False

    def start(self) -> Refused | None:
        """Have a new keeper compile it."""
        descriptor = sealed_file(self._source)
        try:
            task = {
                "cpu": self._limits.cpu_s,
                "wall": self._limits.wall_s,
                "memory": self._limits.memory_mb,
                "output": self._limits.output_bytes,
                "function": self._function,
                "role": self._role,
                "shows_input": b"/dev/stdin" in self._source,
                "opcodes": _OPCODES,
            }
            self._box.send(task, [descriptor])
        finally:
            os.close(descriptor)
        word, rest = self._box.receive(_GRACE_SECONDS + self._limits.cpu_s)
        if word == "refused":
            return Refused(rest)
        if word == "died":
            # Killed by its limits, or by a parser that crashed: no code of the program has run.
            return Refused("the interpreter did not survive compiling it")
        if word != "compiled":
            raise SandboxError(f"{word} {rest}")
        self.shareable = rest == "1"
        self._kept = True
        return None

    def end(self) -> None:
        """Let the keeper go."""
        if self._kept:
            self._kept = False
            with contextlib.suppress(SandboxError):
                self._box.send({}, [])

    def run(self, stdin: bytes) -> Run:
        """Run it on one input, in a process of its own."""
        names = ["stdout", "stderr"] + ["result"] * (self._function is not None)
        files = [sealed_file(stdin)]
        try:
            files += [os.memfd_create(name) for name in names]
            report = self._report({"files": len(files), "tests": 1}, files)
            return self._run_of(report, files)
        finally:
            for descriptor in files:
                os.close(descriptor)

    def launch(self, files: list[int]) -> None:
        """Start a run with these open files, standard streams first; `landed` waits for its end."""
        self._launch({"files": len(files), "tests": 1}, files)

    def landed(self, files: list[int]) -> Run:
        """Wait for a launched run; `files` are its input, output, error and perhaps result."""
        return self._run_of(self._landed(), files)

    def run_all(self, inputs: list[bytes]) -> list[Run] | None:
        """Run it on several inputs in one process; None if anything was out of the ordinary.

        Only for a shareable program. The cost of the whole is told with the first run.
        """
        names = ["stdout"] + ["result"] * (self._function is not None)
        width = 1 + len(names)
        files = [os.memfd_create("stderr")]
        try:
            for stdin in inputs:
                files.append(sealed_file(stdin))
                files += [os.memfd_create(name) for name in names]
            report = self._report({"files": width, "tests": len(inputs)}, files)
            whole = self._run_of(report, [files[1], files[2], files[0]])
            if whole.status or whole.killed or whole.too_much or os.fstat(files[0]).st_size:
                return None
            runs = []
            for start in range(1, len(files), width):
                one = self._run_of(
                    report,
                    [files[start], files[start + 1], files[0], *files[start + 2 : start + width]],
                )
                runs.append(one if start == 1 else replace(one, cpu_s=0.0, wall_s=0.0))
            return runs
        finally:
            for descriptor in files:
                os.close(descriptor)

    def _report(self, message: dict, files: list[int]) -> list[str]:
        """Have the keeper run a test, or several, and return its report."""
        self._launch(message, files)
        return self._landed()

    def _launch(self, message: dict, files: list[int]) -> None:
        if not self._kept and self.start() is not None:
            raise SandboxError("a program that compiled before does not now")
        self._box.send(message, files)

    def _landed(self) -> list[str]:
        word, rest = self._box.receive(_GRACE_SECONDS + self._limits.wall_s)
        if word != "ran":
            self._kept = False
            self._box.stop()
            raise SandboxError(f"the keeper ended: {word} {rest}")
        report = rest.split()
        self._kept = report[6] == "0"
        return report

    def _run_of(self, report: list[str], files: list[int]) -> Run:
        status, killed, cpu, wall, peak, locked = report[:6]
        if locked != "1":
            raise SandboxError(_read(files[2], 500, 0).decode(errors="replace").strip())
        sizes = [os.fstat(descriptor).st_size for descriptor in files[1:]]
        too_much = max(sizes) > self._limits.output_bytes
        return Run(
            status=int(status),
            killed=None if killed == "-" else killed,
            cpu_s=float(cpu),
            wall_s=float(wall),
            peak_mb=float(peak),
            stdout=b"" if too_much else _read(files[1], sizes[0], 0),
            stderr=self._box.without_paths(
                _read(files[2], _STDERR_KEPT, max(0, sizes[1] - _STDERR_KEPT))
            ),
            result=_read(files[3], sizes[2], 0) if len(files) > 3 and not too_much else b"",
            too_much=too_much,
        )


def _environment(packages: Packages | None) -> dict[str, str]:
    """What the zygote starts with; of ours only the way to its own shared libraries."""
    found = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LANG": "C.UTF-8"}
    if packages is not None:
        # Libraries of linear algebra start a thread a core else: in a jail, and before a fork.
        found |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    if "LD_LIBRARY_PATH" in os.environ:
        # An interpreter of a module system cannot start without; programs do not see it.
        found["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return found


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
