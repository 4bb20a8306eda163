"""Records which of the project's definitions the processes of a job execute.

Nothing of it is in the project: a run is recorded when this folder is on PYTHONPATH and the
environment names a folder for the records (`VALLEY_TRACE`). The records of a process, and of all
that it forks, are one file that is mapped into memory, a byte for each top-level statement of the
project (`numbered.py` numbers them). So a record is kept when the process is killed, and takes no
system call that a jail could forbid.
"""

import marshal
import mmap
import os
import sys
from bisect import bisect

FOLDER, RULE = "VALLEY_TRACE", "VALLEY_TRACE_RULE"
NUMBERS, DIGESTS, RECORD = "numbers.marshal", "digests.txt", ".record"
SCRIPTS = os.path.join(".snakemake", "scripts", "tmp")  # where Snakemake copies a job's script
PROGRAM = "solution.py"  # the file name under which the judge compiles a program
CO_NEWLOCALS = 2  # functions have it; bodies of modules and classes run when these are defined
PYTHON_312 = sys.version_info >= (3, 12)


def begin() -> None:
    """Record this process, if it is a job's; note digests, if it is Snakemake itself."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    sys.meta_path.insert(0, _Patching(folder))
    if RULE in os.environ or any(SCRIPTS in word for word in sys.orig_argv):
        recorder = _Recorder(folder, os.environ.get(RULE))
        recorder.start()
        recorder.start_in_threads()


def in_zygote(folder: str, rule: str) -> None:
    """Record a process that has neither environment nor site, up to a program's first line."""
    recorder = _Recorder(folder, rule)
    recorder.open()  # while the folder can be seen
    recorder.start()


class _Recorder:
    """Marks in a mapped file what is called."""

    def __init__(self, folder: str, rule: str | None):
        self.folder, self.rule = folder, rule
        with open(os.path.join(folder, NUMBERS), "rb") as file:
            # By file: the first lines of its top-level statements, and the number of the first.
            self.root, self.numbers, self.size = marshal.load(file)
        self.record: mmap.mmap | None = None
        self.seen: dict[int, object] = {}  # by id: to hash a code object takes long
        self.shifts: dict[str, int] = {}

    def start(self) -> None:
        if PYTHON_312:
            seen = sys.monitoring
            seen.use_tool_id(seen.PROFILER_ID, "valley")
            seen.register_callback(seen.PROFILER_ID, seen.events.PY_START, self.started)
            seen.set_events(seen.PROFILER_ID, seen.events.PY_START)
            return
        sys.setprofile(self.profiled)

    def start_in_threads(self) -> None:
        """Record threads that begin later; where each has a hook of its own."""
        if not PYTHON_312:
            import threading

            threading.setprofile(self.profiled)

    def end(self) -> None:
        """Leave nothing that a program could find: it runs next."""
        if PYTHON_312:
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
            sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        else:
            sys.setprofile(None)
            if "threading" in sys.modules:
                sys.modules["threading"].setprofile(None)
        if self.record is not None:
            self.record.close()
        self.__dict__.clear()

    def profiled(self, frame, event: str, _argument) -> None:
        if event == "call" and id(frame.f_code) not in self.seen:
            self.called(frame)

    def started(self, code, _offset):
        if self.called(sys._getframe(1)):
            return sys.monitoring.DISABLE
        return None

    def called(self, frame) -> bool:
        """Note a call; tell whether the same code needs no further look."""
        code = frame.f_code
        number = self.number_of(code)
        if number is None:
            if code.co_filename == PROGRAM:
                self.end()
                return False
        elif self.importing(frame) or not self.open():
            return False
        else:
            self.record[number] = 1
        self.seen[id(code)] = code
        return True

    def number_of(self, code) -> int | None:
        """Return the number of the top-level statement that the code stands in."""
        name, line = code.co_filename, code.co_firstlineno
        if SCRIPTS in name:
            name, line = self.original(name, line)
        lines, first = self.numbers.get(name, (None, 0))
        if lines is None or not code.co_flags & CO_NEWLOCALS:
            return None
        return first + bisect(lines, line) - 1

    def original(self, name: str, line: int) -> tuple[str, int]:
        """Return where a line of Snakemake's copy of a script stands in the script."""
        script = os.path.join(self.root, os.path.basename(name).split(".", 1)[1])
        if name not in self.shifts:
            with open(name, "rb") as copied, open(script, "rb") as file:
                self.shifts[name] = copied.read().count(b"\n") - file.read().count(b"\n")
        return script, line - self.shifts[name]

    def importing(self, frame) -> bool:
        """Tell whether the call comes from a module that is just being imported."""
        while frame is not None:
            code = frame.f_code
            if code.co_name == "<module>" and code.co_filename in self.numbers:
                return frame.f_globals.get("__name__") != "__main__"
            frame = frame.f_back
        return False

    def open(self) -> bool:
        """Map the file of records, once it is known whose they are."""
        if self.record is None:
            self.rule = self.rule or getattr(
                getattr(sys.modules["__main__"], "snakemake", None), "rule", None
            )
            if self.rule is None:
                return False
            os.environ[RULE] = self.rule  # for the processes that this one starts
            name = f"{self.rule}.{os.getpid()}.{os.urandom(4).hex()}{RECORD}"
            with open(os.path.join(self.folder, name), "w+b") as file:
                file.truncate(self.size)
                self.record = mmap.mmap(file.fileno(), self.size)
        return True


class _Patching:
    """Finder that changes two of the project's modules as they are loaded."""

    def __init__(self, folder: str):
        self.folder = folder
        self.changes = {
            "valley.core.closure": self.note_digests,
            "valley.judging.bootstrap": self.record_zygotes,
        }

    def find_spec(self, name: str, path=None, target=None):
        change = self.changes.get(name)
        if change is None:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec

    def note_digests(self, closure) -> None:
        """Let every digest be written down with what it is of."""
        compute = closure.code_digest

        def code_digest(module: str, *entries: str, **options) -> str:
            digest = compute(module, *entries, **options)
            with open(os.path.join(self.folder, DIGESTS), "a", encoding="utf-8") as file:
                file.write(" ".join((digest, module, *entries)) + "\n")
            return digest

        closure.code_digest = code_digest

    def record_zygotes(self, bootstrap) -> None:
        """Let the interpreters that programs are forked from be recorded."""
        make = bootstrap.command

        def command(folder: str, descriptor: int) -> list[str]:
            arguments = make(folder, descriptor)
            if RULE not in os.environ:
                return arguments
            code = arguments.index("-c") + 1
            first = (
                f"space = {{'__name__': 'recorder'}}; "
                f"exec(compile(open({__file__!r}).read(), 'recorder.py', 'exec'), space); "
                f"space['in_zygote']({self.folder!r}, {os.environ[RULE]!r}); del space; "
            )
            arguments[code] = first + arguments[code]
            return arguments

        bootstrap.command = command
