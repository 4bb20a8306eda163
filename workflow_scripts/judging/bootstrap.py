"""The zygote's first lines: a stack limit that takes hold only at exec, then the zygote itself."""

import os
import resource
import sys

_STACK = 1 << 30


def widen_stack() -> None:
    """Raise the stack limit as far as is allowed; the next exec lays out memory by it."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def fix_addresses() -> None:
    """Switch off address randomisation, so that what depends on addresses repeats."""
    import ctypes

    no_randomisation = 0x0040000
    ctypes.CDLL(None).personality(no_randomisation)


def main() -> None:
    """Run as `python -c … folder descriptor stage`, first to prepare, then for good."""
    folder, descriptor, stage = sys.argv[1:]
    if stage == "prepare":
        widen_stack()
        fix_addresses()
        os.execv(sys.executable, [sys.executable, *command(folder, descriptor, "serve")])
    from judging import zygote

    zygote.main(int(descriptor))


def command(folder: str, descriptor: str, stage: str = "prepare") -> list[str]:
    """Return the interpreter's arguments that start a zygote from this folder's modules."""
    # Named, not spelt: so the digest of the judge's code covers all that `main` reaches.
    start = main.__name__
    code = (
        f"import sys; sys.path.append(sys.argv[1]); from judging import bootstrap as b; b.{start}()"
    )
    return ["-s", "-S", "-B", "-P", "-W", "ignore", "-c", code, folder, descriptor, stage]
