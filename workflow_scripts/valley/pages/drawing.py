"""Figures inside the page: the drawn SVG, in the page's colours, with its hints."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
KEPT = {"svg", "g", "defs", "path", "use", "clipPath", "rect", "title", "text", "tspan", "circle"}
KEPT |= {"line", "polygon", "polyline", "image"}
# The figures' few colours (valley.analysis.style) as variables of the page: light and dark alike.
COLOURS = {
    "#ffffff": "var(--paper)",
    "#000000": "var(--ink)",
    "#1a1a1a": "var(--ink)",
    "#8c8c8c": "var(--grey)",
    "#d9d9d9": "var(--band)",
    "#0072b2": "var(--blue)",
    "#e69f00": "var(--orange)",
    "#d55e00": "var(--red)",
    "#009e73": "var(--green)",
    "#56b4e9": "var(--sky)",
}
FONT = re.compile(r"\b(font|font-family):\s*([^;]*)")


def inline(
    svg: str, prefix: str, label: str, anchor_of: Callable[[str], str | None] | None = None
) -> str:
    """Return a figure as an element of the page: nothing but shapes and text is taken over.

    Args:
        svg: the drawn file.
        prefix: goes before its ids, which must be the page's only ones.
        label: what it shows, for those who can't see it.
        anchor_of: from the arms that a mark shows to the anchor of their answers.
    """
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    root = ET.fromstring(svg)
    _clean(root, prefix, anchor_of or (lambda arms: None))
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "group")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _clean(node: ET.Element, prefix: str, anchor_of: Callable[[str], str | None]) -> None:
    for child in list(node):
        name = child.tag.removeprefix(SVG) if isinstance(child.tag, str) else ""
        if name in KEPT:
            _clean(child, prefix, anchor_of)
        else:
            node.remove(child)
    for key, value in list(node.attrib.items()):
        if key == LINK:
            del node.attrib[key]
            if value.startswith("#"):
                node.set("href", f"#{prefix}{value[1:]}")
            elif value.startswith("data:image/png;base64,"):
                node.set("href", value)
        elif key.lower().startswith("on") or (key == "href" and not value.startswith("#")):
            del node.attrib[key]
        elif key == "id":
            if value.startswith("hint-"):
                _hint(node, anchor_of)
            node.set("id", f"{prefix}{value}")
        elif key == "clip-path":
            node.set(key, value.replace("url(#", f"url(#{prefix}"))
        elif key == "style":
            node.set(key, _style(value))
    if node.get("class") == "hint":
        title = node.find(f"{SVG}title")
        if title is not None:
            node.set("aria-label", title.text or "")


def _hint(node: ET.Element, anchor_of: Callable[[str], str | None]) -> None:
    """Make a mark focusable, with a label, and a link to its arms' answers in the page."""
    node.set("class", "hint")
    anchor = anchor_of(node.attrib.pop("data-arms", ""))
    if anchor:
        node.tag = f"{SVG}a"
        node.set("href", anchor)
    else:
        node.set("tabindex", "0")
        node.set("role", "img")


def _style(value: str) -> str:
    value = re.sub(r"#[0-9a-f]{6}\b", lambda m: COLOURS.get(m.group(), m.group()), value)
    return FONT.sub(_font, value)


def _font(found: re.Match) -> str:
    """Return the font with the page's own family."""
    if found.group(1) == "font-family":
        return "font-family: inherit"
    size = re.search(r"[\d.]+px", found.group(2))
    weight = "bold " if re.search(r"\b(bold|700)\b", found.group(2)) else ""
    return f"font: {weight}{size.group() if size else '7px'} var(--sans)"
