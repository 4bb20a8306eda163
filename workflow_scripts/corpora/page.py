"""What became of a corpus, as a page for people."""

from pathlib import Path

STEPS = {
    "repeated_id": "an id that an earlier trace has",
    "contaminated": "on a benchmark's problem",
    "malformed": "not one pair of think tags at the beginning",
    "no_program": "no program in the answer",
    "language": "a program in another language",
    "too_long": "too long",
    "duplicate": "the same question and answer as an earlier trace",
    "near_duplicate": "nearly the same answer as an earlier trace",
}


def render(summary: dict) -> str:
    """Return the page for a pool's summary."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lists = ("sources", "closest_to_benchmarks", "unmapped_difficulties", "paired")
    filled = {**{name: {} for name in (*lists, "problems_by_slice", "teachers")}, **summary}
    return templates.get_template("page.html.j2").render(pool=filled, steps=STEPS)
