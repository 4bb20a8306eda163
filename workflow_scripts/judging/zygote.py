"""The warm interpreter that every judged program is forked from; it never holds an answer.

    caller ── zygote ── keeper (one a program, first process of its pid namespace)
                          └─ the program, once per test, each time from a fresh fork

All trusted talk goes over one socket, which the program's process closes before it runs a line.
The caller hands in the program, then for each test the open files that become the program's
standard streams; the keeper reports how the process ended and what it used. Judging that is the
caller's affair. One program's tests share a compilation, nothing else: no code of the program runs
in the keeper, and the working folder is replaced when a test has left something in it.
"""

import contextlib
import fcntl
import gc
import json
import math
import mmap
import os
import resource
import signal
import socket
import sys
import time

from judging import harness, kernel, seccomp, view

# Address space beyond the memory limit: stacks and arenas that are reserved but never used. What
# is really used is measured, and held against the limit, by the caller.
RESERVE_MB = 512
STACK_MB = 1024
THREAD_STACK = 8 << 20
THREADS = 64
OPEN_FILES = 64
COMPILE_SECONDS = 10
WORK_FOLDER_MB = 16
_FIRST_OWN_UID = 200_000
_MAX_MESSAGE = 1 << 16
_SOME_PID = 0x5EA1_51DE  # stands for the program's own process in the filter made ahead


class Jail:
    """The isolation that this zygote's programs get, made ready once."""

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.ruleset = -1
        self.proc = -1
        self.own_space = -1
        # One page shared with the program's process until it is locked in: did it get there?
        self.locked = mmap.mmap(-1, mmap.PAGESIZE)
        self.filter = seccomp.build(_SOME_PID, tier == "namespaces") if seccomp.supported() else b""
        self.base_pages = 0
        self.counts_threads = False

    def enter(self) -> None:
        """Give up what the zygote itself does not need."""
        if self.tier == "namespaces":
            self._enter_namespaces()
            return
        readable = view.interpreter_folders()
        readable += ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/ld.so.cache"]
        masked = view.masked_folders()
        os.chdir("/")
        if os.geteuid() == 0:
            become_nobody(readable[0])
            self.counts_threads = True
        if self.tier == "landlock":
            self.ruleset = kernel.landlock_ruleset(_without(readable, masked))

    def _enter_namespaces(self) -> None:
        every = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
        # The view has no /proc; what is needed of it later is reached through this.
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        if os.geteuid() == 0:
            # The interpreter may lie where only root looks; so the view is made as root.
            kernel.unshare(kernel.CLONE_NEWNS)
            view.build()
            become_nobody(None)
            uid, gid = os.geteuid(), os.getegid()
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | every)
            _map_identity(self.proc, uid, gid)
        else:
            uid, gid = os.geteuid(), os.getegid()
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | every)
            _map_identity(self.proc, uid, gid)
            view.build()
        # Since Linux 5.14 a user namespace counts its own processes, not all of its owner's.
        release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
        self.counts_threads = release >= (5, 14)

    def fork_keeper(self) -> int:
        """Fork the process that keeps one program's tests, in namespaces of its own."""
        if self.tier != "namespaces":
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            kernel.unshare(
                kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET
            )
            view.fresh_work_folder(WORK_FOLDER_MB)
        else:
            kernel.setns(self.own_space, kernel.CLONE_NEWPID)
        return pid

    def remember_space(self) -> None:
        """Keep hold of the own pid namespace, to come back to after each fork into a new one."""
        self.own_space = os.open("self/ns/pid", os.O_RDONLY, dir_fd=self.proc)
        os.close(self.proc)

    def lock(self, limits: dict, open_files: int) -> None:
        """Lock the calling process in for good, with its first few files; the program runs next."""
        if self.tier == "namespaces":
            kernel.unshare(kernel.CLONE_NEWUSER)
            kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        _limit(resource.RLIMIT_CPU, math.ceil(limits["cpu"]) + 1)
        _limit(resource.RLIMIT_AS, self.address_space(limits))
        _limit(resource.RLIMIT_FSIZE, limits["output"] + 1)
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
        _limit(resource.RLIMIT_CORE, 0)
        if self.counts_threads:
            _limit(resource.RLIMIT_NPROC, THREADS)
        if self.ruleset >= 0:
            kernel.landlock_enforce(self.ruleset)
        os.closerange(open_files, 1 << 16)
        if self.filter:
            own = os.getpid().to_bytes(4, sys.byteorder)
            some = _SOME_PID.to_bytes(4, sys.byteorder)
            kernel.install_filter(self.filter.replace(some, own))
        self.locked[0] = 1
        self.locked.close()

    def address_space(self, limits: dict) -> int:
        """Bytes of address space for a program with these limits."""
        pages = self.base_pages * resource.getpagesize()
        return pages + ((limits["memory"] + RESERVE_MB) << 20)


def _without(folders: list[str], masked: list[str]) -> list[str]:
    """Return paths that cover `folders` but for what is masked below them."""
    found = []
    for folder in folders:
        if not any(path.startswith(folder + "/") for path in masked):
            found.append(folder)
            continue
        with os.scandir(folder) as entries:
            below = sorted(entry.path for entry in entries if entry.path not in masked)
        found += _without(below, masked)
    return found


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def become_nobody(must_read: str | None) -> None:
    """Leave root for a user number that nothing else uses.

    Where the interpreter lies in root's home, the one capability to read it is kept; landlock
    then bounds what it reaches.
    """
    number = _FIRST_OWN_UID + os.getpid()
    kernel.drop_bounding_set()
    kernel.keep_capabilities()
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    readable = must_read is None or os.access(must_read, os.R_OK | os.X_OK)
    kernel.drop_capabilities(keep=0 if readable else kernel.CAP_DAC_READ_SEARCH)
    # Changing user hides /proc/self from ourselves until this is said.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _map_identity(proc: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def receive(line: socket.socket) -> tuple[dict | None, list[int]]:
    """Return the next message and the files that came with it; None at the end of the line."""
    data, files, _, _ = socket.recv_fds(line, _MAX_MESSAGE, 8)
    return (json.loads(data) if data else None), files


def send(line: socket.socket, message: dict) -> None:
    """Send a message to the caller."""
    line.send(json.dumps(message).encode())


def serve(line: socket.socket, jail: Jail) -> None:
    """Start a keeper for each program that comes, until the caller hangs up."""
    names = harness.contest_names()
    gc.collect()
    gc.freeze()
    gc.disable()
    send(line, {"ready": jail.tier, "seccomp": seccomp.supported()})
    while True:
        task, files = receive(line)
        if task is None:
            return
        try:
            pid = jail.fork_keeper()
        except OSError as error:
            send(line, {"error": f"no process for the program: {error}"})
            continue
        if pid == 0:
            status = 1
            try:
                keep(line, jail, task, files[0], names)
                status = 0
            finally:
                os._exit(status)
        os.close(files[0])
        _, status = os.waitpid(pid, 0)
        if status:
            with contextlib.suppress(BrokenPipeError):
                send(line, {"died": status})


def keep(line: socket.socket, jail: Jail, task: dict, source: int, names: dict) -> None:
    """Compile one program and run it on each test that the caller sends."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    most = math.ceil(task["cpu"]) + COMPILE_SECONDS
    _limit(resource.RLIMIT_CPU, most)
    _limit(resource.RLIMIT_AS, jail.address_space(task))
    with open(source, "rb") as file:
        text = file.read()
    try:
        code = compile(text, harness.FILE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        send(line, {"refused": f"{type(error).__name__}: {error}"[:500]})
        return
    del text
    send(line, {"compiled": True})
    if task["function"] is None:
        names = {}
    while True:
        test, files = receive(line)
        if test is None or "end" in test:
            return
        jail.locked[0] = 0
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _become_program(jail, task, files, code, names)
        for descriptor in files:
            os.close(descriptor)
        report = _watch(pid, task, begun)
        report["locked"] = jail.locked[0] == 1
        if jail.tier == "namespaces":
            view.clean_work_folder(WORK_FOLDER_MB)
        send(line, report)


def _become_program(jail: Jail, task: dict, files: list[int], code, names: dict) -> None:
    try:
        if jail.tier != "namespaces":
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setpgid(0, 0)
        # Received files have ascending numbers above 2, so none is overwritten before its turn.
        for place, descriptor in enumerate(files):
            os.dup2(descriptor, place)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        jail.lock(task, len(files))
        sys.modules["random"].seed(0)
        gc.enable()
    except BaseException as error:
        with contextlib.suppress(BaseException):
            os.write(2, f"judge: {type(error).__name__}: {error}\n".encode())
        os._exit(1)
    harness.run(code, names, task["function"])


def _watch(pid: int, task: dict, begun: float) -> dict:
    """Wait for the program's end, or end it: at its CPU limit, or when the wall limit is over."""
    clock = (~pid << 3) | 2  # the CPU-time clock of that process
    killed = None
    while True:
        now = time.monotonic() - begun
        try:
            used = time.clock_gettime(clock)
        except OSError:
            used = 0.0
        if used > task["cpu"]:
            killed = "cpu"
        elif now > task["wall"]:
            killed = "wall"
        if killed:
            _kill(pid)
            break
        # A thread cannot use more CPU than time passes, so looking earlier would tell nothing.
        rest = min(task["cpu"] - used, task["wall"] - now)
        if signal.sigtimedwait([signal.SIGCHLD], max(rest, 0.0) + 0.002) is not None:
            break
    _, status, usage = os.wait4(pid, 0)
    signal.sigtimedwait([signal.SIGCHLD], 0)
    _kill_group(pid)
    return {
        "status": status,
        "killed": killed,
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - begun,
        "peak": usage.ru_maxrss / 1024,
    }


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    """Where processes were allowed (no seccomp), end what the program has left in its group."""
    if not seccomp.supported():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def main(descriptor: int, tier: str) -> None:
    """Become the zygote; `descriptor` is the socket to the caller."""
    line = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100))
    os.close(descriptor)
    jail = Jail(tier)
    try:
        kernel.set_default_thread_stack(THREAD_STACK)
        with open("/proc/self/statm", encoding="ascii") as file:
            jail.base_pages = int(file.read().split()[0])
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        jail.enter()
    except Exception as error:
        send(line, {"error": f"{type(error).__name__}: {error}"})
        return
    if tier != "namespaces":
        serve(line, jail)
        return
    # The first process of the new pid namespace; when it ends, for whatever reason, all do.
    pid = os.fork()
    if pid:
        line.close()
        os.waitpid(pid, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    jail.remember_space()
    serve(line, jail)
