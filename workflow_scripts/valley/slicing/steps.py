"""A trace's parts: its reasoning with the steps in it, and what follows."""

import re
from dataclasses import dataclass, replace

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Trace:
    """A response in three parts, separated by its tags.

    Attributes:
        before: what stands before the opening tag, mostly nothing.
        reasoning: between the tags.
        rest: what follows the closing tag: the program, and words around it.
    """

    before: str
    reasoning: str
    rest: str

    @classmethod
    def parsed(cls, response: str) -> "Trace":
        """Return a response's parts.

        Raises:
            ValueError: it has not just one pair of think tags.
        """
        if response.count(OPEN) != 1 or response.count(CLOSE) != 1:
            raise ValueError(
                f"has not just one pair of {OPEN} and {CLOSE}; apply think-tags and "
                "remove-reasoning last"
            )
        before, _, inside = response.partition(OPEN)
        reasoning, _, rest = inside.partition(CLOSE)
        return cls(before, reasoning, rest)

    def __str__(self) -> str:
        return f"{self.before}{OPEN}{self.reasoning}{CLOSE}{self.rest}"

    def steps(self, separator: str) -> list[str]:
        """Return the steps of the reasoning: the texts between separators, blank ones left out."""
        return [step for step in self.reasoning.strip().split(separator) if step.strip()]

    def with_steps(self, steps: list[str], separator: str) -> "Trace":
        """Return the trace with other steps; blank space around the reasoning stays."""
        lead = re.match(r"\s*", self.reasoning).group()
        trail = "" if lead == self.reasoning else re.search(r"\s*\Z", self.reasoning).group()
        return replace(self, reasoning=lead + separator.join(steps) + trail)


def count(response: str, separator: str) -> int:
    """Return how many steps the reasoning of a response has; 0 where it has none."""
    try:
        return len(Trace.parsed(response).steps(separator))
    except ValueError:
        return 0
