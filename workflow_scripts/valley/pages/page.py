"""A self-contained page: template, style and script in one file, and no other active content.

Whatever comes from a model, a corpus or a study file is text. The template escapes it; example
answers lie in a JSON block that the page's one script shows as text; and a content security policy
lets nothing but that script run and nothing be fetched, should an escape ever be missing.
"""

import base64
import hashlib
import json
from pathlib import Path

from valley.core.text import duration

NONE = "\u2013"
TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **context) -> str:
    """Return a page made from a template and what it shows."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "count": count, "seconds": seconds, "hours": hours}
    return environment.get_template(template).render(
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'",
        **context,
    )


def data_block(value: object):
    """Return a value as JSON that is safe inside a script element, with any text in it."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def download(text: str, kind: str = "text/csv") -> str:
    """Return a file's text as an address that a link can offer for download."""
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


def share(value: float | None) -> str:
    """Return a share as the tables show it."""
    # Adding zero takes the sign off a rounded -0.000.
    return NONE if value is None else f"{round(value, 3) + 0.0:.3f}"


def count(value: float | None) -> str:
    """Return a count with thousands set off."""
    return NONE if value is None else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Return a time as people say it, a dash where there is none."""
    return NONE if value is None else duration(value)


def hours(value: float | None) -> str:
    """Return hours with as many digits as mean something."""
    return NONE if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
