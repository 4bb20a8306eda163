"""Finding the program in a model's answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from valley.judging.defining import parsed, rank
from valley.judging.fences import Block, is_neutral, is_python, split
from valley.judging.reasoning import REASONING, Marks, after_reasoning, table
from valley.judging.unfenced import bare_program, in_json

_END = ("<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end|>", "<|return|>", "</s>")


def extract_program(
    text: str | None, asked: str | None = None, families: Mapping[str, Marks] = REASONING
) -> str | None:
    """Return the program in an answer; None if there is none.

    Only what follows the reasoning counts: an answer cut inside it has no program. Of the fenced
    blocks in Python, or without a language, the last that does what is asked is taken; if none
    does, the last in Python, else the last without a language. Without such a block the program is
    what stands between other marks, in a JSON field, or the longest stretch of lines of code.

    Args:
        text: the answer, what its prompt opened included (`valley.judging.reasoning.opened_by`).
        asked: name of the function or class asked for; "" for a program that reads its input; None
            where nothing is known of the problem. `asked_of` tells it of a problem's row.
        families: by which marks reasoning is set off.
    """
    if not text:
        return None
    answer = after_reasoning(_even(text), families)
    if answer is None:
        return None
    answer = _without_end(answer)
    blocks, outside = split(answer)
    found = _chosen(blocks, asked)
    if found is None and any(not is_neutral(block.label) for block in blocks):
        objects = [in_json(block.code) for block in blocks]
        return next((code for code in reversed(objects) if code), None)
    if found is None:
        if not answer.strip():
            return None
        bare = bare_program(outside if blocks else answer, asked)
        return bare if not blocks or (bare and parsed(bare)) else None
    if asked is not None and not rank(found, asked):
        # The program may stand before a block that is only its output.
        bare = in_json(found) or bare_program(outside, asked)
        if bare is not None and rank(bare, asked):
            return bare
    return found


@dataclass(frozen=True)
class Extraction:
    """How a study finds programs.

    Attributes:
        counts: "robust" or "published", whose verdict counts.
        form: of the benchmark's files, None for one that was made here.
        families: by which marks reasoning is set off.
    """

    counts: str = "robust"
    form: str | None = None
    families: Mapping[str, Marks] = field(default_factory=lambda: REASONING)

    @classmethod
    def of(
        cls, extraction: str = "robust", form: str | None = None, reasoning: Mapping | None = None
    ) -> "Extraction":
        """Return what a study file's `judge` says, on a benchmark whose files have a form."""
        return cls(extraction, form, table(reasoning))

    @classmethod
    def in_study(cls, study, benchmark: str) -> "Extraction":
        """Return what a study (`valley.core.study`) says on one of its benchmarks."""
        said = study.config["judge"]
        form = study.sources.get(benchmark, {}).get("format")
        return cls.of(said["extraction"], form, said["reasoning"])

    @property
    def other(self) -> str:
        """The extraction whose verdict does not count."""
        return "robust" if self.counts == "published" else "published"

    def both(self, text: str | None, problem: Mapping | None) -> tuple[str | None, str | None]:
        """Return the program that counts, and the one that the other extraction finds."""
        robust = extract_program(text, asked_of(problem), self.families)
        published = published_program(text, self.form, robust)
        return (published, robust) if self.counts == "published" else (robust, published)

    def program(self, text: str | None, problem: Mapping | None) -> str | None:
        """Return the program that counts."""
        return self.both(text, problem)[0]


def asked_of(problem: Mapping | None) -> str | None:
    """Return what a problem's row asks for, as `extract_program` takes it."""
    return None if problem is None else problem.get("function_name") or ""


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return (label in lower case, code) of each fenced block of a text."""
    return [(block.label, block.code) for block in split(_even(text))[0]]


def _last_fence(text: str) -> str | None:
    """Return the lines between the last two that hold a fence, as LiveCodeBench does."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        return None
    code = "\n".join(lines[fences[-2] + 1 : fences[-1]])
    return code if code.strip() else None


# By the form of a benchmark's files: how its publishers find the program, where that differs.
PUBLISHED: dict[str, Callable[[str], str | None]] = {"livecodebench": _last_fence}


def published_program(text: str | None, form: str | None, robust: str | None) -> str | None:
    """Return the program that a benchmark's publishers would find in an answer.

    Args:
        text: the answer.
        form: of the benchmark's files; one that has no extraction of its own has the robust one.
        robust: what `extract_program` finds. It is returned where the two differ in nothing but
            blank space around them, so that one program is not judged twice.
    """
    if form not in PUBLISHED:
        return robust
    found = PUBLISHED[form](_even(text or ""))
    return robust if (found or "").strip() == (robust or "").strip() else found


def _even(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _without_end(answer: str) -> str:
    """Return an answer without the tokens that end a turn, where decoding has left them."""
    bare = answer.rstrip()
    while bare.endswith(_END):
        bare = bare.removesuffix(next(mark for mark in _END if bare.endswith(mark))).rstrip()
        answer = bare
    return answer


def _chosen(blocks: list[Block], asked: str | None) -> str | None:
    known = [
        block
        for block in blocks
        if block.code.strip() and (is_python(block.label) or is_neutral(block.label))
    ]
    ranks = [rank(block.code, asked, is_python(block.label)) for block in known]
    best = max(ranks, default=0)
    if best:
        fit = [block for block, how in zip(known, ranks, strict=True) if how == best]
        whole = [block for block in fit if block.closed or parsed(block.code)]
        return (whole or fit)[-1].code
    known = [block for block in known if not _is_session(block.code)] or known
    python = [block for block in known if is_python(block.label)]
    return (python or known)[-1].code if known else None


def _is_session(code: str) -> bool:
    return code.lstrip().startswith(">>> ")
