"""The zygote's first lines: a stack limit that takes hold only at exec, then the zygote itself."""

import contextlib
import os
import resource
import sys


def widen_stack(megabytes: int) -> None:
    """Raise the stack limit as far as is allowed; the next exec lays out memory by it."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = megabytes << 20
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def fix_addresses() -> None:
    """Switch off address randomisation, so that what depends on addresses repeats."""
    import ctypes

    no_randomisation = 0x0040000
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).personality(no_randomisation)


def main() -> None:
    """Run as `python -c … folder descriptor tier stage`, first to prepare, then for good."""
    folder, descriptor, tier, stage = sys.argv[1:]
    if stage == "prepare":
        widen_stack(1024)
        fix_addresses()
        os.execv(sys.executable, [sys.executable, *command(folder, descriptor, tier, "serve")])
    from judging import zygote

    # The programs' interpreter must not find the project's own modules.
    sys.path.remove(folder)
    for name in [name for name in sys.modules if name.split(".")[0] == "judging"]:
        del sys.modules[name]
    sys.argv = [""]
    zygote.main(int(descriptor), tier)


def command(folder: str, descriptor: str, tier: str, stage: str = "prepare") -> list[str]:
    """Return the interpreter's arguments that start a zygote from this folder's modules."""
    code = "import sys; sys.path.append(sys.argv[1]); from judging import bootstrap as b; b.main()"
    return ["-s", "-S", "-B", "-P", "-W", "ignore", "-c", code, folder, descriptor, tier, stage]
