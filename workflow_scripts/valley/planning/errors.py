"""How the subcommands on a study's DAG end when it can't be built, or what is asked can't be."""

import sys
from collections.abc import Callable
from functools import wraps


class PlanError(RuntimeError):
    """Snakemake can't build the study's DAG, or draw it; the message says why."""


def one_line_errors(run: Callable) -> Callable:
    """Make a subcommand print such an error without a traceback, and return 2."""

    @wraps(run)
    def wrapped(options) -> int:
        try:
            return run(options)
        except (OSError, ValueError, PlanError) as error:
            print(f"{options.study}: {error}", file=sys.stderr)
            return 2

    return wrapped
