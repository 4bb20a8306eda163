"""How programs are found, run and judged: `judge` of the study file."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class JudgeOptions:
    """How programs are judged; the fields are the schema's keys, and its defaults.

    Attributes:
        isolation: what programs are isolated by; see `valley.judging.isolation`.
        untrusted: "keep", or "leave_out": answers to problems that are marked as not to be trusted
            are left out, and scores and fits know nothing of these problems.
        extraction: whose way of finding the program counts, "robust" or "published" (the
            benchmark's own).
        reasoning: marks of reasoning beside those known, by the user's names for model families.
        packages: that programs may import; see `valley.judging.packages`.
        max_judge_errors: largest share (0 to 1) of an arm's answers that the judge could not judge.
    """

    isolation: str = "auto"
    untrusted: str = "keep"
    extraction: str = "robust"
    reasoning: dict[str, dict] = field(default_factory=dict)
    packages: list[str] | str = field(default_factory=list)
    max_judge_errors: float = 0.02
