"""Prove the statistics on simulated studies and on published figures; write markdown tables.

It needs PYTHONPATH=workflow_scripts, which `make` sets.

Run: python tests/bench/bench_stats.py --studies 2000 --out docs/statistics.md
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from stats_claims import bootstrap_levels, ceilings, equality, paired, small, words
from stats_curves import ahead, coverage, false_alarms, lent, worlds
from stats_published import alike, known, paper_power, published

ROOT = Path(__file__).resolve().parents[2]
MARKER = "<!-- from here on written by tests/bench/bench_stats.py -->"
SECTION = "<!-- section: {} -->"

# Section and the share of --studies that it runs (their cost differs by a factor of forty).
SECTIONS = {
    "worlds": (worlds, 0.15),
    "lent": (lent, 0.15),
    "coverage": (coverage, 1.0),
    "false_alarms": (false_alarms, 1.0),
    "ahead": (ahead, 0.5),
    "paired": (paired, 1.0),
    "words": (words, 0.25),
    "small": (small, 0.25),
    "equality": (equality, 0.15),
    "ceilings": (ceilings, 0.15),
    "published": (published, 1.0),
    "alike": (alike, 0.01),
    "paper_power": (paper_power, 0.15),
    "bootstrap_levels": (bootstrap_levels, 0.5),
    "known": (known, 1.0),
}


def commit() -> str:
    """Return the commit that the code is at, marked where files of the code differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", "workflow_scripts", "tests"
    )
    return git("rev-parse", "--short=10", "HEAD") + (" with changes" if changed else "")


def merged(text: str, made: dict[str, str]) -> str:
    """Return a page with the tables of some sections replaced; all else in it stays.

    Args:
        text: the page; what people wrote stands above MARKER.
        made: section to its tables.
    """
    above, _, below = text.partition(MARKER)
    pieces = re.split(re.escape(SECTION).replace(r"\{\}", r"(\w+)"), below)
    known_ = dict(zip(pieces[1::2], pieces[2::2], strict=True)) | made
    tables = [
        f"{SECTION.format(name)}\n\n{known_[name].strip()}\n" for name in SECTIONS if name in known_
    ]
    return above + MARKER + "\n\n" + "\n".join(tables)


def main() -> None:
    """Run the sections asked for and print (or write) their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", choices=SECTIONS, nargs="*", default=list(SECTIONS))
    parser.add_argument("--out", type=Path, help="page whose tables of these sections are replaced")
    options = parser.parse_args()
    at = commit()
    for name in options.only:
        section, weight = SECTIONS[name]
        begun = time.monotonic()
        made = section(max(int(options.studies * weight), 8)).rstrip()
        made += f"\n\nMade at commit {at}.\n"
        print(made, flush=True)
        print(f"[{name}: {time.monotonic() - begun:.0f} s]", file=sys.stderr, flush=True)
        if options.out:  # after each section: a run that is stopped keeps what it has
            text = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
            options.out.write_text(merged(text, {name: made}), encoding="utf-8")


if __name__ == "__main__":
    main()
