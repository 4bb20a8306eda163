"""What became of a corpus, as a page for people."""

from pathlib import Path

from valley.corpora.cleaning import DROPPED

TEMPLATE = Path(__file__).with_name("page.html.j2")


def render(summary: dict, declared: list[dict] | None = None) -> str:
    """Return the page for a pool's summary, and the slices that the study declares."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    lists = ("sources", "closest_to_benchmarks", "unmapped_difficulties", "paired")
    filled = {**{name: {} for name in (*lists, "problems_by_slice", "teachers")}, **summary}
    return template.render(pool=filled, steps=DROPPED, declared=declared or [])
