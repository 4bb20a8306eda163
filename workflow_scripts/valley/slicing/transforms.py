"""The transforms that come along: each rewrites one row's response.

Each has the name that the study file has for it, and returns a row's new response; None leaves the
row out. Its arguments are the row, the row's own random generator, the option of the study file,
the separator of steps, and the row of another answer for those that take from one. A share is
taken from the front of an order that does not depend on it, so that what a smaller share changes, a
larger one changes too.

Which of them a job runs is looked up by name, so that its digest covers this one alone.
"""

import re

from valley.judging.answers import extract_program
from valley.slicing.steps import CLOSE, OPEN, Trace

# Words by which a reasoning turns back on itself, as studies of reflection list them.
REFLECTION = (
    "wait",
    "hmm",
    "alternatively",
    "actually",
    "however",
    "let me check",
    "let me verify",
    "double-check",
    "on second thought",
    "but wait",
    "hold on",
    "no, wait",
    "wait, no",
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w])")
_PIECE = re.compile(r"\w+|[^\w\s]")


def unchanged(row, _chance, _option, _separator, _donor) -> str:
    """Leave the response as it is."""
    return row["response"]


def shuffle_steps(row, chance, _option, separator, _donor) -> str:
    """Put the steps into another order, any other being as likely; one with one step stays."""
    trace = Trace.parsed(row["response"])
    steps = trace.steps(separator)
    mixed = list(steps)
    while len(set(steps)) > 1 and mixed == steps:
        chance.shuffle(mixed)
    return str(trace.with_steps(mixed, separator))


def delete_steps(row, chance, share, separator, _donor) -> str:
    """Take a share of the steps away, rounded."""
    trace = Trace.parsed(row["response"])
    steps = trace.steps(separator)
    gone = set(chance.sample(range(len(steps)), len(steps))[: _part(share, len(steps))])
    kept = [step for at, step in enumerate(steps) if at not in gone]
    return str(trace.with_steps(kept, separator))


def insert_steps(row, chance, share, separator, donor) -> str:
    """Put steps of another problem's trace between the own ones: a share of these, rounded."""
    trace = Trace.parsed(row["response"])
    steps, others = trace.steps(separator), Trace.parsed(donor["response"]).steps(separator)
    for _ in range(_part(share, len(steps)) if others else 0):
        foreign = others[chance.randrange(len(others))]
        steps.insert(chance.randint(0, len(steps)), foreign)
    return str(trace.with_steps(steps, separator))


def corrupt_numbers(row, chance, share, _separator, _donor) -> str:
    """Replace each whole number of the reasoning, with this probability, by another as long."""

    def other(found: re.Match) -> str:
        chosen, text = chance.random() < share, found.group()
        new = text
        while new == text:
            digits = [chance.choice("123456789" if len(text) > 1 else "0123456789")]
            digits += [chance.choice("0123456789") for _ in text[1:]]
            new = "".join(digits)
        return new if chosen else text

    trace = Trace.parsed(row["response"])
    return str(_with_reasoning(trace, _NUMBER.sub(other, trace.reasoning)))


def remove_reflection(row, _chance, words, _separator, _donor) -> str:
    """Take words of reflection out of the reasoning, each with the mark that follows it."""
    trace = Trace.parsed(row["response"])
    longest_first = sorted(words or REFLECTION, key=lambda word: (-len(word), word))
    listed = "|".join(map(re.escape, longest_first))
    text = re.sub(rf"(?<!\w)(?:{listed})(?!\w)[,.:;!?…]*[ \t]*", "", trace.reasoning, flags=re.I)
    return str(_with_reasoning(trace, text))


def remove_reasoning(row, _chance, _option, _separator, _donor) -> str:
    """Keep what follows the reasoning: the program."""
    return Trace.parsed(row["response"]).rest.lstrip()


def wrong_program(row, _chance, _way, _separator, donor) -> str | None:
    """Keep the reasoning and put another answer's program in place of the own one."""
    trace = Trace.parsed(row["response"])
    other = donor and extract_program(donor["response"])
    own = extract_program(row["response"])
    if not other or not own or other.strip() == own.strip():
        return None
    if own not in trace.rest:
        return f"{trace.before}{OPEN}{trace.reasoning}{CLOSE}\n```python\n{other.strip()}\n```\n"
    before, _, after = trace.rest.rpartition(own)
    return f"{trace.before}{OPEN}{trace.reasoning}{CLOSE}{before}{other}{after}"


def truncate(row, _chance, share, _separator, _donor) -> str:
    """Keep the first share of the reasoning's words and marks, and all that follows it."""
    trace = Trace.parsed(row["response"])
    pieces = list(_PIECE.finditer(trace.reasoning))
    kept = _part(share, len(pieces))
    end = pieces[kept - 1].end() if kept else 0
    trail = re.search(r"\s*\Z", trace.reasoning).group()
    return str(_with_reasoning(trace, trace.reasoning[:end] + trail))


def think_tags(row, _chance, tags, _separator, _donor) -> str:
    """Write other tags around the reasoning."""
    trace = Trace.parsed(row["response"])
    opening, closing = tags
    return f"{trace.before}{opening}{trace.reasoning}{closing}{trace.rest}"


def _part(share: float, of: int) -> int:
    return int(share * of + 0.5)


def _with_reasoning(trace: Trace, reasoning: str) -> Trace:
    return Trace(trace.before, reasoning, trace.rest)
