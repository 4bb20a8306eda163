"""Seeds: every random draw has one, derived from named parts, never from position or time."""

import hashlib


def derive(*parts: object) -> int:
    """Return a 63-bit seed from the parts' text; other parts give an independent stream."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
