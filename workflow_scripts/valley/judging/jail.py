"""The isolation that a zygote's programs get: made ready once, then locked behind each of them."""

import _signal as signal  # the bare module: a lean zygote is what makes forking it cheap
import contextlib
import fcntl
import math
import os
import resource

from valley.judging import kernel, view

# Address space beyond the memory limit: stacks and arenas that are reserved but never used. What
# is really used is measured, and held against the limit, by the caller.
RESERVE_MB = 512
THREAD_STACK = 8 << 20
THREADS = 64
OPEN_FILES = 64
COMPILE_SECONDS = 10
WORK_FOLDER_MB = 16
_FIRST_OWN_UID = 200_000


class Jail:
    """One tier's measures. `filters` are the seccomp filters, packed; empty where there are none.

    The first filter is the keeper's and all its programs'; the second, short one is put on a
    program's own process and takes what only the keeper needs: to fork, to wait, to talk.
    """

    def __init__(self, tier: str, filters: tuple[bytes, bytes], packages: str = "") -> None:
        self.tier = tier
        # The folder that holds them, as programs see it from `enter` on.
        self.packages = packages
        self._filters = [kernel.Filter(packed) if packed else None for packed in filters]
        self._ruleset = -1
        self._proc = -1
        self._own_space = -1
        self._input = -1
        self._base_pages = 0
        self._counts_threads = False
        # The program's process rings once it is locked in; if it does not, the fault is ours.
        self._bell = out_of_the_way(os.eventfd(0, os.EFD_NONBLOCK))

    def enter(self) -> None:
        """Give up, for good, what the zygote itself does not need."""
        kernel.set_default_thread_stack(THREAD_STACK)
        if self.tier == "namespaces":
            self._enter_namespaces()
        else:
            self._enter_without_namespaces()
        # Not before: each change of user or capabilities above takes it off again.
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)

    def _enter_without_namespaces(self) -> None:
        folders, masked = view.interpreter_folders(), view.masked_folders()
        os.chdir("/")
        if os.geteuid() == 0:
            self._counts_threads = become_nobody(*folders, *[self.packages] * bool(self.packages))
        if self.tier == "landlock":
            readable = [*view.without(folders, masked), *view.FILES]
            readable += [self.packages] * bool(self.packages)
            self._ruleset = out_of_the_way(kernel.landlock_ruleset(readable))

    def _enter_namespaces(self) -> None:
        every = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS
        every |= kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
        # The view has no /proc; what is needed of it later is reached through this.
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        as_root = os.geteuid() == 0
        if as_root:
            # The interpreter may lie where only root looks; so the view is made as root.
            try:
                kernel.unshare(kernel.CLONE_NEWNS)
            except PermissionError:
                as_root = False  # root in name only, in a container
            else:
                view.build(self.packages)
                become_nobody()
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(every)
        _map_identity(self._proc, uid, gid)
        if not as_root:
            view.build(self.packages)
        if self.packages:
            self.packages = view.PACKAGES
        # Since Linux 5.14 a user namespace counts its own processes, not all of its owner's.
        release = os.uname().release.split("-")[0].split(".")
        self._counts_threads = (int(release[0]), int(release[1])) >= (5, 14)

    def remember_size(self) -> None:
        """Note the zygote's own address space, which its programs' limits do not count."""
        folder = self._proc if self._proc >= 0 else os.open("/proc", os.O_PATH)
        with open(os.open("self/statm", os.O_RDONLY, dir_fd=folder), encoding="ascii") as file:
            self._base_pages = int(file.read().split()[0])
        if folder != self._proc:
            os.close(folder)

    def remember_space(self) -> None:
        """Keep hold of the own pid namespace, to come back to after each fork into a new one."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        own = os.open("self/ns/pid", os.O_RDONLY, dir_fd=self._proc)
        self._own_space = out_of_the_way(own)
        os.close(self._proc)

    def fork_keeper(self, shows_input: bool = False) -> int:
        """Fork the process that keeps one program's tests, in namespaces of its own.

        They are fresh for each program but for the network's, which is empty and the zygote's:
        making one costs as much as a test, and no program can make a socket in it. With
        `shows_input` its programs find their input as /dev/stdin, too.
        """
        if self.tier != "namespaces":
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)
            if shows_input:
                self._input = out_of_the_way(view.show_input())
            view.make_work_folder(WORK_FOLDER_MB)
        else:
            kernel.setns(self._own_space, kernel.CLONE_NEWPID)
        return pid

    def lock_keeper(self, limits: dict) -> None:
        """Lock the calling keeper in, and by inheritance the programs that it will fork."""
        if self.tier == "namespaces":
            kernel.unshare(kernel.CLONE_NEWUSER)
            kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        # A keeper and its program have one user; this bars every way into its memory.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        _limit(resource.RLIMIT_CPU, math.ceil(limits["cpu"]) + COMPILE_SECONDS)
        _limit(resource.RLIMIT_AS, self._address_space(limits))
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
        _limit(resource.RLIMIT_CORE, 0)
        if self._counts_threads:
            _limit(resource.RLIMIT_NPROC, THREADS)
        if self._ruleset >= 0:
            kernel.landlock_enforce(self._ruleset)
            os.close(self._ruleset)
        if self._own_space >= 0:
            os.close(self._own_space)
        if self._filters[0] is not None:
            self._filters[0].install()

    def lock_program(self, limits: dict, open_files: int) -> None:
        """Lock the calling process in for good, with its first few files; the program runs next."""
        _limit(resource.RLIMIT_CPU, math.ceil(limits["cpu"]) + 1)
        _limit(resource.RLIMIT_FSIZE, limits["output"] + 1)
        if self.tier != "namespaces":
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._filters[1] is not None:
            self._filters[1].install(os.getpid())
        else:
            os.setpgid(0, 0)
        os.eventfd_write(self._bell, 1)
        os.closerange(open_files, 1 << 16)

    def show_input(self, source: int) -> None:
        """Make a test's input what its program finds at /dev/stdin, where it looks there."""
        if self._input < 0:
            return
        os.ftruncate(self._input, 0)
        offset = 0
        while part := os.pread(source, 1 << 20, offset):
            offset += os.pwrite(self._input, part, offset)

    def was_locked(self) -> bool:
        """Whether the program's process got as far as running the program."""
        try:
            return os.eventfd_read(self._bell) == 1
        except BlockingIOError:
            return False

    def end_stragglers(self, pid: int) -> None:
        """Where the program may have forked (no filter), end what it has left behind."""
        if self._filters[1] is not None:
            return
        # In a pid space of its own the keeper is the first process, and all others are its prey.
        everyone = -1 if self.tier == "namespaces" else -pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(everyone, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while self.tier == "namespaces":
                os.waitpid(-1, 0)

    def _address_space(self, limits: dict) -> int:
        pages = self._base_pages * resource.getpagesize()
        return pages + ((limits["memory"] + RESERVE_MB) << 20)


def become_nobody(*must_read: str) -> bool:
    """Leave root for a user number that nothing else uses, if this root has one to give.

    Where what `must_read` names (the interpreter, say) lies in root's home, the one capability to
    read it is kept; landlock then bounds what it reaches. The root of a container without other
    users stays what it is, and only loses its capabilities.
    """
    number = _FIRST_OWN_UID + os.getpid()
    kernel.keep_capabilities()
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
        changed = True
    except OSError:
        changed = False
    if not changed and not must_read:
        # A user namespace comes next and takes them; to be mapped there, 0 needs them until then.
        return False
    readable = all(os.access(path, os.R_OK | os.X_OK) for path in must_read)
    kernel.drop_capabilities(keep=0 if readable else kernel.CAP_DAC_READ_SEARCH)
    # Changing user hides /proc/self from ourselves until this is said.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    return changed


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


def out_of_the_way(descriptor: int) -> int:
    """Move a descriptor above the numbers that a program's own files get."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(descriptor)
    return moved


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
