"""The system calls a judged program may make, as a seccomp filter.

A list of what is allowed, not of what is forbidden: a call that a later kernel brings is refused
until somebody adds it here. A refused call fails with EPERM, so that an honest program which tries
one (a socket, a second process) ends in an ordinary exception that its author can read.

No call that starts a process is allowed. That makes the limits simple and strict: memory and CPU
time of one process are the program's, nothing can outlive it, and there is no fork bomb.
"""

import struct
import sys

from valley.judging import kernel

# name:number on x86_64/number on aarch64
_PLAIN = """
    read:0/63 write:1/64 readv:19/65 writev:20/66 pread64:17/67 pwrite64:18/68 preadv:295/69
    pwritev:296/70 open:2/- openat:257/56 close:3/57 close_range:436/436 stat:4/- fstat:5/80
    lstat:6/- newfstatat:262/79 statx:332/291 statfs:137/43 fstatfs:138/44 lseek:8/62 mmap:9/222
    mprotect:10/226 munmap:11/215 mremap:25/216 brk:12/214 madvise:28/233 msync:26/227
    access:21/- faccessat:269/48 faccessat2:439/439 dup:32/23 dup2:33/- dup3:292/24 fcntl:72/25
    flock:73/32 fsync:74/82 fdatasync:75/83 ftruncate:77/46 getdents64:217/61 getcwd:79/17
    chdir:80/49 fchdir:81/50 readlink:89/- readlinkat:267/78 umask:95/166 pipe:22/- pipe2:293/59
    select:23/- pselect6:270/72 poll:7/- ppoll:271/73 epoll_create1:291/20 epoll_ctl:233/21
    epoll_wait:232/- epoll_pwait:281/22 eventfd2:290/19 sendto:44/206 recvfrom:45/207
    shutdown:48/210 getsockopt:55/209 getsockname:51/204 getpeername:52/205 rt_sigaction:13/134
    rt_sigprocmask:14/135 rt_sigreturn:15/139 rt_sigpending:127/136 rt_sigtimedwait:128/137
    rt_sigsuspend:130/133 sigaltstack:131/132 restart_syscall:219/128 pause:34/-
    nanosleep:35/101 clock_nanosleep:230/115 clock_gettime:228/113 clock_getres:229/114
    gettimeofday:96/169 time:201/- times:100/153 getitimer:36/102 setitimer:38/103 alarm:37/-
    getpid:39/172 gettid:186/178 getppid:110/173 getuid:102/174 geteuid:107/175 getgid:104/176
    getegid:108/177 getgroups:115/158 getpgrp:111/- getpgid:121/155 getsid:124/156
    getresuid:118/148 getresgid:120/150 uname:63/160 sysinfo:99/179 getrlimit:97/163
    setrlimit:160/164 getrusage:98/165 futex:202/98 set_robust_list:273/99
    get_robust_list:274/100 set_tid_address:218/96 rseq:334/293 arch_prctl:158/-
    membarrier:324/283 sched_yield:24/124 sched_getaffinity:204/123 getcpu:309/168
    getrandom:318/278 exit:60/93 exit_group:231/94
"""
_WRITING = """
    truncate:76/45 mkdir:83/- mkdirat:258/34 rmdir:84/- unlink:87/- unlinkat:263/35 rename:82/-
    renameat:264/38 renameat2:316/276 symlink:88/- symlinkat:266/36 chmod:90/- fchmod:91/52
    fchmodat:268/53 utimensat:280/88
"""

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ABOVE, _JUMP_ANY_BIT, _RETURN, _AND = (
    0x20,
    0x15,
    0x35,
    0x25,
    0x45,
    0x06,
    0x54,
)
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x00050000 | 1, 0x00050000 | 38
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_SPECIAL = {
    "ioctl": (16, 29),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socketpair": (53, 199),
    "wait4": (61, 260),
    "recvmsg": (47, 212),
}
_KEEPER = ("kill", "tkill", "tgkill", "wait4", "recvmsg")  # calls that only the keeper needs
_NEWEST_KNOWN = 460
_CLONE_THREAD = 0x10000
_CLONE_NEW_ANYTHING = 0x7E020080
# is it a terminal, window size, close-on-exec, bytes waiting, non-blocking
_IOCTLS = (0x5401, 0x5413, 0x5451, 0x5450, 0x541B, 0x5421)
# set and get the name, name an anonymous mapping (glibc does)
_PRCTLS = (15, 16, 0x53564D41)


def supported() -> bool:
    """Whether the call numbers of this machine's architecture are known here."""
    return kernel.machine() in _ARCHITECTURES


def build(own_pid_space: bool) -> tuple[bytes, bytes]:
    """Return two packed filters: the keeper's with its programs', and the programs' alone.

    The first is the long one and put in force once a program; the second, once a test, takes what
    only the keeper needs. With a pid space of its own a program may signal any process but the
    first, which leaves itself; otherwise just its own number. Without that there is no private
    file system either, and calls that change one are refused (landlock does not govern chmod, for
    one). Without knowledge of this machine's call numbers both are empty.
    """
    if not supported():
        return b"", b""
    token, column = _ARCHITECTURES[kernel.machine()]
    text = _PLAIN + (_WRITING if own_pid_space else "")
    allowed = {_SPECIAL[name][column] for name in _KEEPER}
    for entry in text.split():
        number = entry.split(":")[1].split("/")[column]
        if number != "-":
            allowed.add(int(number))
    start = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, token, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    long = [*start, *_rules(_rules_for_both(), column), *_search(_ranges(allowed))]
    short = [*start, *_rules(_rules_for_program(own_pid_space), column), _step(_RETURN, _ALLOW)]
    return b"".join(long), b"".join(short)


def _rules(rules: dict[str, list[bytes]], column: int) -> list[bytes]:
    code = []
    for name, block in rules.items():
        code += [_step(_JUMP_EQUAL, _SPECIAL[name][column], 0, len(block)), *block]
    return code


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _argument(index: int) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * index)


def _one_of(index: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow the call if the lower half of an argument is one of `values`."""
    tests = [
        _step(_JUMP_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)
    ]
    return [_argument(index), *tests, _step(_RETURN, _EPERM), _step(_RETURN, _ALLOW)]


def _rules_for_both() -> dict[str, list[bytes]]:
    # Unix, stream: what asyncio wakes itself with; a datagram one could reach other sockets.
    local_streams = [
        _argument(0),
        _step(_JUMP_EQUAL, 1, 0, 4),
        _argument(1),
        _step(_AND, 0xF),
        _step(_JUMP_EQUAL, 1, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _EPERM),
    ]
    no_namespaces = [
        _argument(0),
        _step(_JUMP_ANY_BIT, _CLONE_NEW_ANYTHING, 0, 1),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return {
        "ioctl": _one_of(1, _IOCTLS),
        "prctl": _one_of(0, (*_PRCTLS, kernel.PR_SET_PDEATHSIG, kernel.PR_SET_SECCOMP)),
        "prlimit64": _one_of(0, (0,)),
        "clone": no_namespaces,
        # glibc then falls back to clone, whose flags a filter can see.
        "clone3": [_step(_RETURN, _ENOSYS)],
        "socketpair": local_streams,
    }


def _rules_for_program(own_pid_space: bool) -> dict[str, list[bytes]]:
    own = int.from_bytes(kernel.OWN_PID, sys.byteorder)
    first, last = (2, 0x7FFFFFFF) if own_pid_space else (own, own)
    itself = [
        _argument(0),
        _step(_JUMP_AT_LEAST, first, 0, 1),
        _step(_JUMP_ABOVE, last, 0, 1),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    threads_only = [
        _argument(0),
        _step(_JUMP_ANY_BIT, _CLONE_THREAD, 1, 0),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    refused = [_step(_RETURN, _EPERM)]
    rules = {"clone": threads_only, "prctl": _one_of(0, _PRCTLS)}
    rules |= {name: itself for name in ("kill", "tkill", "tgkill")}
    return rules | {name: refused for name in ("wait4", "recvmsg")}


def _ranges(numbers: set[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _search(ranges: list[tuple[int, int]]) -> list[bytes]:
    """A binary search: the kernel runs the filter once for every call number at installation."""
    if len(ranges) == 1:
        low, high = ranges[0]
        return [
            _step(_JUMP_AT_LEAST, low, 0, 2),
            _step(_JUMP_ABOVE, high, 1, 0),
            _step(_RETURN, _ALLOW),
            _step(_JUMP_ABOVE, _NEWEST_KNOWN, 1, 0),
            _step(_RETURN, _EPERM),
            _step(_RETURN, _ENOSYS),
        ]
    middle = len(ranges) // 2
    left, right = _search(ranges[:middle]), _search(ranges[middle:])
    if len(left) > 255:
        return [
            _step(_JUMP_AT_LEAST, ranges[middle][0], 0, 1),
            struct.pack("=HBBI", 0x05, 0, 0, len(left)),
            *left,
            *right,
        ]
    return [_step(_JUMP_AT_LEAST, ranges[middle][0], len(left), 0), *left, *right]
