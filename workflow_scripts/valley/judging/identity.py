"""What a verdict depends on, as the key it is remembered by."""

import functools
import hashlib
import os
import platform
import sys

from valley.core.closure import code_digest
from valley.core.files import digest
from valley.judging.verdicts import Options


@functools.cache
def judge_version() -> str:
    """Return a digest of the code that a verdict depends on, blind to how it is documented."""
    return digest(
        [
            code_digest("valley.judging.trial", "judge_program"),
            code_digest("valley.judging.problems", "read_problem"),
        ]
    )


@functools.cache
def interpreter() -> str:
    """Return the interpreter that programs run on: its kind, version and build."""
    return " ".join((platform.python_implementation(), *platform.python_build(), sys.version))


@functools.cache
def machine_type() -> str:
    """Return the kind of processor: programs that took too long on one need not on another."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    model = line.partition(":")[2].strip()
                    break
    except OSError:
        pass
    return f"{model} x{os.cpu_count()}"


def circumstances(tier: str, options: Options) -> str:
    """Return a digest of all that matters beside the program and its problem."""
    return digest([judge_version(), interpreter(), tier, vars(options)])


def key(around: str, problem: str, program: str) -> bytes:
    """Return the key of a program's verdict; `around` and `problem` are digests."""
    text = program.encode("utf-8", "surrogatepass")
    return hashlib.sha256(f"{around}{problem}".encode() + text).digest()


def machine_key(plain: bytes) -> bytes:
    """Return the key for a verdict that holds on this type of machine only."""
    return hashlib.sha256(plain + machine_type().encode()).digest()
