"""What became of a corpus, as a page for people."""

from pathlib import Path

from valley.corpora.cleaning import DROPPED


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
    return templates.get_template("page.html.j2").render(pool=filled, steps=DROPPED)
