"""What the tables of bench_stats.py have in common: truths, shares with their error, marks."""

from collections import Counter

import numpy as np
from valley.analysis.resample import wilson
from valley.analysis.simulate import Design, valley_truth
from valley.analysis.trials import Truth
from valley.analysis.trials_claims import STATUSES

MINI = Design()
BAND = (0.93, 0.97)
SEED = 2026


def valley_with(**settings):
    return lambda sizes: valley_truth(sizes, **settings)


VALLEYS = (
    Truth("valley", valley_with()),
    Truth("deep valley, flat bottom", valley_with(bottom=0.02, first=4, at=60, rise=0.07)),
    Truth("shallow valley", valley_with(base=0.3, bottom=0.2, rise=0.06)),
)
MONOTONE = (
    Truth("flat", lambda n: np.full(np.shape(n), 0.3)),
    Truth("rising", lambda n: 0.2 + 0.05 * np.log1p(n / 50)),
    Truth("falling", lambda n: 0.4 - 0.03 * np.log1p(n / 30)),
    Truth("step up at once", lambda n: np.where(n == 0, 0.2, 0.3)),
    Truth("step down at once", lambda n: np.where(n == 0, 0.3, 0.2)),
)


def table(head: list[str], rows: list[list]) -> str:
    """Return a markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def share(hits: list) -> str:
    """Return a share with its Monte Carlo interval, in per cent."""
    low, high = wilson(float(np.mean(hits)), len(hits))
    return f"{100 * np.mean(hits):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def mark(hits: list, low: float = BAND[0], high: float = BAND[1]) -> str:
    """Return the share, marked where its Monte Carlo interval lies outside the band."""
    bounds = wilson(float(np.mean(hits)), len(hits))
    word = " UNDER" if bounds[1] < low else (" OVER" if bounds[0] > high else "")
    return share(hits) + word


def alarm(hits: list) -> str:
    """Return a false-alarm rate, marked where it is surely above 5 %."""
    return mark(hits, 0.0, 0.05)


def statuses(counts: Counter) -> list[str]:
    """Return the share of each status, in per cent."""
    total = sum(counts.values())
    return [f"{100 * counts[key] / total:.1f}" for key in STATUSES]
