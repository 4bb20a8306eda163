"""How the subcommands on a study's DAG end when it can't be built, or what is asked can't be."""

import sys
from collections.abc import Callable
from functools import wraps


class Unplanned(RuntimeError):
    """Snakemake can't build the study's DAG, or draw it; the message says why."""


def in_a_line(run: Callable) -> Callable:
    """Have a subcommand tell such an error without a traceback, and return 2."""

    @wraps(run)
    def told(options) -> int:
        try:
            return run(options)
        except (OSError, ValueError, Unplanned) as error:
            print(f"{options.study}: {error}", file=sys.stderr)
            return 2

    return told
