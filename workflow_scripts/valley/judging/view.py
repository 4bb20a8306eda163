"""What a judged program sees of the file system: the interpreter, read-only, and nothing else."""

import os
import sys

from valley.judging import kernel

# A loader cache, and the devices that programs may expect; each only if the machine has it.
FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
# Data that the standard library looks up on the machine: time zones, locales.
DATA = ("/usr/share/zoneinfo", "/usr/lib/locale")
_WORK = "/tmp"
PACKAGES = "/packages"  # where programs find the packages that they may import


def interpreter_folders() -> list[str]:
    """Return the folders that hold the standard library and the shared libraries in use.

    The libraries are found where this very process has loaded them from, so that any layout
    (a distribution's, conda's, pyenv's, a module system's) is met.
    """
    found = {os.path.dirname(os.path.realpath(os.__file__))}
    for path in sys.path:
        if path and os.path.isdir(path) and "site-packages" not in path:
            found.add(os.path.realpath(path))
    found |= {path for path in DATA if os.path.isdir(path)}
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if ".so" in path:
                found.add(os.path.dirname(os.path.realpath("/" + path)))
    # The names that extension modules' own dependencies are looked up under.
    folders = []
    for path in sorted(found):
        if path != "/" and not any(path.startswith(above + "/") for above in folders):
            folders.append(path)
    return folders


def masked_folders() -> list[str]:
    """Return the folders of installed packages below the interpreter's: not the program's."""
    above = {os.path.dirname(os.path.realpath(os.__file__)), *interpreter_folders()}
    names = ("site-packages", "dist-packages")
    found = (os.path.join(folder, name) for folder in sorted(above) for name in names)
    return [path for path in found if os.path.isdir(path)]


def without(folders: list[str], masked: list[str]) -> list[str]:
    """Return paths that cover `folders` but for what is masked below them."""
    found = []
    for folder in folders:
        if not any(path.startswith(folder + "/") for path in masked):
            found.append(folder)
            continue
        with os.scandir(folder) as entries:
            below = sorted(entry.path for entry in entries if entry.path not in masked)
        found += without(below, masked)
    return found


def build(packages: str) -> None:
    """Make a new root that holds only the interpreter; needs a mount namespace of one's own.

    `packages` is a folder to be seen at PACKAGES; empty for none.
    """
    folders, masked = interpreter_folders(), masked_folders()
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    base = "/tmp"
    kernel.mount("tmpfs", base, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m")
    os.mkdir(f"{base}/old")
    kernel.pivot_root(base, f"{base}/old")
    os.chdir("/")
    # Only now is what lay below /tmp before to be seen again, under /old.
    shown = [(path, path) for path in folders] + [(packages, PACKAGES)] * bool(packages)
    for source, path in shown:
        os.makedirs(path, exist_ok=True)
        kernel.mount(f"/old{source}", path, None, kernel.MS_BIND | kernel.MS_REC)
        kernel.make_read_only(path)
    for path in FILES:
        if os.path.exists(f"/old{path}"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            kernel.mount(f"/old{path}", path, None, kernel.MS_BIND)
    for path in masked:
        kernel.mount("tmpfs", path, "tmpfs", kernel.MS_RDONLY | kernel.MS_NOSUID, "size=4k")
    for path in ("/lib", "/lib64", "/usr/lib", "/usr/lib64"):
        # On merged systems these are links that the loader's default paths go through.
        if os.path.islink(f"/old{path}") and not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(os.readlink(f"/old{path}"), path)
    os.makedirs(_WORK, exist_ok=True)
    kernel.unmount("/old")
    os.rmdir("/old")
    kernel.mount(None, "/", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)


def show_input() -> int:
    """Put a file /dev/stdin beside the devices; return the one descriptor that can write to it.

    A link to /proc is what it is elsewhere; programs have no /proc.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOATIME
    kernel.mount("tmpfs", _WORK, "tmpfs", flags, "mode=755")
    for name in os.listdir("/dev"):
        os.close(os.open(f"{_WORK}/{name}", os.O_CREAT | os.O_WRONLY, 0o644))
        kernel.mount(f"/dev/{name}", f"{_WORK}/{name}", None, kernel.MS_BIND)
    descriptor = os.open(f"{_WORK}/stdin", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o444)
    # Written through the first mount, seen through a second one that is read-only.
    kernel.mount(_WORK, "/dev", None, kernel.MS_BIND | kernel.MS_REC)
    kernel.mount(None, "/dev", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags)
    return descriptor


def make_work_folder(size_mb: int) -> None:
    """Mount an empty, small /tmp and make it the working folder."""
    options = f"mode=777,size={size_mb}m,nr_inodes=4096"
    kernel.mount("tmpfs", _WORK, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    os.chdir(_WORK)


def work_folder_used() -> bool:
    """Whether anything is in the working folder, or may be: its mode can hide it."""
    try:
        return bool(os.listdir(_WORK))
    except PermissionError:
        return True
