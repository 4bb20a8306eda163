"""Tests as LiveCodeBench packs them: base64 of zlib of a pickle of JSON; nothing in it is run."""

import base64
import io
import json
import pickle
import zlib

from valley.core.bad_rows import BadRow

LARGEST = 1 << 30  # bytes, unpacked


def livecodebench_tests(text: str, name: str = "tests") -> list:
    """Read packed tests, or plain JSON; BadRow, with the field's `name`, if they are neither."""
    try:
        return _listed(json.loads(text), name)
    except (ValueError, TypeError, RecursionError):
        pass
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), LARGEST)
        if unpacker.unconsumed_tail:
            raise BadRow(f"{name}: more than {LARGEST} bytes")
        value = PlainUnpickler(io.BytesIO(data)).load()
        return _listed(json.loads(value) if isinstance(value, str | bytes) else value, name)
    except BadRow:
        raise
    except Exception as error:
        # Whatever a hostile or cut text makes the unpacking raise, it is the row's fault.
        raise BadRow(f"{name}: neither JSON nor packed JSON: {error}"[:200]) from None


class PlainUnpickler(pickle.Unpickler):
    """Admits plain values only: whatever would import or call something is refused."""

    def find_class(self, module: str, name: str) -> None:
        """Refuse every name that a pickle asks for."""
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")

    def persistent_load(self, pid: object) -> None:
        """Refuse references out of the pickle."""
        raise pickle.UnpicklingError("a reference out of the pickle")


def _listed(value: object, name: str) -> list:
    if not isinstance(value, list):
        raise BadRow(f"{name}: a {type(value).__name__}, not a list")
    return value
