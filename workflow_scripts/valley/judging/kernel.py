"""The few Linux calls that Python's `os` does not offer, through ctypes.

This module is imported by the zygote, whose memory every judged program starts from: it holds no
state worth stealing and imports nothing but the standard library.
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_RELATIME = 0x200000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CAP_DAC_READ_SEARCH = 1 << 2
FIXED_ADDRESSES = 0x0040000
# Stands in a filter for the number of the process that it will be put on.
OWN_PID = (0x5EA151DE).to_bytes(4, sys.byteorder)

# Both architectures took the same numbers for these newer calls; pivot_root is older.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR_NOSUID = 0x2
_MOUNT_ATTR_NODEV = 0x4

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """Return the architecture's kernel name, e.g. `x86_64`."""
    return os.uname().machine


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def unshare(flags: int) -> None:
    """Move this process (or its later children, for a pid namespace) into new namespaces."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """Join the namespace that an open /proc/…/ns file stands for."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    """Mount, remount or bind, as mount(2)."""
    done = _libc.mount(
        _bytes(source),
        _bytes(target),
        _bytes(kind),
        ctypes.c_ulong(flags),
        _bytes(options),
    )
    _checked(done, f"mount({source} on {target})")


def unmount(target: str) -> None:
    """Detach a mount at once, even if something still uses it."""
    _checked(_libc.umount2(_bytes(target), MNT_DETACH), f"umount({target})")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root of this mount namespace."""
    number = _PIVOT_ROOT.get(machine())
    if number is None:
        raise OSError(f"pivot_root: its number on {machine()} is not known")
    done = _libc.syscall(_long(number), _bytes(new_root), _bytes(put_old))
    _checked(done, f"pivot_root({new_root})")


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def make_read_only(target: str) -> None:
    """Make a mount and all below it read-only, without set-user-id or (but for /dev) devices."""
    wanted = _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID
    attributes = _MountAttributes(attr_set=wanted)
    done = _libc.syscall(
        _long(_MOUNT_SETATTR),
        ctypes.c_int(-100),
        _bytes(target),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    if done == 0:
        return
    # Before Linux 5.12 a remount is the way; the flags that are locked must be said again.
    locked = 0
    found = os.statvfs(target).f_flag
    for theirs, ours in (
        (os.ST_NODEV, MS_NODEV),
        (os.ST_NOEXEC, MS_NOEXEC),
        (os.ST_NOATIME, MS_NOATIME),
        (os.ST_NODIRATIME, MS_NODIRATIME),
        (os.ST_RELATIME, MS_RELATIME),
    ):
        if found & theirs:
            locked |= ours
    mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | locked)


def set_personality(flags: int) -> int:
    """Set how programs that this thread starts are laid out; return what it was before."""
    return _libc.personality(ctypes.c_ulong(flags))


def prctl(option: int, argument: int) -> None:
    """Call prctl(2) with one number."""
    done = _libc.prctl(option, ctypes.c_ulong(argument), _long(0), _long(0), _long(0))
    _checked(done, f"prctl({option})")


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Filter:
    """A seccomp filter (packed BPF instructions), made ahead and put in force later."""

    def __init__(self, instructions: bytes) -> None:
        self._instructions = instructions
        self._made = self._arguments(instructions)

    def _arguments(self, instructions: bytes) -> tuple:
        program = _FilterProgram(len(instructions) // 8, instructions)
        return PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(program), 0, 0

    def install(self, own_pid: int | None = None) -> None:
        """Put it on this thread, for good; needs no_new_privs."""
        arguments = self._made
        if own_pid is not None and OWN_PID in self._instructions:
            number = own_pid.to_bytes(4, sys.byteorder)
            arguments = self._arguments(self._instructions.replace(OWN_PID, number))
        _checked(_libc.prctl(*arguments), "seccomp")


def keep_capabilities() -> None:
    """Let the next change of user leave the capabilities permitted."""
    prctl(PR_SET_KEEPCAPS, 1)


def drop_capabilities(keep: int = 0) -> None:
    """Empty the capability sets of this process, but for those whose bits are in `keep`."""
    # Effective, permitted and inheritable, for the lower and the upper half of the bits.
    _capability_sets[:] = (keep, keep, 0, 0, 0, 0)
    _checked(_libc.capset(_capability_header, _capability_sets), "capset")


# Made here, once: each keeper would have to make them anew.
_capability_header = (ctypes.c_uint32 * 2)(0x20080522, 0)
_capability_sets = (ctypes.c_uint32 * 6)()


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathAttributes(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_version() -> int:
    """Return the kernel's landlock ABI version; 0 where there is none."""
    found = _libc.syscall(
        _long(_LANDLOCK_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(1)
    )
    return max(0, found)


def landlock_ruleset(readable: list[str]) -> int:
    """Return a descriptor of a ruleset that allows reading below `readable` and nothing else.

    Only file access is governed in the first version; later kernels add renaming, truncation,
    device ioctls, TCP, and signals and abstract sockets that leave the ruleset's domain.
    """
    version = landlock_version()
    if not version:
        raise OSError("landlock: this kernel has none, or it is switched off")
    files = (1 << 13) - 1
    files |= (1 << 13) if version >= 2 else 0
    files |= (1 << 14) if version >= 3 else 0
    files |= (1 << 15) if version >= 5 else 0
    attributes = _RulesetAttributes(
        fs=files, net=0b11 if version >= 4 else 0, scoped=0b11 if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(
        _libc.syscall(
            _long(_LANDLOCK_CREATE_RULESET),
            ctypes.byref(attributes),
            ctypes.c_size_t(size),
            ctypes.c_uint(0),
        ),
        "landlock_create_ruleset",
    )
    read_file, read_dir = 1 << 2, 1 << 3
    for path in readable:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            allowed = read_file | (read_dir if os.path.isdir(path) else 0)
            rule = _PathAttributes(allowed=allowed, parent=descriptor)
            done = _libc.syscall(
                _long(_LANDLOCK_ADD_RULE),
                ctypes.c_int(ruleset),
                ctypes.c_int(1),
                ctypes.byref(rule),
                ctypes.c_uint(0),
            )
            _checked(done, f"landlock_add_rule({path})")
        finally:
            os.close(descriptor)
    return ruleset


def landlock_enforce(ruleset: int) -> None:
    """Restrict this thread, and all it starts, to a ruleset; needs no_new_privs."""
    done = _libc.syscall(_long(_LANDLOCK_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint(0))
    _checked(done, "landlock_restrict_self")


def set_default_thread_stack(size: int) -> None:
    """Give threads that ask for no stack size this one, whatever the stack limit says."""
    setter = getattr(_libc, "pthread_setattr_default_np", None)
    if setter is None:
        return
    attributes = ctypes.create_string_buffer(128)
    if _libc.pthread_attr_init(attributes) == 0:
        _libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(size))
        setter(attributes)
        _libc.pthread_attr_destroy(attributes)
