"""One hostile program, and two ways to write one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A hostile program and its verdict; `landlock` only where that tier's is another."""

    name: str
    program: str
    verdict: str
    landlock: str | None = None
    function: bool = False


def attempt(body: str, errors: str = "(OSError, ValueError)") -> str:
    """A program that prints LEAK if `body` runs to its end, and `safe` if it is stopped."""
    indented = "\n".join("    " + line for line in body.strip().split("\n"))
    return f"try:\n{indented}\n    print('LEAK')\nexcept {errors}:\n    print('safe')\n"


def refused_calls(body: str) -> str:
    """A program that makes C calls in a list `results`, all of which have to fail."""
    return (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        + body.strip()
        + "\nprint('safe' if all(r == -1 for r in results) else 'LEAK %s' % results)\n"
    )
