"""Starting a zygote: what its process must inherit, and its first lines."""

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from valley.judging import kernel

_STACK = 1 << 30
_lock = threading.Lock()


@contextmanager
def inherited() -> Iterator[None]:
    """Set, while a zygote is started, what takes hold at exec only; then set it back.

    The stack limit, by which the kernel lays out memory: deep recursion needs room below the
    stack. And no random addresses, so that what depends on them repeats. Both are harmless for
    the threads of this process, which have their stacks already.
    """
    with _lock:
        soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
        wanted = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        before = kernel.set_personality(kernel.FIXED_ADDRESSES)
        try:
            yield
        finally:
            kernel.set_personality(before)
            resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def command(folder: str, descriptor: int) -> list[str]:
    """Return the interpreter's arguments that start a zygote from this folder's modules."""
    # Named, not spelt: so the digest of the judge's code covers all that it reaches.
    start = zygote_main().__name__
    code = "import sys; sys.path.append(sys.argv[1]); from valley.judging import zygote; "
    code += f"zygote.{start}()"
    return ["-s", "-S", "-B", "-P", "-W", "ignore", "-c", code, folder, str(descriptor)]


def zygote_main() -> Callable[[], None]:
    """Return the function that a zygote's process runs."""
    from valley.judging import zygote

    return zygote.main
