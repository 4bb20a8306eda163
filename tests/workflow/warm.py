"""Snakemake's dry-runs, each in a fork of a process that has imported Snakemake, and no more.

A process of its own takes more time for its imports than for a plan. The parent of the forks has
loaded nothing of the project: each dry-run reads the Snakefile and all code that it is given anew.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


def snakemake(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run Snakemake in a folder, with the environment of this process.

    Args:
        arguments: of the command line.
        folder: the working directory.

    Returns:
        The exit status, and what was printed: standard output before standard error.
    """
    with tempfile.TemporaryDirectory() as printed:
        streams = [os.path.join(printed, name) for name in ("stdout", "stderr")]
        asked = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(os.environ),
            "streams": streams,
        }
        server = _server()
        try:
            server.stdin.write(json.dumps(asked) + "\n")
            server.stdin.flush()
            status = int(server.stdout.readline())
        except BaseException:  # a test's time is over: no later one may read this answer
            server.kill()
            _server.cache_clear()
            raise
        return status, "".join(Path(name).read_text(encoding="utf-8") for name in streams)


@cache
def _server() -> subprocess.Popen:
    """Start the process that forks; it ends when its input does, with this process."""
    command = [sys.executable, "-P", __file__]  # P: nothing that lies beside this file is found
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def serve() -> None:
    """Fork for every line of standard input, wait for the fork, and print its exit status."""
    import snakemake.cli

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
            return snakemake.cli.main()  # which exits
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], streams: list[str]
) -> None:
    """Let this process be as one that was started in a folder, with an environment."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]
    sources = [os.open(os.devnull, os.O_RDONLY)]
    sources += [os.open(stream, os.O_WRONLY | os.O_CREAT) for stream in streams]
    for number, source in enumerate(sources):
        os.dup2(source, number)
        os.close(source)


if __name__ == "__main__":
    serve()
